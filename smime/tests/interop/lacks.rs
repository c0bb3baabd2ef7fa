//! What is known not to work, and whose lack it is: `lacks.txt`.

use crate::cell::Cell;

/// One line: which cells, whose lack, what must be in the reason, and an explanation for the reader of the page.
pub(crate) struct Lack {
    peer: String,
    key: String,
    operation: String,
    reading: String,
    /// `peer` or `wafer`.
    pub(crate) whose: String,
    contains: String,
    pub(crate) explanation: String,
}

/// The table.
pub(crate) struct Lacks(Vec<Lack>);

impl Lacks {
    /// Reads `lacks.txt`; its head says how it is written.
    pub(crate) fn read() -> Self {
        let lines =
            include_str!("lacks.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(Lack::parse).collect())
    }

    /// Fails unless exactly the cells in the table do not work. `peer` is the one that was tried; empty: all.
    pub(crate) fn judge(&self, cells: &[Cell], peer: &str) {
        let mut faults = Vec::new();
        for cell in cells {
            let name = cell.name();
            match (&cell.outcome, self.of(cell)) {
                (Ok(()), None) => {}
                (Ok(()), Some(_)) => faults.push(format!("{name}: works by now; take it out of lacks.txt")),
                (Err(reason), Some(lack)) if reason.contains(&lack.contains) => {}
                (Err(reason), _) => faults.push(format!("{name}: {reason}")),
            }
        }
        let idle = self.0.iter().filter(|lack| peer.is_empty() || lack.peer == peer);
        let idle = idle.filter(|lack| !cells.iter().any(|cell| lack.is_of(cell)));
        faults.extend(idle.map(|lack| format!("no cell for: {}", lack.explanation)));
        assert!(faults.is_empty(), "the matrix is another than lacks.txt has it:\n{}", faults.join("\n"));
    }

    /// The line for a cell.
    pub(crate) fn of(&self, cell: &Cell) -> Option<&Lack> {
        self.0.iter().find(|lack| lack.is_of(cell))
    }

    /// Its number, for a footnote.
    pub(crate) fn number(&self, cell: &Cell) -> Option<usize> {
        self.0.iter().position(|lack| lack.is_of(cell))
    }

    /// All lines.
    pub(crate) fn all(&self) -> &[Lack] {
        &self.0
    }
}

impl Lack {
    fn parse(line: &str) -> Self {
        let fields: Vec<String> = line.split('|').map(|field| field.trim().to_owned()).collect();
        let fields: [String; 7] = fields.try_into().expect("seven fields");
        let [peer, key, operation, reading, whose, contains, explanation] = fields;
        assert!(["peer", "wafer"].contains(&whose.as_str()), "{line}");
        Self { peer, key, operation, reading, whose, contains, explanation }
    }

    fn is_of(&self, cell: &Cell) -> bool {
        let fits = |pattern: &str, name: &str| {
            pattern.split_whitespace().any(|one| one == "*" || one == name || name.starts_with(one))
        };
        self.peer == cell.peer
            && fits(&self.key, &format!("{:?}", cell.key))
            && fits(&self.operation, cell.operation.name())
            && fits(&self.reading, cell.reading.name())
    }
}

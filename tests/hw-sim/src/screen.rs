//! A small terminal: what a person sees of the bytes that a curses program writes.

/// A screen of fixed size with a cursor. Knows what ncurses sends to an `xterm`.
#[derive(Debug)]
pub(crate) struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    state: State,
    text: Vec<u8>,
    opened: usize,
    /// A pinentry that was killed leaves without a word, so that this is no difference of two counts.
    open: bool,
    last: String,
    /// The terminal draws lines instead of letters now (DEC's alternative character set).
    graphics: bool,
    /// The dialog's last corner is drawn.
    complete: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Text,
    Escape,
    Charset,
    Sequence(Vec<u8>),
}

impl Screen {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self {
            lines: vec![vec![' '; columns]; rows],
            row: 0,
            column: 0,
            state: State::Text,
            text: Vec::new(),
            opened: 0,
            open: false,
            last: String::new(),
            graphics: false,
            complete: false,
        }
    }

    /// How many dialogs have opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// Whether a dialog is on the screen.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether a dialog is on the screen with its whole frame.
    pub(crate) fn is_drawn(&self) -> bool {
        self.is_open() && self.complete
    }

    /// What stands on the screen, without frames and runs of spaces, in one line.
    pub(crate) fn words(&self) -> String {
        let all: String = self.lines.iter().map(|line| line.iter().collect::<String>() + " ").collect();
        let framed = |character: char| ('\u{2500}'..='\u{257f}').contains(&character);
        all.split(|character: char| character.is_whitespace() || framed(character))
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What stood on the screen when the last dialog closed.
    pub(crate) fn last(&self) -> &str {
        &self.last
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        match &mut self.state {
            // Whoever wrote the sequence that this one interrupts was killed.
            State::Sequence(_) | State::Charset if byte == 0x1b => self.state = State::Escape,
            State::Text => self.plain(byte),
            State::Charset => {
                self.graphics = byte == b'0';
                self.state = State::Text;
            }
            State::Escape => {
                self.state = match byte {
                    b'[' => State::Sequence(Vec::new()),
                    b'(' => State::Charset,
                    _ => State::Text,
                }
            }
            State::Sequence(parameters) if (0x40..0x7f).contains(&byte) => {
                let parameters = String::from_utf8_lossy(parameters).into_owned();
                self.state = State::Text;
                self.control(byte, &parameters);
            }
            State::Sequence(parameters) => parameters.push(byte),
        }
    }

    fn plain(&mut self, byte: u8) {
        match byte {
            0x1b => self.state = State::Escape,
            b'\r' => self.column = 0,
            b'\n' => self.row = (self.row + 1).min(self.lines.len() - 1),
            8 => self.column = self.column.saturating_sub(1),
            0..32 => {}
            _ => {
                self.text.push(byte);
                // A character of several bytes is put down when its last byte is there.
                if let Ok(text) = std::str::from_utf8(&self.text) {
                    let character = text.chars().next().unwrap_or(' ');
                    self.text.clear();
                    self.put(character);
                } else if self.text.len() >= 4 {
                    self.text.clear();
                }
            }
        }
    }

    fn put(&mut self, character: char) {
        let character = match character {
            'j' if self.graphics => '\u{2518}',
            'a'..='z' if self.graphics => '\u{2500}',
            character => character,
        };
        self.complete |= character == '\u{2518}';
        if let Some(place) = self.lines[self.row].get_mut(self.column) {
            *place = character;
        }
        self.column += 1;
    }

    fn control(&mut self, last: u8, parameters: &str) {
        let mut numbers = parameters.split(';').map(|number| number.parse::<usize>().unwrap_or(0));
        let (first, second) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let (count, width, height) = (first.max(1), self.lines[0].len(), self.lines.len());
        match last {
            b'H' => {
                self.row = count.min(height) - 1;
                self.column = second.max(1).min(width) - 1;
            }
            b'G' => self.column = count.min(width) - 1,
            b'd' => self.row = count.min(height) - 1,
            b'A' => self.row = self.row.saturating_sub(count),
            b'B' => self.row = (self.row + count).min(height - 1),
            b'C' => self.column += count,
            b'D' => self.column = self.column.saturating_sub(count),
            b'X' => self.blank(self.row, self.column, self.column + count),
            b'b' => {
                let again = self.lines[self.row].get(self.column.wrapping_sub(1)).copied().unwrap_or(' ');
                (0..count).for_each(|_| self.put(again));
            }
            b'K' if first == 1 => self.blank(self.row, 0, self.column + 1),
            b'K' => self.blank(self.row, self.column, width),
            b'J' => {
                self.blank(self.row, if first == 2 { 0 } else { self.column }, width);
                let from = if first == 2 { 0 } else { self.row + 1 };
                (from..height).for_each(|row| self.blank(row, 0, width));
            }
            b'h' if parameters == "?1049" => {
                self.opened += 1;
                self.open = true;
                self.complete = false;
            }
            b'l' if parameters == "?1049" => {
                self.open = false;
                self.last = self.words();
                (0..height).for_each(|row| self.blank(row, 0, width));
            }
            _ => {}
        }
    }

    fn blank(&mut self, row: usize, from: usize, to: usize) {
        let line = &mut self.lines[row];
        let (from, to) = (from.min(line.len()), to.min(line.len()));
        line[from..to].fill(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_killed_in_the_middle_hides_no_later_dialog() {
        let mut screen = Screen::new(30, 100);
        screen.feed(b"\x1b[?1049h\x1b[12;26");
        screen.feed(b"\x1b[?1049h\x1b(0j\x1b(B");
        assert!(screen.is_drawn());
        assert_eq!(screen.opened(), 2);
        screen.feed(b"\x1b[?1049l");
        assert!(!screen.is_open());
        screen.feed(b"\x1b[?1049l\x1b[?1049h\x1b(0j\x1b(B");
        assert!(screen.is_drawn());
    }

    #[test]
    fn a_dialog_is_read_as_a_person_reads_it() {
        let mut screen = Screen::new(30, 100);
        screen.feed(b"\x1b[?1049h\x1b[H\x1b[2J\x1b[12;26H\x1b(0\x1b[0mlqk\x1b(B");
        screen.feed("\x1b[13;26H│ Hello\x1b[13;74H│".as_bytes());
        screen.feed(b"\x1b[16;26H PIN: ____\x1b[33G\x1b[18;26H<OK>\x1b[18;62H<Cancel>");
        assert!(screen.is_open());
        assert_eq!(screen.words(), "Hello PIN: ____ <OK> <Cancel>");
        assert!(!screen.is_drawn());
        screen.feed(b"\x1b[19;26H\x1b(0mqqj\x1b(B");
        assert!(screen.is_drawn());
        screen.feed(b"\x1b[30;1H\x1b[?1049l");
        assert!(!screen.is_open());
        assert_eq!((screen.opened(), screen.words().as_str()), (1, ""));
        assert_eq!(screen.last(), "Hello PIN: ____ <OK> <Cancel>");
    }
}

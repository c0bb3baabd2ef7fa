//! What the tables of vectors share: where they lie, and how a row is put to the validator.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "part of several tests, of which none uses all of it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use waferd::trust::revocation::Mode;
use waferd::trust::{Evidence, Finding, PathValidator, PolicyInputs, Purpose, Question, Validator};

/// The folder `name` of the vectors; without `WAFER_VECTORS` the test says so, and under CI fails.
pub fn folder(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WAFER_VECTORS").map(|folder| PathBuf::from(folder).join(name));
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WAFER_VECTORS must name the folder of the vectors");
        println!("skipped: WAFER_VECTORS does not name the folder of the vectors");
    }
    folder
}

/// `seconds` since 1970.
pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The bytes of `file` in `folder`.
pub fn read(folder: &Path, file: &str) -> Vec<u8> {
    fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The certificates in a file of DER or PEM.
pub fn certificates(bytes: &[u8]) -> Vec<Vec<u8>> {
    waferd::trust::files::certificates_in(bytes)
}

/// One row: is this certificate valid?
pub struct Row {
    pub roots: Vec<Vec<u8>>,
    pub certificate: Vec<u8>,
    pub others: Vec<Vec<u8>>,
    /// `None`: revocation is not asked about. Else it must be known.
    pub crls: Option<Vec<Vec<u8>>>,
    pub at: SystemTime,
    pub purpose: Purpose,
    pub inputs: PolicyInputs,
}

impl Row {
    pub fn new(roots: Vec<Vec<u8>>, certificate: Vec<u8>, others: Vec<Vec<u8>>, at: SystemTime) -> Self {
        let (crls, purpose, inputs) = (None, Purpose::Any, PolicyInputs::default());
        Self { roots, certificate, others, crls, at, purpose, inputs }
    }

    pub fn examine(&self) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        for (number, root) in self.roots.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.der")), root).unwrap();
        }
        let validator = Validator::new(vec![folder.path().to_owned()])
            .with_inputs(self.inputs.clone())
            .with_revocation(Mode::Hard, None);
        let revocation = self.crls.as_ref().map(|crls| Evidence { crls, responses: &[], deadline: None });
        validator.examine(&Question {
            certificate: &self.certificate,
            others: &self.others,
            at: self.at,
            purpose: self.purpose,
            revocation,
        })
    }
}

/// Rows that were run, and those that came out otherwise than expected.
#[derive(Default)]
pub struct Tally {
    seen: usize,
    wrong: Vec<String>,
    excused: Vec<String>,
}

impl Tally {
    /// Notes a row. One in `exceptions` must differ: if it no longer does, that is a failure too.
    pub fn note(&mut self, id: &str, expected: bool, found: &Finding, exceptions: &[(&str, &str)]) {
        let trusted = found.trust == waferd::trust::Trust::Trusted;
        self.note_outcome(id, expected, trusted, &format!("{:?}", found.trust), exceptions);
    }

    /// As [`Tally::note`], of an outcome that is no [`Finding`].
    pub fn note_outcome(
        &mut self,
        id: &str,
        expected: bool,
        found: bool,
        detail: &str,
        exceptions: &[(&str, &str)],
    ) {
        self.seen += 1;
        let excused = exceptions.iter().any(|(row, _)| *row == id);
        if excused {
            self.excused.push(id.to_owned());
        }
        if (expected == found) == excused {
            self.wrong.push(format!("{id}: expected {expected}, got {found}: {detail}"));
        }
    }

    /// Fails unless exactly `rows` were run, all as expected, and every exception was met.
    pub fn finish(self, rows: usize, exceptions: &[(&str, &str)]) {
        let unmet: Vec<_> =
            exceptions.iter().filter(|(row, _)| !self.excused.iter().any(|met| met == row)).collect();
        assert!(self.wrong.is_empty(), "{} of {}:\n{}", self.wrong.len(), self.seen, self.wrong.join("\n"));
        assert!(unmet.is_empty(), "exceptions for rows that were not run: {unmet:?}");
        assert_eq!(self.seen, rows, "rows that were run");
    }
}

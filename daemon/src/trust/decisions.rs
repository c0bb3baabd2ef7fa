//! What the person decided about certificates by hand: trust this one, distrust that one. Every decision stays in
//! the file, with who asked for it and when, and can be revoked.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use der::pem::{LineEnding, encode_string};
use serde::{Deserialize, Serialize};

use super::anchors::{Anchors, Fingerprint, Origin, fingerprint};
use super::certificate::Certificate;
use super::files::certificates_in;
use crate::data::Journal;

/// What the file is, in its first line.
const KIND: &str = "trust";
const VERSION: u32 = 1;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The certificate is a root, or, if it is a person's, trusted itself.
    Trust,
    /// No path may lead through it. Stronger than every root.
    Distrust,
    /// What was decided before does not hold any more.
    Revoke,
}

impl Choice {
    /// The word of the D-Bus contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Distrust => "distrust",
            Self::Revoke => "revoke",
        }
    }
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// Seconds since 1970.
    pub time: u64,
    /// What was decided.
    pub choice: Choice,
    /// SHA-256 of the certificate, lower-case hex.
    pub fingerprint: String,
    /// Its subject, for people.
    pub subject: String,
    /// The program that asked.
    pub program: String,
    /// The certificate, PEM; empty for [`Choice::Revoke`].
    pub certificate: String,
}

/// The file. Several sessions of a person may write to it.
#[derive(Debug)]
pub struct Decisions(Mutex<State>);

#[derive(Debug)]
struct State {
    journal: Journal<Decision>,
    all: Vec<Decision>,
}

impl Decisions {
    /// Opens the file at `path`, which need not exist.
    ///
    /// # Errors
    /// It cannot be read, or a newer Wafer wrote it: it is left alone.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut all = Vec::new();
        let journal = Journal::open(path, KIND, VERSION, |decision, _| all.push(decision))?;
        Ok(Self(Mutex::new(State { journal, all })))
    }

    /// Every decision ever made, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(&self) -> std::io::Result<Vec<Decision>> {
        let mut state = self.state();
        state.refresh()?;
        Ok(state.all.clone())
    }

    /// Decides about `certificate`; the decision holds when this returns.
    ///
    /// # Errors
    /// The certificate cannot be read (`InvalidData`); the file cannot be written: nothing has changed.
    pub fn decide(&self, choice: Choice, certificate: &[u8], program: &str) -> std::io::Result<Decision> {
        let invalid = |error: String| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        let facts = Certificate::read(certificate).map_err(|error| invalid(error.to_string()))?;
        let pem = encode_string("CERTIFICATE", LineEnding::LF, certificate);
        let decision = Decision {
            time: now(),
            choice,
            fingerprint: hex(&fingerprint(certificate)),
            subject: facts.subject,
            program: program.to_owned(),
            certificate: pem.map_err(|error| invalid(error.to_string()))?,
        };
        self.state().append(&decision)?;
        Ok(decision)
    }

    /// Revokes what holds about the only certificate whose fingerprint begins with `begin` (hex). `None` if
    /// nothing holds about such a one, or if there are several.
    ///
    /// # Errors
    /// The file cannot be read or written: nothing has changed.
    pub fn revoke(&self, begin: &str, program: &str) -> std::io::Result<Option<Decision>> {
        let mut state = self.state();
        state.refresh()?;
        let begin = begin.to_ascii_lowercase();
        let mut fitting =
            standing(&state.all).into_iter().filter(|held| held.fingerprint.starts_with(&begin));
        let (Some(held), None) = (fitting.next().cloned(), fitting.next()) else { return Ok(None) };
        let (choice, certificate) = (Choice::Revoke, String::new());
        let decision = Decision { time: now(), choice, program: program.to_owned(), certificate, ..held };
        state.append(&decision)?;
        Ok(Some(decision))
    }

    /// How many decisions were ever made.
    pub(super) fn count(&self) -> usize {
        self.refreshed().all.len()
    }

    /// The fingerprints (hex) of the certificates that are distrusted.
    pub fn distrusted(&self) -> HashSet<String> {
        let state = self.refreshed();
        let distrusted = standing(&state.all).into_iter().filter(|held| held.choice == Choice::Distrust);
        distrusted.map(|held| held.fingerprint.clone()).collect()
    }

    /// Adds what holds to `anchors`.
    pub(super) fn apply(&self, anchors: &mut Anchors) {
        let state = self.state();
        for decision in standing(&state.all) {
            match (decision.choice, certificates_in(decision.certificate.as_bytes()).pop()) {
                (Choice::Trust, Some(der)) => anchors.add([der], Origin::Person),
                (Choice::Distrust, Some(der)) => anchors.distrust(fingerprint(&der)),
                _ => {}
            }
        }
    }

    /// As the file is now, if it can be read.
    fn refreshed(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if let Err(error) = state.refresh() {
            tracing::error!(%error, "the decisions about trust cannot be read: the last known ones hold");
        }
        state
    }

    /// A panic elsewhere leaves the value whole: the journal is the truth.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The decisions that hold: the last about each certificate, unless it was revoked.
pub fn standing(all: &[Decision]) -> Vec<&Decision> {
    let is_last = |at: usize| !all[at + 1..].iter().any(|later| later.fingerprint == all[at].fingerprint);
    let held =
        all.iter().enumerate().filter(|(at, decision)| is_last(*at) && decision.choice != Choice::Revoke);
    held.map(|(_, decision)| decision).collect()
}

impl State {
    fn refresh(&mut self) -> std::io::Result<()> {
        if self.journal.is_current() {
            return Ok(());
        }
        let mut all = Vec::new();
        self.journal.load(|decision, _| all.push(decision))?;
        self.all = all;
        Ok(())
    }

    fn append(&mut self, decision: &Decision) -> std::io::Result<()> {
        self.refresh()?;
        // Another session may write between the two: then once more.
        while self.journal.append(decision)?.is_none() {
            self.refresh()?;
        }
        self.all.push(decision.clone());
        Ok(())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn hex(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::trust::testing::{Authority, year};
    use crate::trust::{PathValidator, Reason, Trust, Validator};

    #[test]
    fn a_decision_holds_at_once_is_kept_and_can_be_revoked() {
        let home = tempfile::tempdir().unwrap();
        let (path, folder) = (home.path().join("a/trust.jsonl"), home.path().join("roots"));
        let (root, other) = (Authority::root("Root"), Authority::root("Other"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("other.der"), &other.der).unwrap();
        let decisions = std::sync::Arc::new(Decisions::open(&path).unwrap());
        let validator = Validator::new(vec![folder]).with_decisions(decisions.clone());
        let trust = |der: &[u8]| match validator.validate(der, &[], year(2030)) {
            Trust::Trusted => None,
            Trust::Untrusted { reason, .. } => Some(reason),
        };
        let (person, others) = (root.person("a@example.org"), other.person("b@example.org"));
        assert_eq!((trust(&person), trust(&others)), (Some(Reason::UnknownIssuer), None));
        let made = decisions.decide(Choice::Trust, &root.der, "test").unwrap();
        decisions.decide(Choice::Distrust, &other.der, "test").unwrap();
        assert_eq!((trust(&person), trust(&others)), (None, Some(Reason::Distrusted)));
        // Another session revokes, and this one notices.
        let elsewhere = Decisions::open(&path).unwrap();
        assert_eq!(elsewhere.revoke("", "test").unwrap(), None, "two begin like that");
        assert!(elsewhere.revoke(&made.fingerprint[..12], "test").unwrap().is_some());
        assert_eq!(trust(&person), Some(Reason::UnknownIssuer));
        assert_eq!(elsewhere.revoke(&made.fingerprint, "test").unwrap(), None, "only once");
        let choices: Vec<Choice> = decisions.all().unwrap().iter().map(|decision| decision.choice).collect();
        assert_eq!(choices, [Choice::Trust, Choice::Distrust, Choice::Revoke], "nothing is forgotten");
        assert!(decisions.decide(Choice::Trust, b"nonsense", "test").is_err());
    }
}

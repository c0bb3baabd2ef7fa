//! The last things that happened, for `wafer log`: a ring in memory, without secrets.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use wafer_client::keeper::LogEntry;

use crate::failure::Failure;

const ENTRIES: usize = 256;

/// The ring.
#[derive(Default)]
pub struct Log {
    entries: Mutex<VecDeque<LogEntry>>,
}

impl Log {
    /// Notes what was done and how it ended.
    pub fn note<T>(&self, token: &str, key: &str, event: &str, program: &str, result: &Result<T, Failure>) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(failure) => failure.kind().name(),
        };
        if let Err(failure) = result {
            tracing::info!(token, key, event, program, ?failure, "refused");
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let entry = LogEntry {
            time_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            token: token.to_owned(),
            key: key.to_owned(),
            event: event.to_owned(),
            program: program.to_owned(),
            outcome: outcome.to_owned(),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == ENTRIES {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// Everything noted, oldest first.
    pub fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_oldest_entry_goes_first() {
        let log = Log::default();
        for number in 0..300 {
            log.note("t", &number.to_string(), "sign", "", &Ok(()));
        }
        log.note::<()>("t", "", "login", "", &Err(Failure::Cancelled));
        let entries = log.entries();
        assert_eq!(entries.len(), 256);
        assert_eq!(entries[0].key, "45");
        assert_eq!(entries[255].outcome, "Cancelled");
    }
}

//! The one place that prints: sentences for people, JSON for programs.

use std::io::{self, Write};

use serde_json::{Value, json};
use wafer_client::WaferError;

use crate::{json, text};

/// How results are said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) json: bool,
}

impl Report {
    /// Says a result on standard output; on standard error if a message goes to standard output.
    pub(crate) fn say(&self, message_on_stdout: bool, sentence: &str, value: &Value) {
        let line = if self.json { value.to_string() } else { sentence.to_owned() };
        let lines = if line.is_empty() { line } else { format!("{line}\n") };
        // The work is done: a report nobody reads is no failure.
        let _ = match message_on_stdout {
            true => io::stderr().write_all(lines.as_bytes()),
            false => io::stdout().write_all(lines.as_bytes()),
        };
    }

    /// Says one of many results on standard output; false if nobody reads it.
    pub(crate) fn says(&self, sentence: &str, value: &Value) -> bool {
        let line = if self.json { value.to_string() } else { sentence.to_owned() };
        io::stdout().write_all(format!("{line}\n").as_bytes()).is_ok()
    }

    /// Says something beside a result, on standard error.
    pub(crate) fn warn(&self, sentence: &str) {
        let _ = writeln!(io::stderr(), "{sentence}");
    }

    /// Says what went wrong, on standard error.
    pub(crate) fn error(&self, error: &WaferError) {
        let line = match self.json {
            true => {
                let details = error.details.iter();
                let details: serde_json::Map<String, Value> =
                    details.map(|(name, value)| (name.clone(), json::value(value))).collect();
                json!({ "error": error.kind.name(), "message": error.message, "details": details })
                    .to_string()
            }
            false => text::error(&error.message),
        };
        let _ = writeln!(io::stderr(), "{line}");
    }
}

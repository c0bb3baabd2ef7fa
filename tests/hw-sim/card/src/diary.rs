//! Every command and answer, as they crossed the reader's contacts.

use std::fmt::Write as _;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// No event that a test waits for takes longer.
const LONG: Duration = Duration::from_secs(40);

/// One APDU and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The command APDU.
    pub command: Vec<u8>,
    /// The answer's data and status word; empty while none has come.
    pub answer: Vec<u8>,
}

impl Exchange {
    /// INS.
    pub fn instruction(&self) -> u8 {
        self.command.get(1).copied().unwrap_or_default()
    }

    /// P1 and P2.
    pub fn parameters(&self) -> (u8, u8) {
        (self.command.get(2).copied().unwrap_or_default(), self.command.get(3).copied().unwrap_or_default())
    }

    /// The status word.
    pub fn status(&self) -> u16 {
        self.answer.last_chunk().map_or(0, |word| u16::from_be_bytes(*word))
    }

    /// Whether the card did it; more of its answer may be waiting.
    pub fn succeeded(&self) -> bool {
        matches!(self.status(), 0x9000 | 0x6100..=0x61ff)
    }

    /// Whether a PIN goes to the card in this one: VERIFY with data.
    pub fn is_pin_try(&self) -> bool {
        self.instruction() == 0x20 && self.parameters().0 == 0 && self.command.len() > 5
    }

    /// Whether it is GENERAL AUTHENTICATE's last (or only) part.
    pub fn is_operation(&self) -> bool {
        self.instruction() == 0x87 && self.command.first().is_some_and(|class| class & 0x10 == 0)
    }
}

/// All exchanges since the card was made.
#[derive(Debug, Default)]
pub struct Diary {
    exchanges: Mutex<Vec<Exchange>>,
    written: Condvar,
}

impl Diary {
    pub(crate) fn command(&self, command: &[u8]) {
        self.exchanges.lock().unwrap().push(Exchange { command: command.to_vec(), answer: Vec::new() });
        self.written.notify_all();
    }

    pub(crate) fn answer(&self, answer: &[u8]) {
        if let Some(last) = self.exchanges.lock().unwrap().last_mut() {
            last.answer = answer.to_vec();
        }
        self.written.notify_all();
    }

    /// What was written so far.
    pub fn all(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap().clone()
    }

    /// Tears the written pages out.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().unwrap())
    }

    /// The same, but an exchange that still waits for its answer stays.
    pub fn take_answered(&self) -> Vec<Exchange> {
        let mut exchanges = self.exchanges.lock().unwrap();
        let waits = exchanges.last().is_some_and(|last| last.answer.is_empty());
        let answered = exchanges.len() - usize::from(waits);
        exchanges.drain(..answered).collect()
    }

    /// How many exchanges are as `wanted` wants them.
    pub fn count(&self, wanted: impl Fn(&Exchange) -> bool) -> usize {
        self.exchanges.lock().unwrap().iter().filter(|exchange| wanted(exchange)).count()
    }

    /// Waits until an exchange is as `wanted` wants it.
    pub fn waits_for(&self, what: &str, wanted: impl Fn(&Exchange) -> bool) {
        let end = Instant::now() + LONG;
        let mut exchanges = self.exchanges.lock().unwrap();
        while !exchanges.iter().any(&wanted) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the card never saw {what}");
            exchanges = self.written.wait_timeout(exchanges, left).unwrap().0;
        }
    }

    /// The dialogue as text: `>` a command, `<` its answer, in hex.
    pub fn text(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let mut text = String::new();
        for exchange in self.exchanges.lock().unwrap().iter() {
            writeln!(text, "> {}\n< {}", hex(&exchange.command), hex(&exchange.answer)).unwrap();
        }
        text
    }
}

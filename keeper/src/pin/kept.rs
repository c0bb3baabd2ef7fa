//! A PIN that is kept because its card is shut after every visit (see [`crate::card::PinUse`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::secret::Secret;

/// The place of one token's kept PIN, in guarded memory. Wiped here, outside the token's thread: a running
/// operation holds the same memory, and whoever forgets waits for that operation's end or ends the process.
#[derive(Default)]
pub struct Kept(Mutex<Option<Arc<Secret>>>);

impl Kept {
    /// Keeps a PIN that the card accepted.
    pub fn keep(&self, pin: Arc<Secret>) {
        *self.place() = Some(pin);
    }

    /// The PIN, for one operation.
    pub fn pin(&self) -> Option<Arc<Secret>> {
        self.place().clone()
    }

    /// Forgets it.
    pub fn wipe(&self) {
        *self.place() = None;
    }

    fn place(&self) -> MutexGuard<'_, Option<Arc<Secret>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The PINs as they are now, and what of them changed when.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hw_sim::piv;

/// An entry that is on its way to the card may be out of date when it arrives there.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// The card's two PINs take turns.
const PINS: [&str; 2] = [piv::PIN, "98765432"];

/// The state of the PIV card's PIN. Whoever types or changes it holds the lock.
#[derive(Default)]
pub(crate) struct Pins(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    current: usize,
    entered: Option<Instant>,
    /// Wrong PINs that the person entered.
    pub(crate) wrong: usize,
    /// Changes by another program.
    pub(crate) changes: usize,
    /// Entries that a change overtook.
    pub(crate) overtaken: usize,
}

impl Pins {
    /// Nobody else enters or changes it meanwhile.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// The right PIN.
    pub(crate) fn right(&self) -> &'static str {
        PINS[self.current]
    }

    /// The one that it will be next.
    pub(crate) fn next(&self) -> &'static str {
        PINS[1 - self.current]
    }

    /// The person enters a PIN.
    pub(crate) fn enters(&mut self, pin: &str) {
        if pin == self.right() {
            self.entered = Some(Instant::now());
        } else {
            self.wrong += 1;
        }
    }

    /// Another program changed it.
    pub(crate) fn changed(&mut self) {
        self.current = 1 - self.current;
        self.changes += 1;
        self.overtaken += usize::from(self.entered.is_some_and(|when| when.elapsed() < ON_ITS_WAY));
    }
}

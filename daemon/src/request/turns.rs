//! How many calls run at once. A call that waits for its client or for a person gives its turn back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wafer_client::WaferError;

use super::cancel::Cancel;
use crate::text;

/// Most calls that run at a time, in all.
pub const RUNNING_MAX: usize = 32;
/// Most calls of one caller that run at a time.
pub const RUNNING_MAX_PER_CALLER: usize = 8;
/// Most calls that exist (running, stalled, waiting), in all.
pub const CALLS_MAX: usize = 256;
/// Most calls of one caller that exist.
pub const CALLS_MAX_PER_CALLER: usize = 128;

/// The turns of the whole service.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    callers: Mutex<HashMap<String, CallerTurns>>,
}

#[derive(Debug)]
struct CallerTurns {
    running: Arc<Semaphore>,
    calls: usize,
}

/// One call's place in the queue; it may hold a turn. Dropped when the call ends.
#[derive(Debug)]
pub struct Seat {
    turns: Arc<Turns>,
    caller: String,
    own: Arc<Semaphore>,
    held: Mutex<Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>>,
}

impl Turns {
    /// All free.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(RUNNING_MAX)), callers: Mutex::default() })
    }

    /// A place for one more call of `caller`.
    ///
    /// # Errors
    /// `LimitsExceeded` if too many exist.
    pub fn seat(self: &Arc<Self>, caller: &str) -> Result<Seat, WaferError> {
        let mut callers = lock(&self.callers);
        let calls: usize = callers.values().map(|known| known.calls).sum();
        let own = callers.entry(caller.to_owned()).or_insert_with(|| CallerTurns {
            running: Arc::new(Semaphore::new(RUNNING_MAX_PER_CALLER)),
            calls: 0,
        });
        if calls >= CALLS_MAX || own.calls >= CALLS_MAX_PER_CALLER {
            return Err(text::too_many_calls());
        }
        own.calls += 1;
        let own = own.running.clone();
        Ok(Seat { turns: self.clone(), caller: caller.to_owned(), own, held: Mutex::default() })
    }

    /// Calls that run, and calls that exist without running.
    pub fn counts(&self) -> (usize, usize) {
        let running = RUNNING_MAX - self.all.available_permits();
        let calls: usize = lock(&self.callers).values().map(|known| known.calls).sum();
        (running, calls.saturating_sub(running))
    }
}

impl Seat {
    /// Waits for a turn, if this call has none.
    ///
    /// # Errors
    /// The call was ended meanwhile.
    pub async fn take(&self, cancel: &Cancel) -> Result<(), WaferError> {
        if lock(&self.held).is_some() {
            return Ok(());
        }
        let permits = async {
            let own = self.own.clone().acquire_owned().await;
            let all = self.turns.all.clone().acquire_owned().await;
            own.ok().zip(all.ok())
        };
        tokio::select! {
            // A turn that is free is taken even if the call was ended: whoever works sees the end itself.
            biased;
            permits = permits => { *lock(&self.held) = permits; Ok(()) }
            reason = cancel.ended() => Err(reason.error()),
        }
    }

    /// Gives the turn back, if this call has one.
    pub fn give_back(&self) {
        lock(&self.held).take();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut callers = lock(&self.turns.callers);
        if let Some(own) = callers.get_mut(&self.caller) {
            own.calls -= 1;
            if own.calls == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

/// A mutex whose holder panicked guards counters here, which are whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_ninth_call_of_a_caller_waits_and_others_do_not() {
        let turns = Turns::new();
        let cancel = Cancel::new().unwrap();
        let seats: Vec<Seat> = (0..9).map(|_| turns.seat(":1.1").unwrap()).collect();
        for seat in &seats[..8] {
            seat.take(&cancel).await.unwrap();
        }
        let waits = tokio::time::timeout(Duration::from_millis(20), seats[8].take(&cancel)).await;
        assert!(waits.is_err());
        turns.seat(":1.2").unwrap().take(&cancel).await.unwrap();
        seats[0].give_back();
        seats[8].take(&cancel).await.unwrap();
        assert_eq!(turns.counts(), (8, 1));
    }

    #[tokio::test]
    async fn stalled_calls_of_many_callers_leave_a_turn_for_another() {
        let turns = Turns::new();
        let cancel = Cancel::new().unwrap();
        let mut stalled = Vec::new();
        for caller in 0..50 {
            let seat = turns.seat(&format!(":1.{caller}")).unwrap();
            seat.take(&cancel).await.unwrap();
            seat.give_back();
            stalled.push(seat);
        }
        turns.seat(":1.99").unwrap().take(&cancel).await.unwrap();
        assert_eq!(turns.counts().0, 0);
    }

    #[test]
    fn too_many_calls_are_refused_and_forgotten_when_they_end() {
        let turns = Turns::new();
        let seats: Vec<Seat> = (0..CALLS_MAX_PER_CALLER).map(|_| turns.seat("a").unwrap()).collect();
        assert!(turns.seat("a").is_err());
        assert!(turns.seat("b").is_ok());
        drop(seats);
        assert!(turns.seat("a").is_ok());
    }

    #[tokio::test]
    async fn a_call_that_waits_for_its_turn_can_be_cancelled() {
        let turns = Turns::new();
        let cancel = Cancel::new().unwrap();
        let seats: Vec<Seat> = (0..9).map(|_| turns.seat("a").unwrap()).collect();
        for seat in &seats[..8] {
            seat.take(&cancel).await.unwrap();
        }
        let (waited, ()) = tokio::join!(seats[8].take(&cancel), async {
            cancel.end(super::super::cancel::Reason::Cancelled);
        });
        assert_eq!(waited.unwrap_err().kind, wafer_client::ErrorKind::Cancelled);
    }
}

//! Requests that wait together for one dialog: the PIN of a token, or the token itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use wafer_client::keeper::{GrantRequest, KeyInfo};

use super::secret::Secret;
use crate::failure::Failure;

/// After a "no", the same program gets no new dialog for so long.
pub const QUIET_TIME: Duration = Duration::from_secs(2);

/// What a request gets that waited: the way is free. With it the PIN, for the one request that the dialog
/// named, if its key wants the PIN for the operation itself as well.
pub(super) type Answer = Result<Option<Arc<Secret>>, Failure>;

/// The requests of one token.
#[derive(Default)]
pub struct Waiting {
    state: Mutex<State>,
    /// A request came or left.
    changed: Notify,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    next: u64,
    asking: bool,
    quiet: HashMap<String, Instant>,
}

struct Request {
    number: u64,
    grant: Arc<GrantRequest>,
    key: Option<KeyInfo>,
    answer: oneshot::Sender<Answer>,
}

/// The first request, as the dialog shows it.
pub(super) struct Shown {
    pub(super) number: u64,
    pub(super) grant: Arc<GrantRequest>,
    pub(super) key: Option<KeyInfo>,
    pub(super) others: usize,
}

impl Waiting {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.state().requests.is_empty()
    }

    /// Whether a dialog may be shown for `grant`: not to one that wants none, nor soon after a "no".
    pub(super) fn may_ask(&self, grant: &GrantRequest) -> Result<(), Failure> {
        self.state().may_ask(grant)
    }

    /// The person said no to `caller`.
    pub(super) fn be_quiet_for(&self, caller: &str) {
        self.state().be_quiet_for(caller);
    }

    /// Waits with the others; the first to come runs `ask`. `done` is asked under the lock: a request
    /// that comes just as a dialog ends must not open another.
    pub(super) async fn join(
        &self,
        grant: &Arc<GrantRequest>,
        key: Option<KeyInfo>,
        done: impl FnOnce() -> bool,
        ask: impl FnOnce(),
    ) -> Answer {
        let (answer, answered) = oneshot::channel();
        let (number, start) = {
            let mut state = self.state();
            if done() {
                return Ok(None);
            }
            state.may_ask(grant)?;
            let number = state.next;
            state.next += 1;
            state.requests.push(Request { number, grant: Arc::clone(grant), key, answer });
            (number, !std::mem::replace(&mut state.asking, true))
        };
        let _place = Place { waiting: self, number };
        if start {
            ask();
        }
        answered.await.unwrap_or_else(|_| Err(Failure::Internal("the dialog's task ended".to_owned())))
    }

    pub(super) fn first(&self) -> Option<Shown> {
        let mut state = self.state();
        let others = state.requests.len().saturating_sub(1);
        match state.requests.first() {
            Some(first) => Some(Shown {
                number: first.number,
                grant: Arc::clone(&first.grant),
                key: first.key.clone(),
                others,
            }),
            None => {
                state.asking = false;
                None
            }
        }
    }

    /// Answers everybody and ends the asking. A cancel starts each program's quiet time. A PIN goes to
    /// request `number` alone: it was entered for that one.
    pub(super) fn settle(&self, number: u64, answer: &Answer) {
        let mut state = self.state();
        state.asking = false;
        for request in std::mem::take(&mut state.requests) {
            if matches!(answer, Err(Failure::Cancelled)) {
                state.be_quiet_for(&request.grant.requester.caller);
            }
            let theirs = if request.number == number { answer.clone() } else { answer.clone().map(|_| None) };
            // A request that left meanwhile hears nothing.
            drop(request.answer.send(theirs));
        }
    }

    /// Ends when the request that the dialog names is gone.
    pub(super) async fn first_left(&self, number: u64) {
        loop {
            let changed = self.changed.notified();
            if self.state().requests.first().is_none_or(|first| first.number != number) {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_ask(&self, grant: &GrantRequest) -> Result<(), Failure> {
        if !grant.interactive {
            return Err(Failure::InteractionRequired);
        }
        let is_quiet = |until: &Instant| *until > Instant::now();
        if self.quiet.get(&grant.requester.caller).is_some_and(is_quiet) {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }

    fn be_quiet_for(&mut self, caller: &str) {
        let now = Instant::now();
        self.quiet.retain(|_, until| *until > now);
        self.quiet.insert(caller.to_owned(), now + QUIET_TIME);
    }
}

/// Takes a request off the list when its caller stops waiting.
struct Place<'w> {
    waiting: &'w Waiting,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.state().requests.retain(|request| request.number != self.number);
        self.waiting.changed.notify_waiters();
    }
}

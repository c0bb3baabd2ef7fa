//! Grants: which key, which operation, how often, until when. Nothing private happens without one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::sync::watch;
use tokio::time::Instant;
use wafer_client::keeper::{GrantId, GrantRequest, Operation};

use crate::failure::Failure;

/// A grant without a deadline of its own ends after so long.
const LONGEST_LIFE: Duration = Duration::from_secs(15 * 60);
/// Grants that may be open at once.
const MOST_OPEN: usize = 4096;
/// Uses of one grant: recipients of one message that are keys of one token.
const MOST_USES: u32 = 64;
/// Uses granted per second in the long run, and at once. Far above what tokens do: this stops a flood.
pub const USES_PER_SECOND: f64 = 5000.0;

/// All open grants of a keeper.
pub struct Grants {
    state: Mutex<State>,
}

struct State {
    open: HashMap<GrantId, Grant>,
    bucket: f64,
    filled: Instant,
}

struct Grant {
    request: Arc<GrantRequest>,
    until: Instant,
    uses_left: u32,
    running: u32,
    cancel: watch::Sender<bool>,
}

/// One use of a grant, while its operation runs.
pub struct Use<'g> {
    grants: &'g Grants,
    id: GrantId,
    /// What was granted.
    pub request: Arc<GrantRequest>,
    until: Instant,
    cancelled: watch::Receiver<bool>,
}

impl Default for Grants {
    fn default() -> Self {
        let state = State { open: HashMap::new(), bucket: USES_PER_SECOND, filled: Instant::now() };
        Self { state: Mutex::new(state) }
    }
}

impl Grants {
    /// Opens a grant.
    pub fn open(&self, request: GrantRequest) -> Result<GrantId, Failure> {
        let allowed = if request.operation == Operation::Decrypt { 1..=MOST_USES } else { 1..=1 };
        if !allowed.contains(&request.uses) {
            return Err(Failure::Argument("uses"));
        }
        let now = Instant::now();
        let mut state = self.state();
        state.admit(f64::from(request.uses), now)?;
        let id = state.free_id()?;
        let life = match request.deadline_ms {
            0 => LONGEST_LIFE,
            limit => Duration::from_millis(limit.into()).min(LONGEST_LIFE),
        };
        let grant = Grant {
            uses_left: request.uses,
            request: Arc::new(request),
            until: now + life,
            running: 0,
            cancel: watch::channel(false).0,
        };
        state.open.insert(id, grant);
        Ok(id)
    }

    /// Takes one use for an operation. `key` is what the operation is for, where the call names it.
    pub fn take(&self, id: GrantId, operation: Operation) -> Result<Use<'_>, Failure> {
        let mut state = self.state();
        let grant = state.open.get_mut(&id).ok_or(Failure::NotGranted)?;
        if grant.request.operation != operation || grant.uses_left == 0 {
            return Err(Failure::NotGranted);
        }
        if grant.until <= Instant::now() {
            return Err(Failure::TimedOut);
        }
        grant.uses_left -= 1;
        grant.running += 1;
        Ok(Use {
            grants: self,
            id,
            request: Arc::clone(&grant.request),
            until: grant.until,
            cancelled: grant.cancel.subscribe(),
        })
    }

    /// Ends a grant and what waits under it.
    pub fn revoke(&self, id: GrantId) {
        if let Some(grant) = self.state().open.remove(&id) {
            grant.cancel.send_replace(true);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A token bucket, and room for one more grant.
    fn admit(&mut self, uses: f64, now: Instant) -> Result<(), Failure> {
        if self.open.len() >= MOST_OPEN {
            self.open.retain(|_, grant| grant.until > now || grant.running > 0);
        }
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.bucket = (self.bucket + since * USES_PER_SECOND).min(USES_PER_SECOND);
        self.filled = now;
        if self.bucket < uses || self.open.len() >= MOST_OPEN {
            return Err(Failure::TooMany);
        }
        self.bucket -= uses;
        Ok(())
    }

    fn free_id(&self) -> Result<GrantId, Failure> {
        loop {
            let mut bytes = [0; 8];
            rand::fill(&mut bytes)
                .map_err(|_| Failure::Internal("the random generator failed".to_owned()))?;
            let id = u64::from_ne_bytes(bytes);
            if !self.open.contains_key(&id) {
                return Ok(id);
            }
        }
    }
}

impl Use<'_> {
    /// Runs `operation` until it ends, the grant is revoked, or its time is over.
    pub async fn during<T>(
        &mut self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            result = operation => result,
            _ = self.cancelled.wait_for(|cancelled| *cancelled) => Err(Failure::Cancelled),
            () = tokio::time::sleep_until(self.until) => Err(Failure::TimedOut),
        }
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut state = self.grants.state();
        if let Some(grant) = state.open.get_mut(&self.id) {
            grant.running -= 1;
            if grant.running == 0 && grant.uses_left == 0 {
                state.open.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use wafer_client::keeper::{Certainty, PromptPlace, Requester};

    fn request(operation: Operation, uses: u32) -> GrantRequest {
        GrantRequest {
            key: "t/01".to_owned(),
            operation,
            uses,
            requester: Requester {
                caller: String::new(),
                program: String::new(),
                pid: 0,
                certainty: Certainty::Unknown,
            },
            interactive: true,
            deadline_ms: 1000,
            place: PromptPlace::default(),
            token_label: String::new(),
        }
    }

    fn refused<T>(result: Result<T, Failure>) -> Failure {
        result.err().expect("refused")
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_serves_its_operation_as_often_as_granted() {
        let grants = Grants::default();
        let id = grants.open(request(Operation::Decrypt, 2)).unwrap();
        assert_eq!(refused(grants.take(id, Operation::Sign)), Failure::NotGranted);
        let first = grants.take(id, Operation::Decrypt).unwrap();
        drop(grants.take(id, Operation::Decrypt).unwrap());
        assert_eq!(refused(grants.take(id, Operation::Decrypt)), Failure::NotGranted);
        drop(first);
        assert!(grants.state().open.is_empty(), "used-up grants are let go");
        assert_eq!(refused(grants.take(id ^ 1, Operation::Decrypt)), Failure::NotGranted);
    }

    #[tokio::test(start_paused = true)]
    async fn one_signature_per_grant() {
        let grants = Grants::default();
        assert_eq!(refused(grants.open(request(Operation::Sign, 2))), Failure::Argument("uses"));
        assert_eq!(refused(grants.open(request(Operation::Sign, 0))), Failure::Argument("uses"));
    }

    #[tokio::test(start_paused = true)]
    async fn time_ends_a_grant_and_what_waits_under_it() {
        let grants = Grants::default();
        let id = grants.open(request(Operation::Decrypt, 2)).unwrap();
        let mut used = grants.take(id, Operation::Decrypt).unwrap();
        assert_eq!(used.during(std::future::pending::<Result<(), _>>()).await, Err(Failure::TimedOut));
        assert_eq!(refused(grants.take(id, Operation::Sign)), Failure::NotGranted);
        assert_eq!(refused(grants.take(id, Operation::Decrypt)), Failure::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn revoking_cancels_what_waits() {
        let grants = Grants::default();
        let id = grants.open(request(Operation::Sign, 1)).unwrap();
        let mut used = grants.take(id, Operation::Sign).unwrap();
        grants.revoke(id);
        grants.revoke(id);
        assert_eq!(used.during(std::future::pending::<Result<(), _>>()).await, Err(Failure::Cancelled));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_meets_the_limit_and_a_pause_ends_it() {
        let grants = Grants::default();
        let mut opened = 0;
        let stopped = loop {
            match grants.open(request(Operation::Sign, 1)) {
                Ok(id) => grants.revoke(id),
                Err(failure) => break failure,
            }
            opened += 1;
        };
        assert_eq!((stopped, opened), (Failure::TooMany, 5000));
        tokio::time::advance(Duration::from_millis(10)).await;
        grants.open(request(Operation::Sign, 1)).unwrap();
    }
}

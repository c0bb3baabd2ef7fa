//! How long a login lives. For PKCS#11 the logged-in session is the cache; no PIN is kept.
//!
//! One timer per token, armed only while it is unlocked: an idle keeper never wakes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Idle and maximum time-out of a cached login; zero means "never cache".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Counted from the end of the last operation.
    pub idle: Duration,
    /// Counted from the login.
    pub max: Duration,
}

/// While an operation runs, the smallest pause between two looks at the clock.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The clockwork of one token's login.
pub struct Lease {
    lives: Lives,
    state: Mutex<Option<Login>>,
}

#[derive(Clone, Copy)]
struct Login {
    since: Instant,
    last_used: Instant,
}

/// What the timer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: there is no login.
    Stop,
    /// Sleep.
    Until(Instant),
    /// The time is over.
    Forget,
}

impl Lease {
    /// A lease without a login.
    pub fn new(lives: Lives) -> Self {
        Self { lives, state: Mutex::new(None) }
    }

    /// Whether a login may outlive the requests that asked for it.
    pub fn caches(&self) -> bool {
        !self.lives.idle.is_zero() && !self.lives.max.is_zero()
    }

    /// A login happened.
    pub fn begin(&self, now: Instant) {
        *self.state() = Some(Login { since: now, last_used: now });
    }

    /// The login is forgotten.
    pub fn end(&self) {
        *self.state() = None;
    }

    /// An operation ended.
    pub fn used(&self, now: Instant) {
        if let Some(login) = self.state().as_mut() {
            login.last_used = now;
        }
    }

    /// What the timer does at `now`. Only idle time without running operations ends a login early.
    pub fn next(&self, now: Instant, running: bool) -> Next {
        let Some(login) = *self.state() else { return Next::Stop };
        let end = login.since + self.lives.max;
        let idle_end = login.last_used + self.lives.idle;
        if now >= end || (!running && now >= idle_end) {
            return Next::Forget;
        }
        let look = if running { idle_end.max(now + LOOK_AGAIN) } else { idle_end };
        Next::Until(look.min(end))
    }

    fn state(&self) -> MutexGuard<'_, Option<Login>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(idle: u32, max: u32) -> Lease {
        Lease::new(Lives { idle: SECOND * idle, max: SECOND * max })
    }

    #[test]
    fn without_a_login_no_timer_runs() {
        let lease = lease(10, 100);
        let now = Instant::now();
        assert_eq!(lease.next(now, false), Next::Stop);
        lease.begin(now);
        lease.end();
        assert_eq!(lease.next(now, false), Next::Stop);
    }

    #[test]
    fn idle_time_counts_from_the_last_use() {
        let lease = lease(10, 100);
        let start = Instant::now();
        lease.begin(start);
        assert_eq!(lease.next(start, false), Next::Until(start + SECOND * 10));
        lease.used(start + SECOND * 8);
        assert_eq!(lease.next(start + SECOND * 10, false), Next::Until(start + SECOND * 18));
        assert_eq!(lease.next(start + SECOND * 18, false), Next::Forget);
        assert!(matches!(lease.next(start + SECOND * 18, true), Next::Until(_)));
    }

    #[test]
    fn use_does_not_stretch_the_maximum() {
        let lease = lease(10, 20);
        let start = Instant::now();
        lease.begin(start);
        lease.used(start + SECOND * 19);
        assert_eq!(lease.next(start + SECOND * 19, false), Next::Until(start + SECOND * 20));
        assert_eq!(lease.next(start + SECOND * 20, true), Next::Forget);
    }
}

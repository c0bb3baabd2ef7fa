//! Waiting for something that can only be looked at.

use std::time::{Duration, Instant};

/// No event a test waits for takes longer, even on a busy machine; past it the test fails.
pub const LONG: Duration = Duration::from_secs(40);

/// Looks again and again until `look` gives something, and fails with `what` if it never does.
/// For facts that send no event of their own (a process list, a file another process writes).
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`], without holding up the test's other tasks.
pub async fn until_async<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Gives `future` no more than [`LONG`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONG, future).await {
        Ok(value) => value,
        Err(_) => panic!("took too long: {what}"),
    }
}

//! A thread that owns something that blocks, its queue, and the watch over its calls.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::card::CardError;

/// What is done when a call hangs, besides failing it: the process ends soon after.
pub type OnHang = Arc<dyn Fn() + Send + Sync>;

/// Which jobs go first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// In turn.
    Queued,
    /// Before all that waits (logout).
    First,
}

/// Shared by workers of which only one may work at a time; `None` where each may.
pub type Turn = Option<Arc<Mutex<()>>>;

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Handle to a thread that owns a `T`. The thread ends when the handle is dropped.
pub struct Worker<T> {
    shared: Arc<Shared<T>>,
    on_hang: OnHang,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    /// Done when the queue has become empty.
    rest: fn(&mut T),
    deadline: Duration,
    turn: Turn,
}

struct State<T> {
    jobs: VecDeque<(Job<T>, Duration)>,
    /// When the running job began and how long it may take.
    running: Option<(Instant, Duration)>,
    closed: bool,
}

impl<T: Send + 'static> Worker<T> {
    /// Starts the thread. A call longer than `deadline` fails as [`CardError::Hung`] and calls `on_hang`.
    /// `rest` is done each time that no further job waits. Whoever waits for its `turn` counts as working.
    pub fn start(
        name: &str,
        owned: T,
        deadline: Duration,
        on_hang: OnHang,
        turn: Turn,
        rest: fn(&mut T),
    ) -> std::io::Result<Self> {
        let state = State { jobs: VecDeque::new(), running: None, closed: false };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), ready: Condvar::new(), rest, deadline, turn });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&theirs, owned))?;
        Ok(Self { shared, on_hang })
    }

    /// Runs `job` on the thread and waits for its answer; time in the queue does not count.
    pub async fn call<R: Send + 'static>(
        &self,
        urgency: Urgency,
        job: impl FnOnce(&mut T) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        self.call_within(self.shared.deadline, urgency, job).await
    }

    /// Like [`Self::call`], with another deadline: a login at a PIN pad waits for a person.
    pub async fn call_within<R: Send + 'static>(
        &self,
        deadline: Duration,
        urgency: Urgency,
        job: impl FnOnce(&mut T) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        let (answer, mut answered) = oneshot::channel();
        self.push(urgency, deadline, Box::new(move |owned| drop(answer.send(job(owned)))));
        let mut look_again = Instant::now() + deadline;
        loop {
            tokio::select! {
                biased;
                result = &mut answered => {
                    return result.unwrap_or_else(|_| Err(CardError::Failed("the token's thread ended".to_owned())));
                }
                () = tokio::time::sleep_until(look_again) => match self.overdue() {
                    None => {
                        (self.on_hang)();
                        return Err(CardError::Hung);
                    }
                    Some(next) => look_again = next,
                },
            }
        }
    }

    fn push(&self, urgency: Urgency, deadline: Duration, job: Job<T>) {
        let mut state = lock(&self.shared.state);
        match urgency {
            Urgency::Queued => state.jobs.push_back((job, deadline)),
            Urgency::First => state.jobs.push_front((job, deadline)),
        }
        self.shared.ready.notify_one();
    }

    /// When to look again at the running job; `None` if it is overdue.
    fn overdue(&self) -> Option<Instant> {
        let now = Instant::now();
        match lock(&self.shared.state).running {
            Some((since, limit)) => Some(since + limit).filter(|end| *end > now),
            None => Some(now + self.shared.deadline),
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.ready.notify_one();
    }
}

fn work<T>(shared: &Shared<T>, mut owned: T) {
    let mut rested = true;
    loop {
        let mut state = lock(&shared.state);
        state.running = None;
        let job = loop {
            if let Some((job, limit)) = state.jobs.pop_front() {
                state.running = Some((Instant::now(), limit));
                break Some(job);
            }
            if !rested {
                state.running = Some((Instant::now(), shared.deadline));
                break None;
            }
            if state.closed {
                drop(state);
                // What it owns calls the module once more as it goes.
                let _turn = shared.turn.as_deref().map(lock);
                return drop(owned);
            }
            state = shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        rested = job.is_none();
        let _turn = shared.turn.as_deref().map(lock);
        match job {
            Some(job) => job(&mut owned),
            None => (shared.rest)(&mut owned),
        }
    }
}

fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    // The guarded values are valid between any two statements: a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    fn worker(deadline: u64) -> (Worker<Vec<u32>>, Arc<AtomicBool>) {
        let hung = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&hung);
        let on_hang = Arc::new(move || flag.store(true, Ordering::SeqCst));
        let rest = |log: &mut Vec<u32>| log.push(0);
        (
            Worker::start("test", Vec::new(), Duration::from_millis(deadline), on_hang, None, rest).unwrap(),
            hung,
        )
    }

    #[tokio::test]
    async fn urgent_jobs_overtake_waiting_ones() {
        let (worker, _) = worker(10_000);
        let (open, gate) = mpsc::channel::<()>();
        let blocked = worker.call(Urgency::Queued, move |_| {
            gate.recv().unwrap();
            Ok(())
        });
        let second = worker.call(Urgency::Queued, |log| {
            log.push(2);
            Ok(())
        });
        let urgent = worker.call(Urgency::First, |log| {
            log.push(1);
            Ok(())
        });
        let release = async {
            open.send(()).unwrap();
        };
        let (a, b, c, ()) = tokio::join!(blocked, second, urgent, release);
        a.and(b).and(c).unwrap();
        let order = worker.call(Urgency::Queued, |log| Ok(log.clone())).await.unwrap();
        assert!(order.starts_with(&[1, 2]), "{order:?}");
    }

    #[tokio::test]
    async fn a_call_past_its_deadline_fails_and_is_told() {
        let (worker, hung) = worker(20);
        let (open, gate) = mpsc::channel::<()>();
        let result = worker
            .call(Urgency::Queued, move |_| {
                gate.recv().unwrap();
                Ok(())
            })
            .await;
        assert_eq!(result, Err(CardError::Hung));
        assert!(hung.load(Ordering::SeqCst));
        open.send(()).unwrap();
    }

    #[tokio::test]
    async fn waiting_in_the_queue_is_no_hang() {
        let (worker, hung) = worker(150);
        let nap = |_: &mut Vec<u32>| {
            std::thread::sleep(Duration::from_millis(60));
            Ok(())
        };
        let calls = (0..4).map(|_| worker.call(Urgency::Queued, nap));
        let mut calls: Vec<_> = calls.map(Box::pin).collect();
        // Poll all once so that they queue together, then wait for each.
        for call in &mut calls {
            tokio::select! { biased; _ = call => panic!("too early"), () = std::future::ready(()) => {} }
        }
        for call in calls {
            call.await.unwrap();
        }
        assert!(!hung.load(Ordering::SeqCst));
    }
}

//! One call in progress: on whose behalf, until when, and how its work reaches the engine's threads.

use std::io;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::Handle;
use wafer_client::WaferError;
use wafer_client::keeper::{Operation, PromptPlace, Requester};

use super::cancel::{Cancel, Reason};
use super::consent::Asker;
use super::failure;
use super::turns::Seat;
use crate::policy::{self, Admission, Subject};
use crate::text;

/// How long a thread waits for its client before it gives its turn back.
const GRACE: Duration = Duration::from_millis(20);

/// One call.
#[derive(Debug)]
pub struct Call {
    /// Who asks, for dialogs and the log.
    pub requester: Requester,
    /// Who asks, for policy.
    pub subject: Subject,
    /// Which program that is, for questions of consent.
    pub asker: Asker,
    /// Whether a dialog may be shown.
    pub interactive: bool,
    /// Where a PIN dialog may be shown.
    pub place: PromptPlace,
    /// When the caller's patience ends.
    pub deadline: Option<Instant>,
    /// Its early end.
    pub cancel: Arc<Cancel>,
    /// Bytes read so far, over all passes.
    pub done: AtomicU64,
    /// Bytes to read over all passes; 0 if unknown.
    pub total: AtomicU64,
    /// Whether the engine's work for it is brief and waits for nobody: then it needs no thread.
    pub brief: AtomicBool,
    /// Its place in the queue.
    pub seat: Seat,
    /// How long a stream may stand still.
    pub stream_timeout: Duration,
    /// The runtime that threads wait on.
    pub runtime: Handle,
}

impl Call {
    /// Asks policy.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn admit(&self, operation: Operation) -> Result<Admission, WaferError> {
        let owner = rustix::process::geteuid().as_raw();
        policy::admit(self.subject, owner, operation).map_err(|_| text::access_denied())
    }

    /// Milliseconds that the caller still has; 0 means no limit.
    pub fn remaining_ms(&self) -> u32 {
        let Some(deadline) = self.deadline else { return 0 };
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        u32::try_from(left).unwrap_or(u32::MAX).max(1)
    }

    /// Runs `work` of the engine under a turn; in a thread, unless the call is [`Self::brief`]. If the call was
    /// ended meanwhile, that is the error, whatever `work` said.
    ///
    /// # Errors
    /// Those of `work`, as callers see them.
    pub async fn engine<T, F>(self: &Arc<Self>, work: F) -> Result<T, WaferError>
    where
        T: Send + 'static,
        F: FnOnce() -> wafer_smime::error::Result<T> + Send + 'static,
    {
        self.seat.take(&self.cancel).await?;
        let done = if self.brief.load(Ordering::Relaxed) {
            catch_unwind(AssertUnwindSafe(work)).ok()
        } else {
            tokio::task::spawn_blocking(work).await.ok()
        };
        match done {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => {
                Err(self.cancel.reason().map_or_else(|| failure::of_engine(&error), Reason::error))
            }
            None => {
                tracing::error!("the engine panicked");
                Err(text::internal("the message engine stopped"))
            }
        }
    }

    /// Notes that `bytes` more were read.
    pub fn progressed(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Blocks until `stream` is ready for `events`. The turn is given back while nothing moves, and taken
    /// again before this returns.
    ///
    /// # Errors
    /// The call was ended (a [`Reason`] inside), or `TimedOut` if nothing moved for the stream time-out.
    pub fn wait(&self, stream: BorrowedFd<'_>, events: PollFlags) -> io::Result<()> {
        if self.poll(stream, events, GRACE.min(self.stream_timeout))? {
            return Ok(());
        }
        self.seat.give_back();
        let ready = self.poll(stream, events, self.stream_timeout)?;
        let retaken = self.runtime.block_on(self.seat.take(&self.cancel));
        self.cancel.check()?;
        if ready && retaken.is_ok() { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }

    /// Whether `stream` became ready within `time`.
    fn poll(&self, stream: BorrowedFd<'_>, events: PollFlags, time: Duration) -> io::Result<bool> {
        let until = Instant::now() + time;
        loop {
            let event = self.cancel.event();
            let mut polled =
                [PollFd::from_borrowed_fd(stream, events), PollFd::from_borrowed_fd(event, PollFlags::IN)];
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut polled, Some(&left)) {
                Ok(0) => return Ok(false),
                Ok(_) => {
                    self.cancel.check()?;
                    return Ok(!polled[0].revents().is_empty());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

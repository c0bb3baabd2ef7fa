//! How a call is ended before its time: seen by async code and by threads that poll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::Notify;
use wafer_client::WaferError;

use crate::text;

/// Why a call is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Reason {
    /// `Cancel` was called, or the caller left.
    #[error("cancelled")]
    Cancelled = 1,
    /// The caller's deadline passed.
    #[error("deadline passed")]
    DeadlinePassed = 2,
    /// The output's reading end was closed.
    #[error("reader gone")]
    ReaderGone = 3,
}

impl Reason {
    /// The error the call then answers.
    pub fn error(self) -> WaferError {
        match self {
            Self::Cancelled => text::cancelled(),
            Self::DeadlinePassed => text::deadline_passed(),
            Self::ReaderGone => text::reader_gone(),
        }
    }
}

/// Ends one call; the first reason counts.
#[derive(Debug)]
pub struct Cancel {
    reason: AtomicU8,
    event: OwnedFd,
    ended: Notify,
}

impl Cancel {
    /// A call that goes on.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { reason: AtomicU8::new(0), event, ended: Notify::new() })
    }

    /// Ends the call.
    pub fn end(&self, reason: Reason) {
        if self.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            // Cannot fail: an eventfd takes 2^64 - 2 before it is full.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
            self.ended.notify_waiters();
        }
    }

    /// Why it was ended, if it was.
    pub fn reason(&self) -> Option<Reason> {
        match self.reason.load(Ordering::Acquire) {
            1 => Some(Reason::Cancelled),
            2 => Some(Reason::DeadlinePassed),
            3 => Some(Reason::ReaderGone),
            _ => None,
        }
    }

    /// Waits until it is ended.
    pub async fn ended(&self) -> Reason {
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            ended.await;
        }
    }

    /// Readable once it is ended.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The error to fail a stream with, once it is ended.
    pub fn check(&self) -> io::Result<()> {
        self.reason().map_or(Ok(()), |reason| Err(io::Error::other(reason)))
    }
}

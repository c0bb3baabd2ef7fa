//! Pipes, sockets and terminals: non-blocking, with the call's end and its time-out in every wait.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;

use crate::request::{Call, Sink};
use crate::sys;

/// A stream that moves only when the client does.
pub(super) struct LiveStream {
    fd: OwnedFd,
    socket: bool,
}

impl LiveStream {
    /// A description of our own, already non-blocking.
    pub(super) fn own(fd: OwnedFd) -> Self {
        Self { fd, socket: false }
    }

    /// A socket, whose flags are the client's too.
    pub(super) fn socket(fd: OwnedFd) -> Self {
        Self { fd, socket: true }
    }

    /// A copy for [`reader_closed`].
    pub(super) fn watch(&self) -> Option<OwnedFd> {
        self.fd.try_clone().ok()
    }

    /// Reads what is there; 0 at the end.
    pub(super) fn read(&self, buffer: &mut [u8], call: &Call) -> io::Result<usize> {
        loop {
            call.cancel.check()?;
            let read = if self.socket {
                recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT).map(|(read, _)| read)
            } else {
                rustix::io::read(&self.fd, &mut *buffer)
            };
            match read {
                Ok(read) => return Ok(read),
                Err(Errno::AGAIN) => call.wait(self.fd.as_fd(), PollFlags::IN)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn write(&self, bytes: &[u8], call: &Call) -> io::Result<usize> {
        loop {
            call.cancel.check()?;
            let written = if self.socket {
                send(&self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            } else {
                rustix::io::write(&self.fd, bytes)
            };
            match written {
                Ok(written) => return Ok(written),
                Err(Errno::AGAIN) => call.wait(self.fd.as_fd(), PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A live stream as output. What was written cannot be taken back: only the reply tells the truth.
pub(super) struct LiveSink {
    stream: Option<LiveStream>,
    call: Arc<Call>,
}

impl LiveSink {
    pub(super) fn new(stream: LiveStream, call: Arc<Call>) -> Self {
        Self { stream: Some(stream), call }
    }
}

impl Write for LiveSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.stream {
            Some(stream) => stream.write(bytes, &self.call),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for LiveSink {
    fn finish(&mut self) -> io::Result<()> {
        self.call.cancel.check()?;
        self.stream = None;
        Ok(())
    }

    fn abandon(&mut self) {
        self.stream = None;
    }
}

/// Waits until nobody can read any more what is written to `stream`; for ever, if that cannot be known.
pub(in crate::bus) async fn reader_closed(stream: OwnedFd) {
    // A pipe's closed reading end is an error condition on the writing end; a socket hangs up, which is
    // reported together with readability.
    let Ok(stream) = sys::watch(stream, Interest::READABLE | Interest::ERROR) else {
        return std::future::pending().await;
    };
    loop {
        let Ok(mut ready) = stream.ready(Interest::READABLE | Interest::ERROR).await else {
            return std::future::pending().await;
        };
        if is_closed(stream.get_ref().as_fd()) {
            return;
        }
        ready.clear_ready();
    }
}

fn is_closed(stream: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(stream, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

//! Checking a client's descriptor and opening it for our own use.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat, fcntl_getfl, fstat, open};

use super::file::Place;
use super::live::LiveStream;
use crate::text;

/// A descriptor of the client's that can carry a message.
pub(super) enum Opened {
    /// A regular file (or memfd) and the offset to start at.
    File(Place),
    /// A pipe, socket, terminal or character device.
    Live(LiveStream),
}

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bus) struct Identity {
    device: u64,
    inode: u64,
    kind: FileType,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino, kind: FileType::from_raw_mode(stat.st_mode) }
    }

    /// Whether writing to one would change what is read from the other. A socket goes both ways, and a
    /// device such as /dev/null keeps nothing.
    pub(super) fn same_file(&self, other: &Self) -> bool {
        self == other && matches!(self.kind, FileType::RegularFile | FileType::Fifo)
    }
}

/// Opens an input.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub(super) fn for_reading(fd: OwnedFd) -> Result<(Opened, Identity), &'static str> {
    let flags = flags(&fd)?;
    if flags.contains(OFlags::PATH) || flags & OFlags::ACCMODE == OFlags::WRONLY {
        return Err(text::NOT_READABLE);
    }
    opened(fd, OFlags::RDONLY)
}

/// Opens an output.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence.
pub(super) fn for_writing(fd: OwnedFd) -> Result<(Opened, Identity), &'static str> {
    let flags = flags(&fd)?;
    let mode = flags & OFlags::ACCMODE;
    let stat = fstat(&fd).map_err(|_| text::NOT_WRITABLE)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(text::IS_DIRECTORY);
    }
    if flags.contains(OFlags::PATH) || !(mode == OFlags::WRONLY || mode == OFlags::RDWR) {
        return Err(text::NOT_WRITABLE);
    }
    if flags.contains(OFlags::APPEND) {
        return Err(text::IS_APPENDING);
    }
    opened(fd, OFlags::WRONLY)
}

fn flags(fd: &OwnedFd) -> Result<OFlags, &'static str> {
    fcntl_getfl(fd).map_err(|_| text::NOT_A_FILE)
}

fn opened(fd: OwnedFd, mode: OFlags) -> Result<(Opened, Identity), &'static str> {
    let stat = fstat(&fd).map_err(|_| text::NOT_A_FILE)?;
    let identity = Identity::of(&stat);
    let opened = match identity.kind {
        FileType::RegularFile => Opened::File(Place::new(fd).map_err(|_| text::NOT_A_FILE)?),
        FileType::Socket => Opened::Live(LiveStream::socket(fd)),
        FileType::Fifo | FileType::CharacterDevice => Opened::Live(LiveStream::own(reopen(&fd, mode)?)),
        FileType::Directory => return Err(text::IS_DIRECTORY),
        _ => return Err(text::NOT_A_FILE),
    };
    Ok((opened, identity))
}

/// A description of our own of the same pipe or device. The mode was checked before: opening anew looks at
/// the file's permissions only, not at what the client was given.
fn reopen(fd: &OwnedFd, mode: OFlags) -> Result<OwnedFd, &'static str> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = mode | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|error| match error {
        // A pipe without a reader cannot be opened for writing.
        rustix::io::Errno::NXIO => text::READER_CLOSED,
        _ => text::NOT_A_FILE,
    })
}

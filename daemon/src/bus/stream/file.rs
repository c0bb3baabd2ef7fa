//! Regular files and memfds: read and written at offsets of our own. They never make a thread wait for
//! the client, so nothing polls here.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{SeekFrom, fstat, ftruncate, seek};
use rustix::io::{pread, pwrite};
use wafer_smime::Source;

use crate::request::{Call, Sink, Supply};

/// A file of the client's and where in it to start.
pub(super) struct Place {
    file: OwnedFd,
    start: u64,
}

impl Place {
    /// Starts at the descriptor's own offset.
    pub(super) fn new(file: OwnedFd) -> io::Result<Self> {
        let start = seek(&file, SeekFrom::Current(0))?;
        Ok(Self { file, start })
    }

    /// Leaves the client's offset at `end`. A failure is the client's to notice: all bytes are there.
    fn leave_at(&self, end: u64) {
        let _ = seek(&self.file, SeekFrom::Start(end));
    }
}

/// A file as input.
pub(super) struct FileSupply {
    place: Place,
    /// The furthest byte read.
    end: u64,
    call: Arc<Call>,
}

impl FileSupply {
    pub(super) fn new(place: Place, call: Arc<Call>) -> Self {
        let end = place.start;
        Self { place, end, call }
    }
}

impl Source for FileSupply {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let position = self.place.start;
        Ok(Box::new(FileReader { supply: self, position }))
    }

    fn length(&self) -> Option<u64> {
        let size = u64::try_from(fstat(&self.place.file).ok()?.st_size).ok()?;
        Some(size.saturating_sub(self.place.start))
    }
}

impl Supply for FileSupply {
    fn finish(&mut self) {
        self.place.leave_at(self.end);
    }
}

struct FileReader<'a> {
    supply: &'a mut FileSupply,
    position: u64,
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.supply.call.cancel.check()?;
        let read = retry(|| pread(&self.supply.place.file, &mut *buffer, self.position))?;
        self.position += read as u64;
        self.supply.end = self.supply.end.max(self.position);
        self.supply.call.progressed(read);
        Ok(read)
    }
}

/// A file as output.
pub(super) struct FileSink {
    place: Place,
    position: u64,
    call: Arc<Call>,
}

impl FileSink {
    pub(super) fn new(place: Place, call: Arc<Call>) -> Self {
        let position = place.start;
        Self { place, position, call }
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call.cancel.check()?;
        let written = retry(|| pwrite(&self.place.file, bytes, self.position))?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for FileSink {
    fn finish(&mut self) -> io::Result<()> {
        self.call.cancel.check()?;
        self.place.leave_at(self.position);
        Ok(())
    }

    fn abandon(&mut self) {
        if self.position > self.place.start {
            if let Err(error) = ftruncate(&self.place.file, self.place.start) {
                tracing::warn!(%error, "an unfinished output could not be cut back");
            }
            self.position = self.place.start;
        }
    }
}

/// Repeats `operation` while signals interrupt it.
fn retry<T>(mut operation: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

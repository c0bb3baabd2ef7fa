//! A reader that hands out its bytes in small pieces, as pipes and sockets do.

use std::io::{self, Read};

use crate::source::Source;

/// Reads from `.0`, at most `.1` bytes at once.
pub(crate) struct Slow<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(self.1);
        self.0.read(&mut buffer[..n])
    }
}

/// A message that comes so.
pub(crate) struct SlowSource<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Source for SlowSource<'_> {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Slow(self.0, self.1)))
    }
}

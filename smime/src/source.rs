//! Where a message comes from: a stream that can be read more than once.

use std::io::{self, BufRead, BufReader, Read};

use crate::mime::BUFFER;

/// A message's bytes, readable from the start as often as needed.
///
/// The engine promises that a second reading never trusts the first: what it
/// writes out it checks again against what it proved (the caller's file could
/// have changed in between). What is opened is proved again by its tag or digest; what is signed is
/// held against a CRC-32 and the length of what was hashed, which finds a file that was saved
/// meanwhile: whoever forges that sum gets a message whose signature is bad.
pub trait Source {
    /// Starts again at the first byte. Errors are the reader's own (cancelled, timed out, ...)
    /// and come back unchanged inside [`crate::Error::Input`].
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>>;

    /// As [`Source::open`], for reading piece by piece; what is in memory needs no buffer.
    fn open_buffered(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(BufReader::with_capacity(BUFFER, self.open()?)))
    }

    /// Length in bytes, where it is known without reading.
    fn length(&self) -> Option<u64> {
        None
    }
}

/// A message in memory.
impl Source for &[u8] {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(&self[..]))
    }

    fn open_buffered(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(&self[..]))
    }

    fn length(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
}

//! Reading a stream more than once that can be read only once.

use std::io::{self, Read};
use std::sync::Arc;

use wafer_smime::Source;

use super::live::LiveStream;
use crate::request::{Call, Supply};
use crate::spool::{Contents, Spool};

/// A live stream as input.
pub(super) struct SpooledSupply {
    stream: LiveStream,
    contents: Contents,
    spool: Spool,
    ended: bool,
    call: Arc<Call>,
}

impl SpooledSupply {
    pub(super) fn new(stream: LiveStream, contents: Contents, call: Arc<Call>) -> Self {
        Self { stream, contents, spool: Spool::default(), ended: false, call }
    }

    /// Reads on from the stream, and keeps what came.
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let read = self.stream.read(buffer, &self.call)?;
        self.ended = read == 0;
        self.spool.append(&buffer[..read], self.contents)?;
        Ok(read)
    }
}

impl Source for SpooledSupply {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        if self.spool.forgotten {
            return Err(io::Error::other("the stream cannot be read a second time"));
        }
        Ok(Box::new(SpooledReader { supply: self, position: 0 }))
    }

    fn length(&self) -> Option<u64> {
        self.ended.then_some(self.spool.length)
    }
}

impl Supply for SpooledSupply {}

struct SpooledReader<'a> {
    supply: &'a mut SpooledSupply,
    position: u64,
}

impl Read for SpooledReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.supply.call.cancel.check()?;
        let read = if buffer.is_empty() {
            0
        } else if self.position < self.supply.spool.length {
            self.supply.spool.read_at(self.position, buffer)?
        } else {
            self.supply.read_on(buffer)?
        };
        self.position += read as u64;
        self.supply.call.progressed(read);
        Ok(read)
    }
}

//! Bytes in the call itself.

use std::io::{self, Read, Write};

use wafer_client::names::INLINE_MAX;
use wafer_smime::Source;
use zeroize::Zeroizing;

use super::InlineAnswer;
use crate::request::failure::TooLongForInline;
use crate::request::{Sink, Supply};

/// A message that came in the call.
pub(super) struct InlineSupply(pub(super) Zeroizing<Vec<u8>>);

impl Source for InlineSupply {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(&self.0[..]))
    }

    fn length(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

impl Supply for InlineSupply {}

/// A result that goes into the reply.
pub(super) struct InlineSink {
    bytes: Zeroizing<Vec<u8>>,
    answer: InlineAnswer,
}

impl InlineSink {
    pub(super) fn new(answer: InlineAnswer) -> Self {
        Self { bytes: Zeroizing::new(Vec::new()), answer }
    }
}

impl Write for InlineSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > INLINE_MAX {
            return Err(io::Error::other(TooLongForInline));
        }
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl InlineSink {
    /// Grows without leaving an unwiped copy behind.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let mut grown = Zeroizing::new(Vec::with_capacity((needed * 2).min(INLINE_MAX)));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
    }
}

impl Sink for InlineSink {
    fn finish(&mut self) -> io::Result<()> {
        self.answer.put(std::mem::take(&mut self.bytes));
        Ok(())
    }

    fn abandon(&mut self) {
        self.bytes = Zeroizing::new(Vec::new());
    }
}

//! What one step of an operation hands to the next: written once, read as often as need be, never in the clear
//! on a disk. And outputs that end together: all of them or none.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wafer_smime::Source;

use super::{Sink, Supply};
use crate::spool::{Contents, Spool};

/// A message between two steps.
#[derive(Clone, Default)]
pub(super) struct Scratch(Arc<Mutex<Spool>>);

impl Scratch {
    /// A way to write it.
    pub(super) fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.clone())
    }

    /// A way to read it, from its beginning.
    pub(super) fn supply(&self) -> Box<dyn Supply> {
        Box::new(self.clone())
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spool().append(bytes, Contents::Plaintext)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Scratch {
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abandon(&mut self) {
        *self.spool() = Spool::default();
    }
}

impl Source for Scratch {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(ScratchReader { scratch: self.clone(), position: 0 }))
    }

    fn length(&self) -> Option<u64> {
        Some(self.spool().length)
    }
}

impl Supply for Scratch {}

struct ScratchReader {
    scratch: Scratch,
    position: u64,
}

impl Read for ScratchReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut spool = self.scratch.spool();
        if buffer.is_empty() || self.position >= spool.length {
            return Ok(0);
        }
        let read = spool.read_at(self.position, buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Outputs that are finished together.
#[derive(Clone)]
pub(super) struct Together(Vec<Arc<Mutex<Box<dyn Sink>>>>);

impl Together {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self(sinks.into_iter().map(|sink| Arc::new(Mutex::new(sink))).collect())
    }

    /// The output `number`, whose end waits for [`Self::finish`].
    pub(super) fn sink(&self, number: usize) -> Option<Box<dyn Sink>> {
        self.0.get(number).map(|sink| Box::new(Waiting(sink.clone())) as Box<dyn Sink>)
    }

    /// Finishes every output; if one cannot be, every one is taken back.
    pub(super) fn finish(&self) -> io::Result<()> {
        for sink in &self.0 {
            // Not in the condition itself: its lock would last through the branch, which takes it again.
            let finished = lock(sink).finish();
            if let Err(error) = finished {
                self.abandon();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes every output back.
    pub(super) fn abandon(&self) {
        self.0.iter().for_each(|sink| lock(sink).abandon());
    }
}

/// An output that ends with others.
struct Waiting(Arc<Mutex<Box<dyn Sink>>>);

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }
}

impl Sink for Waiting {
    fn finish(&mut self) -> io::Result<()> {
        self.flush()
    }

    fn abandon(&mut self) {
        lock(&self.0).abandon();
    }
}

fn lock(sink: &Mutex<Box<dyn Sink>>) -> MutexGuard<'_, Box<dyn Sink>> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// An output that counts, and that cannot be finished if it is told so.
    #[derive(Clone, Default)]
    struct Counted(Arc<Mutex<(usize, bool, usize)>>);

    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Counted {
        fn finish(&mut self) -> io::Result<()> {
            if self.0.lock().unwrap().1 { Err(io::Error::other("full")) } else { Ok(()) }
        }

        fn abandon(&mut self) {
            let mut state = self.0.lock().unwrap();
            (state.0, state.2) = (0, state.2 + 1);
        }
    }

    #[test]
    fn what_was_written_is_read_as_often_as_need_be() {
        let scratch = Scratch::default();
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        scratch.sink().write_all(&bytes).unwrap();
        for _ in 0..2 {
            let (mut supply, mut read) = (scratch.supply(), Vec::new());
            assert_eq!(supply.length(), Some(4_000_000));
            supply.open().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes);
        }
    }

    #[test]
    fn outputs_end_together_or_not_at_all() {
        let [good, bad] = [(); 2].map(|()| Counted::default());
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(good.clone()), Box::new(bad.clone())];
        let together = Together::new(sinks);
        for number in 0..2 {
            let mut sink = together.sink(number).unwrap();
            sink.write_all(b"four").unwrap();
            sink.finish().unwrap();
        }
        together.finish().unwrap();
        assert_eq!(good.0.lock().unwrap().0, 4);
        bad.0.lock().unwrap().1 = true;
        assert!(together.finish().is_err());
        assert_eq!(*good.0.lock().unwrap(), (0, false, 1));
        assert!(together.sink(2).is_none());
    }
}

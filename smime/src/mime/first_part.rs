//! The first part of a `multipart/signed` as a stream.

use std::io::{self, Read};
use std::ops::Range;

use crate::error::Result;
use crate::mime::as_io;
use crate::mime::multipart::{Piece, Splitter, expect_close, expect_part};

/// Reads the first part as it stands. At its end it reads on, and fails unless exactly one part follows.
pub(crate) struct FirstPart<R> {
    splitter: Splitter<R>,
    ready: Range<usize>,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Preamble,
    Part,
    Behind,
    Ended,
}

impl<R: Read> FirstPart<R> {
    /// Starts in front of the multipart's preamble.
    pub(crate) fn new(input: R, boundary: &str) -> Self {
        Self { splitter: Splitter::new(input, boundary), ready: 0..0, place: Place::Preamble }
    }

    /// Goes on to the next bytes, or the next place.
    fn advance(&mut self) -> Result<()> {
        let piece = self.splitter.piece()?;
        match (self.place, piece) {
            (Place::Preamble, Piece::Last(_, end)) => {
                expect_part(end)?;
                self.place = Place::Part;
            }
            (Place::Part, Piece::Some(range)) => self.ready = range,
            (Place::Part, Piece::Last(range, end)) => {
                expect_part(end)?;
                self.ready = range;
                self.place = Place::Behind;
            }
            (Place::Behind, Piece::Last(_, end)) => {
                expect_close(end)?;
                self.splitter.drain()?;
                self.place = Place::Ended;
            }
            _ => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for FirstPart<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && self.place != Place::Ended {
            self.advance().map_err(as_io)?;
        }
        let n = buffer.len().min(self.ready.len());
        let range = self.ready.start..self.ready.start + n;
        buffer[..n].copy_from_slice(self.splitter.bytes(range));
        self.ready.start += n;
        Ok(n)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn part(text: &str) -> io::Result<String> {
        let mut part = String::new();
        FirstPart::new(text.as_bytes(), "b").read_to_string(&mut part).map(|_| part)
    }

    #[test]
    fn is_read_and_what_follows_is_checked() {
        assert_eq!(part("x\n--b\na\r\n\n--b\nsig\n--b--\nend").unwrap(), "a\r\n");
        assert_eq!(part("--b\n--b\n--b--").unwrap(), "");
        for text in ["", "--b\na", "--b\na\n--b", "--b\na\n--b--", "--b\na\n--b\nb\n--b\nc\n--b--\n"] {
            assert!(part(text).is_err(), "{text:?}");
        }
        let long = "long line\r\n".repeat(50_000);
        assert_eq!(part(&format!("--b\n{long}\r\n--b\n\n--b--")).unwrap(), long);
    }
}

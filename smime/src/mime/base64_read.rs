//! Base64 read as a stream (RFC 2045 section 6.8, RFC 7468).

use std::io::{self, Read};

use base64_simd::{Out, STANDARD};

use crate::error::Error;
use crate::mime::{BUFFER, carried};

/// Decodes what `input` reads. Line ends, spaces and tabs are passed over; the data ends at its padding,
/// at the end of the input, or at a hyphen (the `-----END` line of PEM).
pub(crate) struct Base64Reader<R> {
    input: R,
    raw: Vec<u8>,
    /// Encoded characters that wait for the rest of their group of four.
    characters: Vec<u8>,
    decoded: Vec<u8>,
    start: usize,
    end: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Data,
    /// After the padding: only white space or a PEM end line may follow.
    Padded,
    /// After the PEM end line: read to the end, since a layer around this one may have a check to make there.
    Behind,
    Ended,
}

impl<R: Read> Base64Reader<R> {
    /// A decoder at the start of the encoded text.
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            raw: vec![0; BUFFER],
            characters: Vec::with_capacity(BUFFER + 4),
            decoded: vec![0; BUFFER],
            start: 0,
            end: 0,
            state: State::Data,
        }
    }

    /// Reads one piece and decodes the whole groups in it.
    fn refill(&mut self) -> io::Result<()> {
        let n = self.input.read(&mut self.raw)?;
        if n == 0 {
            if !self.characters.is_empty() {
                return Err(malformed("the base64 text ends inside a group of four"));
            }
            self.state = State::Ended;
            return Ok(());
        }
        append_without_space(&mut self.characters, &self.raw[..n]);
        match self.state {
            State::Data => self.decode_groups(),
            State::Padded => self.expect_nothing(),
            State::Behind | State::Ended => {
                self.characters.clear();
                Ok(())
            }
        }
    }

    fn decode_groups(&mut self) -> io::Result<()> {
        let mark = memchr::memchr2(b'=', b'-', &self.characters);
        let (length, ended) = match mark {
            Some(at) if self.characters[at] == b'-' => (at, true),
            Some(at) => ((at / 4 + 1) * 4, true),
            None => (self.characters.len() / 4 * 4, false),
        };
        if length > self.characters.len() {
            return self.decode(self.characters.len().saturating_sub(4) / 4 * 4);
        }
        self.decode(length)?;
        if ended {
            self.state = State::Padded;
            return self.expect_nothing();
        }
        Ok(())
    }

    /// Decodes the first `length` waiting characters.
    fn decode(&mut self, length: usize) -> io::Result<()> {
        let decoded = STANDARD
            .decode(&self.characters[..length], Out::from_slice(&mut self.decoded))
            .map_err(|_| malformed("the body is not base64"))?;
        self.start = 0;
        self.end = decoded.len();
        self.characters.drain(..length);
        Ok(())
    }

    fn expect_nothing(&mut self) -> io::Result<()> {
        match self.characters.first() {
            None => Ok(()),
            Some(b'-') => {
                self.characters.clear();
                self.state = State::Behind;
                Ok(())
            }
            Some(_) => Err(malformed("text follows the end of the base64 data")),
        }
    }
}

impl<R: Read> Read for Base64Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end && self.state != State::Ended {
            self.refill()?;
        }
        let n = buffer.len().min(self.end - self.start);
        buffer[..n].copy_from_slice(&self.decoded[self.start..self.start + n]);
        self.start += n;
        Ok(n)
    }
}

/// Appends `raw` to `characters` without line ends, spaces and tabs.
fn append_without_space(characters: &mut Vec<u8>, raw: &[u8]) {
    let mut start = 0;
    for at in memchr::memchr2_iter(b'\r', b'\n', raw) {
        characters.extend_from_slice(&raw[start..at]);
        start = at + 1;
    }
    characters.extend_from_slice(&raw[start..]);
    if memchr::memchr3(b' ', b'\t', 0x0c, characters).is_some() {
        characters.retain(|c| !matches!(c, b' ' | b'\t' | 0x0c));
    }
}

fn malformed(what: &str) -> io::Error {
    carried(Error::Malformed(what.to_owned()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mime::base64_write::Base64Writer;

    /// Reads at most `.1` bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = buffer.len().min(self.1);
            self.0.read(&mut buffer[..n])
        }
    }

    fn decode(text: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Base64Reader::new(Slow(text, step)).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn is_tolerant_of_space_only() {
        for step in [1, 2, 3, 1000] {
            assert_eq!(decode(b" Y W\r\nJ\tj\n\nZA = =\r\n \n", step).unwrap(), b"abcd");
            assert_eq!(decode(b"YWJj\n-----END CMS-----\nYWJj", step).unwrap(), b"abc");
            assert_eq!(decode(b"YWI=-----END CMS-----", step).unwrap(), b"ab");
            assert_eq!(decode(b"", step).unwrap(), b"");
            assert!(decode(b"YWJjZ", step).is_err());
            assert!(decode(b"YWJjZA=", step).is_err());
            assert!(decode(b"YW=j", step).is_err());
            assert!(decode(b"YWI=YWI=", step).is_err());
            assert!(decode(b"YW_j", step).is_err());
            assert!(decode(b"YW-j", step).is_err());
        }
    }

    proptest! {
        #[test]
        fn reads_what_is_written(
            bytes in prop::collection::vec(any::<u8>(), 0..2000),
            step in 1_usize..300,
            columns in prop::sample::select(vec![64_usize, 76]),
        ) {
            let mut writer = Base64Writer::new(Vec::new(), columns);
            for piece in bytes.chunks(step) {
                io::Write::write_all(&mut writer, piece).unwrap();
            }
            let text = writer.finish().unwrap();
            prop_assert!(text.split(|b| *b == b'\n').all(|line| line.len() <= columns + 1));
            prop_assert_eq!(decode(&text, step).unwrap(), bytes);
        }
    }
}

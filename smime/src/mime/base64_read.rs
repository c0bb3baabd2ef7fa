//! Base64 read as a stream (RFC 2045 section 6.8, RFC 7468).

use std::io::{self, BufRead, Read};

use base64_simd::{Out, STANDARD};

use crate::error::Error;
use crate::mime::{BUFFER, carried};

/// Who reads fewer bytes at once is served from a buffer of so many.
const SMALL: usize = 3 * 1024;

/// Decodes what `input` reads. Line ends, spaces and tabs are passed over; the data ends at its padding,
/// at the end of the input, or at a hyphen (the `-----END` line of PEM). What stands in front of a fault is
/// handed out before the fault is told, in whatever pieces the text arrives.
pub(crate) struct Base64Reader<R> {
    input: R,
    /// Encoded characters; those in front of `at` have been decoded.
    characters: Vec<u8>,
    at: usize,
    /// Decoded bytes for readers that take few at once; those between `start` and `end` wait.
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
    /// What is wrong behind the bytes that are decoded.
    Failed(&'static str),
}

impl<R: BufRead> Base64Reader<R> {
    /// A decoder at the start of the encoded text.
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            characters: Vec::with_capacity(BUFFER + 4),
            at: 0,
            decoded: vec![0; SMALL],
            start: 0,
            end: 0,
            state: State::Data,
        }
    }

    /// Reads one piece.
    fn refill(&mut self) -> io::Result<()> {
        let raw = self.input.fill_buf()?;
        let n = raw.len().min(BUFFER);
        match self.state {
            State::Behind if n == 0 => self.state = State::Ended,
            State::Behind => {}
            _ => {
                self.characters.drain(..self.at);
                self.at = 0;
                append_lines(&mut self.characters, &raw[..n]);
            }
        }
        self.input.consume(n);
        match self.state {
            State::Data | State::Padded if n == 0 => {
                remove_space(&mut self.characters);
                self.state = match self.characters.is_empty() {
                    true => State::Ended,
                    false => State::Failed("the base64 text ends inside a group of four"),
                };
            }
            State::Padded => self.expect_nothing(),
            _ => {}
        }
        Ok(())
    }

    /// Decodes what has been read of the data as far as `out` has room; answers the number of bytes.
    fn decode(&mut self, out: &mut [u8]) -> usize {
        if self.state != State::Data {
            return 0;
        }
        if let Some(decoded) = self.decode_groups(out) {
            return decoded;
        }
        // White space inside of lines is rare, and known by its being no base64.
        self.characters.drain(..self.at);
        self.at = 0;
        remove_space(&mut self.characters);
        self.decode_groups(out).unwrap_or_else(|| self.decode_singly(out))
    }

    /// Decodes whole groups, up to the end of the data. `None`: something in them is not base64.
    fn decode_groups(&mut self, out: &mut [u8]) -> Option<usize> {
        let room = out.len() / 3 * 4;
        let characters = &self.characters[self.at..];
        let characters = &characters[..characters.len().min(room + 4)];
        let (length, ended) = match memchr::memchr2(b'=', b'-', characters) {
            Some(at) if characters[at] == b'-' => (at, true),
            // The rest of the padding may still come.
            Some(at) if (at / 4 + 1) * 4 > characters.len() => (at / 4 * 4, false),
            Some(at) => ((at / 4 + 1) * 4, true),
            None => (characters.len() / 4 * 4, false),
        };
        let (length, ended) = if length > room { (room, false) } else { (length, ended) };
        let decoded = STANDARD.decode(&characters[..length], Out::from_slice(out)).ok()?.len();
        self.at += length;
        if ended {
            self.state = State::Padded;
            self.expect_nothing();
        }
        Some(decoded)
    }

    /// Decodes up to the first group that is not base64.
    fn decode_singly(&mut self, out: &mut [u8]) -> usize {
        let mut written = 0;
        for (group, out) in self.characters[self.at..].chunks(4).zip(out.chunks_exact_mut(3)) {
            match STANDARD.decode(group, Out::from_slice(out)) {
                Ok(decoded) if decoded.len() == 3 => written += 3,
                _ => {
                    self.state = State::Failed("the body is not base64");
                    break;
                }
            }
        }
        self.at += written / 3 * 4;
        written
    }

    /// Looks at what stands behind the data.
    fn expect_nothing(&mut self) {
        self.characters.drain(..self.at);
        self.at = 0;
        remove_space(&mut self.characters);
        match self.characters.first() {
            None => {}
            Some(b'-') => self.state = State::Behind,
            Some(_) => self.state = State::Failed("text follows the end of the base64 data"),
        }
    }
}

impl<R: BufRead> Read for Base64Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end {
            let direct = buffer.len() >= SMALL;
            let mut decoded = std::mem::take(&mut self.decoded);
            let n = self.decode(if direct { buffer } else { &mut decoded });
            self.decoded = decoded;
            match self.state {
                _ if n > 0 && direct => return Ok(n),
                _ if n > 0 => (self.start, self.end) = (0, n),
                State::Data | State::Padded | State::Behind => self.refill()?,
                State::Ended => return Ok(0),
                State::Failed(what) => return Err(carried(Error::Malformed(what.to_owned()))),
            }
        }
        let n = buffer.len().min(self.end - self.start);
        buffer[..n].copy_from_slice(&self.decoded[self.start..self.start + n]);
        self.start += n;
        Ok(n)
    }
}

/// Appends `raw` to `characters` without its line ends. Lines mostly have one length, so the next line's end is
/// looked for where the last one's was; what that lets through [`remove_space`] takes out.
fn append_lines(characters: &mut Vec<u8>, mut raw: &[u8]) {
    while let Some(end) = memchr::memchr(b'\n', raw) {
        while raw.get(end) == Some(&b'\n') {
            let line = &raw[..end];
            characters.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            raw = &raw[end + 1..];
        }
    }
    characters.extend_from_slice(raw);
}

fn remove_space(characters: &mut Vec<u8>) {
    characters.retain(|c| !matches!(c, b' ' | b'\t' | b'\r' | b'\n' | 0x0c));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;
    use crate::mime::base64_write::Base64Writer;

    fn decode(text: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Base64Reader::new(BufReader::with_capacity(step, text)).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn is_tolerant_of_space_only() {
        for step in [1, 2, 3, 1000] {
            assert_eq!(decode(b" Y W\r\nJ\tj\n\nZA = =\r\n \n", step).unwrap(), b"abcd");
            assert_eq!(decode(b"YWJj\n-----END CMS-----\nYWJj", step).unwrap(), b"abc");
            assert_eq!(decode(b"YWI=-----END CMS-----", step).unwrap(), b"ab");
            assert_eq!(decode(b"", step).unwrap(), b"");
            assert_eq!(decode(b"YWJj\r\nYW\nJj\nYWI=\n", step).unwrap(), b"abcabcab");
            assert!(decode(b"YWJjZ", step).is_err());
            assert!(decode(b"YWJjZA=", step).is_err());
            assert!(decode(b"YW=j", step).is_err());
            assert!(decode(b"YWI=YWI=", step).is_err());
            assert!(decode(b"YW_j", step).is_err());
            assert!(decode(b"YW-j", step).is_err());
        }
    }

    /// Found by fuzzing: bytes in front of a fault came, or did not, as the text was cut.
    #[test]
    fn what_stands_in_front_of_a_fault_comes_first() {
        for text in
            ["YWJjYWJj", "YWJjYWJjZA=", "YWJjYWJjYW_j", "YWJj\nYWJjYW=j", "YWJj YWJj-", "YWJjYWJj=Zg="]
        {
            for step in [1, 3, 1000] {
                let mut out = Vec::new();
                let _ =
                    Base64Reader::new(BufReader::with_capacity(step, text.as_bytes())).read_to_end(&mut out);
                assert_eq!(out, b"abcabc", "{text:?} {step}");
            }
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

//! The split of a `multipart/signed` (RFC 1847 section 2.1, RFC 2046 section 5.1.1).
//!
//! A delimiter is a whole line: boundary, optional white space, line end. The line end in front of it
//! belongs to it and not to the part, so that exactly the signed bytes are hashed.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memmem::Finder;

use crate::error::{Error, Result};
use crate::mime::{BUFFER, input_error};

/// Bytes the signature part may have.
const SIGNATURE_LIMIT: usize = 4 * 1024 * 1024;

/// Room for a boundary's beginning and what is around it.
const KEPT: usize = 2 * 1024;

/// White space that may follow a boundary on its line.
const PADDING_LIMIT: usize = 1024;

/// Reads the body of a `multipart/signed` to its end: hands the first part as it stands to `signed`
/// and answers the second.
///
/// # Errors
/// [`Error::Malformed`] unless there are two parts and a closing boundary; [`Error::Limit`].
pub(crate) fn split(
    input: &mut dyn Read,
    boundary: &str,
    signed: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut splitter = Splitter::new(input, boundary);
    splitter.part_delimiter(&mut |_| Ok(()))?;
    splitter.part_delimiter(signed)?;
    let mut signature = Vec::new();
    let end = splitter.section(&mut |bytes| {
        if signature.len() + bytes.len() > SIGNATURE_LIMIT {
            return Err(Error::Limit("4 MiB of signature"));
        }
        signature.extend_from_slice(bytes);
        Ok(())
    })?;
    expect_close(end)?;
    splitter.drain()?;
    Ok(signature)
}

/// A boundary's line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// Another part begins.
    Part,
    /// The last part has ended.
    Close,
}

/// Bytes of a section, as a range of [`Splitter::bytes`].
pub(crate) enum Piece {
    /// More of the section will follow.
    Some(Range<usize>),
    /// The section's last bytes, and what ended it: `None` is the input's end.
    Last(Range<usize>, Option<Delimiter>),
}

/// Cuts a multipart into sections: preamble, parts, epilogue.
pub(crate) struct Splitter<R> {
    input: R,
    finder: Finder<'static>,
    window: Vec<u8>,
    start: usize,
    end: usize,
    input_ended: bool,
    /// Whether the window starts at a section's first byte: a boundary there has no line end in front.
    at_section_start: bool,
}

/// What was found in the window. Offsets count from its start.
enum Found {
    Delimiter {
        kind: Delimiter,
        content: usize,
        next: usize,
    },
    /// Nothing certain; the bytes in front of `sure` are content.
    Nothing {
        sure: usize,
    },
}

/// Whether the text behind a boundary makes it a delimiter.
enum Line {
    Ends { kind: Delimiter, length: usize },
    Other,
    Unfinished,
}

impl<R: Read> Splitter<R> {
    /// Starts in front of the preamble.
    pub(crate) fn new(input: R, boundary: &str) -> Self {
        Self {
            input,
            finder: Finder::new(format!("--{boundary}").as_bytes()).into_owned(),
            // Beside what is kept of the last piece there is room for a whole one.
            window: vec![0; BUFFER + KEPT],
            start: 0,
            end: 0,
            input_ended: false,
            at_section_start: true,
        }
    }

    /// The bytes that a [`Piece`] named last; they stay until the next call.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.window[range]
    }

    /// A section that must end with the start of another part.
    fn part_delimiter(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let end = self.section(sink)?;
        expect_part(end)
    }

    /// Hands everything up to the next delimiter to `sink`; `None` if the input ended without one.
    fn section(&mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Option<Delimiter>> {
        loop {
            match self.piece()? {
                Piece::Some(range) => sink(&self.window[range])?,
                Piece::Last(range, end) => {
                    sink(&self.window[range])?;
                    return Ok(end);
                }
            }
        }
    }

    /// The next bytes of the section.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub(crate) fn piece(&mut self) -> Result<Piece> {
        loop {
            let start = self.start;
            match self.find() {
                Found::Delimiter { kind, content, next } => {
                    self.start += next;
                    self.at_section_start = true;
                    return Ok(Piece::Last(start..start + content, Some(kind)));
                }
                Found::Nothing { sure } if sure > 0 => {
                    self.start += sure;
                    self.at_section_start = false;
                    return Ok(Piece::Some(start..start + sure));
                }
                Found::Nothing { .. } if self.input_ended => return Ok(Piece::Last(start..start, None)),
                Found::Nothing { .. } => self.fill()?,
            }
        }
    }

    fn find(&self) -> Found {
        let data = &self.window[self.start..self.end];
        let length = self.finder.needle().len();
        for at in self.finder.find_iter(data) {
            if !(at == 0 && self.at_section_start || at > 0 && data[at - 1] == b'\n') {
                continue;
            }
            match self.line(&data[at + length..]) {
                Line::Ends { kind, length: rest } => {
                    let content = without_line_end(&data[..at]);
                    return Found::Delimiter { kind, content, next: at + length + rest };
                }
                Line::Unfinished => return Found::Nothing { sure: without_line_end(&data[..at]) },
                Line::Other => {}
            }
        }
        // Kept: a boundary's beginning with the line end in front of it.
        let kept = if self.input_ended { 0 } else { length + 1 };
        Found::Nothing { sure: data.len().saturating_sub(kept) }
    }

    /// Judges the text behind a boundary.
    fn line(&self, rest: &[u8]) -> Line {
        let (kind, dashes) =
            if rest.starts_with(b"--") { (Delimiter::Close, 2) } else { (Delimiter::Part, 0) };
        let padding = rest[dashes..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let at = dashes + padding;
        match &rest[at..] {
            _ if padding > PADDING_LIMIT => Line::Other,
            [b'\n', ..] => Line::Ends { kind, length: at + 1 },
            [b'\r', b'\n', ..] => Line::Ends { kind, length: at + 2 },
            // The input may be cut at a dash or a CR.
            [] | [b'\r'] if self.input_ended => Line::Ends { kind, length: rest.len() },
            [] | [b'\r'] => Line::Unfinished,
            [b'-'] if at == 0 && !self.input_ended => Line::Unfinished,
            _ => Line::Other,
        }
    }

    /// Reads more behind what is in the window.
    fn fill(&mut self) -> Result<()> {
        self.window.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        match self.input.read(&mut self.window[self.end..]) {
            Ok(0) => self.input_ended = true,
            Ok(n) => self.end += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(input_error(error)),
        }
        Ok(())
    }

    /// Reads the epilogue, so that whoever writes the message into a pipe can end.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub(crate) fn drain(&mut self) -> Result<()> {
        while !self.input_ended {
            (self.start, self.end) = (0, 0);
            self.fill()?;
        }
        Ok(())
    }
}

/// Length of `data` without one line end behind it.
fn without_line_end(data: &[u8]) -> usize {
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    data.strip_suffix(b"\r").unwrap_or(data).len()
}

/// A section of a `multipart/signed` must end with the start of another part.
pub(crate) fn expect_part(end: Option<Delimiter>) -> Result<()> {
    match end {
        Some(Delimiter::Part) => Ok(()),
        Some(Delimiter::Close) => Err(malformed("a multipart/signed with fewer than two parts")),
        None => Err(unclosed()),
    }
}

/// The signature of a `multipart/signed` must be its last part.
pub(crate) fn expect_close(end: Option<Delimiter>) -> Result<()> {
    match end {
        Some(Delimiter::Close) => Ok(()),
        Some(Delimiter::Part) => Err(malformed("a multipart/signed with more than two parts")),
        None => Err(unclosed()),
    }
}

fn unclosed() -> Error {
    malformed("a multipart/signed that ends in front of its closing boundary")
}

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::slow::Slow;

    fn parts(text: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut first = Vec::new();
        let second = split(&mut Slow(text, step), "b1", &mut |bytes| {
            first.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((first, second))
    }

    fn both(first: &[u8], second: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (first.to_vec(), second.to_vec())
    }

    #[test]
    fn a_boundary_is_a_whole_line() {
        for step in [1, 2, 3, 7, 1000] {
            let tricky = b"--b1\r\nx--b1\r\n--b1x\r\n --b1\r\n--b\r\n--b1-\r\n--b1--x\r\n\r--b1\r\n\r\n--b1\r\ny\r\n--b1--";
            let first = b"x--b1\r\n--b1x\r\n --b1\r\n--b\r\n--b1-\r\n--b1--x\r\n\r--b1\r\n";
            assert_eq!(parts(tricky, step).unwrap(), both(first, b"y"), "{step}");
            let spaced = b"pre--b1\n\n--b1 \t\nx\n\n--b1\t\ny--b1--\n\n--b1-- \r\nepilogue\n--b1\n";
            assert_eq!(parts(spaced, step).unwrap(), both(b"x\n", b"y--b1--\n"));
            assert_eq!(parts(b"--b1\r\n--b1\r\n--b1--\r", step).unwrap(), both(b"", b""));
            assert_eq!(parts(b"--b1\r\n\r\n--b1\r\n\r\n--b1--\r\n", step).unwrap(), both(b"", b""));
        }
    }

    #[test]
    fn only_two_closed_parts_will_do() {
        for text in [
            "",
            "--b1",
            "--b1\nx",
            "--b1\nx\n--b1\ny",
            "--b1\nx\n--b1--\n",
            "--b1\nx\n--b1\ny\n--b1-",
            "--b1\nx\n--b1\ny\n--b1\nz\n--b1--\n",
            "--b1--\n",
        ] {
            assert!(matches!(parts(text.as_bytes(), 3), Err(Error::Malformed(_))), "{text:?}");
        }
        let long = [b"--b1\nx\n--b1\n".as_slice(), &vec![b'a'; SIGNATURE_LIMIT + 1], b"\n--b1--"].concat();
        assert!(matches!(parts(&long, 1 << 20), Err(Error::Limit(_))));
    }

    #[test]
    fn endless_padding_is_text() {
        let text = [b"--b1\n--b1".as_slice(), &vec![b' '; 3 * BUFFER], b"\n--b1\ny\n--b1--"].concat();
        assert_eq!(parts(&text, 1 << 20).unwrap().0.len(), 4 + 3 * BUFFER);
    }

    proptest! {
        #[test]
        fn any_part_comes_back(first in "(--b1|--b|[-b1x\r\n ]){0,12}", step in 1_usize..20) {
            prop_assume!(!first.lines().any(|line| matches!(line.trim_end_matches([' ', '\t', '\r']), "--b1" | "--b1--")));
            let text = format!("--b1\r\n{first}\r\n--b1\r\nsignature\r\n--b1--\r\n");
            prop_assert_eq!(parts(text.as_bytes(), step).unwrap(), both(first.as_bytes(), b"signature"));
        }
    }
}

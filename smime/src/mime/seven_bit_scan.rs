//! Which parts of an entity a relay could change on its way, and how each must be encoded so that none does
//! (RFC 8551 section 3.1.3): a signature over bytes that a relay re-encodes is lost.

use crate::error::Result;
use crate::mime::content_type::ContentType;
use crate::mime::head::Head;
use crate::mime::walk::{Event, Place, Walker};

/// Longest line that every relay passes on (RFC 5321 section 4.5.3.1.6), without its end.
const LINE: usize = 998;

/// How a part is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recode {
    /// As it is.
    Keep,
    /// As it is, but no longer said to be more than 7bit.
    SayLess,
    /// Encoded already, but with blanks at line ends or lines that begin with "From ".
    Tidy,
    /// Anew as quoted-printable.
    QuotedPrintable,
    /// Text, anew as base64 of its canonical form.
    Base64Text,
    /// Anew as base64 of exactly its bytes.
    Base64,
}

/// What is to be done with each part, containers included, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan(Vec<Recode>);

impl Plan {
    /// Whether anything must be changed.
    pub(crate) fn is_needed(&self) -> bool {
        self.0.iter().any(|recode| *recode != Recode::Keep)
    }

    /// What is to be done with part `number`.
    pub(crate) fn of(&self, number: usize) -> Recode {
        self.0.get(number).copied().unwrap_or(Recode::Keep)
    }
}

/// Makes a [`Plan`] in one pass over the entity as it came.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    walker: Walker,
    parts: Parts,
}

impl Scan {
    /// Looks at `bytes`.
    ///
    /// # Errors
    /// None of its own.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let parts = &mut self.parts;
        self.walker.feed(bytes, &mut |event| {
            parts.take(event);
            Ok(())
        })
    }

    /// The plan.
    ///
    /// # Errors
    /// None of its own.
    pub(crate) fn finish(mut self) -> Result<Plan> {
        let parts = &mut self.parts;
        self.walker.finish(&mut |event| {
            parts.take(event);
            Ok(())
        })?;
        self.parts.end();
        Ok(self.parts.plan)
    }
}

#[derive(Debug, Default)]
struct Parts {
    plan: Plan,
    current: Option<(Claim, Lines)>,
}

/// What a part's head says of its body.
#[derive(Clone, Copy, Debug)]
struct Claim {
    encoding: Encoding,
    text: bool,
    /// It must stay as it is, come what may.
    fixed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    SevenBit,
    EightBit,
    Binary,
    Base64,
    QuotedPrintable,
}

impl Parts {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Head { raw, head, place, container } => {
                self.end();
                let claim = Claim::new(raw, head, place);
                if container {
                    let more = matches!(claim.encoding, Encoding::EightBit | Encoding::Binary);
                    self.plan.0.push(if more && !claim.fixed { Recode::SayLess } else { Recode::Keep });
                } else {
                    self.current = Some((claim, Lines::default()));
                }
            }
            Event::Body(bytes) => {
                if let Some((_, lines)) = &mut self.current {
                    lines.feed(bytes);
                }
            }
            Event::Between(_) => self.end(),
        }
    }

    fn end(&mut self) {
        if let Some((claim, lines)) = self.current.take() {
            self.plan.0.push(claim.recode(&lines));
        }
    }
}

impl Claim {
    fn new(raw: &[u8], head: &Head, place: &Place) -> Self {
        let content_type = ContentType::parse(&head.value("Content-Type").unwrap_or_default());
        let encoding = ContentType::parse(&head.value("Content-Transfer-Encoding").unwrap_or_default());
        let unreadable = head.fields().next().is_none() && !raw.trim_ascii().is_empty();
        Self {
            encoding: match encoding.kind.as_str() {
                "8bit" => Encoding::EightBit,
                "binary" => Encoding::Binary,
                "base64" => Encoding::Base64,
                "quoted-printable" => Encoding::QuotedPrintable,
                _ => Encoding::SevenBit,
            },
            // No type is text/plain (RFC 2045 section 5.2).
            text: ["text/", "message/"].iter().any(|kind| content_type.kind.starts_with(kind))
                || content_type.kind.is_empty(),
            // Another's signature is over it.
            fixed: place.within_signed || unreadable,
        }
    }

    fn recode(self, lines: &Lines) -> Recode {
        let safe = lines.are_safe();
        match self.encoding {
            _ if self.fixed => Recode::Keep,
            Encoding::Base64 | Encoding::QuotedPrintable if safe => Recode::Keep,
            Encoding::Base64 | Encoding::QuotedPrintable => Recode::Tidy,
            Encoding::Binary => Recode::Base64,
            Encoding::SevenBit if safe => Recode::Keep,
            Encoding::EightBit if safe => Recode::SayLess,
            _ if !self.text => Recode::Base64,
            _ if lines.high * 6 > lines.bytes => Recode::Base64Text,
            _ => Recode::QuotedPrintable,
        }
    }
}

/// What the lines of a body are like.
#[derive(Debug, Default)]
struct Lines {
    bytes: u64,
    high: u64,
    length: usize,
    /// Bytes of the current line that are those of "From ".
    from: usize,
    last: Last,
    is_unsafe: bool,
}

/// What came last in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Other,
    Blank,
    Cr,
    BlankAndCr,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let begun =
            if self.at_start() { 0 } else { memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1) };
        let (begun, rest) = bytes.split_at(begun);
        let (whole, last) = rest.split_at(memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1));
        begun.iter().for_each(|byte| self.byte(*byte));
        self.lines(whole);
        last.iter().for_each(|byte| self.byte(*byte));
    }

    fn at_start(&self) -> bool {
        self.length == 0 && self.last == Last::Other
    }

    /// Whole lines, with the LF of each: as [`Lines::byte`] for each of their bytes, but fast. What can be asked of
    /// all lines at once is not asked of each.
    fn lines(&mut self, lines: &[u8]) {
        let plain = lines.is_ascii();
        if !plain {
            self.high += lines.iter().filter(|byte| **byte >= 0x80).count() as u64;
        }
        let (mut start, mut with_cr, mut is_unsafe) = (0, 0, !plain);
        for end in memchr::memchr_iter(b'\n', lines) {
            let mut line = &lines[start..end];
            if let Some(stripped) = line.strip_suffix(b"\r") {
                line = stripped;
                with_cr += 1;
            }
            is_unsafe |=
                line.len() > LINE || line.starts_with(b"From ") || matches!(line.last(), Some(b' ' | b'\t'));
            start = end + 1;
        }
        self.is_unsafe |= is_unsafe
            || memchr::memchr(0, lines).is_some()
            || memchr::memchr_iter(b'\r', lines).count() != with_cr;
    }

    fn byte(&mut self, byte: u8) {
        if byte == b'\n' {
            // A relay may drop the blank.
            self.is_unsafe |= matches!(self.last, Last::Blank | Last::BlankAndCr);
            (self.length, self.from, self.last) = (0, 0, Last::Other);
            return;
        }
        let after_cr = matches!(self.last, Last::Cr | Last::BlankAndCr);
        self.high += u64::from(byte >= 0x80);
        if self.length == self.from && b"From ".get(self.from) == Some(&byte) {
            self.from += 1;
        }
        self.length += usize::from(byte != b'\r');
        self.is_unsafe |= after_cr || byte >= 0x80 || byte == 0 || self.from == 5 || self.length > LINE;
        self.last = match (byte, self.last) {
            (b'\r', Last::Blank) => Last::BlankAndCr,
            (b'\r', _) => Last::Cr,
            (b' ' | b'\t', _) => Last::Blank,
            _ => Last::Other,
        };
    }

    fn are_safe(&self) -> bool {
        !self.is_unsafe && self.last == Last::Other
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(lines: &Lines) -> (u64, u64, bool) {
        (lines.bytes, lines.high, lines.are_safe())
    }

    proptest! {
        #[test]
        fn lines_at_once_are_seen_as_their_bytes_are(text in "(From |From|[aé \t\r\n\0]){0,24}", cut in 0_usize..60) {
            let (one, two) = text.as_bytes().split_at(cut.min(text.len()));
            let mut at_once = Lines::default();
            at_once.feed(one);
            at_once.feed(two);
            let mut bytes = Lines { bytes: text.len() as u64, ..Lines::default() };
            text.bytes().for_each(|byte| bytes.byte(byte));
            prop_assert_eq!(seen(&at_once), seen(&bytes));
        }
    }

    #[test]
    fn a_line_may_have_998_bytes() {
        for (length, safe) in [(LINE, true), (LINE + 1, false)] {
            let mut lines = Lines::default();
            lines.feed(format!("{}\r\n", "a".repeat(length)).as_bytes());
            assert_eq!(lines.are_safe(), safe);
        }
    }
}

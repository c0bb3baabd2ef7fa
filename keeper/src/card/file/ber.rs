//! BER as PKCS#12 files have it (X.690): those of browsers and of Windows have indefinite lengths and octet
//! strings in parts. Everything borrows from the file; nesting has a limit.

use std::borrow::Cow;

/// Identifier octets.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const CONTEXT_0: u8 = 0xa0;
/// Constructed, as opposed to primitive (X.690 section 8.1.2.5).
const CONSTRUCTED: u8 = 0x20;

/// A genuine file nests half as deep.
const DEEPEST: u8 = 24;

/// What is read is not BER, or nests too deep, or is not what was expected here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Elements one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    depth: u8,
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'b> {
    /// Its identifier octet.
    pub(super) tag: u8,
    /// Its contents octets.
    pub(super) body: &'b [u8],
    depth: u8,
}

impl<'b> Reader<'b> {
    /// Reads `bytes`.
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Whether no element is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element.
    pub(super) fn next(&mut self) -> Result<Element<'b>, Malformed> {
        let (&tag, rest) = self.rest.split_first().ok_or(Malformed)?;
        // Tag numbers above 30 occur nowhere in these files.
        if tag & 0x1f == 0x1f || self.depth > DEEPEST {
            return Err(Malformed);
        }
        let (length, rest) = length(rest)?;
        let body = match length {
            Some(length) => {
                let (body, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                body
            }
            None if tag & CONSTRUCTED != 0 => self.until_end_of_contents(rest)?,
            None => return Err(Malformed),
        };
        Ok(Element { tag, body, depth: self.depth })
    }

    /// The body of an element of indefinite length (X.690 section 8.1.3.6).
    fn until_end_of_contents(&mut self, rest: &'b [u8]) -> Result<&'b [u8], Malformed> {
        let mut inner = Reader { rest, depth: self.depth + 1 };
        loop {
            if let Some(after) = inner.rest.strip_prefix(&[0, 0]) {
                self.rest = after;
                return Ok(&rest[..rest.len() - inner.rest.len()]);
            }
            inner.next()?;
        }
    }

    /// The next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'b>, Malformed> {
        self.next().and_then(|element| if element.tag == tag { Ok(element) } else { Err(Malformed) })
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'b>>, Malformed> {
        if self.rest.first() == Some(&tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// What is inside the next element, a SEQUENCE.
    pub(super) fn sequence(&mut self) -> Result<Reader<'b>, Malformed> {
        self.expect(SEQUENCE)?.children()
    }

    /// The contents octets of the next element, an OBJECT IDENTIFIER.
    pub(super) fn oid(&mut self) -> Result<&'b [u8], Malformed> {
        self.expect(OID).map(|element| element.body)
    }

    /// The contents octets of the next element, an OCTET STRING.
    pub(super) fn octets(&mut self) -> Result<Cow<'b, [u8]>, Malformed> {
        let element = self.next()?;
        if element.tag & !CONSTRUCTED == OCTET_STRING { element.octets() } else { Err(Malformed) }
    }

    /// The next element, an INTEGER that is not negative and fits.
    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        let body = self.expect(INTEGER)?.body;
        let digits = body.strip_prefix(&[0]).unwrap_or(body);
        if body.is_empty() || body[0] & 0x80 != 0 || digits.len() > 4 {
            return Err(Malformed);
        }
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }
}

impl<'b> Element<'b> {
    /// The elements inside.
    pub(super) fn children(self) -> Result<Reader<'b>, Malformed> {
        if self.tag & CONSTRUCTED == 0 {
            return Err(Malformed);
        }
        Ok(Reader { rest: self.body, depth: self.depth + 1 })
    }

    /// Its contents octets as a string's, whose parts are joined if it is constructed (X.690 section 8.7.3).
    pub(super) fn octets(self) -> Result<Cow<'b, [u8]>, Malformed> {
        if self.tag & CONSTRUCTED == 0 {
            return Ok(Cow::Borrowed(self.body));
        }
        let (mut parts, mut joined) = (self.children()?, Vec::new());
        while !parts.is_empty() {
            joined.extend_from_slice(&parts.octets()?);
        }
        Ok(Cow::Owned(joined))
    }
}

/// The length octets; `None` is the indefinite form.
fn length(bytes: &[u8]) -> Result<(Option<usize>, &[u8]), Malformed> {
    let (&first, rest) = bytes.split_first().ok_or(Malformed)?;
    match first {
        0x80 => Ok((None, rest)),
        0..0x80 => Ok((Some(first.into()), rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(Malformed)?;
            let length = digits.iter().fold(0usize, |length, digit| length << 8 | usize::from(*digit));
            Ok((Some(length), rest))
        }
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn strings_in_parts_are_joined_whatever_their_lengths_look_like() {
        let parts = [0x24, 0x80, 4, 2, b'a', b'b', 0x24, 3, 4, 1, b'c', 4, 0x81, 1, b'd', 0, 0, 2, 1, 5];
        let mut reader = Reader::new(&parts);
        assert_eq!(*reader.octets().unwrap(), *b"abcd");
        assert_eq!(reader.number().unwrap(), 5);
        assert!(reader.is_empty());
    }

    #[test]
    fn numbers_are_positive_and_fit() {
        for (bytes, expected) in [
            (&[2, 1, 0][..], Ok(0)),
            (&[2, 3, 0, 0xff, 1], Ok(0xff01)),
            (&[2, 5, 0, 0xff, 0xff, 0xff, 0xff], Ok(u32::MAX)),
            (&[2, 5, 1, 0, 0, 0, 0], Err(Malformed)),
            (&[2, 1, 0x80], Err(Malformed)),
            (&[2, 0], Err(Malformed)),
        ] {
            assert_eq!(Reader::new(bytes).number(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_refused() {
        let whole = [0x30, 0x80, 4, 2, 1, 2, 0, 0];
        assert!(Reader::new(&whole).next().is_ok());
        for end in 0..whole.len() {
            assert!(Reader::new(&whole[..end]).next().is_err(), "{end}");
        }
        assert!(Reader::new(&[0x30, 0x80].repeat(1000)).next().is_err());
        assert!(Reader::new(&[0x04, 0x80, 0, 0]).next().is_err(), "a primitive of indefinite length");
        assert!(Reader::new(&[0x1f, 0x81, 1, 0]).next().is_err(), "a long tag");
    }
}

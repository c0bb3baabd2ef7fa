//! DER written, and DER in memory looked at (X.690 section 10).

use const_oid::ObjectIdentifier;

use crate::asn1::ber::malformed;
use crate::error::Result;

/// Universal tags.
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Constructed and context-specific.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One element: the concatenated `parts` under `tag`.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    push_length(length as u64, &mut out);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// SEQUENCE of `parts`.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// SET OF `members` (each an element) under `tag`, in DER order (X.690 section 11.6).
pub(crate) fn set_of(tag: u8, mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    let parts: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
    element(tag, &parts)
}

/// A small INTEGER.
pub(crate) fn integer(value: u8) -> Vec<u8> {
    if value < 0x80 { vec![INTEGER, 1, value] } else { vec![INTEGER, 2, 0, value] }
}

/// OBJECT IDENTIFIER.
pub(crate) fn oid(oid: &ObjectIdentifier) -> Vec<u8> {
    element(OID, &[oid.as_bytes()])
}

/// AlgorithmIdentifier; `parameters` is an element or empty.
pub(crate) fn algorithm(id: &ObjectIdentifier, parameters: &[u8]) -> Vec<u8> {
    sequence(&[&oid(id), parameters])
}

/// Appends the shortest form of `length`.
pub(crate) fn push_length(length: u64, out: &mut Vec<u8>) {
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let bytes = length.to_be_bytes();
    let bytes = &bytes[(length.leading_zeros() / 8) as usize..];
    out.push(0x80 | bytes.len() as u8);
    out.extend_from_slice(bytes);
}

/// Elements wrapped around a content that is not in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    /// Written before the content.
    pub(crate) before: Vec<u8>,
    /// Written after the content.
    pub(crate) after: Vec<u8>,
    /// Bytes of content as it will stand there; `None`: indefinite lengths all the way out.
    pub(crate) length: Option<u64>,
}

impl Around {
    /// Nothing around `length` bytes.
    pub(crate) fn new(length: Option<u64>) -> Self {
        Self { length, ..Self::default() }
    }

    /// One more element around: `tag { left, (all so far), right }`.
    pub(crate) fn wrap(mut self, tag: u8, left: &[u8], right: &[u8]) -> Self {
        let mut before = vec![tag];
        self.after.extend_from_slice(right);
        match self.length {
            Some(length) => {
                let whole = length + (left.len() + self.before.len() + self.after.len()) as u64;
                push_length(whole, &mut before);
            }
            None => {
                before.push(0x80);
                self.after.extend_from_slice(&[0, 0]);
            }
        }
        before.extend_from_slice(left);
        before.append(&mut self.before);
        self.before = before;
        self
    }
}

/// One DER element in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    /// First identifier octet.
    pub(crate) tag: u8,
    /// Content octets.
    pub(crate) content: &'a [u8],
    /// Header and content.
    pub(crate) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Looks at the elements inside.
    pub(crate) fn inside(&self) -> Cursor<'a> {
        Cursor::new(self.content)
    }

    /// The object identifier that this is.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(crate) fn oid(&self) -> Result<ObjectIdentifier> {
        if self.tag != OID {
            return Err(malformed("something else where an object identifier must be"));
        }
        ObjectIdentifier::from_bytes(self.content).map_err(|_| malformed("a broken object identifier"))
    }
}

/// Goes over consecutive DER elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Starts in front of the first element of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element's tag.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element; `None` at the end.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>> {
        let Some(&tag) = self.0.first() else { return Ok(None) };
        let (header, length) = header(self.0).ok_or_else(|| malformed("a broken element"))?;
        let end = header.checked_add(length).filter(|end| *end <= self.0.len());
        let whole =
            end.and_then(|end| self.0.split_off(..end)).ok_or_else(|| malformed("an end too early"))?;
        Ok(Some(Element { tag, content: &whole[header..], whole }))
    }

    /// The next element, which must have `tag`.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>> {
        match self.next()? {
            Some(element) if element.tag == tag => Ok(element),
            Some(element) => Err(malformed(&format!("tag {:#04x} where {tag:#04x} must be", element.tag))),
            None => Err(malformed(&format!("no element with tag {tag:#04x} where one must be"))),
        }
    }

    /// The next element if it has `tag`.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>> {
        if self.peek() == Some(tag) { self.next() } else { Ok(None) }
    }
}

/// Bytes of the header, and of the content.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 1;
    if bytes.first()? & 0x1f == 0x1f {
        while bytes.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    let first = usize::from(*bytes.get(at)?);
    if first < 0x80 {
        return Some((at + 1, first));
    }
    let octets = bytes.get(at + 1..at + 1 + (first & 0x7f))?;
    if octets.is_empty() || octets.len() > 8 {
        return None;
    }
    let length = octets.iter().fold(0u64, |length, octet| length << 8 | u64::from(*octet));
    Some((at + 1 + octets.len(), usize::try_from(length).ok()?))
}

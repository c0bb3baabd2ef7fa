//! A pull reader for BER (X.690 section 8) over any `Read`.

use std::io::{ErrorKind, Read};

use crate::asn1::{MAX_DEPTH, MAX_HELD, normal};
use crate::error::{Error, Result};

/// Bytes read at once.
const BUFFER: usize = 64 * 1024;

/// Reads elements one after another. Tags are first identifier octets (class, constructed bit, number).
pub(crate) struct Reader<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Offset in the stream of the next unread byte.
    position: u64,
    frames: Vec<Frame>,
    peeked: Option<Header>,
    /// The octets of the header read last, as they came.
    head: Vec<u8>,
    held: usize,
    /// What is too long to be held is passed over, instead of refused.
    lenient: bool,
}

/// A constructed element that has been entered.
struct Frame {
    /// No byte at or after this offset belongs to it; for indefinite length its parent's.
    end: u64,
    indefinite: bool,
    /// The end-of-contents octets have been read.
    closed: bool,
}

/// Tag and length of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// First identifier octet.
    pub(crate) tag: u8,
    /// Content octets; `None` is the indefinite form.
    pub(crate) length: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// Starts in front of the first element of `input`.
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            position: 0,
            frames: Vec::new(),
            peeked: None,
            head: Vec::new(),
            held: 0,
            lenient: false,
        }
    }

    /// The tag of the next element; `None` at the end of the element that was entered last (or of the input).
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Input`].
    pub(crate) fn peek(&mut self) -> Result<Option<u8>> {
        if let Some(header) = self.peeked {
            return Ok(Some(header.tag));
        }
        let ended = match self.frames.last() {
            Some(frame) => frame.closed || (!frame.indefinite && self.position == frame.end),
            None => self.fill()? == 0,
        };
        if ended {
            return Ok(None);
        }
        let header = self.header()?;
        if header.tag == 0 {
            return match self.frames.last_mut() {
                Some(frame) if frame.indefinite && self.head == [0, 0] => {
                    frame.closed = true;
                    Ok(None)
                }
                _ => Err(malformed("end-of-contents octets where no element ends")),
            };
        }
        self.peeked = Some(header);
        Ok(Some(header.tag))
    }

    /// Goes into the next element, which must be constructed and have `tag`.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Limit`] (depth), [`Error::Input`].
    pub(crate) fn enter(&mut self, tag: u8) -> Result<()> {
        let header = self.expect(tag)?;
        self.push(header)
    }

    /// Leaves the element entered last; all of it must have been read.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Input`].
    pub(crate) fn leave(&mut self) -> Result<()> {
        if let Some(tag) = self.peek()? {
            return Err(malformed(&format!("an element with tag {tag:#04x} too many")));
        }
        self.frames.pop();
        Ok(())
    }

    /// The next element as it came, header included.
    ///
    /// # Errors
    /// [`Error::Limit`] if the message makes us hold more than [`MAX_HELD`]; else as [`Self::enter`].
    pub(crate) fn raw(&mut self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.walk(Some(&mut out))?;
        Ok(out)
    }

    /// The next element as it came, or `None` if it has more than `most` bytes (at most [`MAX_HELD`]): it is passed
    /// over then. Does not count towards [`MAX_HELD`]: the caller bounds how often it asks.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub(crate) fn raw_within(&mut self, most: usize) -> Result<Option<Vec<u8>>> {
        let held = std::mem::replace(&mut self.held, MAX_HELD.saturating_sub(most));
        let mut out = Vec::new();
        self.lenient = true;
        let walked = self.walk(Some(&mut out));
        (self.held, self.lenient) = (held, false);
        walked.map(|()| Some(out).filter(|out| !out.is_empty()))
    }

    /// The next element, which must have `tag`, as DER (a SET OF keeps its order).
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub(crate) fn der(&mut self, tag: u8) -> Result<Vec<u8>> {
        match self.peek()? {
            Some(found) if found | 0x20 == tag | 0x20 => normal::to_der(&self.raw()?),
            found => Err(unexpected(tag, found)),
        }
    }

    /// Passes over the next element.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.walk(None)
    }

    /// The content of the next element, an OCTET STRING with `tag` (its primitive form; implicit tags welcome),
    /// primitive or in pieces.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub(crate) fn octets(&mut self, tag: u8) -> Result<Octets<'_, R>> {
        let at = self.enter_octets(tag)?;
        Ok(Octets { reader: self, at })
    }

    /// As [`Self::octets`], for those who own the reader: the content comes from [`Self::octets_chunk`].
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub(crate) fn enter_octets(&mut self, tag: u8) -> Result<At> {
        let base = self.frames.len();
        let left = match self.peek()? {
            Some(found) if found == tag => self.take_definite()?,
            Some(found) if found == tag | 0x20 => {
                self.enter(found)?;
                0
            }
            found => return Err(unexpected(tag, found)),
        };
        Ok(At { left, base })
    }

    /// At most `most` of the next bytes of the string, straight out of the buffer; `None` at its end.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Limit`], [`Error::Input`].
    pub(crate) fn octets_chunk(&mut self, at: &mut At, most: usize) -> Result<Option<&[u8]>> {
        while at.left == 0 {
            if !self.next_piece(at)? {
                return Ok(None);
            }
        }
        let taken = self.take(at.left.min(most as u64))?;
        at.left -= taken as u64;
        Ok(Some(&self.buffer[self.start - taken..self.start]))
    }

    /// Goes to the string's next piece; false if there is none.
    fn next_piece(&mut self, at: &mut At) -> Result<bool> {
        while self.frames.len() > at.base {
            match self.peek()? {
                None => {
                    self.frames.pop();
                }
                Some(0x04) => {
                    at.left = self.take_definite()?;
                    return Ok(true);
                }
                Some(0x24) => self.enter(0x24)?,
                found => return Err(unexpected(0x04, found)),
            }
        }
        Ok(false)
    }

    /// Passes over all that is left of the elements that have been entered.
    ///
    /// # Errors
    /// As [`Self::skip`].
    pub(crate) fn skip_rest(&mut self) -> Result<()> {
        while !self.frames.is_empty() {
            while self.peek()?.is_some() {
                self.skip()?;
            }
            self.frames.pop();
        }
        Ok(())
    }

    /// Reads the input to its end: a layer around this one may have a check to make there.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub(crate) fn drain(&mut self) -> Result<()> {
        while self.fill()? > 0 {
            self.start = self.end;
        }
        Ok(())
    }

    /// Reads every element that has been entered to its end; what follows the outermost one is not looked at.
    ///
    /// # Errors
    /// As [`Self::leave`].
    pub(crate) fn finish(&mut self) -> Result<()> {
        while !self.frames.is_empty() {
            self.leave()?;
        }
        Ok(())
    }

    fn expect(&mut self, tag: u8) -> Result<Header> {
        match self.peek()? {
            Some(found) if found == tag => self.peeked.take().ok_or_else(|| unexpected(tag, None)),
            found => Err(unexpected(tag, found)),
        }
    }

    fn take_definite(&mut self) -> Result<u64> {
        self.peeked.take().and_then(|header| header.length).ok_or_else(|| malformed("an indefinite string"))
    }

    fn push(&mut self, header: Header) -> Result<()> {
        if header.tag & 0x20 == 0 {
            return Err(malformed("a primitive element where a constructed one must be"));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(Error::Limit("nesting depth"));
        }
        let end = header.length.map_or(self.limit(), |length| self.position + length);
        self.frames.push(Frame { end, indefinite: header.length.is_none(), closed: false });
        Ok(())
    }

    /// Reads one element of any shape, and copies it to `out` if given.
    fn walk(&mut self, mut out: Option<&mut Vec<u8>>) -> Result<()> {
        let base = self.frames.len();
        loop {
            if self.peek()?.is_none() {
                if self.frames.len() == base {
                    return Err(malformed("an element is missing"));
                }
                self.frames.pop();
                self.keep(&mut out, &[0, 0])?;
            } else if let Some(header) = self.peeked.take() {
                let head = std::mem::take(&mut self.head);
                self.keep(&mut out, &head)?;
                self.head = head;
                match header.length {
                    Some(length) => self.pass(length, &mut out)?,
                    None => self.push(header)?,
                }
            }
            if self.frames.len() == base {
                return Ok(());
            }
        }
    }

    fn keep(&mut self, out: &mut Option<&mut Vec<u8>>, bytes: &[u8]) -> Result<()> {
        self.hold(bytes.len() as u64, out)?;
        if let Some(out) = out {
            out.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Reads `length` bytes of content.
    fn pass(&mut self, mut length: u64, out: &mut Option<&mut Vec<u8>>) -> Result<()> {
        self.hold(length, out)?;
        while length > 0 {
            let taken = self.take(length)?;
            length -= taken as u64;
            if let Some(out) = out {
                out.extend_from_slice(&self.buffer[self.start - taken..self.start]);
            }
        }
        Ok(())
    }

    /// Counts `more` bytes for `out`, before they come.
    fn hold(&mut self, more: u64, out: &mut Option<&mut Vec<u8>>) -> Result<()> {
        let Some(kept) = out else { return Ok(()) };
        let held = u64::try_from(self.held).unwrap_or(u64::MAX).saturating_add(more);
        match usize::try_from(held) {
            Ok(held) if held <= MAX_HELD => self.held = held,
            _ if self.lenient => {
                kept.clear();
                *out = None;
            }
            _ => return Err(Error::Limit("4 MiB of certificates, recipients and attributes")),
        }
        Ok(())
    }

    /// Consumes at least one and at most `most` buffered bytes; they stand before `start`.
    fn take(&mut self, most: u64) -> Result<usize> {
        let available = self.fill()?;
        if available == 0 {
            return Err(Error::Malformed("the CMS object ends early".to_owned()));
        }
        let taken = usize::try_from(most).map_or(available, |most| most.min(available));
        self.start += taken;
        self.position += taken as u64;
        Ok(taken)
    }

    /// Bytes in the buffer, after reading more if there were none; 0 at the end of the input.
    fn fill(&mut self) -> Result<usize> {
        while self.start == self.end {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(0),
                Ok(read) => (self.start, self.end) = (0, read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Input(error)),
            }
        }
        Ok(self.end - self.start)
    }

    fn limit(&self) -> u64 {
        self.frames.last().map_or(u64::MAX, |frame| frame.end)
    }

    fn header(&mut self) -> Result<Header> {
        self.head.clear();
        let tag = self.head_byte()?;
        if tag & 0x1f == 0x1f {
            // High tag numbers occur in no CMS type, but may in an attribute nobody knows.
            for count in 0.. {
                if count == 5 {
                    return Err(malformed("a tag number of more than 32 bits"));
                }
                if self.head_byte()? & 0x80 == 0 {
                    break;
                }
            }
        }
        let length = self.length()?;
        if length.is_none() && tag & 0x20 == 0 {
            return Err(malformed("a primitive element of indefinite length"));
        }
        let end = length.map_or(Some(self.position), |length| self.position.checked_add(length));
        if end.is_none_or(|end| end > self.limit()) {
            return Err(malformed("an element is longer than what holds it"));
        }
        Ok(Header { tag, length })
    }

    fn length(&mut self) -> Result<Option<u64>> {
        let first = self.head_byte()?;
        match first {
            0x00..=0x7f => return Ok(Some(u64::from(first))),
            0x80 => return Ok(None),
            0xff => return Err(malformed("a reserved form of length")),
            _ => {}
        }
        let mut length = 0u64;
        for _ in 0..first & 0x7f {
            if length >> 56 != 0 {
                return Err(malformed("a length of more than 64 bits"));
            }
            length = length << 8 | u64::from(self.head_byte()?);
        }
        Ok(Some(length))
    }

    fn head_byte(&mut self) -> Result<u8> {
        if self.position >= self.limit() {
            return Err(malformed("an element is longer than what holds it"));
        }
        self.take(1)?;
        let byte = self.buffer[self.start - 1];
        self.head.push(byte);
        Ok(byte)
    }
}

/// Where in an OCTET STRING a reader stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    left: u64,
    /// Depth at which the string stands; deeper frames are its pieces.
    base: usize,
}

/// The content of one OCTET STRING.
pub(crate) struct Octets<'a, R> {
    reader: &'a mut Reader<R>,
    at: At,
}

impl<R: Read> Octets<'_, R> {
    /// The next bytes, straight out of the reader's buffer; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Limit`], [`Error::Input`].
    pub(crate) fn chunk(&mut self) -> Result<Option<&[u8]>> {
        self.reader.octets_chunk(&mut self.at, usize::MAX)
    }

    /// All the content, at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub(crate) fn collect(mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk()? {
            if all.len() + chunk.len() > limit {
                return Err(Error::Limit("length of a small string"));
            }
            all.extend_from_slice(chunk);
        }
        Ok(all)
    }
}

pub(crate) fn malformed(what: &str) -> Error {
    Error::Malformed(format!("the CMS object has {what}"))
}

fn unexpected(tag: u8, found: Option<u8>) -> Error {
    Error::Malformed(match found {
        Some(found) => format!("the CMS object has tag {found:#04x} where {tag:#04x} must be"),
        None => format!("the CMS object lacks an element with tag {tag:#04x}"),
    })
}

#[cfg(test)]
#[path = "ber_tests.rs"]
mod tests;

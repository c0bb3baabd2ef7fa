//! A walk over the parts of a MIME entity (RFC 2046 section 5.1), as a stream: heads, bodies and what stands
//! between them, byte for byte.

use crate::error::Result;
use crate::mime::content_type::ContentType;
use crate::mime::head::Head;

/// Parts may be nested this deep; what is deeper is taken for text.
const DEPTH: usize = 32;

/// Parts that are told apart; what comes after that many is taken for text.
const PARTS: u32 = 10_000;

/// Bytes of one part's head.
const HEAD_LIMIT: usize = 256 * 1024;

/// Bytes of a line that are held to see whether it is a boundary's.
const LINE_LIMIT: usize = 4096;

/// Where a part stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number in each multipart around it, from outside in (as IMAP counts, RFC 9051 section 6.4.5).
    pub(crate) path: Vec<u32>,
    /// It belongs to a message within the message.
    pub(crate) forwarded: bool,
    /// A part of a `multipart/signed`.
    pub(crate) of_signed: bool,
    /// Somewhere within a `multipart/signed`.
    pub(crate) within_signed: bool,
    depth: usize,
}

/// What the walk comes past. All bytes of the entity come past in their order.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A part's head, with its blank line if it has one.
    Head {
        /// As it stands.
        raw: &'a [u8],
        /// The same, read; empty if it cannot be.
        head: &'a Head,
        /// Where the part stands.
        place: &'a Place,
        /// It holds parts, or a message with a head of its own; else a body follows.
        container: bool,
    },
    /// Some bytes of the body of the part whose head came last.
    Body(&'a [u8]),
    /// A preamble, a boundary's line with the line end in front of it, an epilogue.
    Between(&'a [u8]),
}

/// Where events go.
pub(crate) type Sink<'s> = dyn FnMut(Event<'_>) -> Result<()> + 's;

/// The walk.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    frames: Vec<Frame>,
    state: State,
    place: Place,
    head: Vec<u8>,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The beginning of the current line has been passed on.
    continued: bool,
    /// A line end that may belong to a boundary's line behind it.
    line_end: Vec<u8>,
    parts: u32,
}

/// A multipart around the current place.
#[derive(Debug)]
struct Frame {
    boundary: Vec<u8>,
    place: Place,
    signed: bool,
    count: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Body,
    Between,
}

impl Walker {
    /// Walks over `bytes`.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        while !bytes.is_empty() {
            if self.frames.is_empty() && self.state != State::Head && self.line.is_empty() {
                return self.pass(bytes, sink);
            }
            let (piece, ended) = match memchr::memchr(b'\n', bytes) {
                Some(at) => (&bytes[..=at], true),
                None => (bytes, false),
            };
            bytes = &bytes[piece.len()..];
            self.piece(piece, ended, sink)?;
        }
        Ok(())
    }

    /// The entity has ended.
    ///
    /// # Errors
    /// Those of the sink.
    pub(crate) fn finish(mut self, sink: &mut Sink<'_>) -> Result<()> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.line(&line, sink)?;
        }
        if self.state == State::Head {
            self.end_head(sink)?;
        }
        let end = std::mem::take(&mut self.line_end);
        self.pass(&end, sink)
    }

    /// A line, or a piece of one.
    fn piece(&mut self, piece: &[u8], ended: bool, sink: &mut Sink<'_>) -> Result<()> {
        if self.line.is_empty() && ended && !self.continued {
            return self.line(piece, sink);
        }
        if self.continued {
            self.continued = !ended;
            return self.text(piece, sink);
        }
        self.line.extend_from_slice(piece);
        // In a head a long line is held; its own limit ends that.
        let long = self.line.len() > LINE_LIMIT && self.state != State::Head;
        if ended || long || self.line.len() > HEAD_LIMIT {
            let line = std::mem::take(&mut self.line);
            self.continued = !ended;
            self.line(&line, sink)?;
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    /// A whole line, or the beginning of a long one.
    fn line(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        if let Some((frame, close)) = self.delimiter(line) {
            return self.cross(frame, close, line, sink);
        }
        if self.state != State::Head {
            return self.text(line, sink);
        }
        self.head.extend_from_slice(line);
        if is_blank(line) || self.head.len() > HEAD_LIMIT {
            self.end_head(sink)?;
        }
        Ok(())
    }

    /// The frame whose delimiter `line` is, and whether it closes it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?;
        self.frames.iter().enumerate().rev().find_map(|(at, frame)| {
            let rest = rest.strip_prefix(frame.boundary.as_slice())?;
            let (rest, close) = rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
            rest.trim_ascii().is_empty().then_some((at, close))
        })
    }

    /// Goes over a delimiter of frame `at`.
    fn cross(&mut self, at: usize, close: bool, line: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        if self.state == State::Head {
            self.end_head(sink)?;
        }
        self.frames.truncate(at + 1);
        let end = std::mem::take(&mut self.line_end);
        sink(Event::Between(&end))?;
        sink(Event::Between(line))?;
        self.state = State::Between;
        if close {
            self.frames.truncate(at);
        } else if let Some(frame) = self.frames.last_mut() {
            self.parts += 1;
            frame.count += 1;
            self.place = frame.place.clone();
            self.place.path.push(frame.count);
            self.place.of_signed = frame.signed;
            self.place.within_signed |= frame.signed;
            self.place.depth += 1;
            self.state = if self.parts > PARTS { State::Body } else { State::Head };
        }
        Ok(())
    }

    /// The current part's head is complete.
    fn end_head(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        let raw = std::mem::take(&mut self.head);
        let head = Head::read(&mut raw.as_slice()).unwrap_or_default();
        let inside = if self.place.depth < DEPTH { self.inside(&head) } else { None };
        let (place, container) = (self.place.clone(), inside.is_some());
        sink(Event::Head { raw: &raw, head: &head, place: &place, container })?;
        self.state = match inside {
            None => State::Body,
            Some(Inside::Message) => {
                self.place.forwarded = true;
                self.place.depth += 1;
                State::Head
            }
            Some(Inside::Parts { boundary, signed }) => {
                self.frames.push(Frame { boundary, place, signed, count: 0 });
                State::Between
            }
        };
        Ok(())
    }

    fn inside(&self, head: &Head) -> Option<Inside> {
        let content_type = ContentType::parse(&head.value("Content-Type").unwrap_or_default());
        if content_type.kind.starts_with("multipart/") {
            let boundary = content_type.parameter("boundary")?.trim_end().as_bytes().to_vec();
            let signed = content_type.kind == "multipart/signed";
            return (!boundary.is_empty()).then_some(Inside::Parts { boundary, signed });
        }
        let encoding = ContentType::parse(&head.value("Content-Transfer-Encoding").unwrap_or_default());
        let encoded = matches!(encoding.kind.as_str(), "base64" | "quoted-printable");
        let message = matches!(content_type.kind.as_str(), "message/rfc822" | "message/global");
        (message && !encoded).then_some(Inside::Message)
    }

    /// Body or what stands between; a line end at its end waits.
    fn text(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        let waiting = std::mem::take(&mut self.line_end);
        if waiting == b"\r" && bytes == b"\n" {
            self.line_end = b"\r\n".to_vec();
            return Ok(());
        }
        self.pass(&waiting, sink)?;
        let end = line_end(bytes);
        self.line_end.extend_from_slice(&bytes[bytes.len() - end..]);
        self.pass(&bytes[..bytes.len() - end], sink)
    }

    fn pass(&self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        match self.state {
            _ if bytes.is_empty() => Ok(()),
            State::Body => sink(Event::Body(bytes)),
            _ => sink(Event::Between(bytes)),
        }
    }
}

/// What a container holds.
enum Inside {
    Message,
    Parts { boundary: Vec<u8>, signed: bool },
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// Bytes of the line end behind `bytes`, or of its beginning.
fn line_end(bytes: &[u8]) -> usize {
    match bytes {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n' | b'\r'] => 1,
        _ => 0,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NESTED: &str = "A: b\nContent-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\
        Content-Type: text/plain\n\none\n\n--b \n\nno head\n--bx\n--b\nContent-Type: message/rfc822\n\n\
        Subject: x\nContent-Type: multipart/signed; boundary=bb\n\n--bb\n\ninner\n--bb\n\n--bb--\nepi\n--b\n\
        Content-Type: multipart/x; boundary=c\n\n--c\nX: y\n--b--\nend\n";

    /// All bytes again, and every part as `path:body`.
    fn walk(text: &[u8], step: usize) -> (Vec<u8>, Vec<String>) {
        let (mut all, mut parts) = (Vec::new(), Vec::<String>::new());
        let mut walker = Walker::default();
        let mut sink = |event: Event<'_>| {
            match event {
                Event::Head { raw, place, container, .. } => {
                    all.extend_from_slice(raw);
                    let path: Vec<String> = place.path.iter().map(u32::to_string).collect();
                    let flag = if place.forwarded { "f" } else { "" };
                    let mark = if container { "+" } else { ":" };
                    parts.push(format!("{}{flag}{mark}", path.join(".")));
                }
                Event::Body(bytes) => {
                    all.extend_from_slice(bytes);
                    parts.last_mut().unwrap().push_str(&String::from_utf8_lossy(bytes));
                }
                Event::Between(bytes) => all.extend_from_slice(bytes),
            }
            Ok(())
        };
        for piece in text.chunks(step) {
            walker.feed(piece, &mut sink).unwrap();
        }
        walker.finish(&mut sink).unwrap();
        (all, parts)
    }

    #[test]
    fn every_part_is_found_and_every_byte_comes_past() {
        for step in [1, 2, 3, 7, 1000] {
            let (all, parts) = walk(NESTED.as_bytes(), step);
            assert_eq!(String::from_utf8(all).unwrap(), NESTED, "{step}");
            let expected =
                ["+", "1:one\n", "2:no head\n--bx", "3+", "3f+", "3.1f:inner", "3.2f:", "4+", "4.1:"];
            assert_eq!(parts, expected, "{step}");
        }
    }

    #[test]
    fn long_lines_and_depth_do_no_harm() {
        let long = format!("Content-Type: multipart/x; boundary=b\n\n--b\n\n{}\n--b--", "-".repeat(100_000));
        assert_eq!(walk(long.as_bytes(), 999).0, long.as_bytes());
        let deep = "Content-Type: message/rfc822\n\n".repeat(100);
        assert_eq!(walk(deep.as_bytes(), 999).0, deep.as_bytes());
        let many = format!("Content-Type: multipart/x; boundary=b\n\n{}", "--b\n\n".repeat(20_000));
        assert_eq!(walk(many.as_bytes(), 999).0, many.as_bytes());
        assert_eq!(walk(b"no head at all", 3).1, [":"]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            lines in prop::collection::vec("(--b|--b--|--c| |x|Content-Type: multipart/x; boundary=[bc]|\r|--)?", 0..30),
            step in 1_usize..30,
        ) {
            let text = lines.join("\n");
            let whole = walk(text.as_bytes(), 1 << 20);
            prop_assert_eq!(&whole.0, text.as_bytes());
            prop_assert_eq!(walk(text.as_bytes(), step), whole);
        }
    }
}

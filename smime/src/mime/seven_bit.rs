//! Writes an entity so that no relay has a reason to change it, as a [`Plan`] says.

use std::io::Write;

use crate::error::Result;
use crate::mime::base64_write::Base64Writer;
use crate::mime::canonical::Canonical;
use crate::mime::head::Head;
use crate::mime::output;
use crate::mime::output_error;
use crate::mime::quoted_printable_write::QuotedPrintableWriter;
use crate::mime::seven_bit_scan::{Plan, Recode};
use crate::mime::walk::{Event, Walker};

/// Where the entity goes.
type Sink<'s> = dyn FnMut(&[u8]) -> Result<()> + 's;

/// Rewrites an entity in one pass; the result is canonical.
pub(crate) struct SevenBit<'p> {
    walker: Walker,
    writer: Writer<'p>,
}

impl<'p> SevenBit<'p> {
    /// Starts in front of the entity's head.
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let writer = Writer { plan, parts: 0, form: Canonical::default(), body: Body::Keep };
        Self { walker: Walker::default(), writer }
    }

    /// Rewrites `bytes`.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        let writer = &mut self.writer;
        self.walker.feed(bytes, &mut |event| writer.take(event, sink))
    }

    /// The entity has ended.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(crate) fn finish(mut self, sink: &mut Sink<'_>) -> Result<()> {
        let writer = &mut self.writer;
        self.walker.finish(&mut |event| writer.take(event, sink))?;
        self.writer.end_body(sink)
    }
}

struct Writer<'p> {
    plan: &'p Plan,
    /// Heads so far.
    parts: usize,
    form: Canonical,
    body: Body,
}

/// How the current body is written.
enum Body {
    Keep,
    Tidy(Tidy),
    QuotedPrintable(QuotedPrintableWriter),
    Base64Text(Canonical, Base64Writer<Vec<u8>>),
    Base64(Base64Writer<Vec<u8>>),
}

impl Writer<'_> {
    fn take(&mut self, event: Event<'_>, sink: &mut Sink<'_>) -> Result<()> {
        match event {
            Event::Head { raw, head, .. } => {
                self.end_body(sink)?;
                let recode = self.plan.of(self.parts);
                self.parts += 1;
                self.head(raw, head, recode, sink)
            }
            Event::Body(bytes) => self.body(bytes, sink),
            Event::Between(bytes) => {
                self.end_body(sink)?;
                self.form.feed(bytes, sink)
            }
        }
    }

    fn head(&mut self, raw: &[u8], head: &Head, recode: Recode, sink: &mut Sink<'_>) -> Result<()> {
        let base64 = || Base64Writer::new(Vec::new(), output::COLUMNS);
        let (body, encoding) = match recode {
            Recode::Keep => (Body::Keep, None),
            Recode::Tidy => (Body::Tidy(Tidy::default()), None),
            Recode::SayLess => (Body::Keep, Some("7bit")),
            Recode::QuotedPrintable => {
                (Body::QuotedPrintable(QuotedPrintableWriter::default()), Some("quoted-printable"))
            }
            Recode::Base64Text => (Body::Base64Text(Canonical::default(), base64()), Some("base64")),
            Recode::Base64 => (Body::Base64(base64()), Some("base64")),
        };
        self.body = body;
        let Some(encoding) = encoding else { return self.form.feed(raw, sink) };
        for field in head.fields().filter(|field| !field.is("Content-Transfer-Encoding")) {
            sink(field.raw())?;
        }
        sink(format!("Content-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes())
    }

    fn body(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
        match &mut self.body {
            Body::Keep => self.form.feed(bytes, sink),
            Body::Tidy(tidy) => tidy.feed(bytes, &mut self.form, sink),
            Body::QuotedPrintable(writer) => writer.feed(bytes, sink),
            Body::Base64(writer) => encode(writer, bytes, sink),
            Body::Base64Text(form, writer) => form.feed(bytes, &mut |bytes| encode(writer, bytes, sink)),
        }
    }

    fn end_body(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        match std::mem::replace(&mut self.body, Body::Keep) {
            Body::Keep => Ok(()),
            Body::Tidy(mut tidy) => tidy.end_start(&mut self.form, sink),
            Body::QuotedPrintable(writer) => writer.finish(sink),
            Body::Base64(writer) | Body::Base64Text(_, writer) => sink(&writer.finish()?),
        }
    }
}

/// Encodes, and passes on what has come of it.
fn encode(writer: &mut Base64Writer<Vec<u8>>, bytes: &[u8], sink: &mut Sink<'_>) -> Result<()> {
    writer.write_all(bytes).map_err(output_error)?;
    let done = std::mem::take(writer.out());
    if done.is_empty() { Ok(()) } else { sink(&done) }
}

/// Takes blanks off line ends (they mean nothing in base64 and quoted-printable) and hides "From ".
#[derive(Debug, Default)]
struct Tidy {
    /// Blanks, and a CR behind them, whose successor is not known yet.
    waiting: Vec<u8>,
    /// What may be the beginning of "From " at the start of a line.
    start: Vec<u8>,
    in_line: bool,
}

/// Blanks that are held.
const BLANKS: usize = 4096;

impl Tidy {
    fn feed(&mut self, bytes: &[u8], form: &mut Canonical, sink: &mut Sink<'_>) -> Result<()> {
        let mut out = Vec::with_capacity(bytes.len() + 16);
        for &byte in bytes {
            self.byte(byte, &mut out);
        }
        form.feed(&out, sink)
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' => {
                out.append(&mut self.start);
                self.waiting.clear();
                self.in_line = false;
                out.extend_from_slice(b"\r\n");
            }
            b' ' if self.start == b"From" => {
                out.extend_from_slice(b"=46rom ");
                self.start.clear();
                self.in_line = true;
            }
            b' ' | b'\t' | b'\r' if self.waiting.len() < BLANKS => {
                out.append(&mut self.start);
                self.waiting.push(byte);
                self.in_line = true;
            }
            _ => {
                let at_start = !self.in_line && b"From".get(self.start.len()) == Some(&byte);
                if at_start {
                    return self.start.push(byte);
                }
                out.append(&mut self.start);
                out.append(&mut self.waiting);
                out.push(byte);
                self.in_line = true;
            }
        }
    }

    /// The body has ended; blanks at its end are dropped.
    fn end_start(&mut self, form: &mut Canonical, sink: &mut Sink<'_>) -> Result<()> {
        form.feed(&std::mem::take(&mut self.start), sink)
    }
}

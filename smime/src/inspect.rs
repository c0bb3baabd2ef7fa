//! Looking at a message without a private key, from its first KiB.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::cms::outline::{Outline, open};
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};
use crate::mime::armor::dearmored;
use crate::mime::first_part::FirstPart;
use crate::mime::head::Head;
use crate::mime::kind::Kind;
use crate::mime::message::Message;
use crate::mime::{input_error, unwrapped};
use crate::read::MAX_LAYERS;

/// What the outermost layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// Not an S/MIME message.
    Plain,
    /// multipart/signed with a PKCS#7 protocol, or a bare detached signature.
    ClearSigned,
    /// SignedData with its content.
    OpaqueSigned,
    /// SignedData without signers.
    CertificatesOnly,
    /// EnvelopedData.
    Enveloped,
    /// AuthEnvelopedData.
    AuthEnveloped,
    /// CompressedData.
    Compressed,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The outermost layer.
    pub layer: Layer,
    /// All layers that can be seen without a key, from outside in; empty for a plain message.
    pub layers: Vec<Layer>,
    /// Name or OID of the content cipher, for encrypted layers.
    pub cipher: Option<String>,
    /// Recipients, for encrypted layers.
    pub recipients: Vec<RecipientId>,
}

/// Bytes of the first line that are looked at (RFC 5322 section 2.1.1).
const FIRST_LINE: u64 = 998;

/// Bytes that are read at most.
const LIMIT: u64 = 1024 * 1024;

/// Bytes that are asked for at once: a list of messages is looked at for a few KiB of each.
const SIP: usize = 4096;

/// Reads as little of `input` as the answer needs: a few KiB, at most 1 MiB (for thousands of recipients). Takes mail
/// and bare CMS objects alike. What is wrong inside the outermost layer ends the look, and is no error.
///
/// # Errors
/// [`Error::Malformed`] if it is neither; [`Error::Limit`]; [`Error::Input`].
pub fn inspect(input: &mut dyn Read) -> Result<Inspection> {
    let passed = Cell::new(0);
    let mut input = BufReader::with_capacity(SIP, Counted { input: input.take(LIMIT), passed: &passed });
    let mut seen =
        Inspection { layer: Layer::Plain, layers: Vec::new(), cipher: None, recipients: Vec::new() };
    let looked = first_line(&mut input).and_then(|line| {
        let mail = Head::read(&mut line.as_slice()).is_ok() && !line.is_empty();
        let input = Box::new(Cursor::new(line).chain(input));
        if mail { seen.mail(input) } else { seen.object(dearmored(input)?).map(drop) }
    });
    seen.layer = seen.layers.first().copied().unwrap_or(Layer::Plain);
    match looked.map_err(unwrapped) {
        Ok(()) => Ok(seen),
        Err(Error::Malformed(_) | Error::Limit(_)) if !seen.layers.is_empty() => Ok(seen),
        Err(Error::Malformed(_)) if passed.get() == LIMIT => {
            Err(Error::Limit("1 MiB in front of the content"))
        }
        Err(error) => Err(error),
    }
}

impl Inspection {
    /// Looks at a mail, and at the entities inside.
    fn mail<'a>(&mut self, mut input: Box<dyn BufRead + 'a>) -> Result<()> {
        while self.layers.len() < MAX_LAYERS {
            let message = Message::read(input)?;
            let inside: Box<dyn Read + 'a> = match Kind::of(&message.head)? {
                Kind::Plain => return Ok(()),
                Kind::Clear { boundary, .. } => {
                    self.layers.push(Layer::ClearSigned);
                    Box::new(FirstPart::new(message.into_body(), &boundary))
                }
                Kind::Cms(transfer) => match self.object(message.into_cms(transfer)?)? {
                    Some(content) => content,
                    None => return Ok(()),
                },
            };
            input = Box::new(BufReader::with_capacity(SIP, inside));
        }
        Ok(())
    }

    /// Looks at a CMS object; answers its content, if it can be read.
    fn object<'a>(&mut self, input: Box<dyn Read + 'a>) -> Result<Option<Box<dyn Read + 'a>>> {
        let (outline, content) = open(input)?;
        self.layers.push(match outline {
            Outline::Signed { signers: false, .. } => Layer::CertificatesOnly,
            Outline::Signed { content: true, .. } => Layer::OpaqueSigned,
            Outline::Signed { .. } => Layer::ClearSigned,
            Outline::Compressed => Layer::Compressed,
            Outline::Other(oid) => {
                return Err(Error::Malformed(format!("a CMS object of the unknown content type {oid}")));
            }
            Outline::Enveloped(header) => {
                self.cipher = Some(header.cipher_name);
                self.recipients = header.recipients.into_iter().map(|recipient| recipient.id).collect();
                if header.authenticated { Layer::AuthEnveloped } else { Layer::Enveloped }
            }
        });
        Ok(content)
    }
}

/// The first line, or its beginning: a header field shows itself in it.
fn first_line(input: &mut dyn BufRead) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(FIRST_LINE).read_until(b'\n', &mut line).map_err(input_error)?;
    Ok(line)
}

/// Tells how much has been read.
struct Counted<'a, R> {
    input: R,
    passed: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(SIP);
        let n = self.input.read(&mut buffer[..most])?;
        self.passed.set(self.passed.get() + n as u64);
        Ok(n)
    }
}

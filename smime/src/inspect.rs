//! Looking at a message without a private key, from its first KiB.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::cms::outline::{Outline, outline};
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};
use crate::mime::armor::dearmored;
use crate::mime::head::Head;
use crate::mime::kind::Kind;
use crate::mime::message::Message;
use crate::mime::{BUFFER, input_error, unwrapped};

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
    /// Name or OID of the content cipher, for encrypted layers.
    pub cipher: Option<String>,
    /// Recipients, for encrypted layers.
    pub recipients: Vec<RecipientId>,
}

/// Bytes of the first line that are looked at (RFC 5322 section 2.1.1).
const FIRST_LINE: u64 = 998;

/// Bytes that are read at most.
const LIMIT: u64 = 1024 * 1024;

/// Reads as little of `input` as the answer needs: at most 1 MiB. Takes mail and bare CMS objects alike.
///
/// # Errors
/// [`Error::Malformed`] if it is neither; [`Error::Limit`]; [`Error::Input`].
pub fn inspect(input: &mut dyn Read) -> Result<Inspection> {
    let passed = Cell::new(0);
    let mut input = BufReader::with_capacity(BUFFER, Counted { input: input.take(LIMIT), passed: &passed });
    let inspection = first_line(&mut input).and_then(|line| {
        let mail = Head::read(&mut line.as_slice()).is_ok() && !line.is_empty();
        let input = Box::new(Cursor::new(line).chain(input));
        if mail { inspect_mail(input) } else { inspect_object(dearmored(input)?) }
    });
    inspection.map_err(|error| match unwrapped(error) {
        Error::Malformed(_) if passed.get() == LIMIT => Error::Limit("1 MiB in front of the content"),
        other => other,
    })
}

fn inspect_mail<'a>(input: Box<dyn BufRead + 'a>) -> Result<Inspection> {
    let message = Message::read(input)?;
    match Kind::of(&message.head)? {
        Kind::Plain => Ok(without_recipients(Layer::Plain)),
        Kind::Clear { .. } => Ok(without_recipients(Layer::ClearSigned)),
        Kind::Cms(transfer) => inspect_object(message.into_cms(transfer)?),
    }
}

fn inspect_object(input: Box<dyn Read + '_>) -> Result<Inspection> {
    match outline(input)? {
        Outline::Signed { signers: false, .. } => Ok(without_recipients(Layer::CertificatesOnly)),
        Outline::Signed { content: true, .. } => Ok(without_recipients(Layer::OpaqueSigned)),
        Outline::Signed { .. } => Ok(without_recipients(Layer::ClearSigned)),
        Outline::Compressed => Ok(without_recipients(Layer::Compressed)),
        Outline::Other(oid) => {
            Err(Error::Malformed(format!("a CMS object of the unknown content type {oid}")))
        }
        Outline::Enveloped(header) => Ok(Inspection {
            layer: if header.authenticated { Layer::AuthEnveloped } else { Layer::Enveloped },
            cipher: Some(header.cipher_name),
            recipients: header.recipients.into_iter().map(|recipient| recipient.id).collect(),
        }),
    }
}

fn without_recipients(layer: Layer) -> Inspection {
    Inspection { layer, cipher: None, recipients: Vec::new() }
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
        let n = self.input.read(buffer)?;
        self.passed.set(self.passed.get() + n as u64);
        Ok(n)
    }
}

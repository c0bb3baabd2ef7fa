//! A message opened for reading: its head, and its body as S/MIME takes it.

use std::io::{BufRead, BufReader, Cursor, Read};

use crate::algorithm::Container;
use crate::error::{Error, Result};
use crate::headers::{HeaderConfidentiality, HeaderProtection};
use crate::mime::armor::dearmored;
use crate::mime::base64_read::Base64Reader;
use crate::mime::canonical::Canonical;
use crate::mime::content_type::ContentType;
use crate::mime::head::Head;
use crate::mime::kind::{Kind, Transfer};
use crate::mime::protect;
use crate::mime::quoted_printable::QuotedPrintable;
use crate::mime::seven_bit::SevenBit;
use crate::mime::seven_bit_scan::Plan;
use crate::mime::{BUFFER, input_error, pump};
use crate::source::Source;

/// A message whose head has been read.
pub(crate) struct Message<'a> {
    /// The whole head.
    pub(crate) head: Head,
    /// What stands outside of it where its header fields are confidential.
    policy: HeaderConfidentiality,
    body: Box<dyn BufRead + 'a>,
}

impl<'a> Message<'a> {
    /// Reads the head of `source`.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no message, or empty; [`Error::Limit`], [`Error::Input`].
    pub(crate) fn open(source: &'a mut dyn Source) -> Result<Self> {
        Self::read(buffered(source)?)
    }

    /// Reads the head from `input`.
    ///
    /// # Errors
    /// As [`Message::open`].
    pub(crate) fn read(mut input: Box<dyn BufRead + 'a>) -> Result<Self> {
        if input.fill_buf().map_err(input_error)?.is_empty() {
            return Err(Error::Malformed("it is empty".to_owned()));
        }
        Ok(Self { head: Head::read(&mut input)?, policy: HeaderConfidentiality::default(), body: input })
    }

    /// All of `input` as a body without a head.
    pub(crate) fn bare(input: Box<dyn BufRead + 'a>) -> Self {
        Self { head: Head::default(), policy: HeaderConfidentiality::default(), body: input }
    }

    /// With the header fields protected as `how` says, when it is written.
    pub(crate) fn protected(mut self, how: HeaderProtection) -> Self {
        protect::ask(&mut self.head, how);
        self.policy = protect::policy(how);
        self
    }

    /// The fields that stand outside of it when it is sealed.
    pub(crate) fn outer(&self) -> Vec<u8> {
        protect::outer(&self.head, self.policy)
    }

    /// Hands the MIME entity in canonical form to `sink`: the `Content-*` fields and the body. An entity
    /// that says to be binary keeps its line ends. Answers the number of bytes.
    ///
    /// # Errors
    /// [`Error::Input`], and what `sink` answers.
    pub(crate) fn entity(mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
        let mut length = 0;
        let mut counted = |bytes: &[u8]| {
            length += bytes.len() as u64;
            sink(bytes)
        };
        counted(&self.entity_head())?;
        if is_binary(&self.head) {
            pump(&mut self.body, &mut counted)?;
        } else {
            let mut canonical = Canonical::default();
            pump(&mut self.body, &mut |bytes| canonical.feed(bytes, &mut counted))?;
        }
        Ok(length)
    }

    /// Hands the MIME entity as it came to `sink`.
    ///
    /// # Errors
    /// As [`Message::entity`].
    pub(crate) fn raw_entity(mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        sink(&self.entity_head())?;
        pump(&mut self.body, sink).map(drop)
    }

    /// Hands the MIME entity to `sink` as `plan` says, in canonical form. Answers the number of bytes.
    ///
    /// # Errors
    /// As [`Message::entity`].
    pub(crate) fn recoded_entity(
        self,
        plan: &Plan,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        if !plan.is_needed() {
            return self.entity(sink);
        }
        let mut length = 0;
        let mut counted = |bytes: &[u8]| {
            length += bytes.len() as u64;
            sink(bytes)
        };
        let mut writer = SevenBit::new(plan);
        self.raw_entity(&mut |bytes| writer.feed(bytes, &mut counted))?;
        writer.finish(&mut counted)?;
        Ok(length)
    }

    /// The entity's own head with its blank line, and the header fields that it protects. Without any MIME field the
    /// message is plain text (RFC 2045 section 5.2), and that is said.
    fn entity_head(&self) -> Vec<u8> {
        let mut fields = self.head.content();
        if fields.is_empty() {
            fields.extend_from_slice(b"Content-Type: text/plain\r\n");
        }
        fields.extend_from_slice(b"\r\n");
        [protect::inner(&self.head, self.policy), fields].concat()
    }

    /// What comes after the head.
    pub(crate) fn into_body(self) -> Box<dyn BufRead + 'a> {
        self.body
    }

    /// The CMS object in the body.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the body cannot hold one.
    pub(crate) fn into_cms(self, transfer: Transfer) -> Result<Box<dyn Read + 'a>> {
        transfer.decoded(self.body)
    }
}

impl Transfer {
    /// The CMS object in a `body` that is encoded so.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it cannot hold one.
    pub(crate) fn decoded<'a>(self, body: Box<dyn BufRead + 'a>) -> Result<Box<dyn Read + 'a>> {
        match self {
            Self::Base64 => Ok(Box::new(Base64Reader::new(body))),
            Self::QuotedPrintable => {
                dearmored(Box::new(BufReader::with_capacity(BUFFER, QuotedPrintable::new(body))))
            }
            Self::Unsaid => dearmored(body),
        }
    }
}

/// A CMS object opened for reading, with the head around it if it came as mail.
pub(crate) type Opened<'a> = (Option<Head>, Box<dyn Read + 'a>);

/// Opens the CMS object that `source` is or, for mail, carries as its whole body.
///
/// # Errors
/// [`Error::Malformed`] says that it is not `wanted`; [`Error::Limit`], [`Error::Input`].
pub(crate) fn open_cms<'a>(
    source: &'a mut dyn Source,
    container: Container,
    wanted: &str,
) -> Result<Opened<'a>> {
    if let Container::Cms(_) = container {
        return Ok((None, dearmored(buffered(source)?)?));
    }
    let message = Message::open(source)?;
    match Kind::of(&message.head)? {
        Kind::Cms(transfer) => {
            let head = message.head.clone();
            Ok((Some(head), message.into_cms(transfer)?))
        }
        Kind::Plain => Err(Error::Malformed(format!("this is a plain message, not {wanted}"))),
        Kind::Clear { .. } => Err(Error::Malformed(format!("this is a clear-signed message, not {wanted}"))),
    }
}

/// Opens `source` with a buffer of our size.
pub(crate) fn buffered<'a>(source: &'a mut dyn Source) -> Result<Box<dyn BufRead + 'a>> {
    source.open_buffered().map_err(input_error)
}

/// The CMS signature in the second part of a `multipart/signed`, decoded.
///
/// # Errors
/// [`Error::Malformed`] if the part is no CMS signature.
pub(crate) fn signature(part: Vec<u8>) -> Result<Vec<u8>> {
    let message = Message::read(Box::new(Cursor::new(part)))?;
    let Kind::Cms(transfer) = Kind::of(&message.head)? else {
        return Err(Error::Malformed(
            "the second part of the multipart/signed is no CMS signature".to_owned(),
        ));
    };
    let mut bytes = Vec::new();
    message.into_cms(transfer)?.read_to_end(&mut bytes).map_err(input_error)?;
    Ok(bytes)
}

/// Whether the entity says that its body is not lines of text (RFC 2045 section 6.2).
pub(crate) fn is_binary(head: &Head) -> bool {
    ContentType::parse(&head.value("Content-Transfer-Encoding").unwrap_or_default()).kind == "binary"
}

//! Opening a message again down to a known layer.

use std::io::{self, BufRead, BufReader, Read};

use crate::algorithm::DigestAlgorithm;
use crate::cms::{compressed, content};
use crate::crypto::hash::{Digests, Hashers};
use crate::decrypt::Unsealed;
use crate::error::{Error, Result};
use crate::mime::canonical::CanonicalReader;
use crate::mime::first_part::FirstPart;
use crate::mime::head::Head;
use crate::mime::kind::Transfer;
use crate::mime::message::Message;
use crate::mime::{BUFFER, as_io, carried};
use crate::source::Source;

/// A layer that has been judged, and how to look inside it again.
pub(super) struct Peel {
    /// `None` for a CMS object without MIME.
    pub(super) head: Option<Head>,
    pub(super) way: Way,
}

/// How to look inside.
pub(super) enum Way {
    /// Into the first part of a `multipart/signed`.
    Clear { boundary: String, check: Check },
    /// Into the content of a SignedData.
    Opaque { transfer: Transfer, check: Check },
    /// Into the plaintext of an encrypted message.
    Unsealed { transfer: Transfer, unsealed: Unsealed },
    /// Into a compressed content.
    Compressed { transfer: Transfer },
}

impl Peel {
    /// What is inside this layer of `input`.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is not the layer that was judged; [`Error::Input`].
    fn open<'a>(&'a self, input: Box<dyn Read + 'a>) -> Result<Box<dyn Read + 'a>> {
        let message = opened(Box::new(BufReader::with_capacity(BUFFER, input)), self.head.as_ref())?;
        Ok(match &self.way {
            Way::Clear { boundary, check } => {
                let part = FirstPart::new(message.into_body(), boundary);
                check.over(Box::new(CanonicalReader::new(part)))
            }
            Way::Opaque { transfer, check } => {
                check.over(Box::new(content::open_signed(message.into_cms(*transfer)?)?))
            }
            Way::Unsealed { transfer, unsealed } => unsealed.plaintext(message.into_cms(*transfer)?)?,
            Way::Compressed { transfer } => Box::new(compressed::open(message.into_cms(*transfer)?)?),
        })
    }
}

/// The entity with this `head`, or the CMS object without one.
///
/// # Errors
/// [`Error::Changed`] if it has another; [`Error::Input`].
pub(super) fn opened<'a>(input: Box<dyn BufRead + 'a>, head: Option<&Head>) -> Result<Message<'a>> {
    let Some(head) = head else { return Ok(Message::bare(input)) };
    let message = Message::read(input)?;
    if message.head == *head { Ok(message) } else { Err(Error::Changed) }
}

/// A message without its outer layers.
pub(super) struct Onion<'a> {
    pub(super) source: &'a mut dyn Source,
    pub(super) peels: &'a [Peel],
}

impl Source for Onion<'_> {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let mut input = self.source.open()?;
        for peel in self.peels {
            input = peel.open(input).map_err(as_io)?;
        }
        Ok(input)
    }
}

/// By what a content that was judged is known again.
#[derive(Clone, Debug, Default)]
pub(super) struct Check {
    digests: Digests,
    length: u64,
}

impl Check {
    /// The content with these digests and this length.
    pub(super) fn new(digests: Digests, length: u64) -> Self {
        Self { digests, length }
    }

    fn over<'a>(&'a self, input: Box<dyn Read + 'a>) -> Box<dyn Read + 'a> {
        // Of several digests one is enough: a strong one, if there is one.
        let mut algorithms = DigestAlgorithm::ALL.into_iter().rev();
        let algorithm = algorithms.find(|algorithm| self.digests.of(*algorithm).is_some());
        let Some(algorithm) = algorithm else { return input };
        Box::new(Checked {
            input,
            expected: self,
            algorithm,
            hashers: Some(Hashers::new(&[algorithm])),
            length: 0,
        })
    }
}

/// Passes a content on, and fails at its end if it is another than the one that was judged.
struct Checked<'a> {
    input: Box<dyn Read + 'a>,
    expected: &'a Check,
    algorithm: DigestAlgorithm,
    /// Gone once the end was seen.
    hashers: Option<Hashers>,
    length: u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.length += n as u64;
        if n > 0 {
            self.hashers.iter_mut().for_each(|hashers| hashers.update(&buffer[..n]));
        } else if let Some(hashers) = self.hashers.take_if(|_| !buffer.is_empty()) {
            let same = hashers.finish().of(self.algorithm) == self.expected.digests.of(self.algorithm);
            if !same || self.length != self.expected.length {
                return Err(carried(Error::Changed));
            }
        }
        Ok(n)
    }
}

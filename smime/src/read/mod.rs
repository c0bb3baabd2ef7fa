//! Reading a message to its innermost entity, and saying what each layer around it is worth.
//!
//! ```text
//! reading = Reading::new(...)
//! while reading.advance(source) is Sealed:      an encrypted layer: ask the private key
//!     reading.unlock(index, secret, source)     with one of reading.sealed().recipients()
//! reading.report()                              the verdict
//! reading.write(source, out)                    the innermost entity, exactly as it was signed
//! ```
//!
//! No plaintext is kept: an inner layer is reached by opening the outer ones again, each time from the
//! message as it came. Nothing is written before all layers have been proved and all of the innermost entity has
//! been looked at; whatever is read later is held against that.

mod layer;
mod open;
mod peel;
mod protected;
mod survey;
mod whole;

use std::io::Write;

use zeroize::Zeroizing;

pub use self::layer::{
    Concern, EncryptedLayer, Layer, Part, PartKind, ProtectedHeaders, Protection, Report, SignedLayer,
};
use self::peel::{Onion, Peel, Way};
use self::survey::{DIGEST, Seen, Survey};
use crate::asn1::der;
use crate::cms::outline::{Outline, outline};
use crate::crypto::hash::Hashers;
use crate::decrypt::Sealed;
use crate::error::{Error, Result};
use crate::mime::address::{date, names_several_senders, senders_in};
use crate::mime::armor::dearmored;
use crate::mime::head::Head;
use crate::mime::kind::{Kind, Transfer};
use crate::mime::message::{Message, buffered};
use crate::mime::{input_error, output_error, pump, unwrapped};
use crate::source::Source;

/// Layers that are opened: triple wrapping with compression is four.
pub const MAX_LAYERS: usize = 8;

/// Compressed layers that are opened: compressing twice gains nothing but a bomb.
const MAX_COMPRESSED: usize = 1;

/// A message that is being read.
pub struct Reading {
    /// Further certificates (DER), in which signers may be found.
    certificates: Vec<Vec<u8>>,
    /// The head of the message itself.
    outer: Option<Head>,
    layers: Vec<Layer>,
    peels: Vec<Peel>,
    sealed: Option<(Sealed, Option<Head>, Transfer)>,
    concerns: Vec<Concern>,
    seen: Option<Seen>,
    report: Option<Report>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An encrypted layer: [`Reading::unlock`] it.
    Sealed,
    /// Everything has been read.
    Done,
}

impl Reading {
    /// Nothing has been read yet. Further `certificates` (DER) help to find signers.
    pub fn new(certificates: Vec<Vec<u8>>) -> Self {
        Self {
            certificates,
            outer: None,
            layers: Vec::new(),
            peels: Vec::new(),
            sealed: None,
            concerns: Vec::new(),
            seen: None,
            report: None,
        }
    }

    /// Goes on until a private key is needed or everything has been read.
    ///
    /// # Errors
    /// [`Error::Malformed`] if this is no message, or not what its head says; [`Error::UnsupportedAlgorithm`] of
    /// an encryption; [`Error::Limit`], [`Error::Changed`], [`Error::Input`].
    pub fn advance(&mut self, source: &mut dyn Source) -> Result<Next> {
        while self.report.is_none() {
            if self.sealed.is_some() || self.step(source).map_err(unwrapped)? {
                return Ok(Next::Sealed);
            }
        }
        Ok(Next::Done)
    }

    /// The encrypted layer that waits for a private key.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref().map(|(sealed, ..)| sealed)
    }

    /// Proves the layer that waits with `secret`, the private key's answer to the request of its recipient `index`.
    ///
    /// # Errors
    /// [`Error::Decryption`] for every cryptographic reason: another recipient may be tried. Others as
    /// [`Reading::advance`].
    pub fn unlock(
        &mut self,
        index: usize,
        secret: Zeroizing<Vec<u8>>,
        source: &mut dyn Source,
    ) -> Result<()> {
        let (sealed, head, transfer) = self.sealed.take().ok_or(Error::Decryption)?;
        let mut onion = Onion { source, peels: &self.peels };
        match sealed.unseal(index, secret, &mut onion) {
            Ok(unsealed) => {
                self.layers.push(Layer::Encrypted(EncryptedLayer {
                    cipher: sealed.cipher(),
                    authenticated: sealed.cipher().is_authenticated(),
                    recipients: sealed.recipients().len(),
                    recipient: index,
                    key_algorithm: sealed.recipients()[index].algorithm.clone(),
                }));
                self.peels.push(Peel { head, way: Way::Unsealed { transfer, unsealed } });
                Ok(())
            }
            Err(error) => {
                self.sealed = Some((sealed, head, transfer));
                Err(unwrapped(error))
            }
        }
    }

    /// The verdict; there once [`Reading::advance`] is [`Next::Done`].
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Reads the message again and writes its innermost entity: what the innermost signature is over, byte
    /// for byte; of a message without layers, all of it.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is not what was judged; [`Error::Input`], [`Error::Output`].
    pub fn write(&self, source: &mut dyn Source, out: &mut dyn Write) -> Result<u64> {
        let seen = self.seen.as_ref().ok_or(Error::Changed)?;
        let mut onion = Onion { source, peels: &self.peels };
        let mut input = onion.open_buffered().map_err(input_error)?;
        let mut hashers = Hashers::new(&[DIGEST]);
        let length = pump(&mut input, &mut |bytes| {
            hashers.update(bytes);
            out.write_all(bytes).map_err(output_error)
        })
        .map_err(unwrapped)?;
        if length != seen.length || hashers.finish().of(DIGEST) != seen.digests.of(DIGEST) {
            return Err(Error::Changed);
        }
        out.flush().map_err(output_error)?;
        Ok(length)
    }

    /// Judges one more layer. True: it waits for a private key.
    fn step(&mut self, source: &mut dyn Source) -> Result<bool> {
        let head = match self.inside(source)? {
            Inside::Entity(head) => head,
            Inside::Object if self.layers.len() == MAX_LAYERS => {
                self.concerns.push(Concern::TooDeep);
                return self.finish(source, None);
            }
            Inside::Object => return self.object(source, None, Transfer::Unsaid),
            Inside::Other => return self.finish(source, None),
        };
        let kind = match Kind::of(&head) {
            Ok(kind) => kind,
            Err(Error::Malformed(problem)) => return self.unreadable(source, Some(head), problem),
            Err(error) => return Err(error),
        };
        if is_ambiguous(&head) {
            self.concerns.push(Concern::AmbiguousHead);
        }
        if kind == Kind::Plain {
            return self.finish(source, Some(&head));
        }
        if self.layers.len() == MAX_LAYERS {
            self.concerns.push(Concern::TooDeep);
            return self.finish(source, Some(&head));
        }
        match kind {
            Kind::Clear { boundary, .. } => self.clear(source, head, boundary),
            Kind::Cms(transfer) => self.object(source, Some(head), transfer),
            Kind::Plain => Ok(false),
        }
    }

    /// What is inside the layers so far. A message that is neither mail nor a CMS object is none.
    fn inside(&mut self, source: &mut dyn Source) -> Result<Inside> {
        let mut onion = Onion { source, peels: &self.peels };
        let error = match Message::open(&mut onion).map(|message| message.head) {
            Ok(head) => {
                self.outer.get_or_insert_with(|| head.clone());
                return Ok(Inside::Entity(head));
            }
            Err(error @ (Error::Malformed(_) | Error::Limit(_))) => error,
            Err(error) => return Err(error),
        };
        let mut input = buffered(&mut onion)?;
        let is_der = input.fill_buf().map_err(input_error)?.first() == Some(&der::SEQUENCE);
        // Nobody but mail says who wrote it.
        self.outer.get_or_insert_default();
        match dearmored(input).and_then(outline).map_err(unwrapped) {
            Ok(Outline::Other(_)) if !self.peels.is_empty() => Ok(Inside::Other),
            Ok(_) => Ok(Inside::Object),
            Err(Error::Malformed(_) | Error::Limit(_)) if !self.peels.is_empty() => Ok(Inside::Other),
            Err(Error::Malformed(_) | Error::Limit(_)) if !is_der => Err(error),
            Err(why) => Err(why),
        }
    }

    /// Looks at all of the innermost entity, whose head this is, and judges the whole.
    fn finish(&mut self, source: &mut dyn Source, head: Option<&Head>) -> Result<bool> {
        let mut onion = Onion { source, peels: &self.peels };
        let mut input = onion.open_buffered().map_err(input_error)?;
        let mut survey = Survey::new();
        pump(&mut input, &mut |bytes| survey.feed(bytes))?;
        drop(input);
        let mut seen = survey.finish()?;
        let outer = self.outer.clone().unwrap_or_default();
        let mut concerns = std::mem::take(&mut self.concerns);
        if names_several_senders(&outer) {
            concerns.push(Concern::SeveralSenders);
        }
        let is = |kind| move |part: &Part| part.kind == kind;
        concerns.extend(seen.parts.iter().any(is(PartKind::Signed)).then_some(Concern::SignedPart));
        concerns.extend(seen.parts.iter().any(is(PartKind::Encrypted)).then_some(Concern::EncryptedPart));
        let inner = head.filter(|_| !self.peels.is_empty());
        concerns.extend(inner.map(|inner| protected::mismatches(&outer, inner)).unwrap_or_default());
        let layers = std::mem::take(&mut self.layers);
        let date = date(&outer);
        let dated = |layer: &Layer| match (layer, date) {
            (Layer::Signed(layer), Some(date)) => layer.is_away_from(date),
            _ => false,
        };
        concerns.extend(layers.iter().any(dated).then_some(Concern::DateMismatch));
        let (protection, signatures) = whole::judge(&layers, seen.garbled, &mut concerns);
        self.report = Some(Report {
            layers,
            protection,
            signatures,
            concerns,
            parts: std::mem::take(&mut seen.parts),
            from: self.senders(&["From"]),
            sender: self.senders(&["Sender"]),
            headers: inner.and_then(protected::protected),
            legacy_display: std::mem::take(&mut seen.legacy_display),
            length: seen.length,
        });
        self.seen = Some(seen);
        Ok(false)
    }

    fn senders(&self, fields: &[&str]) -> Vec<String> {
        self.outer.as_ref().map(|outer| senders_in(outer, fields)).unwrap_or_default()
    }
}

/// What is inside of a layer, or a message itself.
enum Inside {
    /// A MIME entity with this head.
    Entity(Head),
    /// A CMS object without MIME around it: a file `smime.p7m`, or what PKCS #7 nests.
    Object,
    /// Something else.
    Other,
}

/// Whether a head says twice what its entity is.
fn is_ambiguous(head: &Head) -> bool {
    ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
        .iter()
        .any(|name| head.fields().filter(|field| field.is(name)).count() > 1)
}

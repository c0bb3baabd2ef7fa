//! One layer opened and judged: clear-signed, or a CMS object of any kind.

use std::io::{self, Read};

use super::layer::{Concern, Layer, SignedLayer};
use super::peel::{Check, Onion, Peel, Way, opened};
use super::{MAX_COMPRESSED, Reading};
use crate::algorithm::{Armor, Container};
use crate::cms::outline::{Outline, outline};
use crate::decrypt;
use crate::error::{Error, Result};
use crate::mime::head::Head;
use crate::mime::kind::Transfer;
use crate::mime::message::buffered;
use crate::mime::{input_error, pump, unwrapped};
use crate::sign::Form;
use crate::source::Source;
use crate::verify::{Content, verify_with_digests};

impl Reading {
    /// A `multipart/signed`. Its content can be shown even if its signature cannot be read.
    pub(super) fn clear(&mut self, source: &mut dyn Source, head: Head, boundary: String) -> Result<bool> {
        let way = |check| Way::Clear { boundary: boundary.clone(), check };
        match self.verify(source, Form::Clear, Container::Mail) {
            Ok(check) => self.peels.push(Peel { head: Some(head), way: way(check) }),
            Err(Error::Malformed(problem)) => {
                self.peels.push(Peel { head: Some(head.clone()), way: way(Check::default()) });
                match self.read_through(source) {
                    Ok(()) => {
                        let signed = SignedLayer { form: Form::Clear, verified: Err(problem) };
                        self.layers.push(Layer::Signed(signed));
                    }
                    Err(Error::Malformed(_)) => {
                        self.peels.pop();
                        return self.unreadable(source, Some(head), problem);
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    /// A CMS object as a body.
    pub(super) fn object(
        &mut self,
        source: &mut dyn Source,
        head: Option<Head>,
        transfer: Transfer,
    ) -> Result<bool> {
        let outline = self.look(source, head.as_ref(), transfer, |input: Box<dyn Read + '_>| outline(input));
        let judged = match outline {
            Ok(Outline::Signed { content: true, .. }) => {
                let container = container(head.as_ref());
                self.verify(source, Form::Opaque, container)
                    .map(|check| Some(Way::Opaque { transfer, check }))
            }
            Ok(Outline::Signed { signers: false, .. }) => return self.certificates(source, head, transfer),
            Ok(Outline::Signed { .. }) => Err(Error::Malformed("a signature without its content".to_owned())),
            Ok(Outline::Enveloped(_)) => self.seal(source, head.clone(), transfer).map(|()| None),
            Ok(Outline::Compressed) => return self.compressed(source, head, transfer),
            Ok(Outline::Other(oid)) => {
                Err(Error::Malformed(format!("a CMS object of the unknown content type {oid}")))
            }
            Err(error) => Err(error),
        };
        match judged {
            Ok(Some(way)) => self.peels.push(Peel { head, way }),
            Ok(None) => return Ok(true),
            Err(Error::Malformed(problem)) => return self.unreadable(source, head, problem),
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    fn verify(&mut self, source: &mut dyn Source, form: Form, container: Container) -> Result<Check> {
        let mut onion = Onion { source, peels: &self.peels };
        let attached = Content::Attached;
        let (mut verified, digests) =
            verify_with_digests(&mut onion, attached, container, &self.certificates, None)?;
        verified.from = self.senders(&["From", "Sender"]);
        let check = Check::new(digests, verified.content_length);
        self.layers.push(Layer::Signed(SignedLayer { form, verified: Ok(verified) }));
        Ok(check)
    }

    fn seal(&mut self, source: &mut dyn Source, head: Option<Head>, transfer: Transfer) -> Result<()> {
        let mut onion = Onion { source, peels: &self.peels };
        let sealed = decrypt::open(&mut onion, container(head.as_ref()))?;
        self.sealed = Some((sealed, head, transfer));
        Ok(())
    }

    /// A compressed layer must prove to be one to its end, and within its bound.
    fn compressed(
        &mut self,
        source: &mut dyn Source,
        head: Option<Head>,
        transfer: Transfer,
    ) -> Result<bool> {
        let known = self.layers.iter().filter(|layer| matches!(layer, Layer::Compressed)).count();
        if known == MAX_COMPRESSED {
            self.concerns.push(Concern::TooDeep);
            return self.finish(source, head.as_ref());
        }
        self.peels.push(Peel { head: head.clone(), way: Way::Compressed { transfer } });
        match self.read_through(source) {
            Ok(()) => self.layers.push(Layer::Compressed),
            Err(Error::Malformed(problem)) => {
                self.peels.pop();
                return self.unreadable(source, head, problem);
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    /// Certificates only: nothing is inside.
    fn certificates(
        &mut self,
        source: &mut dyn Source,
        head: Option<Head>,
        transfer: Transfer,
    ) -> Result<bool> {
        let read = |input: Box<dyn Read + '_>| crate::cms::signed_read::read(input, &mut io::sink());
        match self.look(source, head.as_ref(), transfer, read) {
            Ok(signed) => {
                self.layers.push(Layer::Certificates(signed.certificates));
                self.finish(source, head.as_ref())
            }
            Err(Error::Malformed(problem)) => self.unreadable(source, head, problem),
            Err(error) => Err(error),
        }
    }

    /// Lets `with` read the CMS object that is inside the layers so far, in an entity with this `head`.
    fn look<T>(
        &self,
        source: &mut dyn Source,
        head: Option<&Head>,
        transfer: Transfer,
        with: impl FnOnce(Box<dyn Read + '_>) -> Result<T>,
    ) -> Result<T> {
        let mut onion = Onion { source, peels: &self.peels };
        let message = opened(buffered(&mut onion)?, head)?;
        message.into_cms(transfer).and_then(with).map_err(unwrapped)
    }

    /// Reads all of what is inside the layers so far.
    fn read_through(&mut self, source: &mut dyn Source) -> Result<()> {
        let mut onion = Onion { source, peels: &self.peels };
        let mut input = onion.open_buffered().map_err(input_error)?;
        pump(&mut input, &mut |_| Ok(())).map(drop).map_err(unwrapped)
    }

    /// A layer that is not what its head says: a failure if it is the message itself, else the end of the way.
    pub(super) fn unreadable(
        &mut self,
        source: &mut dyn Source,
        head: Option<Head>,
        problem: String,
    ) -> Result<bool> {
        if self.peels.is_empty() {
            return Err(Error::Malformed(problem));
        }
        self.concerns.push(Concern::UnreadableLayer);
        self.finish(source, head.as_ref())
    }
}

/// In what a CMS object came, inside an entity with this `head` or without one.
fn container(head: Option<&Head>) -> Container {
    head.map_or(Container::Cms(Armor::Der), |_| Container::Mail)
}

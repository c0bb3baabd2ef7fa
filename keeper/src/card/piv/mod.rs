//! PIV cards over PC/SC (SP 800-73-5), without a PKCS#11 module.
//!
//! The card is shared and left shut: each operation is a short transaction that verifies the PIN, operates,
//! takes the verification back, and ends (pin-rules 5). Operations that wait already share one.

mod apdu;
mod contents;
mod keys;
mod line;
pub mod objects;
mod pin;
mod slots;
mod source;
mod tlv;
#[cfg(test)]
mod vectors;
mod visit;

use std::time::{Duration, Instant};

use wafer_client::keeper::{Digest, KeyInfo, KeyTransport, SignScheme, TriesLeft};
use zeroize::Zeroizing;

use super::{Authentication, Card, CardError, Contents, PinFlags, PinUse};
use crate::pin::secret::Secret;
use keys::{Key, Prepared};
use objects::PinReference;
use visit::Visitor;

pub use source::Readers;

/// Certificates are read again after so long: another program may have put new ones on the card.
const REMEMBERED: Duration = Duration::from_secs(60);

/// A PIV card in its reader.
struct PivCard {
    token: String,
    visitor: Visitor,
    contents: Option<Remembered>,
}

struct Remembered {
    contents: Contents,
    when: Instant,
    /// [`Visitor::resets`] at that time: a card that was reset since may hold other certificates.
    resets: u32,
}

impl PivCard {
    /// Verifies what opens the card, then lets it do what was prepared, with nothing in between.
    fn operate(
        &mut self,
        key: &Key,
        authentication: Authentication<'_>,
        prepared: &Prepared,
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let slot = key.slot();
        self.visitor.visit(|visitor| {
            match authentication {
                _ if slot.is_open() => {}
                Authentication::Entered(pin) => visitor.verify(pin)?,
                Authentication::Kept(_) if slot.always_authenticate() => return Err(CardError::EveryUse),
                Authentication::Kept(pin) => visitor.verify_kept(pin)?,
                Authentication::Confirmed(pin) => visitor.verify_confirmed(pin)?,
                Authentication::Session | Authentication::PinPad => return Err(CardError::NeedsLogin),
            }
            prepared.run(visitor.channel()?)
        })
    }

    /// The PUK resets the application's PIN (SP 800-73-5 part 2, section 3.2.3). Where another one opens the card that
    /// is of no help: the global PIN is its issuer's.
    fn has_puk(&self) -> Result<(), CardError> {
        match self.visitor.pin() {
            PinReference::Application => Ok(()),
            PinReference::Global => Err(CardError::Unsupported("unblocking the global PIN".to_owned())),
        }
    }

    fn read_contents(&mut self) -> Result<Contents, CardError> {
        let token = self.token.clone();
        let contents = self.visitor.visit(|visitor| contents::read(visitor.channel()?, &token))?;
        let resets = self.visitor.resets;
        self.contents = Some(Remembered { contents: contents.clone(), when: Instant::now(), resets });
        Ok(contents)
    }
}

impl Card for PivCard {
    fn pin_flags(&mut self) -> Result<PinFlags, CardError> {
        let tries = self.visitor.visit(Visitor::tries)?;
        Ok(PinFlags {
            login_required: true,
            pin_pad: false,
            global: self.visitor.pin() == PinReference::Global,
            tries: TriesLeft::exactly(tries),
            format: pin::FORMAT,
        })
    }

    fn pin_use(&self) -> PinUse {
        PinUse::EachVisit
    }

    fn contents(&mut self) -> Result<Contents, CardError> {
        match &self.contents {
            Some(known) if known.resets == self.visitor.resets && known.when.elapsed() < REMEMBERED => {
                Ok(known.contents.clone())
            }
            _ => self.read_contents(),
        }
    }

    fn login(&mut self, pin: Option<&Secret>) -> Result<(), CardError> {
        let pin = pin.ok_or_else(|| CardError::Unsupported("the reader's PIN pad".to_owned()))?;
        self.visitor.visit(|visitor| {
            visitor.verify(pin)?;
            visitor.shut()?;
            // The counter is full now: this is the most that the card will ever say.
            visitor.tries().map(drop)
        })
    }

    fn is_open(&self, key: &KeyInfo) -> bool {
        Key::new(key).is_ok_and(|key| key.slot().is_open())
    }

    fn logout(&mut self) -> Result<(), CardError> {
        // The PIN is the keeper's to forget; the card is shut after every visit.
        self.visitor.leave();
        Ok(())
    }

    fn sign(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let key = Key::new(key)?;
        let prepared = key.signature(scheme, algorithm, digest)?;
        let signature = self.operate(&key, authentication, &prepared)?;
        key.finish_signature(&signature)
    }

    fn unwrap_key(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        transport: &KeyTransport,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let key = Key::new(key)?;
        let prepared = key.decryption(encrypted)?;
        let block = self.operate(&key, authentication, &prepared);
        key.finish_decryption(block, transport)
    }

    fn derive(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        peer_point: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let key = Key::new(key)?;
        let prepared = key.agreement(peer_point)?;
        let shared = self.operate(&key, authentication, &prepared);
        key.finish_agreement(shared)
    }

    fn change_pin(&mut self, old: &Secret, new: &Secret) -> Result<(), CardError> {
        self.visitor.change_pin(old, new)
    }

    fn puk_flags(&mut self) -> Result<PinFlags, CardError> {
        self.has_puk()?;
        // No command of the standard tells the PUK's tries.
        Ok(PinFlags {
            login_required: true,
            pin_pad: false,
            global: false,
            tries: TriesLeft::Unknown,
            format: pin::FORMAT,
        })
    }

    fn unblock(&mut self, puk: &Secret, new: &Secret) -> Result<(), CardError> {
        self.has_puk()?;
        self.visitor.unblock(puk, new)
    }

    fn rest(&mut self) {
        self.visitor.leave();
    }

    fn step_aside(&mut self) {
        self.visitor.leave();
        self.visitor.drop_line();
    }
}

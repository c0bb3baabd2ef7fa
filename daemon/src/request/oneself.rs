//! The sender, who can always read what was sent.

use super::{Rooms, identities};
use crate::identity::choose::Purpose;

/// The certificate (DER) to encrypt the sender's own copy to, if there is one.
pub fn certificate(rooms: &Rooms, senders: &[String]) -> Option<Vec<u8>> {
    identities::best(rooms, Purpose::Decrypt, senders).map(|own| own.certificate.der.clone())
}

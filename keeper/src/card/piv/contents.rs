//! The certificates on a card.

use der::Decode;
use wafer_client::keeper::KeyInfo;
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;

use super::apdu::{Channel, get_data};
use super::keys::Shape;
use super::objects::{self, KEY_HISTORY};
use super::slots::Slot;
use crate::card::{CardError, Contents};

/// All certificates together must fit one message on the link.
const MOST_OCTETS: usize = 48 * 1024;

/// Reads every certificate. Without a key history every retired slot is looked at; with one, until as many
/// are found as it says, since not every card fills its slots in order.
pub(super) fn read(channel: &mut dyn Channel, token: &str) -> Result<Contents, CardError> {
    let mut contents = Contents::default();
    let mut octets = 0;
    for slot in Slot::CURRENT {
        add(channel, token, slot, &mut contents, &mut octets)?;
    }
    let history = get_data(channel, KEY_HISTORY)?;
    let history = history.as_deref().and_then(|answer| objects::content(answer));
    let mut missing = history.and_then(objects::retired_certificates);
    for slot in Slot::retired() {
        if missing == Some(0) {
            break;
        }
        if add(channel, token, slot, &mut contents, &mut octets)? {
            missing = missing.map(|missing| missing - 1);
        }
    }
    Ok(contents)
}

/// Reads the certificate of `slot`; false if there is none.
fn add(
    channel: &mut dyn Channel,
    token: &str,
    slot: Slot,
    contents: &mut Contents,
    octets: &mut usize,
) -> Result<bool, CardError> {
    let Some(answer) = get_data(channel, slot.certificate())? else { return Ok(false) };
    let Some(certificate) = objects::content(&answer).and_then(objects::certificate) else {
        tracing::warn!(slot = slot.to_hex(), "the certificate on the card cannot be read");
        return Ok(true);
    };
    *octets += certificate.len();
    if *octets > MOST_OCTETS {
        tracing::warn!(slot = slot.to_hex(), "more certificates on the card than are listed");
        return Ok(true);
    }
    match Shape::of(&certificate) {
        Some(shape) if !is_authority(&certificate) => contents.keys.push(KeyInfo {
            id: format!("{token}/{}", slot.to_hex()),
            label: slot.label(),
            kind: shape.kind(),
            certificate,
            always_authenticate: slot.always_authenticate(),
        }),
        _ => contents.others.push(certificate),
    }
    Ok(true)
}

fn is_authority(certificate: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let constraints = certificate.tbs_certificate().get_extension::<BasicConstraints>().ok().flatten();
    constraints.is_some_and(|(_, constraints)| constraints.ca)
}

/// What people call the card: the common name of the first certificate that has one.
pub(super) fn holder(contents: &Contents) -> Option<String> {
    contents.keys.iter().find_map(|key| common_name(&key.certificate))
}

fn common_name(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("2.5.4.3");
    let certificate = Certificate::from_der(certificate).ok()?;
    let attributes = certificate.tbs_certificate().subject().iter();
    let name = attributes.filter(|attribute| attribute.oid == COMMON_NAME).last()?;
    let text = std::str::from_utf8(name.value.value()).ok()?;
    let text: String = text.chars().filter(|character| !character.is_control()).take(64).collect();
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use crate::card::piv::apdu::Script;

    #[test]
    fn a_card_without_a_key_history_is_looked_through() {
        let absent: Vec<&[u8]> = vec![&[0x6a, 0x82]; 4 + 1 + 20];
        let mut script = Script::new(&absent);
        let contents = read(&mut script, "token").unwrap();
        assert!(contents.keys.is_empty() && contents.others.is_empty());
        assert_eq!(script.asked.len(), 25);
    }

    #[test]
    fn a_key_history_ends_the_search() {
        let history =
            [&super::super::tlv::encode(0x53, &[0xc1, 1, 1, 0xc2, 1, 0, 0xfe, 0])[..], &[0x90, 0]].concat();
        let odd = [&super::super::tlv::encode(0x53, &[0x70, 1, 7])[..], &[0x90, 0]].concat();
        let absent: &[u8] = &[0x6a, 0x82];
        let mut script = Script::new(&[absent, absent, absent, absent, &history, absent, &odd]);
        let contents = read(&mut script, "token").unwrap();
        assert_eq!(script.asked.len(), 7, "the second retired slot had the one that was promised");
        assert_eq!((contents.keys.len(), contents.others.len()), (0, 1));
    }
}

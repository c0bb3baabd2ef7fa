//! Certificates and key handles: what is on the token, without and with a login.

use std::collections::HashSet;

use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::Decode;
use wafer_client::keeper::{KeyInfo, KeyKind};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;

use super::errors;
use crate::card::{CardError, Contents, kind};

/// More certificates than this on one token are left out; a listing must fit the link's message.
const MOST_KEYS: usize = 20;
const MOST_OTHERS: usize = 64;
/// A certificate larger than this is left out.
const LARGEST_CERTIFICATE: usize = 16 * 1024;

/// A certificate as it lies on the token.
struct Found {
    id: String,
    label: String,
    value: Vec<u8>,
    kind: Option<KeyKind>,
    authority: bool,
}

/// All certificates, sorted into those with a private key and the others.
///
/// Private keys hide until login. A certificate counts as having one if a public or private key
/// with its CKA_ID shows; on tokens that show no keys at all, if it is no CA's.
pub(super) fn contents(session: &Session, token: &str) -> Result<Contents, CardError> {
    let mut keys = ids(session, &[Attribute::Class(ObjectClass::PUBLIC_KEY)])?;
    keys.extend(ids(session, &[Attribute::Class(ObjectClass::PRIVATE_KEY)])?);
    let each_use = each_use(session)?;
    let mut contents = Contents::default();
    for found in certificates(session)? {
        let has_key = if keys.is_empty() { !found.authority } else { keys.contains(&found.id) };
        match found.kind {
            Some(kind) if has_key && !found.id.is_empty() && contents.keys.len() < MOST_KEYS => {
                let id = format!("{token}/{}", found.id);
                contents.keys.push(KeyInfo {
                    id,
                    label: found.label,
                    kind,
                    certificate: found.value,
                    always_authenticate: each_use.contains(&found.id),
                });
            }
            _ if contents.others.len() < MOST_OTHERS => contents.others.push(found.value),
            _ => tracing::warn!(token, "more certificates on the token than are listed"),
        }
    }
    Ok(contents)
}

/// CKA_ID in hex, the last part of a key's name.
pub(super) fn id_of(key: &KeyInfo) -> &str {
    key.id.rsplit_once('/').map_or("", |(_, id)| id)
}

/// The private key with this CKA_ID (hex), and whether it wants a login per use: read before it is touched,
/// since on some cards a bare try spoils the login that follows.
pub(super) fn private_key(session: &Session, id: &str) -> Result<(ObjectHandle, bool), CardError> {
    let template =
        [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(from_hex(id).ok_or(CardError::NoKey)?)];
    let found = session.find_objects(&template).map_err(errors::operation)?;
    let handle = *found.first().ok_or(CardError::NoKey)?;
    let wanted = [AttributeType::AlwaysAuthenticate];
    let attributes = session.get_attributes(handle, &wanted).unwrap_or_default();
    Ok((handle, attributes.contains(&Attribute::AlwaysAuthenticate(true))))
}

/// CKA_IDs (hex) of the private keys that want a login per use, as far as they show: most hide until login.
pub(super) fn each_use(session: &Session) -> Result<HashSet<String>, CardError> {
    ids(session, &[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::AlwaysAuthenticate(true)])
}

fn ids(session: &Session, template: &[Attribute]) -> Result<HashSet<String>, CardError> {
    let mut ids = HashSet::new();
    for handle in session.find_objects(template).map_err(errors::read)? {
        for attribute in session.get_attributes(handle, &[AttributeType::Id]).unwrap_or_default() {
            if let Attribute::Id(id) = attribute {
                ids.insert(to_hex(&id));
            }
        }
    }
    Ok(ids)
}

fn certificates(session: &Session) -> Result<Vec<Found>, CardError> {
    let template =
        [Attribute::Class(ObjectClass::CERTIFICATE), Attribute::CertificateType(CertificateType::X_509)];
    let wanted = [AttributeType::Id, AttributeType::Label, AttributeType::Value];
    let mut all = Vec::new();
    for handle in session.find_objects(&template).map_err(errors::read)? {
        let Ok(attributes) = session.get_attributes(handle, &wanted) else { continue };
        let (mut id, mut label, mut value) = (Vec::new(), Vec::new(), Vec::new());
        for attribute in attributes {
            match attribute {
                Attribute::Id(bytes) => id = bytes,
                Attribute::Label(bytes) => label = bytes,
                Attribute::Value(bytes) => value = bytes,
                _ => {}
            }
        }
        if let Some((kind, authority)) = examine(&value) {
            let label = String::from_utf8_lossy(&label).into_owned();
            all.push(Found { id: to_hex(&id), label, value, kind, authority });
        }
    }
    Ok(all)
}

/// The kind of key and whether it is a CA's; `None` for what is no certificate.
fn examine(value: &[u8]) -> Option<(Option<KeyKind>, bool)> {
    if value.len() > LARGEST_CERTIFICATE {
        return None;
    }
    let certificate = Certificate::from_der(value).ok()?;
    let body = certificate.tbs_certificate();
    // No module at hand agrees by X25519.
    let kind = kind::of(body.subject_public_key_info()).filter(|kind| *kind != KeyKind::X25519);
    let constraints = body.get_extension::<BasicConstraints>().ok().flatten();
    Some((kind, constraints.is_some_and(|(_, constraints)| constraints.ca)))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(from_hex(&to_hex(&[0, 0xab, 0x10])).unwrap(), [0, 0xab, 0x10]);
        for wrong in ["", "a", "zz", "é1"] {
            assert!(from_hex(wrong).is_none(), "{wrong}");
        }
    }
}

//! Which certificate is meant (RFC 5652 section 6.2 and 5.3, RFC 8551 section 2.5.3).

use crate::asn1::ber::malformed;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::normal;
use crate::decrypt::RecipientId;
use crate::error::Result;

/// SignerIdentifier and RecipientIdentifier are alike.
pub(crate) fn certificate_id(field: Option<Element<'_>>) -> Result<RecipientId> {
    match field {
        Some(field) if field.tag == der::SEQUENCE => issuer_and_serial(&field),
        Some(field) if field.tag == 0x80 => Ok(RecipientId::KeyIdentifier(field.content.to_vec())),
        // A string in pieces under an implicit tag: give it its own tag, then join.
        Some(field) if field.tag == 0xa0 => {
            let joined = normal::to_der(&der::element(0x24, &[field.content]))?;
            Ok(RecipientId::KeyIdentifier(Cursor::new(&joined).expect(der::OCTET_STRING)?.content.to_vec()))
        }
        _ => Err(malformed("no certificate identifier where one must be")),
    }
}

/// KeyAgreeRecipientIdentifier; date and other attributes of a recipient's key are not needed to find it.
pub(crate) fn agreement_id(field: Option<Element<'_>>) -> Result<RecipientId> {
    match field {
        Some(field) if field.tag == der::SEQUENCE => issuer_and_serial(&field),
        Some(field) if field.tag == der::context(0) => {
            Ok(RecipientId::KeyIdentifier(field.inside().expect(der::OCTET_STRING)?.content.to_vec()))
        }
        _ => Err(malformed("no certificate identifier where one must be")),
    }
}

/// IssuerAndSerialNumber.
pub(crate) fn issuer_and_serial(field: &Element<'_>) -> Result<RecipientId> {
    let mut parts = field.inside();
    let issuer = parts.expect(der::SEQUENCE)?.whole.to_vec();
    Ok(RecipientId::IssuerAndSerial { issuer, serial: parts.expect(der::INTEGER)?.content.to_vec() })
}

/// SMIMEEncryptionKeyPreference (RFC 8551 section 2.5.3).
pub(crate) fn preference(value: &Element<'_>) -> Result<RecipientId> {
    match value.tag {
        0xa0 => issuer_and_serial(value),
        0xa1 => Ok(RecipientId::KeyIdentifier(value.inside().expect(der::OCTET_STRING)?.content.to_vec())),
        0x82 => Ok(RecipientId::KeyIdentifier(value.content.to_vec())),
        _ => Err(malformed("a key preference of an unknown kind")),
    }
}

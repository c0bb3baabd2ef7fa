//! The signed attributes that we write and understand (RFC 5652 section 11, RFC 8551 section 2.5, RFC 5035).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::der::asn1::{GeneralizedTime, UtcTime};
use ::der::{Decode, Encode};
use const_oid::ObjectIdentifier;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::ber::malformed;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::oid;
use crate::crypto::hash;
use crate::error::{Error, Result};

/// The first second of 2050, from which on times are GeneralizedTime (RFC 5652 section 11.3).
const YEAR_2050: u64 = 2_524_608_000;

/// See [`crate::cms::signed_write::signed_attributes`].
pub(super) fn write(content_digest: &[u8], signing_time: SystemTime, certificate: &[u8]) -> Result<Vec<u8>> {
    let digest = der::element(der::OCTET_STRING, &[content_digest]);
    Ok(der::set_of(
        der::SET,
        vec![
            attribute(&oid::CONTENT_TYPE, &der::oid(&oid::ID_DATA)),
            attribute(&oid::MESSAGE_DIGEST, &digest),
            attribute(&oid::SIGNING_TIME, &time(signing_time)?),
            attribute(&oid::SMIME_CAPABILITIES, &capabilities()),
            attribute(&oid::SIGNING_CERTIFICATE_V2, &signing_certificate(certificate)),
        ],
    ))
}

fn attribute(id: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(id), &der::element(der::SET, &[value])])
}

fn time(time: SystemTime) -> Result<Vec<u8>> {
    let since = time
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Error::Malformed("a signing time before 1970".to_owned()))?;
    let since = Duration::from_secs(since.as_secs());
    let written = if since.as_secs() < YEAR_2050 {
        UtcTime::from_unix_duration(since).and_then(|time| time.to_der())
    } else {
        GeneralizedTime::from_unix_duration(since).and_then(|time| time.to_der())
    };
    written.map_err(|_| Error::Malformed("a signing time after 9999".to_owned()))
}

/// SMIMECapabilities (RFC 8551 section 2.5.2), the best first: ciphers, then key agreement with its key
/// wraps (RFC 5753 section 7.3), then key transport.
fn capabilities() -> Vec<u8> {
    let wrap = |id| der::algorithm(id, &[]);
    let all: Vec<u8> = [
        der::algorithm(&oid::AES256_GCM, &[]),
        der::algorithm(&oid::AES128_GCM, &[]),
        der::algorithm(&oid::AES256_CBC, &[]),
        der::algorithm(&oid::AES128_CBC, &[]),
        der::algorithm(&oid::STD_DH_SHA256, &wrap(&oid::AES256_WRAP)),
        der::algorithm(&oid::STD_DH_SHA256, &wrap(&oid::AES128_WRAP)),
        der::algorithm(&oid::RSA_ENCRYPTION, &[]),
    ]
    .concat();
    der::sequence(&[&all])
}

/// SigningCertificateV2 with one ESSCertIDv2: SHA-256, its default, of the certificate.
fn signing_certificate(certificate: &[u8]) -> Vec<u8> {
    let hash = der::element(der::OCTET_STRING, &[&hash::digest(DigestAlgorithm::Sha256, certificate)]);
    der::sequence(&[&der::sequence(&[&der::sequence(&[&hash])])])
}

/// What signed attributes say. `Err` of a rule broken is [`Error::Malformed`].
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a> {
    /// messageDigest.
    pub(super) digest: Option<&'a [u8]>,
    /// contentType.
    pub(super) content_type: Option<ObjectIdentifier>,
    /// signingTime; unreadable ones count as absent.
    pub(super) signing_time: Option<SystemTime>,
    /// The SMIMECapabilities element.
    pub(super) capabilities: Option<&'a [u8]>,
    /// certHash of the first ESSCertIDv2, with its hash algorithm.
    pub(super) certificate_hash: Option<(DigestAlgorithm, &'a [u8])>,
}

impl<'a> Attributes<'a> {
    /// Reads the SET OF (its content, DER).
    ///
    /// # Errors
    /// [`Error::Malformed`]: also if one of the attributes is there twice or has not exactly one value.
    pub(super) fn parse(mut set: Cursor<'a>) -> Result<Self> {
        let mut this = Self::default();
        let mut seen = Vec::new();
        let mut count = 0;
        while let Some(attribute) = set.next()? {
            count += 1;
            if count > 128 {
                return Err(Error::Limit("128 signed attributes"));
            }
            let mut parts = attribute.inside();
            let id = parts.expect(der::OID)?.oid()?;
            let mut values = parts.expect(der::SET)?.inside();
            if !known(&id) {
                continue;
            }
            if seen.contains(&id) {
                return Err(malformed("a signed attribute twice"));
            }
            seen.push(id);
            match (values.next()?, values.next()?) {
                (Some(value), None) => this.take(&id, &value)?,
                _ => return Err(malformed("a signed attribute without exactly one value")),
            }
        }
        Ok(this)
    }

    fn take(&mut self, id: &ObjectIdentifier, value: &Element<'a>) -> Result<()> {
        match *id {
            oid::CONTENT_TYPE => self.content_type = Some(value.oid()?),
            oid::MESSAGE_DIGEST if value.tag == der::OCTET_STRING => self.digest = Some(value.content),
            oid::MESSAGE_DIGEST => return Err(malformed("a messageDigest that is no string")),
            oid::SIGNING_TIME => self.signing_time = read_time(value),
            oid::SMIME_CAPABILITIES => self.capabilities = Some(value.whole),
            _ => self.certificate_hash = read_signing_certificate(value).ok().flatten(),
        }
        Ok(())
    }
}

fn known(id: &ObjectIdentifier) -> bool {
    [
        oid::CONTENT_TYPE,
        oid::MESSAGE_DIGEST,
        oid::SIGNING_TIME,
        oid::SMIME_CAPABILITIES,
        oid::SIGNING_CERTIFICATE_V2,
    ]
    .contains(id)
}

fn read_time(value: &Element<'_>) -> Option<SystemTime> {
    let since = match value.tag {
        der::UTC_TIME => UtcTime::from_der(value.whole).ok()?.to_unix_duration(),
        der::GENERALIZED_TIME => GeneralizedTime::from_der(value.whole).ok()?.to_unix_duration(),
        _ => return None,
    };
    UNIX_EPOCH.checked_add(since)
}

fn read_signing_certificate<'a>(value: &Element<'a>) -> Result<Option<(DigestAlgorithm, &'a [u8])>> {
    let mut id = value.inside().expect(der::SEQUENCE)?.inside().expect(der::SEQUENCE)?.inside();
    let digest = match id.optional(der::SEQUENCE)? {
        None => Some(DigestAlgorithm::Sha256),
        Some(algorithm) => super::identifier::digest(&algorithm.inside().expect(der::OID)?.oid()?),
    };
    let hash = id.expect(der::OCTET_STRING)?.content;
    Ok(digest.map(|digest| (digest, hash)))
}

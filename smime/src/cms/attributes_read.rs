//! The signed attributes that we understand (RFC 5652 section 11, RFC 8551 section 2.5, RFC 2634, RFC 5035).

use std::time::{SystemTime, UNIX_EPOCH};

use ::der::Decode;
use ::der::asn1::{GeneralizedTime, UtcTime};
use const_oid::ObjectIdentifier;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::ber::malformed;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::oid;
use crate::capabilities::Capabilities;
use crate::cms::certificate::Certificate;
use crate::cms::identifier;
use crate::cms::recipient_id;
use crate::crypto::hash;
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};
use crate::verify::Attribute;

/// Attributes of one signer, of each kind.
const MAX_ATTRIBUTES: usize = 128;

/// Those that only a signature may say, once, with one value (RFC 5652 section 11).
const SIGNED_ONLY: [ObjectIdentifier; 3] = [oid::CONTENT_TYPE, oid::MESSAGE_DIGEST, oid::SIGNING_TIME];

/// Those that may be there once, with one value: RFC 8551 section 2.5, RFC 5035 section 5.
const SINGLE: [ObjectIdentifier; 4] = [
    oid::SMIME_CAPABILITIES,
    oid::ENCRYPTION_KEY_PREFERENCE,
    oid::SIGNING_CERTIFICATE,
    oid::SIGNING_CERTIFICATE_V2,
];

/// What signed attributes say. `Err` of a rule broken is [`Error::Malformed`].
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a> {
    /// messageDigest.
    pub(super) digest: Option<&'a [u8]>,
    /// contentType.
    pub(super) content_type: Option<ObjectIdentifier>,
    /// signingTime; unreadable ones count as absent.
    pub(super) signing_time: Option<SystemTime>,
    /// smimeCapabilities; unreadable ones count as absent.
    pub(super) capabilities: Option<Capabilities>,
    /// smimeEncryptionKeyPreference; unreadable ones count as absent.
    pub(super) encryption_key: Option<RecipientId>,
    /// The first ESSCertID and ESSCertIDv2.
    pub(super) certificates: Vec<CertificateId<'a>>,
}

/// ESSCertID or ESSCertIDv2: which certificate the signer used.
#[derive(Clone, Copy, Debug)]
pub(super) struct CertificateId<'a> {
    /// `None` if it is not supported.
    algorithm: Option<DigestAlgorithm>,
    hash: &'a [u8],
    /// IssuerSerial.
    issuer_serial: Option<Element<'a>>,
}

impl<'a> Attributes<'a> {
    /// Reads the SET OF (its content, DER).
    ///
    /// # Errors
    /// [`Error::Malformed`]: also if one of the attributes is there twice or has not exactly one value.
    pub(super) fn parse(set: Cursor<'a>) -> Result<Self> {
        let mut this = Self::default();
        let mut seen = Vec::new();
        each(set, |id, mut values| {
            if !SIGNED_ONLY.contains(&id) && !SINGLE.contains(&id) {
                return Ok(());
            }
            if seen.contains(&id) {
                return Err(malformed("a signed attribute twice"));
            }
            seen.push(id);
            match (values.next()?, values.next()?) {
                (Some(value), None) => this.take(&id, &value),
                _ => Err(malformed("a signed attribute without exactly one value")),
            }
        })?;
        Ok(this)
    }

    fn take(&mut self, id: &ObjectIdentifier, value: &Element<'a>) -> Result<()> {
        match *id {
            oid::CONTENT_TYPE => self.content_type = Some(value.oid()?),
            oid::MESSAGE_DIGEST if value.tag == der::OCTET_STRING => self.digest = Some(value.content),
            oid::MESSAGE_DIGEST => return Err(malformed("a messageDigest that is no string")),
            oid::SIGNING_TIME => self.signing_time = read_time(value),
            oid::SMIME_CAPABILITIES => self.capabilities = Capabilities::from_der(value.whole).ok(),
            oid::ENCRYPTION_KEY_PREFERENCE => self.encryption_key = recipient_id::preference(value).ok(),
            oid::SIGNING_CERTIFICATE => {
                self.certificates.push(CertificateId::read(value, Some(DigestAlgorithm::Sha1))?)
            }
            _ => self.certificates.push(CertificateId::read(value, None)?),
        }
        Ok(())
    }
}

/// Whether `content` is what a signature with signed attributes is made over: such a signature must not be taken for
/// one over a message that somebody made of its attributes.
pub(super) fn are_whole(content: &[u8]) -> bool {
    let set = Cursor::new(content).expect(der::SET).map(|set| set.inside());
    let attributes = set.and_then(Attributes::parse);
    attributes.is_ok_and(|attributes| attributes.content_type.is_some() || attributes.digest.is_some())
}

/// Reads a SET OF Attribute (its content, DER) as it is.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Limit`].
pub(super) fn list(set: Cursor<'_>) -> Result<Vec<Attribute>> {
    let mut list = Vec::new();
    each(set, |id, mut values| {
        let mut all = Vec::new();
        while let Some(value) = values.next()? {
            all.push(value.whole.to_vec());
        }
        list.push(Attribute { id: id.to_string(), values: all });
        Ok(())
    })?;
    Ok(list)
}

/// That no unsigned attribute says what only a signature may say.
///
/// # Errors
/// [`Error::Malformed`].
pub(super) fn check_unsigned(set: Cursor<'_>) -> Result<()> {
    each(set, |id, _| match SIGNED_ONLY.contains(&id) {
        true => Err(malformed("an attribute outside the signature that must be inside")),
        false => Ok(()),
    })
}

fn each<'a>(
    mut set: Cursor<'a>,
    mut found: impl FnMut(ObjectIdentifier, Cursor<'a>) -> Result<()>,
) -> Result<()> {
    let mut count = 0;
    while let Some(attribute) = set.next()? {
        count += 1;
        if count > MAX_ATTRIBUTES {
            return Err(Error::Limit("128 attributes of a signer"));
        }
        let mut parts = attribute.inside();
        let id = parts.expect(der::OID)?.oid()?;
        found(id, parts.expect(der::SET)?.inside())?;
    }
    Ok(())
}

fn read_time(value: &Element<'_>) -> Option<SystemTime> {
    let since = match value.tag {
        der::UTC_TIME => UtcTime::from_der(value.whole).ok()?.to_unix_duration(),
        der::GENERALIZED_TIME => GeneralizedTime::from_der(value.whole).ok()?.to_unix_duration(),
        _ => return None,
    };
    UNIX_EPOCH.checked_add(since)
}

impl<'a> CertificateId<'a> {
    /// The first member of SigningCertificate (`fixed`: SHA-1) or SigningCertificateV2.
    fn read(value: &Element<'a>, fixed: Option<DigestAlgorithm>) -> Result<Self> {
        let mut id = value.inside().expect(der::SEQUENCE)?.inside().expect(der::SEQUENCE)?.inside();
        let algorithm = match (fixed, id.optional(der::SEQUENCE)?) {
            (Some(fixed), _) => Some(fixed),
            (None, None) => Some(DigestAlgorithm::Sha256),
            (None, Some(algorithm)) => identifier::digest(&algorithm.inside().expect(der::OID)?.oid()?),
        };
        let hash = id.expect(der::OCTET_STRING)?.content;
        Ok(Self { algorithm, hash, issuer_serial: id.optional(der::SEQUENCE)? })
    }

    /// Whether `certificate` (DER) is the one that was meant; `None` if the hash algorithm is not known.
    pub(super) fn names(&self, certificate: &[u8]) -> Option<bool> {
        let hash = hash::digest(self.algorithm?, certificate);
        Some(
            hash == self.hash && self.issuer_serial.is_none_or(|id| is_of(&id, certificate).unwrap_or(false)),
        )
    }
}

/// IssuerSerial (RFC 5035 section 4): GeneralNames with one directoryName, and the serial number.
fn is_of(id: &Element<'_>, certificate: &[u8]) -> Result<bool> {
    let certificate = Certificate::parse(certificate)?;
    let mut parts = id.inside();
    let mut names = parts.expect(der::SEQUENCE)?.inside();
    let serial = parts.expect(der::INTEGER)?.content;
    let issuer = names.expect(der::context(4))?.content;
    Ok(issuer == certificate.issuer && serial == certificate.serial)
}

//! The signed attributes that we write (RFC 5652 section 11, RFC 8551 section 2.5, RFC 5035).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::der::Encode;
use ::der::asn1::{GeneralizedTime, UtcTime};
use const_oid::ObjectIdentifier;

use crate::algorithm::{ContentCipher, DigestAlgorithm};
use crate::asn1::{der, oid};
use crate::cms::certificate;
use crate::cms::identifier::{content_oid, write_oaep};
use crate::crypto::hash;
use crate::error::{Error, Result};

/// The first second of 2050, from which on times are GeneralizedTime (RFC 5652 section 11.3).
const YEAR_2050: u64 = 2_524_608_000;

/// See [`crate::cms::signed_write::signed_attributes`].
pub(super) fn write(
    content_digest: &[u8],
    signing_time: SystemTime,
    certificate: &[u8],
    encryption_certificate: Option<&[u8]>,
) -> Result<Vec<u8>> {
    let digest = der::element(der::OCTET_STRING, &[content_digest]);
    let mut attributes = vec![
        attribute(&oid::CONTENT_TYPE, &der::oid(&oid::ID_DATA)),
        attribute(&oid::MESSAGE_DIGEST, &digest),
        attribute(&oid::SIGNING_TIME, &time(signing_time)?),
        attribute(&oid::SMIME_CAPABILITIES, &capabilities()),
        attribute(&oid::SIGNING_CERTIFICATE_V2, &signing_certificate(certificate)?),
    ];
    if let Some(preferred) = encryption_certificate {
        let mut preferred = certificate::given(preferred, 1)?.issuer_and_serial();
        preferred[0] = der::context(0); // [0] IMPLICIT IssuerAndSerialNumber (RFC 8551 section 2.5.3)
        attributes.push(attribute(&oid::ENCRYPTION_KEY_PREFERENCE, &preferred));
    }
    Ok(der::set_of(der::SET, attributes))
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
    let ciphers = ContentCipher::WRITTEN.iter().filter_map(|cipher| content_oid(*cipher));
    let ciphers: Vec<u8> = ciphers.flat_map(|id| der::algorithm(&id, &[])).collect();
    let all: Vec<u8> = [
        ciphers,
        der::algorithm(&oid::STD_DH_SHA256, &wrap(&oid::AES256_WRAP)),
        der::algorithm(&oid::STD_DH_SHA256, &wrap(&oid::AES128_WRAP)),
        write_oaep(DigestAlgorithm::Sha256),
        der::algorithm(&oid::RSA_ENCRYPTION, &[]),
    ]
    .concat();
    der::sequence(&[&all])
}

/// SigningCertificateV2 with one ESSCertIDv2 (RFC 5035 section 4): SHA-256, its default, of the certificate, whose
/// issuer and serial number are named too, as ETSI EN 319 122 wants it.
fn signing_certificate(certificate: &[u8]) -> Result<Vec<u8>> {
    let fields = certificate::given(certificate, 1)?;
    let hash = der::element(der::OCTET_STRING, &[&hash::digest(DigestAlgorithm::Sha256, certificate)]);
    let issuer = der::sequence(&[&der::element(der::context(4), &[fields.issuer])]);
    let serial = der::sequence(&[&issuer, &der::element(der::INTEGER, &[fields.serial])]);
    Ok(der::sequence(&[&der::sequence(&[&der::sequence(&[&hash, &serial])])]))
}

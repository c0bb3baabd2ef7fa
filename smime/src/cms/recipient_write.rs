//! RecipientInfos written: RSA by key transport, elliptic curves by ephemeral-static key agreement.

use crate::algorithm::{CertificateIdentifier, DigestAlgorithm, KeyTransport};
use crate::asn1::{der, oid};
use crate::cms::certificate::{self, Certificate, Identifier, KEY_AGREEMENT, KEY_ENCIPHERMENT};
use crate::cms::{identifier, recipient_read};
use crate::crypto::ecdh::{self, Curve};
use crate::crypto::kdf::Kdf;
use crate::crypto::{ffi, rsa};
use crate::encrypt::Style;
use crate::error::{Error, Result};

/// Checked recipients: certificate parsed, key usable for encryption.
#[derive(Clone, Debug)]
pub(crate) struct Recipients {
    all: Vec<Recipient>,
    style: Style,
}

#[derive(Clone, Debug)]
struct Recipient {
    certificate: Vec<u8>,
    key: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Rsa,
    Ec(Curve),
}

impl Recipients {
    /// Parses every certificate (DER).
    ///
    /// # Errors
    /// [`Error::UnsupportedAlgorithm`] for an OAEP hash that is not written;
    /// [`Error::Certificate`] names the first that cannot be encrypted to, or says that there is none.
    pub(crate) fn new(certificates: &[Vec<u8>], style: Style) -> Result<Self> {
        if certificates.is_empty() {
            let reason = "there is no recipient".to_owned();
            return Err(Error::Certificate { subject: "of the recipients".to_owned(), reason });
        }
        if let KeyTransport::RsaOaep(hash) = style.key_transport {
            rsa::check_oaep(hash)?;
        }
        let check = |(index, certificate): (usize, &Vec<u8>)| {
            let key = key_of(&certificate::given(certificate, index + 1)?)?;
            Ok(Recipient { certificate: certificate.clone(), key })
        };
        Ok(Self { all: certificates.iter().enumerate().map(check).collect::<Result<_>>()?, style })
    }

    /// Version of an EnvelopedData with these recipients (RFC 5652 section 6.1): 0 if every info has version 0.
    pub(crate) fn version(&self) -> u8 {
        let by_key = self.style.identifier == CertificateIdentifier::KeyIdentifier;
        if !by_key && self.all.iter().all(|recipient| recipient.key == Key::Rsa) { 0 } else { 2 }
    }

    /// The SET OF RecipientInfo, with `content_key` wrapped for each.
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Crypto`].
    pub(crate) fn wrap(&self, content_key: &[u8]) -> Result<Vec<u8>> {
        let wrap = |recipient: &Recipient| {
            let certificate = Certificate::parse(&recipient.certificate)?;
            match recipient.key {
                Key::Rsa => transport(&certificate, self.style, content_key),
                Key::Ec(curve) => agreement(&certificate, curve, self.style, content_key),
            }
        };
        Ok(der::set_of(der::SET, self.all.iter().map(wrap).collect::<Result<_>>()?))
    }
}

fn key_of(certificate: &Certificate<'_>) -> Result<Key> {
    let spki =
        certificate.public_key().ok_or_else(|| certificate.refused("its public key cannot be read"))?;
    let key = match spki.algorithm.oid {
        oid::RSA_ENCRYPTION if rsa::usable(certificate.spki) => Key::Rsa,
        oid::RSA_ENCRYPTION => return Err(certificate.refused("its RSA key is too short or broken")),
        oid::X25519 | oid::EC_PUBLIC_KEY => {
            Key::Ec(Curve::of(&spki).ok_or_else(|| certificate.refused("its curve is not supported"))?)
        }
        other => {
            return Err(certificate.refused(&format!("its key (algorithm {other}) is not for encryption")));
        }
    };
    let usage = if key == Key::Rsa { KEY_ENCIPHERMENT } else { KEY_AGREEMENT };
    if certificate.allows(usage) {
        Ok(key)
    } else {
        Err(certificate.refused("its key usage does not allow encryption"))
    }
}

/// KeyTransRecipientInfo (RFC 5652 section 6.2.1).
fn transport(certificate: &Certificate<'_>, style: Style, content_key: &[u8]) -> Result<Vec<u8>> {
    let (encrypted, algorithm) = match style.key_transport {
        KeyTransport::RsaPkcs1 => (
            rsa::encrypt_pkcs1(certificate.spki, content_key),
            der::algorithm(&oid::RSA_ENCRYPTION, &[der::NULL, 0]),
        ),
        KeyTransport::RsaOaep(hash) => {
            (rsa::encrypt_oaep(certificate.spki, hash, content_key), identifier::write_oaep(hash))
        }
    };
    let encrypted = encrypted.map_err(|_| certificate.refused("its RSA key cannot be used"))?;
    let (version, id) = match certificate.identifier(style.identifier) {
        Identifier::IssuerAndSerial(id) => (0, id),
        Identifier::Key(id) => (2, der::element(0x80, &[id])),
    };
    Ok(der::sequence(&[
        &der::integer(version),
        &id,
        &algorithm,
        &der::element(der::OCTET_STRING, &[&encrypted]),
    ]))
}

/// KeyAgreeRecipientInfo (RFC 5753 section 3.1; X25519: RFC 8418).
fn agreement(
    certificate: &Certificate<'_>,
    curve: Curve,
    style: Style,
    content_key: &[u8],
) -> Result<Vec<u8>> {
    let spki =
        certificate.public_key().ok_or_else(|| certificate.refused("its public key cannot be read"))?;
    let agreed = ecdh::agree(curve, spki.subject_public_key.raw_bytes())
        .map_err(|_| certificate.refused("its public key is no point of its curve"))?;
    let (kdf, scheme, key_algorithm) = match curve {
        Curve::X25519 => (Kdf::HkdfSha256, oid::STD_DH_HKDF_SHA256, oid::X25519),
        _ => (Kdf::X963(DigestAlgorithm::Sha256), oid::STD_DH_SHA256, oid::EC_PUBLIC_KEY),
    };
    let wrap =
        der::algorithm(if content_key.len() == 16 { &oid::AES128_WRAP } else { &oid::AES256_WRAP }, &[]);
    let length = if content_key.len() == 16 { 16 } else { 32 };
    let kek = kdf.derive(&agreed.secret, &recipient_read::shared_info(&wrap, None, length), length)?;
    let wrapped = ffi::wrap_key(&kek, content_key)?;

    let point = der::element(0x03, &[&[0], &agreed.public]);
    let originator = der::element(der::context(1), &[&der::algorithm(&key_algorithm, &[]), &point]);
    let id = match certificate.identifier(style.identifier) {
        Identifier::IssuerAndSerial(id) => id,
        Identifier::Key(id) => der::element(der::context(0), &[&der::element(der::OCTET_STRING, &[id])]),
    };
    let key = der::sequence(&[&id, &der::element(der::OCTET_STRING, &[&wrapped])]);
    Ok(der::element(
        der::context(1),
        &[
            &der::integer(3),
            &der::element(der::context(0), &[&originator]),
            &der::algorithm(&scheme, &wrap),
            &der::sequence(&[&key]),
        ],
    ))
}

//! RecipientInfos read (RFC 5652 section 6.2, RFC 5753, RFC 8418).

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::ber::malformed;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::{MAX_MEMBERS, oid};
use crate::cms::certificate::Certificate;
use crate::cms::identifier::{self, Algorithm};
use crate::cms::recipient_id::{agreement_id, certificate_id, issuer_and_serial};
use crate::crypto::kdf::Kdf;
use crate::crypto::{ffi, triple_des};
use crate::decrypt::{Recipient, RecipientId, Request};
use crate::error::Result;

/// How the private key's answer becomes the content-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwrap {
    /// It is the key; a wrong one may be random on purpose (RSAES-PKCS1-v1_5).
    Transport,
    /// It is the shared secret of a key agreement.
    Agreement {
        /// Derivation of the wrapping key.
        kdf: Kdf,
        /// Key wrap.
        wrap: KeyWrap,
        /// DER of ECC-CMS-SharedInfo.
        shared_info: Vec<u8>,
        /// The wrapped content-encryption key.
        wrapped: Vec<u8>,
    },
    /// Not at all.
    Unsupported,
}

impl Unwrap {
    /// The content-encryption key.
    ///
    /// # Errors
    /// [`crate::Error::Decryption`].
    pub(crate) fn open(&self, secret: &Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Transport => Ok(secret.clone()),
            Self::Agreement { kdf, wrap, shared_info, wrapped } => {
                let kek = kdf.derive(secret, shared_info, wrap.key_length())?;
                match wrap {
                    KeyWrap::TripleDes => triple_des::unwrap_key(&kek, wrapped),
                    _ => ffi::unwrap_key(&kek, wrapped),
                }
            }
            Self::Unsupported => Err(crate::Error::Decryption),
        }
    }
}

/// How a content-encryption key is wrapped in key agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyWrap {
    Aes128,
    Aes192,
    Aes256,
    /// RFC 3217: reading only.
    TripleDes,
}

impl KeyWrap {
    fn read(oid: &ObjectIdentifier) -> Option<Self> {
        Some(match *oid {
            oid::AES128_WRAP => Self::Aes128,
            oid::AES192_WRAP => Self::Aes192,
            oid::AES256_WRAP => Self::Aes256,
            oid::TRIPLE_DES_WRAP => Self::TripleDes,
            _ => return None,
        })
    }

    fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }
}

/// Reads one RecipientInfo (DER); a key agreement may be for several recipients. One that breaks its rules is
/// listed as one that nobody can serve: it must not stop the others from reading. `originators` are the
/// certificates of the message's OriginatorInfo, DER.
pub(crate) fn read(info: &[u8], key_length: usize, originators: &[Vec<u8>]) -> Vec<(Recipient, Unwrap)> {
    let other = |id, name: &str| {
        vec![(Recipient { id, request: None, algorithm: name.to_owned() }, Unwrap::Unsupported)]
    };
    let malformed = || other(RecipientId::Other, "malformed");
    let Ok(Some(element)) = Cursor::new(info).next() else { return malformed() };
    match element.tag {
        der::SEQUENCE => transport(&element, key_length).map_or_else(|_| malformed(), |one| vec![one]),
        0xa1 => agreement(&element, originators).unwrap_or_else(|_| malformed()),
        0xa2 => {
            key_encryption_key(&element).map_or_else(|_| malformed(), |id| other(id, "a key-encryption key"))
        }
        0xa3 => other(RecipientId::Password, "a password"),
        0xa4 => {
            let name = element.inside().expect(der::OID).and_then(|id| id.oid());
            other(RecipientId::Other, &name.map_or_else(|_| "unknown".to_owned(), |id| oid::name(&id)))
        }
        _ => other(RecipientId::Other, "unknown"),
    }
}

/// KEKRecipientInfo (RFC 5652 section 6.2.3).
fn key_encryption_key(info: &Element<'_>) -> Result<RecipientId> {
    let mut fields = info.inside();
    fields.expect(der::INTEGER)?;
    let id = fields.expect(der::SEQUENCE)?.inside().expect(der::OCTET_STRING)?.content;
    Ok(RecipientId::KeyEncryptionKey(id.to_vec()))
}

fn transport(info: &Element<'_>, key_length: usize) -> Result<(Recipient, Unwrap)> {
    let mut fields = info.inside();
    fields.expect(der::INTEGER)?;
    let id = certificate_id(fields.next()?)?;
    let algorithm = Algorithm::parse(&fields.expect(der::SEQUENCE)?)?;
    let encrypted_key = fields.expect(der::OCTET_STRING)?.content.to_vec();
    let (request, name) = match algorithm.oid {
        oid::RSA_ENCRYPTION => {
            (Some(Request::RsaPkcs1 { encrypted_key, key_length }), "RSAES-PKCS1-v1_5".to_owned())
        }
        oid::RSAES_OAEP => {
            let request = identifier::oaep(&algorithm)?.map(|(hash, mgf_hash, label)| Request::RsaOaep {
                encrypted_key,
                hash,
                mgf_hash,
                label,
                key_length,
            });
            (request, "RSAES-OAEP".to_owned())
        }
        other => (None, oid::name(&other)),
    };
    let unwrap = if request.is_some() { Unwrap::Transport } else { Unwrap::Unsupported };
    Ok((Recipient { id, request, algorithm: name }, unwrap))
}

fn agreement(info: &Element<'_>, originators: &[Vec<u8>]) -> Result<Vec<(Recipient, Unwrap)>> {
    let mut fields = info.inside();
    fields.expect(der::INTEGER)?;
    let point = originator(&fields.expect(der::context(0))?, originators)?;
    let ukm = fields.optional(der::context(1))?.map(|ukm| ukm.content);
    let algorithm = Algorithm::parse(&fields.expect(der::SEQUENCE)?)?;
    let (how, name) = match agreed(&algorithm, ukm)? {
        Some(how) => match point {
            Some(point) => (Some((how, point)), "ECDH".to_owned()),
            None => (
                None,
                "ECDH with an originator's key that is not in the message, or on no known curve".to_owned(),
            ),
        },
        None => (None, oid::name(&algorithm.oid)),
    };
    let mut found = Vec::new();
    let mut keys = fields.expect(der::SEQUENCE)?.inside();
    while let Some(key) = keys.next()? {
        if found.len() > MAX_MEMBERS {
            break; // the caller refuses so many
        }
        let mut parts = key.inside();
        let id = agreement_id(parts.next()?)?;
        let wrapped = parts.expect(der::OCTET_STRING)?.content.to_vec();
        let request = how.as_ref().map(|(_, point)| Request::Ecdh { peer_point: point.clone() });
        let unwrap = how.as_ref().map_or(Unwrap::Unsupported, |(how, _)| Unwrap::Agreement {
            kdf: how.kdf,
            wrap: how.wrap,
            shared_info: how.shared_info.clone(),
            wrapped,
        });
        found.push((Recipient { id, request, algorithm: name.clone() }, unwrap));
    }
    Ok(found)
}

/// What all the recipients of a key agreement share.
struct Agreed {
    kdf: Kdf,
    wrap: KeyWrap,
    shared_info: Vec<u8>,
}

/// `None` if KDF or key wrap are unknown. Each recipient gets a copy of SharedInfo, so a huge one is no good
/// either; what occurs has about a hundred bytes.
fn agreed(algorithm: &Algorithm<'_>, ukm: Option<&[u8]>) -> Result<Option<Agreed>> {
    let Some(element) = algorithm.parameters.filter(|wrap| wrap.tag == der::SEQUENCE) else {
        return Ok(None);
    };
    let wrap = KeyWrap::read(&Algorithm::parse(&element)?.oid);
    Ok(match (kdf(&algorithm.oid), wrap) {
        (Some(kdf), Some(wrap)) => {
            let shared_info = shared_info(element.whole, ukm, wrap.key_length());
            Some(Agreed { kdf, wrap, shared_info }).filter(|agreed| agreed.shared_info.len() <= 4096)
        }
        _ => None,
    })
}

/// The originator's public key, uncompressed: an ephemeral one, or that of a certificate in the message
/// (static-static). `None` if there is no such certificate, or the point is on no curve we know.
fn originator(field: &Element<'_>, certificates: &[Vec<u8>]) -> Result<Option<Vec<u8>>> {
    let id = match field.inside().next()? {
        Some(key) if key.tag == der::context(1) => return public_key(&key),
        Some(id) if id.tag == der::SEQUENCE => issuer_and_serial(&id)?,
        id => certificate_id(id)?,
    };
    let named =
        certificates.iter().filter_map(|der| Certificate::parse(der).ok()).find(|known| known.is(&id));
    match named {
        Some(certificate) => public_key(&Cursor::new(certificate.spki).expect(der::SEQUENCE)?),
        None => Ok(None),
    }
}

/// The key in an OriginatorPublicKey or SubjectPublicKeyInfo.
fn public_key(key: &Element<'_>) -> Result<Option<Vec<u8>>> {
    let mut parts = key.inside();
    let algorithm = Algorithm::parse(&parts.expect(der::SEQUENCE)?)?;
    let bits = parts.expect(0x03)?.content;
    let Some((0, point)) = bits.split_first() else { return Err(malformed("a broken public key")) };
    Ok(match algorithm.oid {
        oid::X25519 => (point.len() == 32).then(|| point.to_vec()),
        _ => ffi::uncompressed(point),
    })
}

/// ECC-CMS-SharedInfo (RFC 5753 section 7.2). `wrap` is the key wrap algorithm as it stood in the message, since
/// its absent or NULL parameters are hashed; `ukm` an OCTET STRING element.
pub(crate) fn shared_info(wrap: &[u8], ukm: Option<&[u8]>, length: usize) -> Vec<u8> {
    let bits = (length as u32 * 8).to_be_bytes();
    let ukm = ukm.map_or_else(Vec::new, |ukm| der::element(der::context(0), &[ukm]));
    let bits = der::element(der::context(2), &[&der::element(der::OCTET_STRING, &[&bits])]);
    der::sequence(&[wrap, &ukm, &bits])
}

/// Cofactor Diffie-Hellman is the same on these curves: their cofactor is 1.
fn kdf(oid: &ObjectIdentifier) -> Option<Kdf> {
    Some(match *oid {
        oid::STD_DH_SHA1 | oid::COFACTOR_DH_SHA1 => Kdf::X963(DigestAlgorithm::Sha1),
        oid::STD_DH_SHA224 | oid::COFACTOR_DH_SHA224 => Kdf::X963(DigestAlgorithm::Sha224),
        oid::STD_DH_SHA256 | oid::COFACTOR_DH_SHA256 => Kdf::X963(DigestAlgorithm::Sha256),
        oid::STD_DH_SHA384 | oid::COFACTOR_DH_SHA384 => Kdf::X963(DigestAlgorithm::Sha384),
        oid::STD_DH_SHA512 | oid::COFACTOR_DH_SHA512 => Kdf::X963(DigestAlgorithm::Sha512),
        oid::STD_DH_HKDF_SHA256 => Kdf::HkdfSha256,
        oid::STD_DH_HKDF_SHA384 => Kdf::HkdfSha384,
        oid::STD_DH_HKDF_SHA512 => Kdf::HkdfSha512,
        _ => return None,
    })
}

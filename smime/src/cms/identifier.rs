//! Algorithm identifiers: between OIDs and our names.

use const_oid::ObjectIdentifier;

use crate::algorithm::{ContentCipher, DigestAlgorithm, SignatureScheme};
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::oid;
use crate::crypto::ffi;
use crate::crypto::signature::Check;
use crate::error::Result;

/// An AlgorithmIdentifier taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Algorithm<'a> {
    /// Which.
    pub(crate) oid: ObjectIdentifier,
    /// The parameters, if present.
    pub(crate) parameters: Option<Element<'a>>,
}

impl<'a> Algorithm<'a> {
    /// Reads `element`, a SEQUENCE.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(crate) fn parse(element: &Element<'a>) -> Result<Self> {
        let mut parts = element.inside();
        Ok(Self { oid: parts.expect(der::OID)?.oid()?, parameters: parts.next()? })
    }

    /// The parameters' elements, if the parameters are a SEQUENCE.
    fn fields(&self) -> Option<Cursor<'a>> {
        self.parameters
            .filter(|parameters| parameters.tag == der::SEQUENCE)
            .map(|parameters| parameters.inside())
    }
}

/// The digest algorithm that `oid` names.
pub(crate) fn digest(oid: &ObjectIdentifier) -> Option<DigestAlgorithm> {
    Some(match *oid {
        oid::SHA1 => DigestAlgorithm::Sha1,
        oid::SHA256 => DigestAlgorithm::Sha256,
        oid::SHA384 => DigestAlgorithm::Sha384,
        oid::SHA512 => DigestAlgorithm::Sha512,
        _ => return None,
    })
}

/// AlgorithmIdentifier of a digest, parameters absent (RFC 5754 section 2).
pub(crate) fn write_digest(digest: DigestAlgorithm) -> Vec<u8> {
    let id = match digest {
        DigestAlgorithm::Sha1 => oid::SHA1,
        DigestAlgorithm::Sha256 => oid::SHA256,
        DigestAlgorithm::Sha384 => oid::SHA384,
        DigestAlgorithm::Sha512 => oid::SHA512,
    };
    der::algorithm(&id, &[])
}

/// How a signer info says that it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignedBy {
    /// For the verdict.
    pub(crate) scheme: SignatureScheme,
    /// How to check; `None` is Ed25519, which takes the message itself.
    pub(crate) check: Option<Check>,
    /// Digest, where the signature algorithm fixes one.
    pub(crate) digest: Option<DigestAlgorithm>,
}

/// Reads a signatureAlgorithm; `Err` is what to call it if it is not supported.
pub(crate) fn signature(algorithm: &Algorithm<'_>) -> std::result::Result<SignedBy, String> {
    use DigestAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    let rsa = |digest| SignedBy { scheme: SignatureScheme::RsaPkcs1, check: Some(Check::RsaPkcs1), digest };
    let ecdsa = |digest| SignedBy { scheme: SignatureScheme::Ecdsa, check: Some(Check::Ecdsa), digest };
    Ok(match algorithm.oid {
        oid::RSA_ENCRYPTION => rsa(None),
        oid::SHA1_WITH_RSA => rsa(Some(Sha1)),
        oid::SHA256_WITH_RSA => rsa(Some(Sha256)),
        oid::SHA384_WITH_RSA => rsa(Some(Sha384)),
        oid::SHA512_WITH_RSA => rsa(Some(Sha512)),
        oid::EC_PUBLIC_KEY => ecdsa(None),
        oid::ECDSA_WITH_SHA1 => ecdsa(Some(Sha1)),
        oid::ECDSA_WITH_SHA256 => ecdsa(Some(Sha256)),
        oid::ECDSA_WITH_SHA384 => ecdsa(Some(Sha384)),
        oid::ECDSA_WITH_SHA512 => ecdsa(Some(Sha512)),
        oid::ED25519 => SignedBy { scheme: SignatureScheme::Ed25519, check: None, digest: None },
        oid::RSASSA_PSS => {
            let pss = pss(algorithm).ok().flatten();
            let (digest, salt) = pss.ok_or_else(|| "RSASSA-PSS with unusual parameters".to_owned())?;
            SignedBy {
                scheme: SignatureScheme::RsaPss,
                check: Some(Check::RsaPss { salt }),
                digest: Some(digest),
            }
        }
        other => return Err(other.to_string()),
    })
}

/// signatureAlgorithm as we write it. RSA is named `rsaEncryption`, as RFC 5754 section 3.2 allows and
/// everybody reads.
pub(crate) fn write_signature(scheme: SignatureScheme, digest: DigestAlgorithm) -> Vec<u8> {
    let ecdsa = match digest {
        DigestAlgorithm::Sha1 => oid::ECDSA_WITH_SHA1,
        DigestAlgorithm::Sha256 => oid::ECDSA_WITH_SHA256,
        DigestAlgorithm::Sha384 => oid::ECDSA_WITH_SHA384,
        DigestAlgorithm::Sha512 => oid::ECDSA_WITH_SHA512,
    };
    match scheme {
        SignatureScheme::RsaPkcs1 => der::algorithm(&oid::RSA_ENCRYPTION, &[der::NULL, 0]),
        SignatureScheme::Ecdsa => der::algorithm(&ecdsa, &[]),
        SignatureScheme::Ed25519 => der::algorithm(&oid::ED25519, &[]),
        SignatureScheme::RsaPss => der::algorithm(&oid::RSASSA_PSS, &write_pss(digest)),
    }
}

/// Bytes of salt that we write and expect ourselves: as many as the digest has (RFC 4056 section 3).
pub(crate) fn salt(digest: DigestAlgorithm) -> u8 {
    match digest {
        DigestAlgorithm::Sha1 => 20,
        DigestAlgorithm::Sha256 => 32,
        DigestAlgorithm::Sha384 => 48,
        DigestAlgorithm::Sha512 => 64,
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1): digest and salt length.
fn pss(algorithm: &Algorithm<'_>) -> Result<Option<(DigestAlgorithm, u16)>> {
    let Some(mut fields) = algorithm.fields() else { return Ok(None) };
    let hash = tagged_hash(fields.optional(der::context(0))?)?;
    let mgf = tagged_mgf(fields.optional(der::context(1))?)?;
    let salt = match fields.optional(der::context(2))? {
        None => Some(20),
        Some(salt) => match *salt.inside().expect(der::INTEGER)?.content {
            [low] => Some(u16::from(low)),
            [high, low] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        },
    };
    Ok(match (hash, mgf, salt) {
        (Some(hash), Some(mgf), Some(salt)) if hash == mgf => Some((hash, salt)),
        _ => None,
    })
}

fn write_pss(digest: DigestAlgorithm) -> Vec<u8> {
    let hash = write_digest(digest);
    let mgf = der::algorithm(&oid::MGF1, &hash);
    der::sequence(&[
        &der::element(der::context(0), &[&hash]),
        &der::element(der::context(1), &[&mgf]),
        &der::element(der::context(2), &[&der::integer(salt(digest))]),
    ])
}

/// RSAES-OAEP-params (RFC 4055 section 4.1): hash, MGF1 hash, label; `None` if something in them is unknown.
pub(crate) fn oaep(algorithm: &Algorithm<'_>) -> Result<Option<(DigestAlgorithm, DigestAlgorithm, Vec<u8>)>> {
    let mut fields = algorithm.fields().unwrap_or(Cursor::new(&[]));
    let hash = tagged_hash(fields.optional(der::context(0))?)?;
    let mgf = tagged_mgf(fields.optional(der::context(1))?)?;
    let label = match fields.optional(der::context(2))? {
        None => Some(Vec::new()),
        Some(source) => {
            let source = Algorithm::parse(&source.inside().expect(der::SEQUENCE)?)?;
            let label = source.parameters.map_or(&[][..], |label| label.content).to_vec();
            (source.oid == oid::P_SPECIFIED).then_some(label)
        }
    };
    Ok(match (hash, mgf, label) {
        (Some(hash), Some(mgf), Some(label)) => Some((hash, mgf, label)),
        _ => None,
    })
}

fn tagged_hash(field: Option<Element<'_>>) -> Result<Option<DigestAlgorithm>> {
    match field {
        None => Ok(Some(DigestAlgorithm::Sha1)),
        Some(field) => Ok(digest(&Algorithm::parse(&field.inside().expect(der::SEQUENCE)?)?.oid)),
    }
}

fn tagged_mgf(field: Option<Element<'_>>) -> Result<Option<DigestAlgorithm>> {
    let Some(field) = field else { return Ok(Some(DigestAlgorithm::Sha1)) };
    let mgf = Algorithm::parse(&field.inside().expect(der::SEQUENCE)?)?;
    match mgf.parameters {
        Some(hash) if mgf.oid == oid::MGF1 => Ok(digest(&Algorithm::parse(&hash)?.oid)),
        _ => Ok(None),
    }
}

/// contentEncryptionAlgorithm: cipher, nonce or IV, bytes of tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentAlgorithm {
    /// `None` if it is not supported.
    pub(crate) cipher: Option<ContentCipher>,
    /// Name, or dotted OID.
    pub(crate) name: String,
    /// IV or nonce.
    pub(crate) iv: Vec<u8>,
    /// aes-ICVlen (RFC 5084 section 3.2).
    pub(crate) tag_length: usize,
}

impl ContentAlgorithm {
    /// Reads an AlgorithmIdentifier.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] if it has not the parameters of a cipher we know.
    pub(crate) fn parse(algorithm: &[u8]) -> Result<Self> {
        let algorithm = Algorithm::parse(&Cursor::new(algorithm).expect(der::SEQUENCE)?)?;
        let Some(cipher) = content_cipher(&algorithm.oid) else {
            return Ok(Self { cipher: None, name: algorithm.oid.to_string(), iv: Vec::new(), tag_length: 0 });
        };
        let name = cipher.name().to_owned();
        let missing = || crate::asn1::ber::malformed("a content cipher without parameters");
        let parameters = algorithm.parameters.ok_or_else(missing)?;
        let (iv, tag_length) = if cipher.is_gcm() {
            let mut fields = parameters.inside();
            let nonce = fields.expect(der::OCTET_STRING)?.content;
            let length = fields.optional(der::INTEGER)?.and_then(|length| length.content.last().copied());
            (nonce, usize::from(length.unwrap_or(12)))
        } else {
            (parameters.content, 0)
        };
        Ok(Self { cipher: Some(cipher), name, iv: iv.to_vec(), tag_length })
    }
}

/// contentEncryptionAlgorithm as we write it; `None` for ciphers that are only read.
pub(crate) fn write_content(cipher: ContentCipher, iv: &[u8]) -> Option<Vec<u8>> {
    let id = match cipher {
        ContentCipher::Aes128Cbc => oid::AES128_CBC,
        ContentCipher::Aes256Cbc => oid::AES256_CBC,
        ContentCipher::Aes128Gcm => oid::AES128_GCM,
        ContentCipher::Aes256Gcm => oid::AES256_GCM,
        ContentCipher::Aes192Cbc | ContentCipher::Aes192Gcm => return None,
    };
    let iv = der::element(der::OCTET_STRING, &[iv]);
    let gcm = || der::sequence(&[&iv, &der::integer(ffi::TAG as u8)]);
    Some(der::algorithm(&id, &if cipher.is_gcm() { gcm() } else { iv.clone() }))
}

fn content_cipher(oid: &ObjectIdentifier) -> Option<ContentCipher> {
    Some(match *oid {
        oid::AES128_CBC => ContentCipher::Aes128Cbc,
        oid::AES192_CBC => ContentCipher::Aes192Cbc,
        oid::AES256_CBC => ContentCipher::Aes256Cbc,
        oid::AES128_GCM => ContentCipher::Aes128Gcm,
        oid::AES192_GCM => ContentCipher::Aes192Gcm,
        oid::AES256_GCM => ContentCipher::Aes256Gcm,
        _ => return None,
    })
}

//! Content-encryption algorithms (RFC 3370, RFC 3565, RFC 5084, RFC 8103).

use const_oid::ObjectIdentifier;

use super::Algorithm;
use crate::algorithm::ContentCipher;
use crate::asn1::ber::malformed;
use crate::asn1::der::{self, Cursor, Element};
use crate::asn1::oid;
use crate::crypto::cipher;
use crate::error::Result;

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
        let known = |cipher: ContentCipher, iv: &[u8], tag_length| Self {
            cipher: Some(cipher),
            name: cipher.name().to_owned(),
            iv: iv.to_vec(),
            tag_length,
        };
        let unknown = |name| Self { cipher: None, name, iv: Vec::new(), tag_length: 0 };
        let missing = || malformed("a content cipher without parameters");
        let parameters = || algorithm.parameters.ok_or_else(missing);
        if algorithm.oid == oid::RC2_CBC {
            let (cipher, iv) = rc2(&parameters()?)?;
            return Ok(cipher.map_or_else(|| unknown("RC2".to_owned()), |cipher| known(cipher, iv, 0)));
        }
        match content_cipher(&algorithm.oid) {
            None => Ok(unknown(oid::name(&algorithm.oid))),
            Some(cipher @ ContentCipher::ChaCha20Poly1305) => {
                Ok(known(cipher, parameters()?.content, cipher::TAG))
            }
            Some(cipher) if cipher.is_authenticated() => {
                let (nonce, tag_length) = gcm(&parameters()?)?;
                Ok(known(cipher, nonce, tag_length))
            }
            Some(cipher) => Ok(known(cipher, parameters()?.content, 0)),
        }
    }
}

/// contentEncryptionAlgorithm as we write it; `None` for ciphers that are only read.
pub(crate) fn write_content(cipher: ContentCipher, iv: &[u8]) -> Option<Vec<u8>> {
    let id = content_oid(cipher)?;
    let iv = der::element(der::OCTET_STRING, &[iv]);
    let parameters = match cipher {
        ContentCipher::Aes128Gcm | ContentCipher::Aes256Gcm => {
            der::sequence(&[&iv, &der::integer(cipher::TAG as u8)])
        }
        _ => iv,
    };
    cipher.is_written().then(|| der::algorithm(&id, &parameters))
}

const CIPHERS: [(ObjectIdentifier, ContentCipher); 8] = [
    (oid::AES128_CBC, ContentCipher::Aes128Cbc),
    (oid::AES192_CBC, ContentCipher::Aes192Cbc),
    (oid::AES256_CBC, ContentCipher::Aes256Cbc),
    (oid::AES128_GCM, ContentCipher::Aes128Gcm),
    (oid::AES192_GCM, ContentCipher::Aes192Gcm),
    (oid::AES256_GCM, ContentCipher::Aes256Gcm),
    (oid::CHACHA20_POLY1305, ContentCipher::ChaCha20Poly1305),
    (oid::DES_EDE3_CBC, ContentCipher::TripleDesCbc),
];

/// What names `cipher`; `None` for RC2, which needs its parameters too.
pub(crate) fn content_oid(cipher: ContentCipher) -> Option<ObjectIdentifier> {
    CIPHERS.iter().find(|(_, known)| *known == cipher).map(|(oid, _)| *oid)
}

/// The cipher that `oid` names; RC2 needs its parameters too.
pub(crate) fn content_cipher(oid: &ObjectIdentifier) -> Option<ContentCipher> {
    CIPHERS.iter().find(|(known, _)| known == oid).map(|(_, cipher)| *cipher)
}

/// GCMParameters (RFC 5084 section 3.2): nonce, bytes of tag.
fn gcm<'a>(parameters: &Element<'a>) -> Result<(&'a [u8], usize)> {
    let mut fields = parameters.inside();
    let nonce = fields.expect(der::OCTET_STRING)?.content;
    let length = fields.optional(der::INTEGER)?.and_then(|length| length.content.last().copied());
    Ok((nonce, usize::from(length.unwrap_or(12))))
}

/// RC2CBCParameter (RFC 3370 section 5.2, RFC 2268 section 6): the version stands for the key's length.
fn rc2<'a>(parameters: &Element<'a>) -> Result<(Option<ContentCipher>, &'a [u8])> {
    let mut fields = parameters.inside();
    let version = fields.expect(der::INTEGER)?.content;
    let iv = fields.expect(der::OCTET_STRING)?.content;
    let cipher = match version {
        [0, 160] => Some(ContentCipher::Rc2Cbc40),
        [120] => Some(ContentCipher::Rc2Cbc64),
        [58] => Some(ContentCipher::Rc2Cbc128),
        _ => None,
    };
    Ok((cipher, iv))
}

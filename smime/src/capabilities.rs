//! What a person's mail program says it can read: the smimeCapabilities attribute (RFC 8551 section 2.5.2).

use crate::algorithm::{ContentCipher, DigestAlgorithm, KeyTransport};
use crate::asn1::der::{self, Cursor};
use crate::asn1::oid;
use crate::cms::identifier::{self, Algorithm};
use crate::error::{Error, Result};

/// Entries of one list that are read.
const MAX_ENTRIES: usize = 256;

/// A list of capabilities, the signer's favourite first. Make one of what a good signature carried
/// ([`crate::verify::Signer::capabilities`]), or of the DER that a directory kept.
///
/// ```
/// use wafer_smime::algorithm::ContentCipher;
/// use wafer_smime::capabilities::{Capabilities, Capability};
///
/// // SEQUENCE { SEQUENCE { aes256-GCM }, SEQUENCE { aes128-CBC } }
/// let der = b"\x30\x1a\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2e\
///             \x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x02";
/// let capabilities = Capabilities::from_der(der)?;
/// assert!(capabilities.reads(ContentCipher::Aes256Gcm));
/// assert_eq!(capabilities.list()[1], Capability::Cipher(ContentCipher::Aes128Cbc));
/// # Ok::<(), wafer_smime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    der: Vec<u8>,
    list: Vec<Capability>,
}

/// One thing that a program can read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// A content cipher.
    Cipher(ContentCipher),
    /// A way to encrypt a content key to an RSA key.
    KeyTransport(KeyTransport),
    /// Signatures with this digest.
    Digest(DigestAlgorithm),
    /// Binary content without a transfer encoding inside of encryption (RFC 8551 section 2.7.1, `preferBinaryInside`).
    BinaryInside,
    /// Something else.
    Other {
        /// Dotted OID.
        id: String,
        /// DER of its parameters, if there are any.
        parameters: Option<Vec<u8>>,
    },
}

impl Capabilities {
    /// Reads SMIMECapabilities: a SEQUENCE OF SMIMECapability, DER.
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::Limit`] for more than 256 entries.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let mut entries = Cursor::new(der).expect(der::SEQUENCE)?.inside();
        let mut list = Vec::new();
        while let Some(entry) = entries.next()? {
            if list.len() == MAX_ENTRIES {
                return Err(Error::Limit("256 capabilities"));
            }
            list.push(capability(&Algorithm::parse(&entry)?));
        }
        Ok(Self { der: der.to_vec(), list })
    }

    /// The DER that [`Self::from_der`] read.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Every entry, in the signer's order of preference.
    pub fn list(&self) -> &[Capability] {
        &self.list
    }

    /// Whether `cipher` is in the list.
    pub fn reads(&self, cipher: ContentCipher) -> bool {
        self.list.contains(&Capability::Cipher(cipher))
    }
}

fn capability(entry: &Algorithm<'_>) -> Capability {
    let other = || Capability::Other {
        id: entry.oid.to_string(),
        parameters: entry.parameters.map(|parameters| parameters.whole.to_vec()),
    };
    if let Some(cipher) = identifier::content_cipher(&entry.oid) {
        return Capability::Cipher(cipher);
    }
    if let Some(digest) = identifier::digest(&entry.oid) {
        return Capability::Digest(digest);
    }
    match entry.oid {
        oid::RSA_ENCRYPTION => Capability::KeyTransport(KeyTransport::RsaPkcs1),
        oid::RSAES_OAEP => match identifier::oaep(entry) {
            Ok(Some((hash, mgf, _))) if hash == mgf => Capability::KeyTransport(KeyTransport::RsaOaep(hash)),
            _ => other(),
        },
        oid::RC2_CBC => rc2(entry).map_or_else(other, Capability::Cipher),
        oid::PREFER_BINARY_INSIDE => Capability::BinaryInside,
        _ => other(),
    }
}

/// RC2 says its bits as they are here, not as in a message (RFC 8551 section 2.5.2, RFC 2633 appendix A).
fn rc2(entry: &Algorithm<'_>) -> Option<ContentCipher> {
    match (entry.parameters?.tag, entry.parameters?.content) {
        (der::INTEGER, [40]) => Some(ContentCipher::Rc2Cbc40),
        (der::INTEGER, [64]) => Some(ContentCipher::Rc2Cbc64),
        (der::INTEGER, [0, 128]) => Some(ContentCipher::Rc2Cbc128),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_old_and_new_programs_say() {
        let rc2 = |bits: &[u8]| der::algorithm(&oid::RC2_CBC, &der::element(der::INTEGER, &[bits]));
        let odd = const_oid::ObjectIdentifier::new_unwrap("1.2.3.4");
        let all = der::sequence(&[
            &der::algorithm(&oid::AES256_GCM, &[]),
            &der::algorithm(&oid::DES_EDE3_CBC, &[]),
            &rc2(&[0, 128]),
            &rc2(&[40]),
            &identifier::write_oaep(DigestAlgorithm::Sha256),
            &der::algorithm(&oid::RSA_ENCRYPTION, &[]),
            &der::algorithm(&oid::SHA1, &[]),
            &der::algorithm(&oid::PREFER_BINARY_INSIDE, &[]),
            &der::algorithm(&odd, &[der::NULL, 0]),
        ]);
        let read = Capabilities::from_der(&all).unwrap();
        let expected = [
            Capability::Cipher(ContentCipher::Aes256Gcm),
            Capability::Cipher(ContentCipher::TripleDesCbc),
            Capability::Cipher(ContentCipher::Rc2Cbc128),
            Capability::Cipher(ContentCipher::Rc2Cbc40),
            Capability::KeyTransport(KeyTransport::RsaOaep(DigestAlgorithm::Sha256)),
            Capability::KeyTransport(KeyTransport::RsaPkcs1),
            Capability::Digest(DigestAlgorithm::Sha1),
            Capability::BinaryInside,
            Capability::Other { id: "1.2.3.4".to_owned(), parameters: Some(vec![der::NULL, 0]) },
        ];
        assert_eq!(read.list(), expected);
        assert_eq!(read.as_der(), all);
        assert!(!read.reads(ContentCipher::Aes128Gcm));
    }

    #[test]
    fn broken_and_endless_lists_are_refused() {
        assert!(matches!(Capabilities::from_der(&[0x30, 2, 5, 0]), Err(Error::Malformed(_))));
        let many = der::sequence(&[&der::algorithm(&oid::SHA1, &[]).repeat(257)]);
        assert!(matches!(Capabilities::from_der(&many), Err(Error::Limit(_))));
    }
}

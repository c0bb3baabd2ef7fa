//! Decrypting (RFC 5652 section 6, RFC 5083).

use std::io::Write;

use zeroize::Zeroizing;

use crate::algorithm::{Container, ContentCipher, DigestAlgorithm};
use crate::error::Result;
use crate::source::Source;

/// Names the certificate a recipient info is for (RFC 5652 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientId {
    /// Issuer (DER Name) and serial number (DER INTEGER content octets).
    IssuerAndSerial {
        /// DER of the issuer's Name.
        issuer: Vec<u8>,
        /// Content octets of the serial number.
        serial: Vec<u8>,
    },
    /// SubjectKeyIdentifier.
    KeyIdentifier(Vec<u8>),
    /// A recipient we recognise but cannot serve with a private key (KEKRI, PWRI, other).
    Other,
}

impl RecipientId {
    /// Whether `certificate` (DER) is the one meant. Certificates that do not parse never match.
    pub fn matches(&self, _certificate: &[u8]) -> bool {
        unimplemented!()
    }
}

/// What the private key must do for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// RSAES-PKCS1-v1_5 (RFC 3370 section 4.2.1): answer the decrypted key, or a random key of
    /// `key_length` bytes if the padding is wrong.
    RsaPkcs1 {
        /// The encrypted content-encryption key.
        encrypted_key: Vec<u8>,
        /// Bytes the content-encryption key must have.
        key_length: usize,
    },
    /// RSAES-OAEP (RFC 3560).
    RsaOaep {
        /// The encrypted content-encryption key.
        encrypted_key: Vec<u8>,
        /// OAEP hash.
        hash: DigestAlgorithm,
        /// MGF1 hash.
        mgf_hash: DigestAlgorithm,
        /// pSourceFunc's label.
        label: Vec<u8>,
        /// Bytes the content-encryption key must have.
        key_length: usize,
    },
    /// ECDH without KDF (RFC 5753): answer the x-coordinate.
    Ecdh {
        /// The originator's ephemeral public point, uncompressed (SEC 1).
        peer_point: Vec<u8>,
    },
}

/// One recipient info of the message.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// For which certificate.
    pub id: RecipientId,
    /// What its private key must do; `None` where the algorithm is unknown.
    pub request: Option<Request>,
    /// Name or OID of the key-encryption algorithm.
    pub algorithm: String,
}

/// An encrypted message whose recipient infos have been read.
#[derive(Debug)]
pub struct Sealed {}

/// Reads `source` up to the encrypted content and lists the recipients.
///
/// # Errors
/// [`crate::Error::Malformed`], [`crate::Error::UnsupportedAlgorithm`] (content cipher), [`crate::Error::Limit`].
pub fn open(_source: &mut dyn Source, _container: Container) -> Result<Sealed> {
    unimplemented!()
}

/// What is known of a message once it has been decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Content cipher.
    pub cipher: ContentCipher,
    /// True for GCM with a good tag; false for CBC, whose plaintext anybody may have altered.
    pub authenticated: bool,
    /// Bytes written.
    pub length: u64,
}

impl Sealed {
    /// The recipient infos in the message's order.
    pub fn recipients(&self) -> &[Recipient] {
        unimplemented!()
    }

    /// Content cipher.
    pub fn cipher(&self) -> ContentCipher {
        unimplemented!()
    }

    /// Proves the whole message with `secret` (the private key's answer to the request of recipient
    /// `index`), then reads `source` again and writes the plaintext. May be called once per recipient.
    ///
    /// For mail, what is written is the inner MIME entity, preceded by the outer message's
    /// non-MIME headers if there are any.
    ///
    /// # Errors
    /// [`crate::Error::Decryption`] for every cryptographic reason, in the same course; nothing was written.
    pub fn decrypt(
        &self,
        _index: usize,
        _secret: Zeroizing<Vec<u8>>,
        _source: &mut dyn Source,
        _out: &mut dyn Write,
    ) -> Result<Opened> {
        unimplemented!()
    }
}

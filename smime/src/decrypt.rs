//! Decrypting (RFC 5652 section 6, RFC 5083).

use std::io::{Read, Write};

use zeroize::Zeroizing;

use crate::algorithm::{Container, ContentCipher, DigestAlgorithm};
use crate::cms::certificate::Certificate;
use crate::cms::enveloped_read::{self, Body, ContentKey, Header, Proof, Proved};
use crate::error::{Error, Result};
use crate::key::PrivateKey;
use crate::mime::head::Head;
use crate::mime::message::open_cms;
use crate::mime::output::Joined;
use crate::mime::unwrapped;
use crate::source::Source;

/// Names the certificate a recipient info is for (RFC 5652 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// A key-encryption key that both sides have (KEKRecipientInfo): its identifier. No certificate matches.
    KeyEncryptionKey(Vec<u8>),
    /// A password (PasswordRecipientInfo). No certificate matches.
    Password,
    /// Another kind (OtherRecipientInfo), or one that breaks its rules. No certificate matches.
    Other,
}

impl RecipientId {
    /// Whether `certificate` (DER) is the one meant. Certificates that do not parse never match.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        Certificate::parse(certificate).is_ok_and(|certificate| certificate.is(self))
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub struct Sealed {
    container: Container,
    /// The message's head, for mail.
    head: Option<Head>,
    header: Header,
    cipher: ContentCipher,
}

/// Decrypts `source` with `key`, whose certificate (DER) is `certificate`: [`open`], the private operation,
/// [`Sealed::decrypt`].
///
/// # Errors
/// Those of the two; [`Error::Decryption`] also if the message is not for this certificate,
/// [`Error::UnsupportedAlgorithm`] if it is in a way that is not known; [`Error::PrivateKey`].
pub fn decrypt(
    source: &mut dyn Source,
    container: Container,
    certificate: &[u8],
    key: &mut dyn PrivateKey,
    out: &mut dyn Write,
) -> Result<Opened> {
    let sealed = open(source, container)?;
    let mine = sealed.recipients().iter().enumerate().find(|(_, one)| one.id.matches(certificate));
    let (index, recipient) = mine.ok_or(Error::Decryption)?;
    let unknown = || Error::UnsupportedAlgorithm(recipient.algorithm.clone());
    let request = recipient.request.as_ref().ok_or_else(unknown)?;
    let secret = key.decrypt(request).map_err(Error::PrivateKey)?;
    sealed.decrypt(index, secret, source, out)
}

/// Reads `source` up to the encrypted content and lists the recipients.
///
/// # Errors
/// [`Error::Malformed`], [`Error::UnsupportedAlgorithm`] (content cipher), [`Error::Limit`].
pub fn open(source: &mut dyn Source, container: Container) -> Result<Sealed> {
    let (head, header, _) = open_body(source, container).map_err(unwrapped)?;
    let cipher = header.cipher()?;
    Ok(Sealed { container, head, header, cipher })
}

/// What is known of a message once it has been decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Content cipher.
    pub cipher: ContentCipher,
    /// True for an authenticated cipher with a good tag; false for CBC, whose plaintext anybody may have altered.
    pub authenticated: bool,
    /// Bytes written.
    pub length: u64,
}

impl Sealed {
    /// The recipient infos in the message's order.
    pub fn recipients(&self) -> &[Recipient] {
        &self.header.recipients
    }

    /// Content cipher.
    pub fn cipher(&self) -> ContentCipher {
        self.cipher
    }

    /// Proves the whole message with `secret` (the private key's answer to the request of recipient
    /// `index`), then reads `source` again and writes the plaintext. May be called once per recipient.
    ///
    /// For mail, what is written is the inner MIME entity, preceded by the outer message's
    /// non-MIME headers if there are any.
    ///
    /// # Errors
    /// [`Error::Decryption`] for every cryptographic reason, in the same course; nothing was written.
    pub fn decrypt(
        &self,
        index: usize,
        secret: Zeroizing<Vec<u8>>,
        source: &mut dyn Source,
        out: &mut dyn Write,
    ) -> Result<Opened> {
        let Unsealed { key, proof, .. } = self.unseal(index, secret, source)?;
        let mut joined = Joined::new(self.head.as_ref(), out);
        let decrypted = self
            .reopen(source)
            .and_then(|body| body.decrypt(&self.header, &key, &proof, &mut joined))
            .and_then(|_| joined.finish());
        let length = decrypted.map_err(unwrapped)?;
        Ok(Opened { cipher: self.cipher, authenticated: self.header.authenticated, length })
    }

    /// Proves the whole message with `secret`, as [`Sealed::decrypt`] does, and writes nothing.
    ///
    /// # Errors
    /// As [`Sealed::decrypt`].
    pub(crate) fn unseal(
        &self,
        index: usize,
        secret: Zeroizing<Vec<u8>>,
        source: &mut dyn Source,
    ) -> Result<Unsealed> {
        if index >= self.header.recipients.len() {
            return Err(Error::Decryption);
        }
        let key = self.header.content_key(index, &secret)?;
        let proof = self.prove(&key, source).map_err(unwrapped)?;
        Ok(Unsealed { header: self.header.clone(), key, proof })
    }

    /// The first pass; attributes behind the content make it two.
    fn prove(&self, key: &ContentKey, source: &mut dyn Source) -> Result<Proof> {
        let first = match self.reopen(source)?.prove(&self.header, key, None)? {
            Proved::Yes(proof) => return Ok(proof),
            Proved::Again(first) => first,
        };
        match self.reopen(source)?.prove(&self.header, key, Some(&first))? {
            Proved::Yes(proof) => Ok(proof),
            Proved::Again(_) => Err(Error::Changed),
        }
    }

    /// Opens the message again, if it is still the same up to the encrypted content.
    fn reopen<'a>(&self, source: &'a mut dyn Source) -> Result<Body<Box<dyn Read + 'a>>> {
        let (head, header, body) = open_body(source, self.container)?;
        if head == self.head && header == self.header { Ok(body) } else { Err(Error::Changed) }
    }
}

/// A message that was proved to open with a key, and can be opened again.
pub(crate) struct Unsealed {
    header: Header,
    key: ContentKey,
    proof: Proof,
}

impl Unsealed {
    /// The plaintext of the CMS object `input`, which is checked again at its end.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is another message, [`Error::Input`].
    pub(crate) fn plaintext<'a>(&'a self, input: Box<dyn Read + 'a>) -> Result<Box<dyn Read + 'a>> {
        let (header, body) = enveloped_read::open(input)?;
        if header != self.header {
            return Err(Error::Changed);
        }
        Ok(Box::new(body.plaintext(&self.header, &self.key, &self.proof)?))
    }
}

type OpenedBody<'a> = (Option<Head>, Header, Body<Box<dyn Read + 'a>>);

fn open_body(source: &mut dyn Source, container: Container) -> Result<OpenedBody<'_>> {
    let (head, input) = open_cms(source, container, "an encrypted one")?;
    let (header, body) = enveloped_read::open(input)?;
    Ok((head, header, body))
}

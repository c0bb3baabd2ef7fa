//! Reading EnvelopedData and AuthEnvelopedData as a stream.
//!
//! A use case reads twice: [`open`] and [`Body::prove`] show that the whole message is well-formed
//! and decrypts; [`open`] again, compare [`Header`]s (`==`; else `Error::Changed`), and
//! [`Body::decrypt`] writes the plaintext.

use std::io::{Read, Write};

use zeroize::Zeroizing;

use crate::algorithm::ContentCipher;
use crate::decrypt::Recipient;
use crate::error::Result;

/// Everything in front of the encrypted content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// AuthEnvelopedData rather than EnvelopedData.
    pub(crate) authenticated: bool,
    /// Name of the content cipher, or its dotted OID if it is not supported.
    pub(crate) cipher_name: String,
    /// The recipients in the message's order (each RecipientEncryptedKey of a key agreement is one).
    pub(crate) recipients: Vec<Recipient>,
}

impl Header {
    /// The content cipher.
    ///
    /// # Errors
    /// [`crate::Error::UnsupportedAlgorithm`] with name or OID.
    pub(crate) fn cipher(&self) -> Result<ContentCipher> {
        unimplemented!()
    }

    /// The content-encryption key out of `secret`, the private key's answer to the request of recipient
    /// `index`. Never fails for a cryptographic reason: a wrong secret makes a key with
    /// which [`Body::prove`] fails (so that all failures take the same course).
    ///
    /// # Errors
    /// [`crate::Error::UnsupportedAlgorithm`] only.
    pub(crate) fn content_key(&self, _index: usize, _secret: &Zeroizing<Vec<u8>>) -> Result<ContentKey> {
        unimplemented!()
    }
}

/// A content-encryption key; wiped on drop.
pub(crate) struct ContentKey {}

/// The part of the stream from the encrypted content on.
pub(crate) struct Body<R> {
    _input: R,
}

/// Reads ContentInfo up to the encrypted content. An unknown content cipher is not yet an error here.
///
/// # Errors
/// [`crate::Error::Malformed`] (also: neither EnvelopedData nor AuthEnvelopedData), [`crate::Error::Limit`],
/// [`crate::Error::Input`].
pub(crate) fn open<R: Read>(_input: R) -> Result<(Header, Body<R>)> {
    unimplemented!()
}

/// What the proving pass found, which the writing pass needs.
#[derive(Clone, Debug)]
pub(crate) struct Proof {}

/// Result of [`Body::prove`].
#[derive(Clone, Debug)]
pub(crate) enum Proved {
    /// All is well.
    Yes(Proof),
    /// Authenticated attributes stand behind the content but must be hashed before it (RFC 5083): open
    /// again and call [`Body::prove`] with this.
    Again(Proof),
}

impl<R: Read> Body<R> {
    /// Reads to the end and checks tag (GCM) or padding (CBC), and the structure. Nothing is written.
    /// `hint` is `None` at first, see [`Proved::Again`].
    ///
    /// # Errors
    /// [`crate::Error::Decryption`] for every cryptographic reason, [`crate::Error::Malformed`],
    /// [`crate::Error::Input`].
    pub(crate) fn prove(self, _header: &Header, _key: &ContentKey, _hint: Option<&Proof>) -> Result<Proved> {
        unimplemented!()
    }

    /// Decrypts into `out`, checks everything again, answers the number of bytes written.
    ///
    /// # Errors
    /// [`crate::Error::Changed`] if the input is not what was proved, [`crate::Error::Output`],
    /// [`crate::Error::Input`].
    pub(crate) fn decrypt<W: Write>(
        self,
        _header: &Header,
        _key: &ContentKey,
        _proof: &Proof,
        _out: &mut W,
    ) -> Result<u64> {
        unimplemented!()
    }
}

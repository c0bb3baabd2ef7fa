//! The door to private keys.

use std::error;

use zeroize::Zeroizing;

use crate::{decrypt, sign};

/// Why a private operation was not done: its owner's own words.
pub type KeyError = Box<dyn error::Error + Send + Sync>;

/// A private key, wherever it is kept: in a token, in another process, in memory.
///
/// The engine never holds one. It hands out typed requests and takes answers: through this trait in
/// [`sign::sign`] and [`decrypt::decrypt`], or step by step ([`sign::prepare`], [`decrypt::open`]) where
/// an answer takes its time, say because a person is asked for a PIN first.
pub trait PrivateKey {
    /// Signs what `request` says: its digest, or for Ed25519 its message. ECDSA's answer is a DER `Ecdsa-Sig-Value`
    /// (RFC 5753 section 2.1.1).
    ///
    /// # Errors
    /// Comes back in [`crate::Error::PrivateKey`]; nothing has been written then.
    fn sign(&mut self, request: &sign::Request) -> Result<Vec<u8>, KeyError>;

    /// Answers what each variant of `request` asks for. A padding that does not fit is no error:
    /// see [`decrypt::Request::RsaPkcs1`].
    ///
    /// # Errors
    /// As [`PrivateKey::sign`].
    fn decrypt(&mut self, request: &decrypt::Request) -> Result<Zeroizing<Vec<u8>>, KeyError>;
}

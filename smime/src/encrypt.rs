//! Encrypting (RFC 8551 section 3.3 and 3.4, RFC 5652 section 6, RFC 5083, RFC 5753).

use std::io::Write;

use crate::algorithm::{Container, ContentCipher};
use crate::error::Result;
use crate::source::Source;

/// To whom to encrypt and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mail or bare CMS.
    pub container: Container,
    /// Content cipher; GCM makes AuthEnvelopedData.
    pub cipher: ContentCipher,
    /// The recipients' certificates, DER: RSA by key transport, EC by key agreement.
    pub recipients: Vec<Vec<u8>>,
}

/// Checks every recipient, makes a fresh content-encryption key, and writes the encrypted message
/// in one pass over `source`.
///
/// # Errors
/// [`crate::Error::Certificate`] names the recipient that cannot be encrypted to; nothing was written then.
pub fn encrypt(_source: &mut dyn Source, _options: &Options, _out: &mut dyn Write) -> Result<()> {
    unimplemented!()
}

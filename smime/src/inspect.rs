//! Looking at a message without a private key, from its first KiB.

use std::io::Read;

use crate::decrypt::RecipientId;
use crate::error::Result;

/// What the outermost layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// Not an S/MIME message.
    Plain,
    /// multipart/signed with a PKCS#7 protocol.
    ClearSigned,
    /// SignedData with its content.
    OpaqueSigned,
    /// SignedData without signers.
    CertificatesOnly,
    /// EnvelopedData.
    Enveloped,
    /// AuthEnvelopedData.
    AuthEnveloped,
    /// CompressedData.
    Compressed,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The outermost layer.
    pub layer: Layer,
    /// Name or OID of the content cipher, for encrypted layers.
    pub cipher: Option<String>,
    /// Recipients, for encrypted layers.
    pub recipients: Vec<RecipientId>,
}

/// Reads as little of `input` as the answer needs: at most 1 MiB.
pub fn inspect(_input: &mut dyn Read) -> Result<Inspection> {
    unimplemented!()
}

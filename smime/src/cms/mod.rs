//! Cryptographic Message Syntax (RFC 5652, RFC 5083, RFC 5084, RFC 5753), read as BER streams
//! and written as DER or streamed BER. Bytes in, bytes out: no MIME, no base64.
//!
//! | use case | call |
//! |---|---|
//! | sign | [`signed_write::signed_attributes`], hash and sign them, [`signed_write::Signature::detached`] or [`signed_write::Signature::opaque`] |
//! | verify | [`signed_read::read`] while hashing, then [`signed_verify::verify`] |
//! | encrypt | [`enveloped_write::Writer`], an `impl Write` |
//! | decrypt | [`enveloped_read::open`], then [`enveloped_read::Body::prove`], then open again and [`enveloped_read::Body::decrypt`] |
//! | compress | [`compressed::Writer`], an `impl Write` |
//! | decompress | [`compressed::open`], an `impl Read` |
//! | look | [`outline::outline`] |

mod attributes_read;
mod attributes_write;
pub(crate) mod certificate;
pub(crate) mod compressed;
pub(crate) mod content;
pub(crate) mod enveloped_read;
pub(crate) mod enveloped_write;
pub(crate) mod identifier;
pub(crate) mod outline;
mod recipient_id;
pub(crate) mod recipient_read;
pub(crate) mod recipient_write;
pub(crate) mod signed_read;
pub(crate) mod signed_verify;
pub(crate) mod signed_write;

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod attribute_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod openssl_tests;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod unattributed_tests;
#[cfg(test)]
pub(crate) mod vector_tests;

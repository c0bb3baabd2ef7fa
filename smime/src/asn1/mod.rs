//! BER read as a stream, DER and BER written (X.690).
//!
//! CMS objects come in BER: indefinite lengths, strings in pieces, lengths with leading
//! zeros. [`ber::Reader`] pulls them apart without holding content in memory; small
//! pieces become DER in [`normal`] and are looked at with [`der::Cursor`] or the typed crates.

pub(crate) mod ber;
pub(crate) mod der;
pub(crate) mod normal;
pub(crate) mod oid;

/// Elements may be nested this deep: S/MIME needs about a dozen.
pub(crate) const MAX_DEPTH: usize = 32;

/// Bytes that one message may make us hold in memory, over all its small pieces.
pub(crate) const MAX_HELD: usize = 4 << 20;

/// Bytes of revocation lists and responders' answers that are taken from one message.
pub(crate) const MAX_REVOCATION: usize = 4 << 20;

/// Members of one list (recipients, certificates). Small members would else cost many times their own size.
pub(crate) const MAX_MEMBERS: usize = 10_000;

/// Signer infos of one message: each costs a signature check.
pub(crate) const MAX_SIGNERS: usize = 64;

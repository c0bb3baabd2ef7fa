//! Verifying signer infos (RFC 5652 section 5.4 and 5.6).

use crate::algorithm::DigestAlgorithm;
use crate::cms::signed_read::SignedData;
use crate::crypto::hash::Digests;
use crate::verify::Signer;

/// The digest algorithms that the signers need, to hash detached content with.
pub(crate) fn digests_needed(_signed: &SignedData) -> Vec<DigestAlgorithm> {
    unimplemented!()
}

/// Judges every signer info in the message's order. `digests` are the content's: those of
/// [`SignedData`] if it was attached, else the caller's over the detached content. Certificates are sought
/// in the message, then in `further` (DER).
pub(crate) fn verify(_signed: &SignedData, _digests: &Digests, _further: &[Vec<u8>]) -> Vec<Signer> {
    unimplemented!()
}

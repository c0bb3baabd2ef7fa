//! Streaming digests (FIPS 180-4).

use aws_lc_rs::digest;

use crate::algorithm::DigestAlgorithm;

/// Several digests over the same bytes, each in one pass.
#[derive(Clone)]
pub(crate) struct Hashers(Vec<(DigestAlgorithm, digest::Context)>);

impl Hashers {
    /// One hasher for each algorithm; doubles are dropped.
    pub(crate) fn new(algorithms: &[DigestAlgorithm]) -> Self {
        let mut hashers: Vec<(DigestAlgorithm, digest::Context)> = Vec::new();
        for &algorithm in algorithms {
            if hashers.iter().all(|(known, _)| *known != algorithm) {
                hashers.push((algorithm, digest::Context::new(provider(algorithm))));
            }
        }
        Self(hashers)
    }

    /// Adds `bytes` to every digest.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, context) in &mut self.0 {
            context.update(bytes);
        }
    }

    /// The finished digests.
    pub(crate) fn finish(self) -> Digests {
        Digests(self.0.into_iter().map(|(algorithm, context)| (algorithm, context.finish())).collect())
    }
}

/// Finished digests of one content, by algorithm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests(Vec<(DigestAlgorithm, digest::Digest)>);

impl Digests {
    /// The digest made with `algorithm`, if it was computed.
    pub(crate) fn of(&self, algorithm: DigestAlgorithm) -> Option<&[u8]> {
        self.provider(algorithm).map(AsRef::as_ref)
    }

    /// The same in the provider's own type, as signature checks take it.
    pub(super) fn provider(&self, algorithm: DigestAlgorithm) -> Option<&digest::Digest> {
        self.0.iter().find(|(known, _)| *known == algorithm).map(|(_, digest)| digest)
    }
}

/// The digest of `bytes` in one go.
pub(crate) fn digest(algorithm: DigestAlgorithm, bytes: &[u8]) -> Vec<u8> {
    digest::digest(provider(algorithm), bytes).as_ref().to_vec()
}

/// The provider's constant for `algorithm`.
pub(super) fn provider(algorithm: DigestAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        DigestAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => &digest::SHA256,
        DigestAlgorithm::Sha384 => &digest::SHA384,
        DigestAlgorithm::Sha512 => &digest::SHA512,
    }
}

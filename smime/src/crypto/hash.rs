//! Streaming digests.

use crate::algorithm::DigestAlgorithm;
use crate::crypto::ffi::{Digest, Hash};

/// Several digests over the same bytes, each in one pass.
#[derive(Clone)]
pub(crate) struct Hashers(Vec<(DigestAlgorithm, Hash)>);

impl Hashers {
    /// One hasher for each algorithm; doubles are dropped.
    pub(crate) fn new(algorithms: &[DigestAlgorithm]) -> Self {
        let mut hashers: Vec<(DigestAlgorithm, Hash)> = Vec::new();
        for &algorithm in algorithms {
            if hashers.iter().all(|(known, _)| *known != algorithm) {
                hashers.push((algorithm, Hash::new(algorithm)));
            }
        }
        Self(hashers)
    }

    /// Adds `bytes` to every digest.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, hash) in &mut self.0 {
            hash.update(bytes);
        }
    }

    /// The finished digests.
    pub(crate) fn finish(self) -> Digests {
        Digests(self.0.into_iter().map(|(algorithm, hash)| (algorithm, hash.finish())).collect())
    }
}

/// Finished digests of one content, by algorithm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests(Vec<(DigestAlgorithm, Digest)>);

impl Digests {
    /// The digest made with `algorithm`, if it was computed.
    pub(crate) fn of(&self, algorithm: DigestAlgorithm) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == algorithm).map(|(_, digest)| digest.as_ref())
    }
}

/// The digest of `bytes` in one go.
pub(crate) fn digest(algorithm: DigestAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let mut hash = Hash::new(algorithm);
    hash.update(bytes);
    hash.finish().as_ref().to_vec()
}

//! What aws-lc-rs does not offer: AES-GCM and CBC with PKCS#7 padding as streams, AES key wrap for all three key
//! sizes, ChaCha20 and Poly1305 by themselves, signature checks with any digest, salt and key length, and the digests and ciphers of old mail. The only
//! unsafe code of the engine.
#![expect(unsafe_code, reason = "calls into AWS-LC's C functions")]

mod chacha;
mod cipher;
mod hash;
mod point;
mod verify;
mod wrap;

use aws_lc_sys as c;

use crate::algorithm::DigestAlgorithm;

pub(crate) use chacha::{Poly1305, chacha20};
pub(crate) use cipher::{CHUNK, Direction, EvpCipher, OUTPUT, TAG};
pub(crate) use hash::{Digest, Hash};
pub(crate) use point::uncompressed;
pub(crate) use verify::{Padding, PublicKey};
pub(crate) use wrap::{unwrap_key, wrap_key};

fn evp_hash(algorithm: DigestAlgorithm) -> *const c::EVP_MD {
    // SAFETY: these take nothing and answer pointers to statics.
    unsafe {
        match algorithm {
            DigestAlgorithm::Md5 => c::EVP_md5(),
            DigestAlgorithm::Sha1 => c::EVP_sha1(),
            DigestAlgorithm::Sha224 => c::EVP_sha224(),
            DigestAlgorithm::Sha256 => c::EVP_sha256(),
            DigestAlgorithm::Sha384 => c::EVP_sha384(),
            DigestAlgorithm::Sha512 => c::EVP_sha512(),
            DigestAlgorithm::Sha3_224 => c::EVP_sha3_224(),
            DigestAlgorithm::Sha3_256 => c::EVP_sha3_256(),
            DigestAlgorithm::Sha3_384 => c::EVP_sha3_384(),
            DigestAlgorithm::Sha3_512 => c::EVP_sha3_512(),
        }
    }
}

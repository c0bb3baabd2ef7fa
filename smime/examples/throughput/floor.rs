//! What the primitives cost by themselves: the engine's own provider over a whole message in memory, chunk by chunk.
//! What is decrypted or decoded goes to a buffer that stays in the cache, as the engine's does on its way.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, DecryptionContext, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::cipher::{StreamingDecryptingKey, StreamingEncryptingKey};
use aws_lc_rs::digest;
use aws_lc_rs::iv::FixedLength;
use base64_simd::{Out, STANDARD};

use crate::cpu_us;

/// Bytes that are worked on at once.
const CHUNK: usize = 48 * 1024;

/// Bytes of base64 that a chunk makes.
const ENCODED: usize = CHUNK / 3 * 4;

/// Something that a use case cannot do without.
#[derive(Clone, Copy)]
pub(crate) enum Primitive {
    /// SHA-256.
    Hash,
    /// AES-256-GCM, which costs the same both ways.
    Gcm,
    /// AES-256-CBC, decrypting.
    CbcIn,
    /// AES-256-CBC, encrypting.
    CbcOut,
    /// Base64, decoding into so many bytes, without lines.
    Base64In,
    /// Base64, encoding so many bytes, without lines.
    Base64Out,
}

/// The best time of each primitive so far, in microseconds.
pub(crate) struct Floor([u64; 6]);

impl Default for Floor {
    fn default() -> Self {
        Self([u64::MAX; 6])
    }
}

impl Floor {
    /// One round over a message of `bytes` in memory, whose result is in memory too.
    pub(crate) fn measure(&mut self, bytes: usize) {
        let chunks = bytes.div_ceil(CHUNK);
        let mut input = vec![0x5a; chunks * CHUNK];
        let mut output = vec![1; chunks * ENCODED];
        let key = [7; 32];

        let mut hash = digest::Context::new(&digest::SHA256);
        self.take(Primitive::Hash, || input.chunks(CHUNK).for_each(|input| hash.update(input)));
        let (mut cbc, mut plain) = (cbc_encrypting(&key), vec![0; CHUNK + 16]);
        self.take(Primitive::CbcOut, || {
            for (input, output) in input.chunks(CHUNK).zip(output.chunks_mut(ENCODED)) {
                black_box(cbc.update(input, output).unwrap());
            }
        });
        let mut cbc = cbc_decrypting(&key);
        self.take(Primitive::CbcIn, || {
            for input in input.chunks(CHUNK) {
                black_box(cbc.update(input, &mut plain).unwrap());
            }
        });
        self.take(Primitive::Base64Out, || {
            for (input, output) in input.chunks(CHUNK).zip(output.chunks_mut(ENCODED)) {
                black_box(STANDARD.encode(input, Out::from_slice(output)));
            }
        });
        self.take(Primitive::Base64In, || {
            for encoded in output.chunks(ENCODED) {
                black_box(STANDARD.decode(encoded, Out::from_slice(&mut plain)).unwrap());
            }
        });
        let gcm = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        self.take(Primitive::Gcm, || {
            for input in input.chunks_mut(CHUNK) {
                let nonce = Nonce::assume_unique_for_key([1; 12]);
                let _tag = black_box(gcm.seal_in_place_separate_tag(nonce, Aad::empty(), input).unwrap());
            }
        });
    }

    /// The sum over `needs`.
    pub(crate) fn of(&self, needs: &[Primitive]) -> u64 {
        needs.iter().map(|one| self.0[*one as usize]).sum()
    }

    fn take(&mut self, primitive: Primitive, work: impl FnOnce()) {
        let start = cpu_us();
        work();
        let best = &mut self.0[primitive as usize];
        *best = (cpu_us() - start).min(*best);
    }
}

fn cbc_encrypting(key: &[u8]) -> StreamingEncryptingKey {
    let context = EncryptionContext::Iv128(FixedLength::from([3; 16]));
    let key = UnboundCipherKey::new(&AES_256, key).unwrap();
    StreamingEncryptingKey::less_safe_cbc_pkcs7(key, context).unwrap()
}

fn cbc_decrypting(key: &[u8]) -> StreamingDecryptingKey {
    let context = DecryptionContext::Iv128(FixedLength::from([3; 16]));
    StreamingDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key).unwrap(), context).unwrap()
}

//! AEAD_CHACHA20_POLY1305 as a stream (RFC 8439 section 2.8).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use crate::crypto::ffi::{Direction, Poly1305, TAG, chacha20};
use crate::error::{Error, Result};

/// Bytes of a block of the key stream.
const BLOCK: usize = 64;

/// Most blocks under one nonce: the counter has 32 bits, and block 0 is the authenticator's.
const BLOCKS_MAX: u64 = u32::MAX as u64;

/// One run, in either direction.
pub(crate) struct ChaCha20Poly1305 {
    direction: Direction,
    key: Zeroizing<[u8; 32]>,
    nonce: [u8; 12],
    /// Block of the key stream that comes next.
    counter: u64,
    /// The block that was begun, and how much of it is used up.
    block: Zeroizing<[u8; BLOCK]>,
    used: usize,
    /// `None` when it has ended.
    mac: Option<Poly1305>,
    authenticated: u64,
    length: u64,
    /// Encrypting: what came out. Decrypting: what must come out.
    tag: Option<[u8; TAG]>,
}

impl ChaCha20Poly1305 {
    /// Starts a run.
    ///
    /// # Errors
    /// [`Error::Crypto`]: the key has not 32 bytes, or the nonce not 12.
    pub(crate) fn new(direction: Direction, key: &[u8], nonce: &[u8]) -> Result<Self> {
        let wrong = |_| Error::Crypto("a key or nonce of wrong length");
        let key = Zeroizing::new(<[u8; 32]>::try_from(key).map_err(wrong)?);
        let nonce = nonce.try_into().map_err(wrong)?;
        let mut one_time = Zeroizing::new([0; 32]);
        chacha20(&[0; 32], &mut *one_time, &key, &nonce, 0);
        let (mac, block) = (Some(Poly1305::new(&one_time)), Zeroizing::new([0; BLOCK]));
        let (counter, used, authenticated, length, tag) = (1, BLOCK, 0, 0, None);
        Ok(Self { direction, key, nonce, counter, block, used, mac, authenticated, length, tag })
    }

    /// All the additional authenticated data, before the first [`Self::update`].
    pub(crate) fn authenticate(&mut self, data: &[u8]) {
        self.authenticated = data.len() as u64;
        self.mix(data);
        self.pad(self.authenticated);
    }

    /// Writes as many bytes to the beginning of `output` as `input` has.
    ///
    /// # Errors
    /// [`Error::Crypto`] after the 256 GiB that one nonce may serve.
    pub(crate) fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        if output.len() < input.len() {
            return Err(Error::Crypto("too large a chunk"));
        }
        if self.direction == Direction::Decrypt {
            self.mix(input);
        }
        self.apply(input, output)?;
        if self.direction == Direction::Encrypt {
            self.mix(&output[..input.len()]);
        }
        self.length += input.len() as u64;
        Ok(input.len())
    }

    /// Ends it; decrypting, the tag must be what [`Self::expect_tag`] said.
    ///
    /// # Errors
    /// [`Error::Decryption`].
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.pad(self.length);
        self.mix(&self.authenticated.to_le_bytes());
        self.mix(&self.length.to_le_bytes());
        let made = self.mac.take().ok_or(Error::Crypto("a cipher that has ended"))?.finish();
        if self.direction == Direction::Encrypt {
            self.tag = Some(made);
            return Ok(());
        }
        let expected = self.tag.ok_or(Error::Decryption)?;
        verify_slices_are_equal(&made, &expected).map_err(|_| Error::Decryption)
    }

    /// Encrypting: the tag, after [`Self::finish`].
    ///
    /// # Errors
    /// [`Error::Crypto`]: it has not ended.
    pub(crate) fn tag(&self) -> Result<[u8; TAG]> {
        self.tag.ok_or(Error::Crypto("no tag"))
    }

    /// Decrypting: the tag that must come out, before [`Self::finish`].
    ///
    /// # Errors
    /// [`Error::Decryption`] if it has not 16 bytes (RFC 8103 section 2.2).
    pub(crate) fn expect_tag(&mut self, tag: &[u8]) -> Result<()> {
        self.tag = Some(tag.try_into().map_err(|_| Error::Decryption)?);
        Ok(())
    }

    /// Puts the key stream over `input`: what is left of a block, whole blocks, the beginning of another.
    fn apply(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        let (begun, rest) = input.split_at(input.len().min(BLOCK - self.used));
        self.apply_block(begun, output);
        let (whole, last) = rest.split_at(rest.len() / BLOCK * BLOCK);
        let counter = self.take_blocks(whole.len() / BLOCK)?;
        let output = &mut output[begun.len()..];
        chacha20(whole, output, &self.key, &self.nonce, counter);
        if !last.is_empty() {
            let counter = self.take_blocks(1)?;
            chacha20(&[0; BLOCK], &mut *self.block, &self.key, &self.nonce, counter);
            self.used = 0;
            self.apply_block(last, &mut output[whole.len()..]);
        }
        Ok(())
    }

    /// Puts the begun block over `input`, which is no longer than what is left of it.
    fn apply_block(&mut self, input: &[u8], output: &mut [u8]) {
        let stream = &self.block[self.used..self.used + input.len()];
        for ((out, byte), key) in output.iter_mut().zip(input).zip(stream) {
            *out = byte ^ key;
        }
        self.used += input.len();
    }

    /// The number of the first of `count` blocks that nobody used yet.
    fn take_blocks(&mut self, count: usize) -> Result<u32> {
        let first = u32::try_from(self.counter).map_err(|_| Error::Crypto("too long a message"))?;
        self.counter += count as u64;
        if self.counter > BLOCKS_MAX + 1 { Err(Error::Crypto("too long a message")) } else { Ok(first) }
    }

    fn mix(&mut self, bytes: &[u8]) {
        if let Some(mac) = &mut self.mac {
            mac.update(bytes);
        }
    }

    /// Zeros up to a multiple of 16 bytes.
    fn pad(&mut self, length: u64) {
        let over = (length % 16) as usize;
        self.mix(&[0; 16][..(16 - over) % 16]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// The message of RFC 8439 section 2.8.2.
    struct Example {
        key: Vec<u8>,
        nonce: Vec<u8>,
        data: Vec<u8>,
        plain: &'static [u8],
        sealed: Vec<u8>,
        tag: Vec<u8>,
    }

    fn example() -> Example {
        Example {
            key: (0x80..0xa0).collect(),
            nonce: hex("07000000 4041424344454647"),
            data: hex("50515253c0c1c2c3c4c5c6c7"),
            plain: b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                     sunscreen would be it.",
            sealed: hex("d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6
                         3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36
                         92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
                         3ff4def08e4b7a9de576d26586cec64b 6116"),
            tag: hex("1ae10b594f09e26a7e902ecbd0600691"),
        }
    }

    #[test]
    fn the_message_of_the_rfc_in_pieces_of_every_size() {
        let Example { key, nonce, data, plain, sealed, tag } = example();
        for size in 1..=plain.len() {
            let mut out = vec![0; 200];
            let mut seal = ChaCha20Poly1305::new(Direction::Encrypt, &key, &nonce).unwrap();
            let mut open = ChaCha20Poly1305::new(Direction::Decrypt, &key, &nonce).unwrap();
            seal.authenticate(&data);
            open.authenticate(&data);
            let (mut there, mut back) = (Vec::new(), Vec::new());
            for piece in plain.chunks(size) {
                let length = seal.update(piece, &mut out).unwrap();
                there.extend_from_slice(&out[..length]);
                let length = open.update(&there[there.len() - length..], &mut out).unwrap();
                back.extend_from_slice(&out[..length]);
            }
            seal.finish().unwrap();
            assert_eq!((&there, &seal.tag().unwrap()[..]), (&sealed, &tag[..]), "{size}");
            open.expect_tag(&tag).unwrap();
            open.finish().unwrap();
            assert_eq!(back, plain);
        }
    }

    #[test]
    fn a_wrong_or_short_or_absent_tag_is_refused() {
        let Example { key, nonce, sealed, tag, .. } = example();
        let open = || ChaCha20Poly1305::new(Direction::Decrypt, &key, &nonce).unwrap();
        // The right tag, but not over this: the authenticated data is missing.
        for expected in [Some(&tag[..]), None] {
            let mut run = open();
            run.update(&sealed, &mut [0; 200]).unwrap();
            expected.into_iter().for_each(|tag| run.expect_tag(tag).unwrap());
            assert!(matches!(run.finish(), Err(Error::Decryption)));
        }
        assert!(matches!(open().expect_tag(&tag[..12]), Err(Error::Decryption)));
        assert!(ChaCha20Poly1305::new(Direction::Decrypt, &key, &nonce[..8]).is_err());
        assert!(ChaCha20Poly1305::new(Direction::Decrypt, &key[..16], &nonce).is_err());
    }

    #[test]
    fn no_block_of_the_key_stream_serves_twice() {
        let Example { key, nonce, .. } = example();
        let mut run = ChaCha20Poly1305::new(Direction::Encrypt, &key, &nonce).unwrap();
        run.counter = BLOCKS_MAX;
        run.update(&[0; BLOCK], &mut [0; BLOCK]).unwrap();
        assert!(run.update(&[0; 1], &mut [0; 1]).is_err());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(plain: Vec<u8>, cuts in proptest::collection::vec(0_usize..300, 0..5)) {
            let sealed = |cuts: &[usize]| {
                let mut run = ChaCha20Poly1305::new(Direction::Encrypt, &[7; 32], &[9; 12]).unwrap();
                let (mut all, mut out, mut rest) = (Vec::new(), [0; 1024], &plain[..]);
                for cut in cuts.iter().copied().chain([plain.len()]) {
                    let (piece, left) = rest.split_at(cut.min(rest.len()));
                    let length = run.update(piece, &mut out).unwrap();
                    all.extend_from_slice(&out[..length]);
                    rest = left;
                }
                run.finish().unwrap();
                (all, run.tag().unwrap())
            };
            prop_assert_eq!(sealed(&cuts), sealed(&[]));
        }
    }
}

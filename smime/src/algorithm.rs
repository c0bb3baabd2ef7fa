//! Algorithms by name, as options and verdicts speak of them.

use std::fmt;

/// A digest algorithm (RFC 5754, RFC 9688). MD5 and SHA-1 are read, never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// MD5: reading only, and a weakness.
    Md5,
    /// SHA-1: reading only, and a weakness.
    Sha1,
    /// SHA-224: reading only.
    Sha224,
    /// SHA-256, the default.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-224: reading only.
    Sha3_224,
    /// SHA3-256: reading only.
    Sha3_256,
    /// SHA3-384: reading only.
    Sha3_384,
    /// SHA3-512: reading only.
    Sha3_512,
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1,
    /// RSASSA-PSS (RFC 4056).
    RsaPss,
    /// ECDSA (RFC 5753).
    Ecdsa,
    /// Ed25519 (RFC 8419): the private key signs the signed attributes themselves, not a digest of them.
    Ed25519,
    /// DSA (RFC 3370 section 3.1): verified only, and a weakness.
    Dsa,
}

/// What is weak about a signature that holds: it was good once, and may be forged today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Weakness {
    /// This digest, which collides: MD5 or SHA-1.
    Digest(DigestAlgorithm),
    /// An RSA key of less than 2048 bits: of so many.
    ShortRsa(u32),
    /// DSA, whose keys have 1024 bits in mail.
    Dsa,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => f.write_str(digest.name()),
            Self::ShortRsa(bits) => write!(f, "RSA with {bits} bits"),
            Self::Dsa => f.write_str("DSA"),
        }
    }
}

/// A content-encryption algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentCipher {
    /// AES-128-CBC in EnvelopedData: not authenticated.
    Aes128Cbc,
    /// AES-192-CBC in EnvelopedData: reading only.
    Aes192Cbc,
    /// AES-256-CBC in EnvelopedData: not authenticated.
    Aes256Cbc,
    /// AES-128-GCM in AuthEnvelopedData.
    Aes128Gcm,
    /// AES-192-GCM in AuthEnvelopedData: reading only.
    Aes192Gcm,
    /// AES-256-GCM in AuthEnvelopedData (RFC 5084), the default.
    Aes256Gcm,
    /// ChaCha20-Poly1305 in AuthEnvelopedData (RFC 8103): for machines without instructions for AES.
    ChaCha20Poly1305,
    /// Triple DES in EnvelopedData: reading only, legacy.
    TripleDesCbc,
    /// RC2 with 40 bits in EnvelopedData: reading only, broken.
    Rc2Cbc40,
    /// RC2 with 64 bits in EnvelopedData: reading only, broken.
    Rc2Cbc64,
    /// RC2 with 128 bits in EnvelopedData: reading only, legacy.
    Rc2Cbc128,
}

/// How a content key is encrypted to an RSA key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyTransport {
    /// RSAES-PKCS1-v1_5 (RFC 3370 section 4.2.1): the one that everybody reads.
    #[default]
    RsaPkcs1,
    /// RSAES-OAEP (RFC 3560) with this hash, MGF1 with the same, no label.
    RsaOaep(DigestAlgorithm),
}

/// How a message names a certificate (RFC 5652 sections 5.3 and 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CertificateIdentifier {
    /// By issuer and serial number: the one that everybody finds.
    #[default]
    IssuerAndSerial,
    /// By its SubjectKeyIdentifier: short, and still true after a renewal with the same key.
    KeyIdentifier,
}

/// How a CMS object is written when it is not inside a MIME entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Armor {
    /// Plain DER or BER bytes.
    #[default]
    Der,
    /// Base64 in lines of 64 characters.
    Base64,
    /// RFC 7468: `-----BEGIN CMS-----`.
    Pem,
}

/// What a use case reads or writes: a whole mail message, or a bare CMS object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A MIME entity or an RFC 5322 message; its non-MIME headers stay outside what is sealed.
    Mail,
    /// CMS over exactly the bytes given.
    Cms(Armor),
}

impl DigestAlgorithm {
    /// Every one, in the order of their age.
    pub const ALL: [Self; 10] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// The name that people know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_224 => "SHA3-224",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
        }
    }

    /// Its name as options and results have it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_224 => "sha3-224",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
        }
    }

    /// Bytes of a digest.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// Whether collisions of it can be made: see [`Weakness::Digest`].
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }

    /// Whether new signatures are made with it.
    pub const fn is_written(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha384 | Self::Sha512)
    }
}

impl ContentCipher {
    /// Those that new messages are encrypted with, the best first.
    pub const WRITTEN: [Self; 5] =
        [Self::Aes256Gcm, Self::Aes128Gcm, Self::ChaCha20Poly1305, Self::Aes256Cbc, Self::Aes128Cbc];

    /// Whether it is an authenticated cipher, which stands in AuthEnvelopedData.
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305)
    }

    /// Whether it protects badly or no longer: it is read with a warning and never written.
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::TripleDesCbc | Self::Rc2Cbc40 | Self::Rc2Cbc64 | Self::Rc2Cbc128)
    }

    /// Whether new messages are encrypted with it.
    pub fn is_written(self) -> bool {
        Self::WRITTEN.contains(&self)
    }

    /// Bytes of its key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Rc2Cbc40 => 5,
            Self::Rc2Cbc64 => 8,
            Self::Aes128Cbc | Self::Aes128Gcm | Self::Rc2Cbc128 => 16,
            Self::Aes192Cbc | Self::Aes192Gcm | Self::TripleDesCbc => 24,
            Self::Aes256Cbc | Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Bytes of its nonce or initialization vector, as we make it.
    pub const fn iv_length(self) -> usize {
        if self.is_authenticated() { 12 } else { self.block_length() }
    }

    /// Bytes of its blocks: what the length of CBC content is a multiple of.
    pub const fn block_length(self) -> usize {
        if self.is_weak() { 8 } else { 16 }
    }

    /// Its name as options and results have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "aes128-cbc",
            Self::Aes192Cbc => "aes192-cbc",
            Self::Aes256Cbc => "aes256-cbc",
            Self::Aes128Gcm => "aes128-gcm",
            Self::Aes192Gcm => "aes192-gcm",
            Self::Aes256Gcm => "aes256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::TripleDesCbc => "des-ede3-cbc",
            Self::Rc2Cbc40 => "rc2-40-cbc",
            Self::Rc2Cbc64 => "rc2-64-cbc",
            Self::Rc2Cbc128 => "rc2-128-cbc",
        }
    }
}

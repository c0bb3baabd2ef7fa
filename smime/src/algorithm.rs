//! Algorithms by name, as options and verdicts speak of them.

/// A digest algorithm (RFC 5754). SHA-1 and MD5 are read, never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-1: reading only.
    Sha1,
    /// SHA-256, the default.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
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
    /// Ed25519 (RFC 8419): verified, not yet written.
    Ed25519,
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
    /// The name that people know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

impl ContentCipher {
    /// Whether it is an authenticated cipher, which stands in AuthEnvelopedData.
    pub const fn is_gcm(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm)
    }

    /// Bytes of its key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Gcm => 24,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
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
        }
    }
}

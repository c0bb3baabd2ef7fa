//! ECDH with a fresh ephemeral key (RFC 5753, RFC 8418).

use aws_lc_rs::agreement;
use const_oid::ObjectIdentifier;
use spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use crate::asn1::oid;
use crate::error::{Error, Result};

/// Curves of key agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// X25519 (RFC 7748).
    X25519,
}

impl Curve {
    /// The curve of a public key; `None` if it is on none of these.
    pub(crate) fn of(key: &SubjectPublicKeyInfoRef<'_>) -> Option<Self> {
        if key.algorithm.oid == oid::X25519 {
            return Some(Self::X25519);
        }
        let curve: ObjectIdentifier = key.algorithm.parameters?.decode_as().ok()?;
        match curve {
            _ if key.algorithm.oid != oid::EC_PUBLIC_KEY => None,
            oid::P256 => Some(Self::P256),
            oid::P384 => Some(Self::P384),
            oid::P521 => Some(Self::P521),
            _ => None,
        }
    }

    /// The name of a NIST curve.
    #[cfg(test)]
    pub(crate) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => oid::P256,
            Self::P384 => oid::P384,
            Self::P521 => oid::P521,
            Self::X25519 => oid::X25519,
        }
    }
}

/// What came out of one agreement.
pub(crate) struct Agreed {
    /// Our ephemeral public key: uncompressed point, or X25519's 32 bytes.
    pub(crate) public: Vec<u8>,
    /// The shared secret: the x-coordinate.
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// Agrees with `peer` (a point, or X25519's 32 bytes) under a key made for this once.
///
/// # Errors
/// [`Error::Crypto`] if `peer` is no point of the curve, or without randomness.
pub(crate) fn agree(curve: Curve, peer: &[u8]) -> Result<Agreed> {
    let algorithm = match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
        Curve::X25519 => &agreement::X25519,
    };
    let failed = Error::Crypto("key agreement failed");
    let Ok(private) = agreement::PrivateKey::generate(algorithm) else { return Err(failed) };
    let Ok(public) = private.compute_public_key() else { return Err(failed) };
    let secret =
        agreement::agree(&private, agreement::UnparsedPublicKey::new(algorithm, peer), failed, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })?;
    Ok(Agreed { public: public.as_ref().to_vec(), secret })
}

//! What a private key from a file does. The bare RSA operation is AWS-LC's and the padding ours, as for PIV cards:
//! so no answer and no time tells anything about a wrong padding.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::signature::Ed25519KeyPair;
use der::{Decode, Encode};
use wafer_client::keeper::{Digest, KeyKind, KeyTransport, SignScheme};
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::ffi::{Key, Kind, Refused};
use crate::card::{CardError, digest_info, ecdsa, oaep, padding, substitute};

/// Octets of a public key of X25519 (RFC 7748 section 5).
const X25519_OCTETS: usize = 32;

/// Whether the certificate (DER) is this private key's.
pub(super) fn belongs(pkcs8: &[u8], certificate: &[u8]) -> bool {
    let certificate = Certificate::from_der(certificate).ok();
    let public = certificate
        .and_then(|certificate| certificate.tbs_certificate().subject_public_key_info().to_der().ok());
    public.is_some_and(|public| Key::parse(pkcs8).is_ok_and(|key| key.is_of(&public)))
}

/// The link's name for the kind of key; `None` for kinds that are not used.
pub(super) fn kind(pkcs8: &[u8]) -> Option<KeyKind> {
    match Key::parse(pkcs8).ok()?.kind()? {
        Kind::Rsa { .. } => Some(KeyKind::Rsa),
        Kind::Ec { .. } => Some(KeyKind::Ec),
        Kind::Ed25519 => Some(KeyKind::Ed25519),
        Kind::X25519 => Some(KeyKind::X25519),
    }
}

pub(super) fn sign(
    pkcs8: &[u8],
    scheme: SignScheme,
    algorithm: Digest,
    digest: &[u8],
) -> Result<Vec<u8>, CardError> {
    let key = Key::parse(pkcs8).map_err(failed)?;
    if (scheme, key.kind()) == (SignScheme::Ed25519, Some(Kind::Ed25519)) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&key.octets().map_err(failed)?);
        return Ok(pair.map_err(|_| failed(Refused))?.sign(digest).as_ref().to_vec());
    }
    digest_info::check(algorithm, digest)?;
    match (scheme, key.kind()) {
        (SignScheme::RsaPkcs1, Some(Kind::Rsa { bits })) => {
            let block = padding::pkcs1(algorithm, digest, bits.div_ceil(8))?;
            key.rsa(&block).map(|signature| signature.to_vec()).map_err(failed)
        }
        (SignScheme::RsaPss, Some(Kind::Rsa { bits })) => {
            let block = padding::pss(algorithm, digest, bits)?;
            key.rsa(&block).map(|signature| signature.to_vec()).map_err(failed)
        }
        (SignScheme::Ecdsa, Some(Kind::Ec { field })) => {
            key.ecdsa(ecdsa::truncate(digest, field)).map_err(failed)
        }
        _ => Err(CardError::Argument("the key is of another kind than the scheme")),
    }
}

pub(super) fn unwrap_key(
    pkcs8: &[u8],
    transport: &KeyTransport,
    encrypted: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let key = Key::parse(pkcs8).map_err(failed)?;
    let Some(Kind::Rsa { bits }) = key.kind() else { return Err(CardError::Decryption) };
    let missing = bits.div_ceil(8).checked_sub(encrypted.len()).ok_or(CardError::Decryption)?;
    let block = key.rsa(&[&vec![0; missing][..], encrypted].concat()).ok();
    let length = usize::try_from(transport.key_length).unwrap_or_default();
    if !transport.oaep {
        return substitute::unpad_or_random(block.as_deref().map_or(&[], Vec::as_slice), length);
    }
    let block = block.ok_or(CardError::Decryption)?;
    let content_key = oaep::decode(&block, transport.hash, transport.mgf_hash, &transport.label)?;
    if content_key.len() == length { Ok(content_key) } else { Err(CardError::Decryption) }
}

pub(super) fn derive(pkcs8: &[u8], peer_point: &[u8]) -> Result<Zeroizing<Vec<u8>>, CardError> {
    if peer_point.len() == X25519_OCTETS {
        return agree_x25519(pkcs8, peer_point);
    }
    let algorithm = match ecdsa::field_length(peer_point) {
        Some(32) => &agreement::ECDH_P256,
        Some(48) => &agreement::ECDH_P384,
        Some(66) => &agreement::ECDH_P521,
        _ => return Err(CardError::Decryption),
    };
    // The point is the sender's: one of another curve, or of none, is a decryption that fails like any other.
    let key = PrivateKey::from_private_key_der(algorithm, pkcs8).map_err(|_| CardError::Decryption)?;
    agree(&key, algorithm, peer_point)
}

/// Points of small order are refused, like those of another curve.
fn agree_x25519(pkcs8: &[u8], peer_point: &[u8]) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let key = Key::parse(pkcs8).map_err(failed)?;
    if key.kind() != Some(Kind::X25519) {
        return Err(CardError::Decryption);
    }
    let octets = key.octets().map_err(failed)?;
    let key = PrivateKey::from_private_key(&agreement::X25519, &octets).map_err(|_| CardError::Decryption)?;
    agree(&key, &agreement::X25519, peer_point)
}

fn agree(
    key: &PrivateKey,
    algorithm: &'static agreement::Algorithm,
    peer_point: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let peer = UnparsedPublicKey::new(algorithm, peer_point);
    agreement::agree(key, peer, CardError::Decryption, |shared| Ok(Zeroizing::new(shared.to_vec())))
}

fn failed(_: Refused) -> CardError {
    CardError::Failed("the private key of the file does not work".to_owned())
}

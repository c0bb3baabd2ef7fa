//! Private-key operations of a token.

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::Decode;
use wafer_client::keeper::{Digest, KeyInfo, KeyKind, KeyTransport, SignScheme};
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::errors::{self, Failed};
use super::raw::{Raw, Role};
use crate::card::{CardError, digest_info, ecdsa, oaep, substitute};
use crate::pin::secret::Secret;

/// The session in which a key is used.
pub(super) struct Opened<'s> {
    pub(super) session: &'s Session,
    pub(super) raw: &'s Raw,
    pub(super) each_use: EachUse<'s>,
}

/// Whether a login belongs between an operation's Init and itself (CKA_ALWAYS_AUTHENTICATE).
pub(super) enum EachUse<'s> {
    /// No: the session's login is enough.
    No,
    /// Yes, with this PIN; without one at the reader's PIN pad.
    With(Option<&'s Secret>),
}

impl Opened<'_> {
    fn sign(&self, mechanism: &Mechanism<'_>, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Failed> {
        let EachUse::With(pin) = self.each_use else { return Ok(self.session.sign(mechanism, key, data)?) };
        self.session.sign_init(mechanism, key)?;
        self.raw.login(self.session, Role::Context, pin).map_err(Failed::login)?;
        Ok(self.raw.sign(self.session, data)?)
    }

    fn decrypt(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let EachUse::With(pin) = self.each_use else {
            return Ok(self.session.decrypt(mechanism, key, data).map(Zeroizing::new)?);
        };
        self.session.decrypt_init(mechanism, key)?;
        self.raw.login(self.session, Role::Context, pin).map_err(Failed::login)?;
        Ok(self.raw.decrypt(self.session, data).map(Zeroizing::new)?)
    }
}

/// Signs a digest, or by Ed25519 a message; see [`crate::card::Card::sign`].
pub(super) fn sign(
    opened: &Opened<'_>,
    handle: ObjectHandle,
    key: &KeyInfo,
    scheme: SignScheme,
    algorithm: Digest,
    digest: &[u8],
) -> Result<Vec<u8>, CardError> {
    if (scheme, key.kind) == (SignScheme::Ed25519, KeyKind::Ed25519) {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        return opened.sign(&mechanism, handle, digest).map_err(Failed::operation);
    }
    digest_info::check(algorithm, digest)?;
    match (scheme, key.kind) {
        (SignScheme::RsaPkcs1, KeyKind::Rsa) => {
            let info = digest_info::encode(algorithm, digest)?;
            opened.sign(&Mechanism::RsaPkcs, handle, &info).map_err(Failed::operation)
        }
        (SignScheme::RsaPss, KeyKind::Rsa) => {
            let parameters = PkcsPssParams {
                hash_alg: hash(algorithm),
                mgf: mgf(algorithm),
                s_len: u64::try_from(digest.len()).unwrap_or_default().into(),
            };
            opened.sign(&Mechanism::RsaPkcsPss(parameters), handle, digest).map_err(Failed::operation)
        }
        (SignScheme::Ecdsa, KeyKind::Ec) => {
            let digest = ecdsa::truncate(digest, curve_length(key)?);
            ecdsa::to_der(&opened.sign(&Mechanism::Ecdsa, handle, digest).map_err(Failed::operation)?)
        }
        _ => Err(CardError::Argument("the key is of another kind than the scheme")),
    }
}

/// Decrypts a content key; see [`crate::card::Card::unwrap_key`].
pub(super) fn unwrap_key(
    opened: &Opened<'_>,
    handle: ObjectHandle,
    transport: &KeyTransport,
    encrypted: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let length = usize::try_from(transport.key_length).unwrap_or_default();
    let decrypted = if transport.oaep {
        unwrap_oaep(opened, handle, transport, encrypted)?
    } else {
        let result = opened.decrypt(&Mechanism::RsaPkcs, handle, encrypted);
        let decrypted = match result.map_err(Failed::decryption) {
            Err(CardError::Decryption) => None,
            result => Some(result?),
        };
        return substitute::or_random(decrypted.as_ref().map(|key| key.as_slice()), length);
    };
    if decrypted.len() == length { Ok(decrypted) } else { Err(CardError::Decryption) }
}

/// OAEP by the token; where it refuses the hashes, the raw operation and our own decoding.
fn unwrap_oaep(
    opened: &Opened<'_>,
    handle: ObjectHandle,
    transport: &KeyTransport,
    encrypted: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let source = if transport.label.is_empty() {
        PkcsOaepSource::empty()
    } else {
        PkcsOaepSource::data_specified(&transport.label)
    };
    let parameters = PkcsOaepParams::new(hash(transport.hash), mgf(transport.mgf_hash), source);
    match opened.decrypt(&Mechanism::RsaPkcsOaep(parameters), handle, encrypted) {
        Err(Failed::Module(error)) if errors::parameters_refused(&error) => {
            let raw = opened.decrypt(&Mechanism::RsaX509, handle, encrypted).map_err(Failed::decryption)?;
            // Some tokens drop leading zeros of the raw result: put them back.
            let mut block = Zeroizing::new(vec![0; encrypted.len()]);
            let start = block.len().checked_sub(raw.len()).ok_or(CardError::Decryption)?;
            block[start..].copy_from_slice(&raw);
            oaep::decode(&block, transport.hash, transport.mgf_hash, &transport.label)
        }
        result => result.map_err(Failed::decryption),
    }
}

/// ECDH; see [`crate::card::Card::derive`].
pub(super) fn derive(
    session: &Session,
    handle: ObjectHandle,
    key: &KeyInfo,
    peer_point: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let length = curve_length(key)?;
    // The point is the sender's: one that does not fit is a decryption that fails, like any other.
    if !ecdsa::is_on_curve(peer_point, length) {
        return Err(CardError::Decryption);
    }
    let parameters = Ecdh1DeriveParams::new(EcKdf::null(), peer_point);
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::ValueLen(u64::try_from(length).unwrap_or_default().into()),
        Attribute::Token(false),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ];
    let derived = session.derive_key(&Mechanism::Ecdh1Derive(parameters), handle, &template);
    let derived = derived.map_err(errors::derivation)?;
    let value = session.get_attributes(derived, &[AttributeType::Value]).map_err(errors::operation);
    let destroyed = session.destroy_object(derived).map_err(errors::operation);
    let value = value?.into_iter().find_map(|attribute| match attribute {
        Attribute::Value(bytes) => Some(Zeroizing::new(bytes)),
        _ => None,
    });
    destroyed?;
    value.filter(|value| value.len() == length).ok_or(CardError::Decryption)
}

/// Octets of a field element of the certificate's curve.
fn curve_length(key: &KeyInfo) -> Result<usize, CardError> {
    let certificate = Certificate::from_der(&key.certificate).map_err(|_| CardError::NoKey)?;
    let point =
        certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes().to_vec();
    ecdsa::field_length(&point).ok_or_else(|| CardError::Unsupported("this elliptic curve".to_owned()))
}

fn hash(algorithm: Digest) -> MechanismType {
    match algorithm {
        Digest::Sha1 => MechanismType::SHA1,
        Digest::Sha224 => MechanismType::SHA224,
        Digest::Sha256 => MechanismType::SHA256,
        Digest::Sha384 => MechanismType::SHA384,
        Digest::Sha512 => MechanismType::SHA512,
    }
}

fn mgf(algorithm: Digest) -> PkcsMgfType {
    match algorithm {
        Digest::Sha1 => PkcsMgfType::MGF1_SHA1,
        Digest::Sha224 => PkcsMgfType::MGF1_SHA224,
        Digest::Sha256 => PkcsMgfType::MGF1_SHA256,
        Digest::Sha384 => PkcsMgfType::MGF1_SHA384,
        Digest::Sha512 => PkcsMgfType::MGF1_SHA512,
    }
}

//! Keys in files (PKCS#12, RFC 7292), for people without a card. A file is a token: its password is the PIN, and
//! while it is unlocked its private keys are in guarded memory and nowhere else.
//!
//! The files lie encrypted as they came. Beside each lie its certificates, which are public, so that they are
//! known before the password is. Reading is our own: of the libraries there is none that keeps to a bound of
//! work, takes several keys, and puts a private key nowhere but in memory that it is handed.

mod ber;
mod ffi;
mod kdf;
mod keys;
mod pbe;
pub mod pfx;
mod source;
mod store;

use std::path::PathBuf;

use secrecy::ExposeSecret;
use wafer_client::keeper::{Digest, KeyInfo, KeyTransport, SignScheme, TriesLeft};
use zeroize::Zeroizing;

use super::{Authentication, Card, CardError, Contents, PinFlags, PinFormat};
use crate::pin::secret::Secret;

pub use source::{Files, MODEL};

/// A file, locked or not.
struct FileCard {
    path: PathBuf,
    contents: Contents,
    /// Its private keys are encrypted.
    has_password: bool,
    /// Private keys with the names of those that they are; none while it is locked.
    unlocked: Vec<Unlocked>,
}

/// A private key in guarded memory.
struct Unlocked {
    names: Vec<String>,
    pkcs8: Secret,
}

impl FileCard {
    fn unlock(&mut self, password: &Secret) -> Result<(), CardError> {
        let opened = pfx::open(&store::read_file(&self.path)?, password)?;
        self.unlocked = opened.keys.into_iter().map(|(pkcs8, _)| self.unlocked(pkcs8)).collect();
        Ok(())
    }

    fn unlocked(&self, pkcs8: Secret) -> Unlocked {
        let certificates = self.contents.keys.iter();
        let own = certificates.filter(|key| keys::belongs(pkcs8.expose_secret(), &key.certificate));
        Unlocked { names: own.map(|key| key.id.clone()).collect(), pkcs8 }
    }

    /// The private key that `info` names.
    fn key(&mut self, info: &KeyInfo) -> Result<&Secret, CardError> {
        if self.unlocked.is_empty() {
            if self.has_password {
                return Err(CardError::NeedsLogin);
            }
            self.unlock(&nothing()?)?;
        }
        let known = self.unlocked.iter().find(|key| key.names.contains(&info.id));
        known.map(|key| &key.pkcs8).ok_or(CardError::NoKey)
    }
}

impl Card for FileCard {
    fn pin_flags(&mut self) -> Result<PinFlags, CardError> {
        if !self.path.is_file() {
            return Err(CardError::Gone);
        }
        Ok(PinFlags {
            login_required: self.has_password,
            pin_pad: false,
            global: false,
            tries: TriesLeft::Unknown,
            format: PinFormat::PASSWORD,
        })
    }

    fn contents(&mut self) -> Result<Contents, CardError> {
        Ok(self.contents.clone())
    }

    fn login(&mut self, pin: Option<&Secret>) -> Result<(), CardError> {
        let pin = pin.ok_or_else(|| CardError::Unsupported("a PIN pad".to_owned()))?;
        self.unlock(pin)
    }

    fn logout(&mut self) -> Result<(), CardError> {
        self.unlocked.clear();
        Ok(())
    }

    fn sign(
        &mut self,
        key: &KeyInfo,
        _: Authentication<'_>,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        keys::sign(self.key(key)?.expose_secret(), scheme, algorithm, digest)
    }

    fn unwrap_key(
        &mut self,
        key: &KeyInfo,
        _: Authentication<'_>,
        transport: &KeyTransport,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        keys::unwrap_key(self.key(key)?.expose_secret(), transport, encrypted)
    }

    fn derive(
        &mut self,
        key: &KeyInfo,
        _: Authentication<'_>,
        peer_point: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        keys::derive(self.key(key)?.expose_secret(), peer_point)
    }

    fn rest(&mut self) {
        // Nobody unlocked it, and so nobody will lock it.
        if !self.has_password {
            self.unlocked.clear();
        }
    }
}

/// The empty password.
fn nothing() -> Result<Secret, CardError> {
    Secret::with_capacity(1).ok_or_else(|| CardError::Failed("no guarded memory".to_owned()))
}

/// A file that is not built as it should be.
fn form(_: ber::Malformed) -> CardError {
    CardError::FileForm
}

/// An algorithm that is not supported, by the contents octets of its identifier (X.690 section 8.19).
fn unsupported(oid: &[u8]) -> CardError {
    let mut numbers: Vec<String> = Vec::new();
    let mut number = 0u64;
    for octet in oid {
        number = number << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if numbers.is_empty() {
            let first = (number / 40).min(2);
            numbers.push(first.to_string());
            number -= 40 * first;
        }
        numbers.push(std::mem::take(&mut number).to_string());
    }
    CardError::Unsupported(numbers.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_named_by_its_identifier() {
        let named = |oid: &[u8]| unsupported(oid);
        let rc4 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 1];
        assert_eq!(named(&rc4), CardError::Unsupported("1.2.840.113549.1.12.1.1".to_owned()));
        assert_eq!(named(&[0x60, 0x86, 0x48]), CardError::Unsupported("2.16.840".to_owned()));
        assert_eq!(named(&[]), CardError::Unsupported(String::new()));
    }
}

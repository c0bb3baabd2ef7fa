//! An identity: a certificate of the person's, where its key is, and what it is for.

pub mod choose;

use aws_lc_rs::digest;
use wafer_client::keeper::{KeyInfo, KeyKind};

use crate::trust::Certificate;

/// A certificate with a key on a token.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Last part of its object path: the first 20 hex digits of the fingerprint.
    pub id: String,
    /// SHA-256 of the certificate, lower-case hex.
    pub fingerprint: String,
    /// The key's name with its keeper.
    pub key: String,
    /// The token's id.
    pub token: String,
    /// The key's label, for people.
    pub label: String,
    /// What kind of key it is.
    pub kind: KeyKind,
    /// The certificate, parsed.
    pub certificate: Certificate,
}

impl Identity {
    /// Reads what a keeper said of a key on `token`; `None` (logged) if the certificate cannot be read.
    pub fn read(token: &str, key: &KeyInfo) -> Option<Self> {
        let certificate = match Certificate::read(&key.certificate) {
            Ok(certificate) => certificate,
            Err(error) => {
                tracing::warn!(key = key.label, %error, "a certificate on a token is left out");
                return None;
            }
        };
        let fingerprint = hex(digest::digest(&digest::SHA256, &key.certificate).as_ref());
        Some(Self {
            id: fingerprint[..20].to_owned(),
            fingerprint,
            key: key.id.clone(),
            token: token.to_owned(),
            label: key.label.clone(),
            kind: key.kind,
            certificate,
        })
    }

    /// `sign` and `encrypt`, as far as the certificate allows.
    pub fn usages(&self) -> Vec<&'static str> {
        let usage = self.certificate.usage;
        let named = [(usage.sign, "sign"), (usage.encrypt, "encrypt")];
        named.into_iter().filter_map(|(allowed, name)| allowed.then_some(name)).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

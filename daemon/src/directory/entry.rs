//! What is kept and known of one recipient's certificate.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use der::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wafer_smime::algorithm::ContentCipher;
use x509_cert::certificate::{CertificateInner, Raw};

use super::MissingReason;
use crate::trust::certificate::{Certificate, PublicKeyKind, Unreadable};

/// Where a certificate was found. A later one is trusted more to be the one that the recipient wants used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `harvested`: it came with a signed mail whose signature was found valid.
    Harvested,
    /// `directory`: an LDAP server had it.
    Directory,
    /// `folder`: it lies in the folder of the settings.
    Folder,
    /// `imported`: by hand.
    Imported,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Harvested => "harvested",
            Self::Directory => "directory",
            Self::Folder => "folder",
            Self::Imported => "imported",
        })
    }
}

/// A certificate as the index knows it; the certificate itself stays on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Its mail addresses, as [`Certificate::addresses`] has them; for a directory's also the one that it
    /// was found by.
    pub addresses: Vec<String>,
    /// Subject for people, RFC 4514.
    pub subject: String,
    /// Issuer for people, RFC 4514.
    pub issuer: String,
    /// SHA-256 of the certificate, lower-case hex.
    pub fingerprint: String,
    /// SHA-256 of its SubjectPublicKeyInfo, lower-case hex.
    pub key: String,
    /// `rsa`, `ec` or `other`.
    pub key_kind: String,
    /// First second of validity, Unix seconds.
    pub not_before: i64,
    /// Last second of validity, Unix seconds.
    pub not_after: i64,
    /// Whether mail may be encrypted to it.
    pub encrypt: bool,
    /// Where it was found.
    pub source: Source,
    /// Whether it may be used: the first one of an address, one that the person accepted, or one with issuer
    /// and key of such a one.
    pub accepted: bool,
    /// When it was found, Unix seconds.
    pub since: i64,
    /// Content ciphers that the recipient's program said it understands (RFC 8551 section 2.5.2), the best
    /// first; empty if it said nothing.
    #[serde(default)]
    pub ciphers: Vec<String>,
}

impl Entry {
    /// What `der` says, found in `source` at `now`; accepted.
    ///
    /// # Errors
    /// It is no certificate that can be read.
    pub fn read(der: &[u8], source: Source, now: SystemTime) -> Result<Self, Unreadable> {
        let certificate = Certificate::read(der)?;
        let parsed = CertificateInner::<Raw>::from_der(der).ok();
        let key = parsed.and_then(|it| it.tbs_certificate().subject_public_key_info().to_der().ok());
        Ok(Self {
            fingerprint: fingerprint(der),
            key: fingerprint(&key.unwrap_or_default()),
            key_kind: key_kind(certificate.key).to_owned(),
            not_before: seconds(certificate.not_before),
            not_after: seconds(certificate.not_after),
            encrypt: certificate.usage.encrypt,
            addresses: certificate.addresses,
            subject: certificate.subject,
            issuer: certificate.issuer,
            source,
            accepted: true,
            since: seconds(now),
            ciphers: Vec::new(),
        })
    }

    /// What stands in the way of encrypting to it at `now`, if anything.
    pub fn hindrance(&self, now: SystemTime) -> Option<MissingReason> {
        let now = seconds(now);
        if !self.encrypt {
            Some(MissingReason::WrongUsage)
        } else if now < self.not_before {
            Some(MissingReason::NotYetValid)
        } else if now > self.not_after {
            Some(MissingReason::Expired)
        } else {
            None
        }
    }

    /// Whether both are of one key under one issuer: a renewal that changes neither is no change.
    pub fn is_same_holder(&self, other: &Self) -> bool {
        self.key == other.key && self.issuer == other.issuer
    }

    /// Whether `cipher` is understood, as far as is known: who said nothing is taken to understand all
    /// (RFC 8551 section 2.7.1.2).
    pub fn understands(&self, cipher: ContentCipher) -> bool {
        self.ciphers.is_empty() || self.ciphers.iter().any(|known| known == cipher.name())
    }
}

/// SHA-256 in lower-case hex.
pub fn fingerprint(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unix seconds, negative before 1970.
pub(super) fn seconds(time: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -whole(before.duration()), whole)
}

fn key_kind(kind: PublicKeyKind) -> &'static str {
    match kind {
        PublicKeyKind::Rsa => "rsa",
        PublicKeyKind::Ec => "ec",
        PublicKeyKind::Other => "other",
    }
}

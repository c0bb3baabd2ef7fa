//! Whether a signer is who the certificate says: certificates, paths to the roots, revocation, the verdict.
//!
//! The arithmetic of a signature is `wafer-smime`'s business; here the question is whom the key belongs
//! to. Time is an argument everywhere.

pub mod anchors;
pub mod certificate;
mod constraints;
pub mod decisions;
pub mod files;
mod known;
pub mod mozilla;
pub mod path;
pub mod revocation;
mod signature;
pub mod signer;
mod store;
mod text;
pub mod validator;
pub mod verdict;
pub mod web;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

pub use anchors::{Anchors, Origin};
pub use certificate::{Certificate, Unreadable};
pub use decisions::Decisions;
pub use mozilla::Mozilla;
pub use path::PolicyInputs;
pub use revocation::{Evidence, Revocation};
pub use signer::{SignerVerdict, Warning};
pub use validator::Validator;
pub use verdict::{Status, Verdict, judge, judge_until};

/// What a certificate's key is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Signing mail: emailProtection, and digitalSignature or nonRepudiation.
    #[default]
    SignMail,
    /// Receiving encrypted mail: emailProtection, and keyEncipherment or keyAgreement.
    EncryptMail,
    /// Whatever the certificate's key usage and extended key usage say.
    Any,
}

/// A question to a [`PathValidator`].
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The certificate, DER.
    pub certificate: &'a [u8],
    /// Certificates that a path may lead through: DER, in any order, unreadable ones ignored.
    pub others: &'a [Vec<u8>],
    /// The time at which the path must hold.
    pub at: SystemTime,
    /// What the certificate's key is used for.
    pub purpose: Purpose,
    /// Whether revocation is asked about too, and what is known of it already.
    pub revocation: Option<Evidence<'a>>,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether a path to a root holds.
    pub trust: Trust,
    /// The path that holds, or would but for revocation: DER, the certificate first and the root last; empty
    /// if there is none.
    pub path: Vec<Vec<u8>>,
    /// Why the root is one.
    pub origin: Option<Origin>,
    /// What is known of revocation.
    pub revocation: Revocation,
}

/// Builds and validates a path from a certificate to a root (RFC 5280 section 6).
pub trait PathValidator: Send + Sync {
    /// Answers `question`.
    fn examine(&self, question: &Question<'_>) -> Finding;

    /// Whether `certificate` (DER) was a mail signer's trusted certificate at the time `at`, revocation
    /// aside. `others` are as in [`Question`].
    fn validate(&self, certificate: &[u8], others: &[Vec<u8>], at: SystemTime) -> Trust {
        self.validate_for(Purpose::SignMail, certificate, others, at)
    }

    /// As [`Self::validate`], for another `purpose`.
    fn validate_for(
        &self,
        purpose: Purpose,
        certificate: &[u8],
        others: &[Vec<u8>],
        at: SystemTime,
    ) -> Trust {
        self.examine(&Question { certificate, others, at, purpose, revocation: None }).trust
    }
}

/// The result of a path validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A path to a root holds.
    Trusted,
    /// No path holds.
    Untrusted {
        /// The reason in one word.
        reason: Reason,
        /// The reason in a sentence, which names the certificate at fault.
        sentence: String,
    },
}

/// Why no path holds. [`fmt::Display`] writes the word of the D-Bus contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// `malformed`: a certificate breaks the rules of X.509.
    Malformed,
    /// `unknown-issuer`: no path leads to a root in the trust folders.
    UnknownIssuer,
    /// `expired`: a certificate of the path is past its end.
    Expired,
    /// `not-yet-valid`: a certificate of the path has not begun.
    NotYetValid,
    /// `wrong-usage`: a certificate of the path is not for signing mail.
    WrongUsage,
    /// `bad-signature`: a certificate of the path was not signed by its issuer's key.
    BadSignature,
    /// `unsupported-algorithm`: a certificate's signature cannot be checked (which includes SHA-1 and MD5).
    UnsupportedAlgorithm,
    /// `constraint`: a certificate breaks a rule its issuers set (names, length, policies).
    Constraint,
    /// `distrusted`: the person or the administrator distrusts a certificate of the path.
    Distrusted,
    /// `revoked`: the issuer took a certificate of the path back.
    Revoked,
    /// `revocation-unknown`: revocation must be known by the settings, and is not.
    RevocationUnknown,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::UnknownIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongUsage,
        Self::BadSignature,
        Self::UnsupportedAlgorithm,
        Self::Constraint,
        Self::Distrusted,
        Self::Revoked,
        Self::RevocationUnknown,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::UnknownIssuer => "unknown-issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongUsage => "wrong-usage",
            Self::BadSignature => "bad-signature",
            Self::UnsupportedAlgorithm => "unsupported-algorithm",
            Self::Constraint => "constraint",
            Self::Distrusted => "distrusted",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
        })
    }
}

//! Whether a signer is who the certificate says: certificates, paths to the roots, the verdict.
//!
//! The arithmetic of a signature is `wafer-smime`'s business; here the question is whom the key belongs
//! to. Time is an argument everywhere. Revocation is not looked at yet: SECURITY.md says so.

pub mod certificate;
pub mod files;
pub mod path;
mod signature;
mod text;
pub mod verdict;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

pub use certificate::{Certificate, Unreadable};
pub use path::FolderValidator;
pub use verdict::{SignerVerdict, Status, Verdict, judge};

/// Builds and validates a path from a certificate to a root (RFC 5280 section 6).
pub trait PathValidator: Send + Sync {
    /// Whether `certificate` (DER) was a mail signer's trusted certificate at the time `at`. `others`
    /// (DER, in any order, unreadable ones ignored) are certificates a path may lead through.
    fn validate(&self, certificate: &[u8], others: &[Vec<u8>], at: SystemTime) -> Trust;
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
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::UnknownIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongUsage,
        Self::BadSignature,
        Self::UnsupportedAlgorithm,
        Self::Constraint,
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
        })
    }
}

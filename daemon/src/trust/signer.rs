//! What is said of one signer.

use std::time::{Duration, SystemTime};

use wafer_smime::algorithm::Weakness;
use wafer_smime::verify::{Outcome, Signer};

use super::certificate::{Certificate, same_address};
use super::verdict::Status;
use super::{Evidence, Finding, Origin, PathValidator, Purpose, Question, Reason, Revocation, Trust, text};

/// The longest life of a certificate that the S/MIME baseline requirements (section 6.3.2) allow.
const LIFE_MAX: Duration = Duration::from_secs(1185 * 86_400);
/// 2023-09-01, when the baseline requirements came into force.
const BASELINE: Duration = Duration::from_secs(1_693_526_400);

/// What is said of one signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerVerdict {
    /// The word.
    pub status: Status,
    /// The sentence for a person.
    pub sentence: String,
    /// `good`, `digest-mismatch`, `bad-signature`, `no-certificate`, `unsupported-algorithm`, `malformed`.
    pub outcome: &'static str,
    /// Whether a path to a trusted root holds at the time of the verdict.
    pub trusted: bool,
    /// Why not, in one word ([`Reason`]); empty if trusted or if there is no certificate.
    pub reason: String,
    /// Everything a person should look at.
    pub warnings: Vec<Warning>,
    /// The certificate, read; `None` if there is none that can be read.
    pub certificate: Option<Certificate>,
    /// The certificate's subject; empty without a certificate.
    pub subject: String,
    /// The certificate's mail addresses.
    pub addresses: Vec<String>,
    /// Whether one of them is a sender's.
    pub address_matches: bool,
    /// The path, DER, the certificate first and the root last; empty if none holds.
    pub path: Vec<Vec<u8>>,
    /// Why the root is one.
    pub origin: Option<Origin>,
    /// What is known of revocation.
    pub revocation: Revocation,
    /// Whether the path held when the message says it was signed; `None` without such a time.
    pub trusted_then: Option<bool>,
}

/// What a person should look at. [`Warning::word`] is the word of the D-Bus contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// `another-address`: no address of the certificate is a sender's.
    AnotherAddress,
    /// `expired-since`: the certificate was valid when the message says it was signed.
    ExpiredSince,
    /// `revoked-since`: it was given back later than the message says it was signed, without harm to the key.
    RevokedSince,
    /// `weak-key`: RSA below 2048 bits, DSA, or a curve below 256.
    WeakKey,
    /// `weak-digest`: SHA-1 or MD5.
    WeakDigest,
    /// `long-lived`: a public authority issued it for longer than the baseline requirements allow.
    LongLived,
    /// `revocation-not-checked`: nothing could be found out.
    RevocationNotChecked,
}

impl Warning {
    /// The word of the D-Bus contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::AnotherAddress => "another-address",
            Self::ExpiredSince => "expired-since",
            Self::RevokedSince => "revoked-since",
            Self::WeakKey => "weak-key",
            Self::WeakDigest => "weak-digest",
            Self::LongLived => "long-lived",
            Self::RevocationNotChecked => "revocation-not-checked",
        }
    }

    /// Whether it turns `valid` into `valid-with-warnings`. Of several signers one may be the sender, and a
    /// server that is down is no reason to alarm: these two count elsewhere.
    fn counts(self) -> bool {
        !matches!(self, Self::AnotherAddress | Self::RevocationNotChecked)
    }
}

/// What is the same for all signers of a message.
pub(super) struct Circumstances<'a> {
    pub(super) others: &'a [Vec<u8>],
    pub(super) senders: Option<&'a [String]>,
    pub(super) validator: &'a dyn PathValidator,
    pub(super) now: SystemTime,
    pub(super) evidence: Evidence<'a>,
}

pub(super) fn judge_signer(signer: &Signer, circumstances: &Circumstances<'_>) -> SignerVerdict {
    let certificate = signer.certificate.as_deref().and_then(|der| Certificate::read(der).ok());
    let finding = signer.certificate.as_deref().map(|der| circumstances.examine(der));
    let trusted_then = circumstances.trusted_then(signer);
    let name = certificate.as_ref().map_or("", |facts| facts.display_name());
    let mut warnings = warnings(signer, certificate.as_ref(), finding.as_ref());
    let (status, sentence) = match (&signer.outcome, &finding) {
        (Outcome::Good, Some(finding)) => {
            good(signer, finding, trusted_then == Some(true), name, &mut warnings)
        }
        (outcome, _) => (status_of(outcome), text::not_good(outcome, name)),
    };
    let addresses = certificate.as_ref().map_or(Vec::new(), |facts| facts.addresses.clone());
    let matches = |sender: &String| addresses.iter().any(|own| same_address(own, sender));
    let address_matches = circumstances.senders.unwrap_or_default().iter().any(matches);
    if circumstances.senders.is_some() && !address_matches && certificate.is_some() {
        warnings.insert(0, Warning::AnotherAddress);
    }
    let (trusted, reason) = match finding.as_ref().map(|finding| &finding.trust) {
        Some(Trust::Trusted) => (true, String::new()),
        Some(Trust::Untrusted { reason, .. }) => (false, reason.to_string()),
        None => (false, String::new()),
    };
    let (path, origin, revocation) = match finding {
        Some(finding) => (finding.path, finding.origin, finding.revocation),
        None => (Vec::new(), None, Revocation::NotAsked),
    };
    SignerVerdict {
        status,
        sentence,
        outcome: word(&signer.outcome),
        trusted,
        reason,
        warnings,
        subject: certificate.as_ref().map_or(String::new(), |facts| facts.subject.clone()),
        certificate,
        address_matches,
        addresses,
        path,
        origin,
        revocation,
        trusted_then,
    }
}

impl Circumstances<'_> {
    fn examine(&self, certificate: &[u8]) -> Finding {
        let (others, at, purpose) = (self.others, self.now, Purpose::SignMail);
        self.validator.examine(&Question {
            certificate,
            others,
            at,
            purpose,
            revocation: Some(self.evidence),
        })
    }

    /// Whether the certificate was trusted when the message says it was signed. The signer himself wrote
    /// that time, so it is good for a warning only.
    fn trusted_then(&self, signer: &Signer) -> Option<bool> {
        let (time, certificate) = (signer.signing_time?, signer.certificate.as_ref()?);
        let trust = || self.validator.validate(certificate, self.others, time);
        Some(time <= self.now && trust() == Trust::Trusted)
    }
}

/// Status and sentence of a signature whose mathematics is right.
fn good(
    signer: &Signer,
    finding: &Finding,
    trusted_then: bool,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> (Status, String) {
    let Trust::Untrusted { reason, sentence } = &finding.trust else {
        let counts = warnings.iter().any(|warning| warning.counts());
        let status = if counts { Status::ValidWithWarnings } else { Status::Valid };
        if !signer.weaknesses.is_empty() {
            return (status, text::weak(name, &signer.weaknesses));
        }
        return (status, text::good(name, warnings, &finding.revocation));
    };
    let since = match reason {
        Reason::Expired if trusted_then => Some(Warning::ExpiredSince),
        Reason::Revoked if trusted_then && was_given_back_later(signer, &finding.revocation) => {
            Some(Warning::RevokedSince)
        }
        _ => None,
    };
    if let Some(since) = since {
        warnings.push(since);
        return (Status::ValidWithWarnings, text::no_longer(sentence));
    }
    let status = match reason {
        Reason::UnknownIssuer
        | Reason::UnsupportedAlgorithm
        | Reason::Expired
        | Reason::NotYetValid
        | Reason::RevocationUnknown => Status::Unknown,
        _ => Status::Invalid,
    };
    (status, text::untrusted_signer(sentence))
}

/// Whether the certificate was revoked after the message says it was signed, for a reason that leaves the key
/// in the right hands. With a stolen key any time can be written into a message.
fn was_given_back_later(signer: &Signer, revocation: &Revocation) -> bool {
    match (signer.signing_time, revocation) {
        (Some(signed), Revocation::Revoked { since, key_was_safe: true, .. }) => signed < *since,
        _ => false,
    }
}

fn warnings(signer: &Signer, certificate: Option<&Certificate>, finding: Option<&Finding>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let digest = signer.weaknesses.iter().any(|weakness| matches!(weakness, Weakness::Digest(_)));
    let key = signer.weaknesses.iter().any(|weakness| !matches!(weakness, Weakness::Digest(_)));
    if key || certificate.is_some_and(|facts| facts.strength.is_weak()) {
        warnings.push(Warning::WeakKey);
    }
    if digest {
        warnings.push(Warning::WeakDigest);
    }
    let public = finding.is_some_and(|finding| finding.origin == Some(Origin::Mozilla));
    if public && certificate.is_some_and(is_long_lived) {
        warnings.push(Warning::LongLived);
    }
    if finding.is_some_and(|finding| matches!(finding.revocation, Revocation::NotChecked(_))) {
        warnings.push(Warning::RevocationNotChecked);
    }
    warnings
}

fn is_long_lived(facts: &Certificate) -> bool {
    let life = facts.not_after.duration_since(facts.not_before).unwrap_or_default();
    facts.not_before >= SystemTime::UNIX_EPOCH + BASELINE && life > LIFE_MAX
}

fn status_of(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::NoCertificate | Outcome::UnsupportedAlgorithm(_) => Status::Unknown,
        _ => Status::Invalid,
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Good => "good",
        Outcome::DigestMismatch => "digest-mismatch",
        Outcome::BadSignature => "bad-signature",
        Outcome::NoCertificate => "no-certificate",
        Outcome::UnsupportedAlgorithm(_) => "unsupported-algorithm",
        _ => "malformed",
    }
}

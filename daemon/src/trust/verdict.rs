//! The verdict on a signed message: the mathematics, the path and the sender's address, as one word
//! and one sentence.

use std::fmt;
use std::time::SystemTime;

use wafer_smime::verify::{Outcome, Signer, Verified};

use super::certificate::{Certificate, same_address};
use super::{PathValidator, Reason, Trust, text};

/// The word for a whole message; [`fmt::Display`] writes it as the D-Bus contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `valid`: every signature is good, every signer trusted, and the sender is a signer.
    Valid,
    /// `valid-with-warnings`: every signature is good and every signer is or was trusted, but a person
    /// should look: the sender's address is no signer's, a certificate has expired since, or the signature uses
    /// an algorithm or key that can be forged today.
    ValidWithWarnings,
    /// `invalid`: the message was altered, or a signature or certificate is wrong.
    Invalid,
    /// `unknown`: it cannot be said who signed (no certificate, unknown authority or algorithm).
    Unknown,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::ValidWithWarnings => "valid-with-warnings",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        })
    }
}

/// What is said of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word.
    pub status: Status,
    /// The sentence for a person.
    pub sentence: String,
    /// Every signer, in the message's order.
    pub signers: Vec<SignerVerdict>,
}

/// What is said of one signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerVerdict {
    /// `good`, `digest-mismatch`, `bad-signature`, `no-certificate`, `unsupported-algorithm`, `malformed`.
    pub outcome: &'static str,
    /// Whether a path to a trusted root holds at the time of the verdict.
    pub trusted: bool,
    /// Why not, in one word ([`Reason`]); empty if trusted or if there is no certificate.
    pub reason: String,
    /// The certificate's subject; empty without a certificate.
    pub subject: String,
    /// The certificate's mail addresses.
    pub addresses: Vec<String>,
    /// Whether one of them is a sender's.
    pub address_matches: bool,
    status: Status,
    sentence: String,
}

/// Judges `verified` at the time `now`.
///
/// `senders` are the addresses that From and Sender name, or `None` for bare CMS, which has no sender. A
/// mail that names none matches no signer: whoever has cut the header off must compare for himself.
pub fn judge(
    verified: &Verified,
    senders: Option<&[String]>,
    validator: &dyn PathValidator,
    now: SystemTime,
) -> Verdict {
    let judge = |signer| judge_signer(signer, &verified.certificates, senders, validator, now);
    let signers: Vec<SignerVerdict> = verified.signers.iter().map(judge).collect();
    let worst = signers.iter().max_by_key(|signer| severity(signer.status));
    let Some(worst) = worst else {
        return Verdict { status: Status::Unknown, sentence: text::no_signer(), signers };
    };
    // One signer that is the sender is enough: the others may be a list's or a gateway's.
    let sender_signed = senders.is_none() || signers.iter().any(|signer| signer.address_matches);
    let (status, sentence) = match worst.status {
        Status::Valid if !sender_signed => {
            (Status::ValidWithWarnings, text::another_address(&worst.addresses, senders.unwrap_or_default()))
        }
        status => (status, worst.sentence.clone()),
    };
    Verdict { status, sentence, signers }
}

fn severity(status: Status) -> u8 {
    match status {
        Status::Valid => 0,
        Status::ValidWithWarnings => 1,
        Status::Unknown => 2,
        Status::Invalid => 3,
    }
}

fn judge_signer(
    signer: &Signer,
    others: &[Vec<u8>],
    senders: Option<&[String]>,
    validator: &dyn PathValidator,
    now: SystemTime,
) -> SignerVerdict {
    let facts = signer.certificate.as_deref().and_then(|der| Certificate::read(der).ok());
    let trust = signer.certificate.as_deref().map(|der| validator.validate(der, others, now));
    let name = facts.as_ref().map_or("", |facts| facts.display_name());
    let (status, sentence) = match (&signer.outcome, &trust) {
        (Outcome::Good, Some(Trust::Trusted)) if !signer.weaknesses.is_empty() => {
            (Status::ValidWithWarnings, text::weak(name, &signer.weaknesses))
        }
        (Outcome::Good, Some(Trust::Trusted)) => (Status::Valid, text::good(name)),
        (Outcome::Good, Some(Trust::Untrusted { reason, sentence })) => {
            let was = || was_trusted(signer, others, validator, now);
            good_but_untrusted(*reason, sentence, was)
        }
        (outcome, _) => (status_of(outcome), text::not_good(outcome, name)),
    };
    let (trusted, reason) = match trust {
        Some(Trust::Trusted) => (true, String::new()),
        Some(Trust::Untrusted { reason, .. }) => (false, reason.to_string()),
        None => (false, String::new()),
    };
    let addresses = facts.as_ref().map_or(Vec::new(), |facts| facts.addresses.clone());
    let matches = |sender: &String| addresses.iter().any(|own| same_address(own, sender));
    SignerVerdict {
        outcome: word(&signer.outcome),
        trusted,
        reason,
        subject: facts.map_or(String::new(), |facts| facts.subject),
        address_matches: senders.unwrap_or_default().iter().any(matches),
        addresses,
        status,
        sentence,
    }
}

/// Whether the certificate was trusted when the message says it was signed. The signer himself wrote
/// that time, so it is good for a warning only.
fn was_trusted(signer: &Signer, others: &[Vec<u8>], validator: &dyn PathValidator, now: SystemTime) -> bool {
    let (Some(time), Some(certificate)) = (signer.signing_time, &signer.certificate) else { return false };
    time <= now && validator.validate(certificate, others, time) == Trust::Trusted
}

fn good_but_untrusted(reason: Reason, sentence: &str, was_trusted: impl Fn() -> bool) -> (Status, String) {
    match reason {
        Reason::Expired if was_trusted() => (Status::ValidWithWarnings, text::expired_since(sentence)),
        Reason::UnknownIssuer | Reason::UnsupportedAlgorithm | Reason::Expired | Reason::NotYetValid => {
            (Status::Unknown, text::untrusted_signer(sentence))
        }
        _ => (Status::Invalid, text::untrusted_signer(sentence)),
    }
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

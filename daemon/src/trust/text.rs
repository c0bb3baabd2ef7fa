//! The sentences about trust that a person reads.

use std::time::SystemTime;

use der::DateTime;
use wafer_smime::algorithm::Weakness;
use wafer_smime::verify::Outcome;

use super::Reason;
use super::path::Fault;
use super::revocation::{Revocation, Unchecked};
use super::signer::Warning;

/// Why a path does not hold.
pub(super) fn untrusted(fault: &Fault) -> String {
    let who = match fault.certificate.as_str() {
        "" => "the signer".to_owned(),
        name => format!("<{name}>"),
    };
    match fault.reason {
        Reason::Malformed => format!("The certificate of {who} breaks the rules for certificates."),
        Reason::UnknownIssuer => {
            format!("The certificate of {who} was issued by an authority that is not among the trusted ones.")
        }
        Reason::Expired => format!("The certificate of {who} has expired."),
        Reason::NotYetValid => format!("The certificate of {who} is not valid yet."),
        Reason::WrongUsage => format!("The certificate of {who} is not meant for signing mail."),
        Reason::BadSignature => format!("The certificate of {who} was not signed by the authority it names."),
        Reason::UnsupportedAlgorithm => {
            format!("The certificate of {who} was signed in a way that is not safe or not known.")
        }
        Reason::Constraint => format!("The certificate of {who} breaks a rule that its authorities set."),
        Reason::Distrusted => {
            format!("The certificate of {who} is one that you, your administrator, or Mozilla, distrust.")
        }
        Reason::Revoked => format!("The certificate of {who} was revoked."),
        Reason::RevocationUnknown => {
            format!("Whether the certificate of {who} was revoked could not be found out.")
        }
    }
}

/// What is known of revocation; empty if there is nothing to say.
pub(super) fn revocation(known: &Revocation) -> String {
    match known {
        Revocation::Revoked { whose, reason, since, .. } => {
            let why = if *reason == "unspecified" {
                String::new()
            } else {
                format!(" ({})", reason.replace('-', " "))
            };
            format!("The certificate of <{whose}> was revoked on {}{why}.", day(*since))
        }
        Revocation::NotChecked(why) => {
            format!("Whether the certificate was revoked was not checked, because {}.", unchecked(why))
        }
        Revocation::NotAsked | Revocation::Off | Revocation::Good => String::new(),
    }
}

fn unchecked(why: &Unchecked) -> String {
    match why {
        Unchecked::NoAddress => "it names no place to ask".to_owned(),
        Unchecked::Offline => "Wafer is offline and knows nothing new enough".to_owned(),
        Unchecked::Unreachable(host) => format!("{host} cannot be reached or does not answer properly"),
        Unchecked::TooSlow(host) => format!("{host} did not answer in time"),
        Unchecked::NotAllowed(host) => format!("{host} is in a network where Wafer does not ask"),
        Unchecked::BadAnswer(host) => format!("what {host} answered does not say anything about it now"),
    }
}

/// A day, as 2030-12-31 (UTC).
fn day(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_duration(since).map_or_else(
        |_| "an unknown day".to_owned(),
        |date| format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
    )
}

/// A good signature of a trusted signer.
pub(super) fn good(name: &str, warnings: &[Warning], known: &Revocation) -> String {
    let mut sentence = format!("The message was signed by <{name}> and has not been changed.");
    let notes = warnings.iter().filter_map(|warning| match warning {
        Warning::WeakKey => Some("The key is shorter than is safe today."),
        Warning::LongLived => Some("The certificate is valid for longer than authorities may issue it."),
        _ => None,
    });
    for note in notes {
        sentence.push(' ');
        sentence.push_str(note);
    }
    // That a certificate names no place to ask is how its authority wants it: said in the details only.
    if matches!(known, Revocation::NotChecked(why) if *why != Unchecked::NoAddress) {
        sentence.push(' ');
        sentence.push_str(&revocation(known));
    }
    sentence
}

/// A good signature, made in a way that can be forged today.
pub(super) fn weak(name: &str, weaknesses: &[Weakness]) -> String {
    let ways: Vec<String> = weaknesses.iter().map(Weakness::to_string).collect();
    format!(
        "The message has a signature of <{name}>, but one that can be forged today: it uses {}.",
        ways.join(" and ")
    )
}

/// A good signature, but no signer's address is a sender's.
pub(super) fn another_address(addresses: &[String], senders: &[String]) -> String {
    let list = |addresses: &[String]| match addresses {
        [] => "nobody named".to_owned(),
        _ => addresses.iter().map(|address| format!("<{address}>")).collect::<Vec<_>>().join(", "),
    };
    let (signer, sender) = (list(addresses), list(senders));
    match senders {
        [] => format!("The signature is good, by {signer}, but the message names no sender to compare with."),
        _ => format!("The signature is good, but it was made by {signer}, while the sender is {sender}."),
    }
}

/// A good signature whose certificate has expired, or been given back, since.
pub(super) fn no_longer(reason: &str) -> String {
    format!("The signature is good and was made while the certificate was valid. {reason}")
}

/// A good signature whose signer is not trusted.
pub(super) fn untrusted_signer(reason: &str) -> String {
    format!("The message has not been changed, but who signed it is not certain. {reason}")
}

/// A signature that is not good.
pub(super) fn not_good(outcome: &Outcome, name: &str) -> String {
    match outcome {
        Outcome::DigestMismatch => "The message was changed after it was signed.".to_owned(),
        Outcome::BadSignature if name.is_empty() => "The signature is wrong.".to_owned(),
        Outcome::BadSignature => format!("The signature was not made with the key of <{name}>."),
        Outcome::NoCertificate => {
            "Who signed cannot be found out: the message does not bring the certificate.".to_owned()
        }
        Outcome::UnsupportedAlgorithm(algorithm) => {
            format!("The signature cannot be checked: the algorithm {algorithm} is not supported.")
        }
        Outcome::Malformed(rule) => format!("The signature is malformed: {rule}."),
        _ => "The signature is not good.".to_owned(),
    }
}

/// A message without a signer.
pub(super) fn no_signer() -> String {
    "The message has no signature.".to_owned()
}

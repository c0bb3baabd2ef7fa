//! The sentences about trust that a person reads.

use wafer_smime::algorithm::Weakness;
use wafer_smime::verify::Outcome;

use super::Reason;
use super::path::Fault;

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
    }
}

/// A good signature of a trusted signer who is a sender.
pub(super) fn good(name: &str) -> String {
    format!("The message was signed by <{name}> and has not been changed.")
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

/// A good signature whose certificate has expired since.
pub(super) fn expired_since(reason: &str) -> String {
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

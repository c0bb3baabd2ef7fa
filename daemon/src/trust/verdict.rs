//! The verdict on a signed message: the mathematics, the path and the sender's address, as one word
//! and one sentence.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use wafer_smime::verify::Verified;

use super::signer::{Circumstances, SignerVerdict, judge_signer};
use super::{Evidence, PathValidator, text};

/// Longest time that the verdict on a message waits for the network, for all its signers together.
pub const WAIT: Duration = Duration::from_secs(2);

/// The word for a whole message; [`fmt::Display`] writes it as the D-Bus contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `valid`: every signature is good, every signer trusted, and the sender is a signer.
    Valid,
    /// `valid-with-warnings`: every signature is good and every signer is or was trusted, but a person
    /// should look: the sender's address is no signer's, a certificate has expired or been given back since,
    /// or an algorithm is weak.
    ValidWithWarnings,
    /// `invalid`: the message was altered, or a signature or certificate is wrong.
    Invalid,
    /// `unknown`: it cannot be said who signed (no certificate, unknown authority or algorithm, or revocation
    /// must be known by the settings and is not).
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

/// Judges `verified` at the time `now`.
///
/// `senders` are the addresses that From and Sender name, or `None` for bare CMS, which has no sender. A
/// mail that names none matches no signer: whoever has cut the header off must compare for himself.
///
/// May wait for the network, but no longer than [`WAIT`].
pub fn judge(
    verified: &Verified,
    senders: Option<&[String]>,
    validator: &dyn PathValidator,
    now: SystemTime,
) -> Verdict {
    judge_until(verified, senders, validator, now, Instant::now() + WAIT)
}

/// As [`judge`], waiting no longer than until `deadline`: for a message of several signed layers.
pub fn judge_until(
    verified: &Verified,
    senders: Option<&[String]>,
    validator: &dyn PathValidator,
    now: SystemTime,
    deadline: Instant,
) -> Verdict {
    let circumstances = Circumstances {
        others: &verified.certificates,
        senders,
        validator,
        now,
        evidence: Evidence {
            crls: &verified.revocation.crls,
            responses: &verified.revocation.ocsp_responses,
            deadline: Some(deadline),
        },
    };
    let signers: Vec<SignerVerdict> =
        verified.signers.iter().map(|signer| judge_signer(signer, &circumstances)).collect();
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

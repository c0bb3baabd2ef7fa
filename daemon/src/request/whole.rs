//! The word and the sentence on a message as a whole: what the engine saw, joined with who the signers are.

use std::time::{Duration, SystemTime};

use wafer_smime::read::{Concern, Layer, Protection, Report};

use crate::text;
use crate::trust::certificate::same_address;
use crate::trust::{Status, Verdict};

/// By how much a signer's clock may be ahead.
const CLOCKS: Duration = Duration::from_secs(24 * 60 * 60);

/// What lowers a good verdict.
const WARNINGS: [Concern; 5] = [
    Concern::NestedSignatures,
    Concern::WeakAlgorithm,
    Concern::DateMismatch,
    Concern::FromMismatch,
    Concern::SubjectMismatch,
];

/// The signer is the Sender, and From names another.
pub const SIGNED_BY_SENDER: &str = "signed-by-sender";
/// The signer says to have signed in the future.
pub const FUTURE: &str = "signing-time-in-future";

/// What is said of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// How the innermost entity is protected as a whole.
    pub protection: Protection,
    /// The word on its signature; `None` if no signature is over it.
    pub status: Option<Status>,
    /// Everything to know before this is believed, in the words of the contract.
    pub reasons: Vec<String>,
    /// The same for a person.
    pub sentence: String,
}

/// Judges a message by the engine's `report` and the `verdicts` on its layers, at the time `now`. `from` are the
/// addresses that a person is shown as its sender.
pub fn judge(report: &Report, verdicts: &[Option<Verdict>], from: &[String], now: SystemTime) -> Whole {
    let mut reasons: Vec<String> = report.concerns.iter().map(Concern::to_string).collect();
    let counting: Vec<Option<&Verdict>> =
        report.signatures.iter().map(|at| verdicts.get(*at).and_then(Option::as_ref)).collect();
    let by_sender = |verdict: &&Verdict| is_by_sender_only(verdict, from);
    if counting.iter().flatten().any(by_sender) {
        reasons.push(SIGNED_BY_SENDER.to_owned());
    }
    if report.signatures.iter().any(|at| is_from_the_future(&report.layers[*at], now)) {
        reasons.push(FUTURE.to_owned());
    }
    let worst =
        counting.iter().max_by_key(|verdict| verdict.map_or(u8::MAX, |verdict| severity(verdict.status)));
    let (status, signature) = match worst {
        None => (None, text::UNSIGNED.to_owned()),
        Some(None) => (Some(Status::Invalid), text::SIGNATURE_UNREADABLE.to_owned()),
        Some(Some(verdict)) => (Some(lowered(verdict.status, report, &reasons)), verdict.sentence.clone()),
    };
    let sentence = text::whole(&signature, report, &reasons);
    Whole { protection: report.protection, status, reasons, sentence }
}

/// The verdict on a signature, if there is more to say against it than about its signers.
fn lowered(status: Status, report: &Report, reasons: &[String]) -> Status {
    let told = |concern: Concern| report.concerns.contains(&concern);
    match status {
        // Good signatures, but what they are over is not what every program shows.
        Status::Valid | Status::ValidWithWarnings if !report.protection.is_signed() => Status::Unknown,
        Status::Valid if WARNINGS.into_iter().any(told) || reasons.len() > report.concerns.len() => {
            Status::ValidWithWarnings
        }
        status => status,
    }
}

fn severity(status: Status) -> u8 {
    match status {
        Status::Valid => 0,
        Status::ValidWithWarnings => 1,
        Status::Unknown => 2,
        Status::Invalid => 3,
    }
}

/// Whether a signer is one of the senders, but none of those that a person is shown.
fn is_by_sender_only(verdict: &Verdict, from: &[String]) -> bool {
    let mut matching = verdict.signers.iter().filter(|signer| signer.address_matches).peekable();
    let is_shown = |address: &String| from.iter().any(|shown| same_address(shown, address));
    matching.peek().is_some() && !matching.any(|signer| signer.addresses.iter().any(is_shown))
}

fn is_from_the_future(layer: &Layer, now: SystemTime) -> bool {
    let Layer::Signed(layer) = layer else { return false };
    let mut signers = layer.verified.iter().flat_map(|verified| &verified.signers);
    signers.any(|signer| signer.signing_time.is_some_and(|time| time > now + CLOCKS))
}

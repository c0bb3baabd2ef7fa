//! Exit codes by kind of failure: the one table. `wafer --help` names the most important ones.

use wafer_client::{ErrorKind, Status};

/// What clap answers to a command line it does not understand.
pub const USAGE: u8 = 2;
/// Verify: the message was altered, or a signature or certificate is wrong.
pub const VERIFY_INVALID: u8 = 30;
/// Verify: it cannot be said who signed.
pub const VERIFY_UNKNOWN: u8 = 31;
/// Verify: the signature is good, but a person should look (another sender, an expired certificate).
pub const VERIFY_WARNINGS: u8 = 32;

/// The code of every kind of failure.
const CODES: &[(ErrorKind, u8)] = &[
    (ErrorKind::Failed, 1),
    (ErrorKind::InvalidArgument, USAGE),
    (ErrorKind::UnknownOption, USAGE),
    (ErrorKind::InputFailed, 3),
    (ErrorKind::OutputFailed, 4),
    (ErrorKind::InvalidMessage, 5),
    (ErrorKind::UnsupportedAlgorithm, 6),
    (ErrorKind::DecryptionFailed, 7),
    (ErrorKind::NoIdentity, 8),
    (ErrorKind::NoRecipientCertificate, 9),
    (ErrorKind::NoToken, 10),
    (ErrorKind::WrongToken, 11),
    (ErrorKind::CardBusy, 12),
    (ErrorKind::PinIncorrect, 13),
    (ErrorKind::PinBlocked, 14),
    (ErrorKind::TokenFailed, 15),
    (ErrorKind::InteractionRequired, 16),
    (ErrorKind::NoPrompter, 17),
    (ErrorKind::AccessDenied, 18),
    (ErrorKind::LimitsExceeded, 19),
    (ErrorKind::TimedOut, 20),
    (ErrorKind::BadSettings, 21),
    // As a shell reports a program that was interrupted.
    (ErrorKind::Cancelled, 130),
];

/// The exit code of a failure.
pub fn code(kind: ErrorKind) -> u8 {
    CODES.iter().find(|(known, _)| *known == kind).map_or(1, |(_, code)| *code)
}

/// The exit code of a verdict.
pub fn verdict(status: Status) -> u8 {
    match status {
        Status::Valid => 0,
        Status::ValidWithWarnings => VERIFY_WARNINGS,
        Status::Invalid => VERIFY_INVALID,
        Status::Unknown => VERIFY_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        for kind in ErrorKind::all() {
            assert!(CODES.iter().any(|(known, _)| *known == kind), "{kind:?} has no exit code");
            assert_ne!(code(kind), 0, "{kind:?} would look like success");
        }
        let own = |(kind, _): &&(ErrorKind, u8)| *kind != ErrorKind::UnknownOption;
        let distinct: HashSet<u8> = CODES.iter().filter(own).map(|(_, code)| *code).collect();
        assert_eq!(distinct.len(), CODES.len() - 1);
    }

    #[test]
    fn only_a_valid_signature_is_success() {
        let others = [Status::ValidWithWarnings, Status::Invalid, Status::Unknown];
        assert_eq!(verdict(Status::Valid), 0);
        let codes: HashSet<u8> = others.into_iter().map(verdict).collect();
        assert_eq!(codes.len(), 3);
        assert!(ErrorKind::all().all(|kind| !codes.contains(&code(kind))), "a verdict is no failure");
    }
}

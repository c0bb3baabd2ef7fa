//! Deciding by hand about certificates: trusting and distrusting them, and revoking that.

use std::io;

use wafer_client::WaferError;

use super::{Call, Rooms};
use crate::policy;
use crate::text;
use crate::trust::decisions::{Choice, Decision, standing};

/// Every decision ever made, oldest first, and whether it still holds.
///
/// # Errors
/// The file of decisions cannot be read.
pub fn list(rooms: &Rooms) -> Result<Vec<(Decision, bool)>, WaferError> {
    let all = decisions(rooms)?.all().map_err(|error| failed(&error))?;
    let holding = standing(&all);
    let holds = |decision: &Decision| holding.iter().any(|held| std::ptr::eq(*held, decision));
    Ok(all.iter().map(|decision| (decision.clone(), holds(decision))).collect())
}

/// Trusts or distrusts `certificate` (DER).
///
/// # Errors
/// AccessDenied; InvalidArgument if it is no certificate; Failed if the decision cannot be kept.
pub fn decide(
    rooms: &Rooms,
    call: &Call,
    choice: Choice,
    certificate: &[u8],
) -> Result<Decision, WaferError> {
    let may = policy::change_trust(call.subject, rustix::process::geteuid().as_raw());
    may.map_err(|_| text::access_denied())?;
    decisions(rooms)?.decide(choice, certificate, &call.requester.program).map_err(|error| {
        match error.kind() {
            io::ErrorKind::InvalidData => text::invalid_argument("certificate", &error.to_string()),
            _ => failed(&error),
        }
    })
}

/// Revokes what was decided about the certificate whose fingerprint begins with `begin` (hex).
///
/// # Errors
/// AccessDenied; InvalidArgument if nothing holds about such a one, or there are several; Failed.
pub fn revoke(rooms: &Rooms, call: &Call, begin: &str) -> Result<Decision, WaferError> {
    let may = policy::change_trust(call.subject, rustix::process::geteuid().as_raw());
    may.map_err(|_| text::access_denied())?;
    let revoked = decisions(rooms)?.revoke(begin, &call.requester.program).map_err(|error| failed(&error))?;
    revoked.ok_or_else(|| text::invalid_argument("fingerprint", text::NO_SUCH_DECISION))
}

fn decisions(rooms: &Rooms) -> Result<&crate::trust::Decisions, WaferError> {
    rooms.decisions.as_deref().ok_or_else(|| text::internal("the decisions about trust cannot be read"))
}

fn failed(error: &io::Error) -> WaferError {
    text::internal(&format!("the decisions about trust: {error}"))
}

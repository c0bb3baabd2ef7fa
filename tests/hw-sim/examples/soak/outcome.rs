//! How a call ended, and whether it may end so.

use std::time::{Duration, Instant};

use wafer_client::{ErrorKind, WaferError};

use crate::ground::Ground;

/// Every call says that it waits no longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(12);
/// waferd itself may be stopped meanwhile, or be started by the bus.
const GRACE: Duration = Duration::from_secs(6);
/// Who has no answer by then never gets one.
const NEVER: Duration = Duration::from_secs(60);

/// What is no fault of anybody's while cards and processes come and go.
const EXPECTED: [ErrorKind; 11] = [
    ErrorKind::Cancelled,
    ErrorKind::TimedOut,
    ErrorKind::InteractionRequired,
    ErrorKind::NoPrompter,
    ErrorKind::NoToken,
    ErrorKind::WrongToken,
    ErrorKind::CardBusy,
    ErrorKind::PinIncorrect,
    ErrorKind::NoIdentity,
    // One name for all that goes wrong with a decryption, a card that fails in the middle of it too.
    ErrorKind::DecryptionFailed,
    ErrorKind::TokenFailed,
];

/// How a call ended.
pub(crate) enum Outcome<T> {
    /// With a result.
    Done(T),
    /// With an error of Wafer's: nothing may have been handed out.
    Refused,
    /// waferd died under it.
    Died,
}

/// Waits for a call, and looks at its time and its error.
pub(crate) async fn of<T>(
    ground: &Ground,
    what: &'static str,
    call: impl Future<Output = Result<T, WaferError>>,
) -> Outcome<T> {
    let (begun, accounts) = (Instant::now(), &ground.accounts);
    let answer = tokio::time::timeout(NEVER, call).await;
    let took = begun.elapsed();
    accounts.check(took < DEADLINE + GRACE, || format!("{what}: no answer within {took:?}"));
    match answer {
        Ok(Ok(done)) => {
            accounts.count(what, "done");
            Outcome::Done(done)
        }
        Ok(Err(error)) if died(&error) => {
            accounts.count(what, "waferd died");
            Outcome::Died
        }
        Ok(Err(error)) => {
            accounts.count(what, error.kind.name());
            let is_expected = EXPECTED.contains(&error.kind);
            accounts.check(is_expected, || format!("{what}: {}: {error}", error.kind.name()));
            Outcome::Refused
        }
        Err(_) => {
            accounts.count(what, "never answered");
            Outcome::Died
        }
    }
}

/// The bus itself says that nobody is left who would answer.
fn died(error: &WaferError) -> bool {
    let bus = ["NoReply", "ServiceUnknown", "Spawn.", "TimedOut", "NameHasNoOwner"];
    error.kind == ErrorKind::Failed
        && bus.iter().any(|name| error.message.contains(&format!("org.freedesktop.DBus.Error.{name}")))
}

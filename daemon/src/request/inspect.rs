//! Looking at a message's outermost layer: no private key, no dialog.

use std::sync::Arc;

use wafer_client::WaferError;
use wafer_smime::Error;
use wafer_smime::inspect::{Inspection, inspect as look};

use super::{Call, Rooms, Supply};

/// What was seen.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// What the engine saw.
    pub seen: Inspection,
    /// Ids of the identities that open it.
    pub identities: Vec<String>,
    /// Whether the token of one of these is present.
    pub present: bool,
}

/// Looks at the beginning of `supply`.
///
/// # Errors
/// Those of `Mail.Inspect`.
pub async fn inspect(
    rooms: &Rooms,
    call: &Arc<Call>,
    mut supply: Box<dyn Supply>,
) -> Result<Inspected, WaferError> {
    let seen = call.engine(move || look(&mut *supply.open().map_err(Error::Input)?)).await?;
    let opens = |known: &&Arc<crate::identity::Identity>| {
        seen.recipients.iter().any(|recipient| recipient.matches(&known.certificate.der))
    };
    let known = rooms.keepers.known_identities();
    let opening: Vec<_> = known.iter().filter(opens).collect();
    let present = opening.iter().any(|known| rooms.keepers.is_present(&known.token));
    let identities = opening.iter().map(|known| known.id.clone()).collect();
    Ok(Inspected { seen, identities, present })
}

//! Key files (PKCS#12): imported and removed. Their passwords are the keeper's business.

use std::io::Write;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use wafer_client::WaferError;
use wafer_client::keeper::{Operation, Question};

use super::{Call, Rooms, Supply, consent, whole_of};
use crate::keepers::Token;
use crate::{policy, text};

/// A key file is not larger, in bytes.
const FILE_MAX: usize = 1024 * 1024;

/// Keeps the file in `supply`, called `name`, as a token; gives the token's id.
///
/// # Errors
/// Those of `Service.ImportFile`.
pub async fn import(
    rooms: &Rooms,
    call: &Arc<Call>,
    name: &str,
    supply: Box<dyn Supply>,
) -> Result<String, WaferError> {
    let admission = call.admit(Operation::ImportFile)?;
    if rooms.live.get().flag("identities.smart-card-only") {
        return Err(text::cards_only());
    }
    let bytes = whole_of(call, supply, FILE_MAX).await?.ok_or_else(text::no_key_file)?;
    call.seat.give_back();
    let file = in_memory(&bytes).map_err(|error| text::internal(&error.to_string()))?;
    // The keeper's dialog names the program and asks for the password: that is the person's consent.
    let grant = policy::grant(&admission, policy::Allowed::to_log_in(), "", 1);
    rooms.keepers.import(&grant, name, file, call).await
}

/// Removes `token`: a file, or the memory of a card that is absent.
///
/// # Errors
/// The person does not allow it; those of the keepers.
pub async fn remove(rooms: &Rooms, call: &Call, token: &Token) -> Result<(), WaferError> {
    consent::change(rooms, call, Question::Removal, token.info.label.clone()).await?;
    rooms.keepers.remove(&token.info.id).await
}

/// A file that nobody else can change, for the keeper to read.
fn in_memory(bytes: &[u8]) -> std::io::Result<std::os::fd::OwnedFd> {
    let file = memfd_create("wafer-import", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)?;
    std::io::Seek::rewind(&mut file)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

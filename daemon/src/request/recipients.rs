//! Recipients' certificates: checked before sending, imported, removed, accepted.

use std::sync::Arc;
use std::time::SystemTime;

use wafer_client::WaferError;
use wafer_client::keeper::Question;
use wafer_smime::algorithm::ContentCipher;

use super::{Call, Rooms, Supply, consent, standing, whole_of};
use crate::directory::import::{IMPORT_MAX, certificates_of};
use crate::directory::{Checked, Entry, Imported};
use crate::text;
use crate::trust::Certificate;

/// What is known of each of `addresses`, and whether it still stands; `again` asks directories and reads files afresh.
///
/// # Errors
/// The call was ended.
pub async fn check(
    rooms: &Rooms,
    call: &Arc<Call>,
    addresses: &[String],
    again: bool,
) -> Result<Vec<Checked>, WaferError> {
    let mut checked = tokio::select! {
        biased;
        reason = call.cancel.ended() => return Err(reason.error()),
        checked = rooms.directory.find(addresses, again, SystemTime::now()) => checked,
    };
    standing::apply(rooms, call, &mut checked).await?;
    Ok(checked)
}

/// The content cipher for the owners of all `certificates` (DER): of those that the settings allow the first that each
/// is known to understand, else the last that they allow. Of whom nothing is known is taken to understand all of them.
pub fn cipher_for(rooms: &Rooms, certificates: &[Vec<u8>]) -> ContentCipher {
    let recipients = rooms.directory.known(certificates, SystemTime::now());
    let allowed: Vec<ContentCipher> =
        rooms.live.get().list("encrypt.ciphers").iter().filter_map(|name| cipher_called(name)).collect();
    let understood =
        |cipher: &&ContentCipher| recipients.iter().all(|recipient| recipient.understands(**cipher));
    allowed.iter().find(understood).or(allowed.last()).copied().unwrap_or(ContentCipher::Aes256Gcm)
}

fn cipher_called(name: &str) -> Option<ContentCipher> {
    ContentCipher::WRITTEN.into_iter().find(|cipher| cipher.name() == name)
}

/// Keeps the certificates in `supply`, whatever form they have.
///
/// # Errors
/// There is none, too many bytes came, or they could not be kept.
pub async fn import(
    rooms: &Rooms,
    call: &Arc<Call>,
    supply: Box<dyn Supply>,
) -> Result<Vec<Imported>, WaferError> {
    let bytes = whole_of(call, supply, IMPORT_MAX).await?;
    let certificates = bytes.map_or(Vec::new(), |bytes| certificates_of(&bytes));
    if certificates.is_empty() {
        return Err(text::invalid_message(text::NO_CERTIFICATE_INSIDE));
    }
    let names = certificates.iter().filter_map(|der| Certificate::read(der).ok());
    let names: Vec<String> = names.map(|certificate| certificate.display_name().to_owned()).collect();
    consent::change(rooms, call, Question::Recipient, names.join(", ")).await?;
    let directory = rooms.directory.clone();
    let imported = call.engine(move || Ok(directory.import(&certificates, SystemTime::now()))).await?;
    imported.map_err(|error| text::not_kept(&error))
}

/// Every certificate that is kept, in the order of their first address.
///
/// # Errors
/// The store cannot be read.
pub fn list(rooms: &Rooms) -> Result<Vec<Entry>, WaferError> {
    let mut all = rooms.directory.list(SystemTime::now()).map_err(|error| text::not_kept(&error))?;
    all.sort_by(|left, right| (&left.addresses, left.not_before).cmp(&(&right.addresses, right.not_before)));
    Ok(all)
}

/// Accepts the certificate with this fingerprint for its addresses.
///
/// # Errors
/// The person does not allow it; it is not there, or could not be kept.
pub async fn accept(rooms: &Rooms, call: &Call, fingerprint: &str) -> Result<(), WaferError> {
    allowed(rooms, call, fingerprint).await?;
    settle(rooms.directory.accept(fingerprint, SystemTime::now()))
}

/// Removes the certificate with this fingerprint from the store.
///
/// # Errors
/// The person does not allow it; it is not there, or the store could not be written.
pub async fn remove(rooms: &Rooms, call: &Call, fingerprint: &str) -> Result<(), WaferError> {
    allowed(rooms, call, fingerprint).await?;
    settle(rooms.directory.remove(fingerprint, SystemTime::now()))
}

/// Asks the person about the certificate with this fingerprint.
async fn allowed(rooms: &Rooms, call: &Call, fingerprint: &str) -> Result<(), WaferError> {
    let known = list(rooms)?.into_iter().find(|entry| entry.fingerprint == fingerprint);
    let Some(entry) = known else { return settle(Ok(None)) };
    consent::change(rooms, call, Question::Recipient, entry.addresses.join(", ")).await
}

fn settle(done: std::io::Result<Option<Entry>>) -> Result<(), WaferError> {
    match done {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(text::invalid_argument("fingerprint", text::NO_SUCH_CERTIFICATE)),
        Err(error) => Err(text::not_kept(&error)),
    }
}

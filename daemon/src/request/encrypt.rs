//! Encrypting a message to recipients.

use std::collections::HashSet;
use std::sync::Arc;

use wafer_client::WaferError;
use wafer_smime::algorithm::{Container, ContentCipher};
use wafer_smime::encrypt::{Options, Style, encrypt as seal};

use super::{Call, Rooms, Sink, Supply, deliver, oneself, recipients, sign, standing};
use crate::directory::Checked;
use crate::text;

/// To whom and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// How.
    pub manner: Manner,
    /// Addresses, to be looked up.
    pub recipients: Vec<String>,
    /// Certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Whether the sender can read it, too.
    pub to_self: bool,
    /// The sender's address, instead of those that the message names.
    pub from: Option<String>,
}

/// How something is encrypted.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Mail or bare CMS.
    pub container: Container,
    /// Content cipher, if chosen; else the best that all recipients are known to understand.
    pub cipher: Option<ContentCipher>,
    /// How RSA keys get the content key, how certificates are named, and whether header fields go within.
    pub style: Style,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// Content cipher.
    pub cipher: ContentCipher,
    /// To how many certificates.
    pub recipients: usize,
}

/// Encrypts `supply` into `sink`.
///
/// # Errors
/// Those of `Mail.Encrypt`; then nothing usable has been written.
pub async fn encrypt(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: Order,
    supply: Box<dyn Supply>,
    sink: Box<dyn Sink>,
) -> Result<Encrypted, WaferError> {
    if order.recipients.is_empty() && order.certificates.is_empty() {
        return Err(text::no_recipient());
    }
    standing::of_handed_in(rooms, call, &order.certificates).await?;
    let mut certificates = order.certificates;
    if !order.recipients.is_empty() {
        certificates.extend(look_up(rooms, call, &order.recipients).await?);
    }
    let mut supply = supply;
    if order.to_self {
        let from = match order.manner.container {
            Container::Mail => sign::senders_of(call, order.from.as_deref(), supply).await,
            // A bare object names no sender.
            Container::Cms(_) => Ok((order.from.into_iter().collect(), supply)),
        };
        let (from, back) = from?;
        certificates.extend(oneself::certificate(rooms, &from));
        supply = back;
    }
    to_each(rooms, call, certificates, order.manner, supply, sink).await
}

/// Encrypts `supply` into `sink` to `certificates` (DER), which stand and are for encrypting; each once.
///
/// # Errors
/// As [`encrypt`].
pub async fn to_each(
    rooms: &Rooms,
    call: &Arc<Call>,
    mut certificates: Vec<Vec<u8>>,
    manner: Manner,
    mut supply: Box<dyn Supply>,
    mut sink: Box<dyn Sink>,
) -> Result<Encrypted, WaferError> {
    let mut seen = HashSet::new();
    certificates.retain(|certificate| seen.insert(certificate.clone()));
    let cipher = manner.cipher.unwrap_or_else(|| recipients::cipher_for(rooms, &certificates));
    let count = certificates.len();
    let options =
        Options { container: manner.container, cipher, recipients: certificates, style: manner.style };
    call.engine(move || {
        deliver(&mut *sink, |out| seal(&mut *supply, &options, out))?;
        supply.finish();
        Ok(())
    })
    .await?;
    Ok(Encrypted { cipher, recipients: count })
}

async fn look_up(rooms: &Rooms, call: &Arc<Call>, addresses: &[String]) -> Result<Vec<Vec<u8>>, WaferError> {
    let checked = recipients::check(rooms, call, addresses, false).await?;
    let all = || checked.iter().flat_map(Checked::each);
    let missing: Vec<_> = all().filter(|one| one.found.is_err()).collect();
    if missing.is_empty() {
        return Ok(all().filter_map(|one| Some(one.found.as_ref().ok()?.certificate.clone())).collect());
    }
    let sentences: Vec<String> = missing.iter().map(|one| one.sentence()).collect();
    Err(text::no_recipient_certificate(missing.iter().map(|one| one.address.clone()).collect(), &sentences))
}

//! Encrypting a message to recipients.

use std::sync::Arc;
use std::time::SystemTime;

use wafer_client::WaferError;
use wafer_smime::algorithm::{Container, ContentCipher};
use wafer_smime::encrypt::{Options, Style, encrypt as seal};

use super::{Call, Rooms, Sink, Supply, deliver};
use crate::directory::Directory;
use crate::text;

/// To whom and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Mail or bare CMS.
    pub container: Container,
    /// Content cipher.
    pub cipher: ContentCipher,
    /// Addresses, to be looked up.
    pub recipients: Vec<String>,
    /// Certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// How RSA keys get the content key, and how certificates are named.
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
    mut supply: Box<dyn Supply>,
    mut sink: Box<dyn Sink>,
) -> Result<Encrypted, WaferError> {
    if order.recipients.is_empty() && order.certificates.is_empty() {
        return Err(text::no_recipient());
    }
    let mut recipients = order.certificates;
    if !order.recipients.is_empty() {
        let directory = rooms.directory.clone();
        recipients.extend(call.engine(move || Ok(look_up(&directory, &order.recipients))).await??);
    }
    let mut seen = std::collections::HashSet::new();
    recipients.retain(|certificate| seen.insert(certificate.clone()));
    let (cipher, count) = (order.cipher, recipients.len());
    let options = Options { container: order.container, cipher, recipients, style: order.style };
    call.engine(move || {
        deliver(&mut *sink, |out| seal(&mut *supply, &options, out))?;
        supply.finish();
        Ok(())
    })
    .await?;
    Ok(Encrypted { cipher, recipients: count })
}

fn look_up(directory: &Directory, addresses: &[String]) -> Result<Vec<Vec<u8>>, WaferError> {
    let mut found = Vec::new();
    let (mut missing, mut sentences) = (Vec::new(), Vec::new());
    for result in directory.lookup(addresses, SystemTime::now()) {
        match result {
            Ok(certificate) => found.push(certificate),
            Err(lacks) => {
                sentences.push(lacks.sentence());
                missing.push(lacks.address);
            }
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(text::no_recipient_certificate(missing, &sentences)) }
}

//! Decrypting a message with a person's key.

use std::sync::Arc;

use wafer_client::WaferError;
use wafer_client::keeper::{KeyTransport, Operation};
use wafer_client::{ErrorKind, keeper};
use wafer_smime::algorithm::Container;
use wafer_smime::decrypt::{Opened, Recipient, Request, Sealed, open};
use zeroize::Zeroizing;

use super::{Call, Rooms, Sink, Supply, consent, deliver};
use crate::identity::Identity;
use crate::keepers::GrantedKey;
use crate::policy::Admission;
use crate::text;

/// What is to be decrypted how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Mail or bare CMS.
    pub container: Container,
    /// Id of the only identity to try, if chosen.
    pub identity: Option<String>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Decrypted {
    /// The identity that opened it.
    pub identity: String,
    /// What is known of the content.
    pub opened: Opened,
}

/// A recipient info that one of the person's keys serves.
struct Match {
    index: usize,
    identity: Arc<Identity>,
}

/// Decrypts `supply` into `sink`.
///
/// # Errors
/// Those of `Mail.Decrypt`; then nothing usable has been written.
pub async fn decrypt(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: Order,
    mut supply: Box<dyn Supply>,
    sink: Box<dyn Sink>,
) -> Result<Decrypted, WaferError> {
    let admission = call.admit(Operation::Decrypt)?;
    let container = order.container;
    let (sealed, supply) = call.engine(move || Ok((open(&mut *supply, container)?, supply))).await?;
    let recipients = sealed.recipients().to_vec();
    let mut work = Work { sealed: Arc::new(sealed), streams: Some((supply, sink)) };
    let (identity, opened) =
        with_keys(rooms, call, &admission, &recipients, order.identity.as_deref(), &mut work).await?;
    Ok(Decrypted { identity: identity.id.clone(), opened })
}

/// What is done with the answer of a private key.
pub(super) trait Attempt: Send {
    /// What comes of it.
    type Opened: Send;

    /// Tries the `secret` of recipient `index`. `DecryptionFailed`: another recipient may be tried.
    fn attempt(
        &mut self,
        call: &Arc<Call>,
        index: usize,
        secret: Zeroizing<Vec<u8>>,
    ) -> impl Future<Output = Result<Self::Opened, WaferError>> + Send;
}

/// Tries the person's keys for these `recipients` one after another until `work` has opened the message.
///
/// # Errors
/// Those of `Mail.Decrypt`.
pub(super) async fn with_keys<A: Attempt>(
    rooms: &Rooms,
    call: &Arc<Call>,
    admission: &Admission,
    recipients: &[Recipient],
    chosen: Option<&str>,
    work: &mut A,
) -> Result<(Arc<Identity>, A::Opened), WaferError> {
    let matches = match matches(rooms, recipients, chosen) {
        Err(error) if error.kind == ErrorKind::NoIdentity => {
            rooms.keepers.look_again(call).await?;
            matches(rooms, recipients, chosen)?
        }
        found => found?,
    };
    let mut failed = None;
    for group in matches.chunk_by(|left, right| left.identity.key == right.identity.key) {
        let identity = &group[0].identity;
        call.seat.give_back();
        let uses = u32::try_from(group.len()).unwrap_or(u32::MAX);
        let key = match open_key(rooms, call, admission, identity, uses).await {
            Ok(key) => key,
            Err(error) if another_may_serve(&error) => {
                failed.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        for recipient in group {
            match try_recipient(call, &key, recipients, recipient.index, work).await {
                Ok(opened) => return Ok((identity.clone(), opened)),
                Err(error) if another_may_serve(&error) => {
                    failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Err(failed.unwrap_or_else(text::decryption_failed))
}

async fn try_recipient<A: Attempt>(
    call: &Arc<Call>,
    key: &GrantedKey,
    recipients: &[Recipient],
    index: usize,
    work: &mut A,
) -> Result<A::Opened, WaferError> {
    let request = recipients[index].request.as_ref();
    let secret = ask(key, request.ok_or_else(text::decryption_failed)?).await?;
    work.attempt(call, index, secret).await
}

/// Opens `identity`'s key, if the person lets the program.
async fn open_key(
    rooms: &Rooms,
    call: &Arc<Call>,
    admission: &Admission,
    identity: &Identity,
    uses: u32,
) -> Result<GrantedKey, WaferError> {
    let grant = consent::granted(rooms, call, admission, identity, uses).await?;
    rooms.keepers.open(grant, call).await
}

/// A failure of one key, after which another key of the same message is worth trying. What a person said
/// (cancelled, wrong PIN) holds for the whole message.
fn another_may_serve(error: &WaferError) -> bool {
    matches!(
        error.kind,
        ErrorKind::DecryptionFailed
            | ErrorKind::NoToken
            | ErrorKind::WrongToken
            | ErrorKind::TokenFailed
            | ErrorKind::UnsupportedAlgorithm
    )
}

/// The recipients that our identities serve, the same key's together. Unlocked tokens first; cards that
/// would have to be inserted last.
fn matches(rooms: &Rooms, recipients: &[Recipient], chosen: Option<&str>) -> Result<Vec<Match>, WaferError> {
    let mut identities = rooms.keepers.known_identities();
    if let Some(chosen) = chosen {
        identities.retain(|known| known.id == chosen);
        if identities.is_empty() {
            return Err(text::identity_unknown());
        }
    }
    identities.sort_by_key(|known| {
        let token = &known.token;
        (!rooms.keepers.is_present(token), !rooms.keepers.is_unlocked(token), known.key.clone())
    });
    let (mut found, mut unsupported) = (Vec::new(), None);
    for identity in identities {
        for (index, recipient) in recipients.iter().enumerate() {
            if !recipient.id.matches(&identity.certificate.der) {
                continue;
            }
            match recipient.request {
                Some(_) => found.push(Match { index, identity: identity.clone() }),
                None => unsupported = Some(text::unsupported_algorithm(&recipient.algorithm)),
            }
        }
    }
    if found.is_empty() {
        return Err(unsupported.unwrap_or_else(|| text::not_for_us(recipients.len())));
    }
    Ok(found)
}

/// The message and where it goes. The sink is given up only with a success or an error that ends the call.
struct Work {
    sealed: Arc<Sealed>,
    streams: Option<(Box<dyn Supply>, Box<dyn Sink>)>,
}

impl Attempt for Work {
    type Opened = Opened;

    async fn attempt(
        &mut self,
        call: &Arc<Call>,
        index: usize,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<Opened, WaferError> {
        let Some((mut supply, mut sink)) = self.streams.take() else { return Err(text::decryption_failed()) };
        let sealed = self.sealed.clone();
        let (opened, streams) = call
            .engine(move || {
                match deliver(&mut *sink, |out| sealed.decrypt(index, secret, &mut *supply, out)) {
                    Ok(opened) => {
                        supply.finish();
                        Ok((Ok(opened), None))
                    }
                    // Nothing was written, so the next recipient may write.
                    Err(wafer_smime::Error::Decryption) => {
                        Ok((Err(text::decryption_failed()), Some((supply, sink))))
                    }
                    Err(error) => Err(error),
                }
            })
            .await?;
        self.streams = streams;
        opened
    }
}

/// Has the private key do its part.
async fn ask(key: &GrantedKey, request: &Request) -> Result<Zeroizing<Vec<u8>>, WaferError> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| text::decryption_failed());
    match request {
        Request::RsaPkcs1 { encrypted_key, key_length } => {
            let transport = KeyTransport {
                oaep: false,
                hash: keeper::Digest::Sha1,
                mgf_hash: keeper::Digest::Sha1,
                label: Vec::new(),
                key_length: length(*key_length)?,
            };
            key.unwrap_key(&transport, encrypted_key).await
        }
        Request::RsaOaep { encrypted_key, hash, mgf_hash, label, key_length } => {
            let transport = KeyTransport {
                oaep: true,
                hash: super::digest_on_the_link(*hash)?,
                mgf_hash: super::digest_on_the_link(*mgf_hash)?,
                label: label.clone(),
                key_length: length(*key_length)?,
            };
            key.unwrap_key(&transport, encrypted_key).await
        }
        Request::Ecdh { peer_point } => key.derive(peer_point).await,
    }
}

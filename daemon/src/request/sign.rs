//! Signing a message with a person's key.

use std::sync::Arc;
use std::time::SystemTime;

use wafer_client::keeper::{Digest, KeyKind, Operation, SignScheme};
use wafer_client::{ErrorKind, WaferError};
use wafer_smime::algorithm::{Container, DigestAlgorithm, SignatureScheme};
use wafer_smime::sign::{Form, Options, Request, Style, prepare, senders};

use super::{Call, Rooms, Sink, Supply, deliver};
use crate::identity::Identity;
use crate::keepers::Keepers;
use crate::policy;
use crate::text;

/// What is to be signed how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Mail or bare CMS.
    pub container: Container,
    /// Clear or opaque.
    pub form: Form,
    /// Digest.
    pub digest: DigestAlgorithm,
    /// Id of the identity, if chosen.
    pub identity: Option<String>,
    /// The signer's address, if chosen.
    pub from: Option<String>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Signed {
    /// With which identity.
    pub identity: String,
    /// Digest.
    pub digest: DigestAlgorithm,
    /// Scheme.
    pub scheme: SignatureScheme,
}

/// Signs `supply` into `sink`.
///
/// # Errors
/// Those of `Mail.Sign`; then nothing usable has been written.
pub async fn sign(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: Order,
    mut supply: Box<dyn Supply>,
    mut sink: Box<dyn Sink>,
) -> Result<Signed, WaferError> {
    let admission = call.admit(Operation::Sign)?;
    let senders;
    (senders, supply) = senders_of(call, &order, supply).await?;
    let identity = match choose(&rooms.keepers, &order, &senders) {
        Err(error) if error.kind == ErrorKind::NoIdentity => {
            rooms.keepers.look_again(call).await?;
            choose(&rooms.keepers, &order, &senders)?
        }
        chosen => chosen?,
    };
    let options = options(rooms, &identity, &order);
    let scheme = options.scheme;
    let (prepared, mut supply) = call
        .engine(move || Ok((prepare(&mut *supply, &options)?, supply)))
        .await
        .map_err(|error| own_certificate(error, &identity))?;
    call.seat.give_back();
    let grant = policy::grant(&admission, &identity.key, 1);
    let key = rooms.keepers.open(grant, call).await?;
    let (asked, algorithm, digest) = on_the_link(prepared.request())?;
    let signature = key.sign(asked, algorithm, digest).await?;
    call.engine(move || {
        deliver(&mut *sink, |out| prepared.write(&signature, &mut *supply, out))?;
        supply.finish();
        Ok(())
    })
    .await?;
    Ok(Signed { identity: identity.id.clone(), digest: order.digest, scheme })
}

/// The addresses that may sign: the one that `order` chose, else those of the mail itself.
async fn senders_of(
    call: &Arc<Call>,
    order: &Order,
    mut supply: Box<dyn Supply>,
) -> Result<(Vec<String>, Box<dyn Supply>), WaferError> {
    match &order.from {
        Some(from) => Ok((vec![from.clone()], supply)),
        None if order.identity.is_none() && order.container == Container::Mail => {
            call.engine(move || Ok((senders(&mut *supply)?, supply))).await
        }
        None => Ok((Vec::new(), supply)),
    }
}

/// The identity that `order` names, else one of `senders`, else the only one that signs. A card that
/// would have to be inserted is chosen only where none that is there will do.
fn choose(keepers: &Keepers, order: &Order, senders: &[String]) -> Result<Arc<Identity>, WaferError> {
    let identities = keepers.known_identities();
    if let Some(id) = &order.identity {
        return identities.iter().find(|known| known.id == *id).cloned().ok_or_else(text::identity_unknown);
    }
    let now = SystemTime::now();
    let fits = |known: &&Arc<Identity>| {
        let certificate = &known.certificate;
        certificate.usage.sign
            && (senders.is_empty() || senders.iter().any(|sender| certificate.has_address(sender)))
    };
    let mut fitting: Vec<_> = identities.iter().filter(fits).cloned().collect();
    if fitting.iter().any(|known| known.certificate.is_valid_at(now)) {
        fitting.retain(|known| known.certificate.is_valid_at(now));
    }
    if fitting.iter().any(|known| keepers.is_present(&known.token)) {
        fitting.retain(|known| keepers.is_present(&known.token));
    }
    if !senders.is_empty() {
        // Of several with the same address, the newest: the others are about to run out.
        fitting.sort_by_key(|known| std::cmp::Reverse(known.certificate.not_before));
        fitting.truncate(1);
    }
    match (fitting.as_slice(), senders) {
        ([one], _) => Ok(one.clone()),
        ([], [_, ..]) => Err(text::no_identity_for(&senders.join(", "))),
        ([], []) => Err(text::no_signing_identity()),
        (several, _) => {
            let subjects: Vec<_> = several.iter().map(|known| known.certificate.subject.clone()).collect();
            Err(text::which_identity(&subjects))
        }
    }
}

fn options(rooms: &Rooms, identity: &Identity, order: &Order) -> Options {
    Options {
        container: order.container,
        form: order.form,
        digest: order.digest,
        scheme: match identity.kind {
            KeyKind::Rsa => SignatureScheme::RsaPkcs1,
            KeyKind::Ec => SignatureScheme::Ecdsa,
        },
        certificate: identity.certificate.der.clone(),
        chain: rooms.keepers.chain(identity),
        signing_time: SystemTime::now(),
        style: Style::default(),
    }
}

/// The engine's request in the words of the keeper link.
fn on_the_link(request: &Request) -> Result<(SignScheme, Digest, &[u8]), WaferError> {
    let scheme = match request.scheme {
        SignatureScheme::RsaPkcs1 => SignScheme::RsaPkcs1,
        SignatureScheme::RsaPss => SignScheme::RsaPss,
        SignatureScheme::Ecdsa => SignScheme::Ecdsa,
        _ => return Err(text::internal("no such signature scheme")),
    };
    Ok((scheme, super::digest_on_the_link(request.digest_algorithm)?, &request.digest))
}

/// The engine speaks of "a certificate"; here it is the person's own.
fn own_certificate(error: WaferError, identity: &Identity) -> WaferError {
    match error.kind {
        ErrorKind::NoRecipientCertificate => {
            text::own_certificate_unusable(&identity.certificate.subject, &error.message)
        }
        _ => error,
    }
}

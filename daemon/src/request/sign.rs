//! Signing a message with a person's key.

use std::sync::Arc;
use std::time::SystemTime;

use wafer_client::keeper::{Digest, Operation, SignScheme};
use wafer_client::{ErrorKind, WaferError};
use wafer_smime::algorithm::{CertificateIdentifier, Container, DigestAlgorithm, SignatureScheme};
use wafer_smime::headers::HeaderProtection;
use wafer_smime::sign::{Form, Include, Options, Request, Style, digest_for, prepare, scheme_for, senders};

use super::{Call, Rooms, Sink, Supply, consent, deliver, failure, identities};
use crate::identity::Identity;
use crate::identity::choose::{Candidate, Purpose, Reason};
use crate::keepers::Keepers;
use crate::text;

/// What is to be signed how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Mail or bare CMS.
    pub container: Container,
    /// Clear or opaque.
    pub form: Form,
    /// Digest, if chosen; else the one that goes with the key.
    pub digest: Option<DigestAlgorithm>,
    /// Id of the identity, if chosen.
    pub identity: Option<String>,
    /// The signer's address, if chosen.
    pub from: Option<String>,
    /// Scheme, if chosen; else the one that everybody reads.
    pub scheme: Option<SignatureScheme>,
    /// How the signer's certificate is named.
    pub identifier: CertificateIdentifier,
    /// Which certificates go along.
    pub include: Include,
    /// Whether the header fields of mail go within.
    pub headers: HeaderProtection,
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
    let mut senders = Vec::new();
    if order.from.is_some() || order.identity.is_none() && order.container == Container::Mail {
        (senders, supply) = senders_of(call, order.from.as_deref(), supply).await?;
    }
    let identity = match choose(rooms, &order, &senders) {
        Err(error) if error.kind == ErrorKind::NoIdentity => {
            rooms.keepers.look_again(call).await?;
            choose(rooms, &order, &senders)?
        }
        chosen => chosen?,
    };
    let options = options(rooms, &identity, &order)?;
    let (scheme, digest) = (options.scheme, options.digest);
    let (prepared, mut supply) = call
        .engine(move || Ok((prepare(&mut *supply, &options)?, supply)))
        .await
        .map_err(|error| own_certificate(error, &identity))?;
    call.seat.give_back();
    let grant = consent::granted(rooms, call, &admission, &identity, 1).await?;
    let key = rooms.keepers.open(grant, call).await?;
    let (asked, algorithm, bytes) = on_the_link(prepared.request())?;
    let signature = key.sign(asked, algorithm, bytes).await?;
    call.engine(move || {
        deliver(&mut *sink, |out| prepared.write(&signature, &mut *supply, out))?;
        supply.finish();
        Ok(())
    })
    .await?;
    Ok(Signed { identity: identity.id.clone(), digest, scheme })
}

/// The senders' addresses: the one that was chosen, else those of the mail itself.
pub(super) async fn senders_of(
    call: &Arc<Call>,
    chosen: Option<&str>,
    mut supply: Box<dyn Supply>,
) -> Result<(Vec<String>, Box<dyn Supply>), WaferError> {
    match chosen {
        Some(from) => Ok((vec![from.to_owned()], supply)),
        None => call.engine(move || Ok((senders(&mut *supply)?, supply))).await,
    }
}

/// The identity that `order` names, else the best one of `senders`, else the only one that signs.
fn choose(rooms: &Rooms, order: &Order, senders: &[String]) -> Result<Arc<Identity>, WaferError> {
    if let Some(id) = &order.identity {
        if !rooms.live.get().flag("identities.user-may-choose") {
            return Err(text::invalid_argument("identity", text::CHOSEN_AUTOMATICALLY));
        }
        let known = rooms.keepers.known_identities();
        let named = known.iter().find(|known| known.id == *id).ok_or_else(text::identity_unknown)?;
        let wish = identities::candidates(rooms, Purpose::Sign, &[]);
        let barred =
            wish.iter().any(|one| one.identity.id == *id && one.reasons.contains(&Reason::NotHardware));
        return if barred {
            Err(text::invalid_argument("identity", text::CARDS_ONLY))
        } else {
            Ok(named.clone())
        };
    }
    let mut serving = identities::candidates(rooms, Purpose::Sign, senders);
    serving.retain(Candidate::serves);
    let Some(best) = serving.first() else {
        return Err(match senders {
            [] => text::no_signing_identity(),
            senders => text::no_identity_for(&senders.join(", ")),
        });
    };
    // Without a sender, of several that are alike none is better for being newer.
    let alike: Vec<&Candidate> = serving.iter().filter(|one| one.is_like(best)).collect();
    if senders.is_empty() && alike.len() > 1 {
        let subjects: Vec<_> = alike.iter().map(|one| one.identity.certificate.subject.clone()).collect();
        return Err(text::which_identity(&subjects));
    }
    Ok(best.identity.clone())
}

fn options(rooms: &Rooms, identity: &Identity, order: &Order) -> Result<Options, WaferError> {
    let certificate = &identity.certificate.der;
    let fitting =
        scheme_for(certificate).map_err(|error| own_certificate(failure::of_engine(&error), identity))?;
    let scheme = order.scheme.unwrap_or(fitting);
    let mut chain = rooms.keepers.chain(identity);
    let encryption_certificate = answers_go_to(&rooms.keepers, identity);
    chain.extend(encryption_certificate.clone());
    Ok(Options {
        container: order.container,
        form: order.form,
        // Ed25519 goes with SHA-512 only (RFC 8419 section 3.1).
        digest: match order.digest {
            Some(chosen) if scheme != SignatureScheme::Ed25519 => chosen,
            _ => digest_for(certificate),
        },
        scheme,
        certificate: certificate.clone(),
        chain,
        signing_time: SystemTime::now(),
        style: Style {
            identifier: order.identifier,
            include: order.include,
            encryption_certificate,
            headers: order.headers,
        },
    })
}

/// The person's certificate for encryption, if the one that signs is not for it: cards have one key for each. It is
/// on the same token, for one of the same addresses, and of several the newest that is valid.
fn answers_go_to(keepers: &Keepers, signs: &Identity) -> Option<Vec<u8>> {
    let now = SystemTime::now();
    let fits = |known: &&Arc<Identity>| {
        let certificate = &known.certificate;
        known.token == signs.token
            && certificate.usage.encrypt
            && certificate.is_valid_at(now)
            && signs.certificate.addresses.iter().any(|address| certificate.has_address(address))
    };
    let identities = keepers.known_identities();
    let newest = identities.iter().filter(fits).max_by_key(|known| known.certificate.not_before);
    newest.filter(|_| !signs.certificate.usage.encrypt).map(|known| known.certificate.der.clone())
}

/// The engine's request in the words of the keeper link.
fn on_the_link(request: &Request) -> Result<(SignScheme, Digest, &[u8]), WaferError> {
    let scheme = match request.scheme {
        SignatureScheme::RsaPkcs1 => SignScheme::RsaPkcs1,
        SignatureScheme::RsaPss => SignScheme::RsaPss,
        SignatureScheme::Ecdsa => SignScheme::Ecdsa,
        SignatureScheme::Ed25519 => SignScheme::Ed25519,
        _ => return Err(text::internal("no such signature scheme")),
    };
    let bytes = if scheme == SignScheme::Ed25519 { &request.message } else { &request.digest };
    Ok((scheme, super::digest_on_the_link(request.digest_algorithm)?, bytes))
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

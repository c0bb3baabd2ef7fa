//! Whether recipients' certificates still stand: the person has not distrusted them and, where the settings ask for it,
//! their issuers have not taken them back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use wafer_client::WaferError;

use super::{Call, Rooms};
use crate::config::Settings;
use crate::directory::entry::fingerprint;
use crate::directory::{Checked, MissingReason};
use crate::text;
use crate::trust::revocation::{Mode, Revocation};
use crate::trust::verdict::WAIT;
use crate::trust::{Certificate, Evidence, Finding, PathValidator, Purpose, Question, Reason, Trust};

/// Takes out of `checked`, lists' members too, the certificates that do not stand.
///
/// # Errors
/// The call was ended.
pub(super) async fn apply(
    rooms: &Rooms,
    call: &Arc<Call>,
    checked: &mut [Checked],
) -> Result<(), WaferError> {
    let mut all: Vec<&mut Checked> = checked.iter_mut().flat_map(Checked::each_mut).collect();
    let found = all.iter().filter_map(|one| Some(one.found.as_ref().ok()?.certificate.clone()));
    let hindrances = hindrances(rooms, call, found.collect()).await?;
    let found = all.iter_mut().filter(|one| one.found.is_ok());
    for (one, hindrance) in found.zip(hindrances) {
        if let Some(reason) = hindrance {
            one.found = Err(reason);
        }
    }
    Ok(())
}

/// Refuses `certificates` (DER), which a program handed in, if one of them does not stand.
///
/// # Errors
/// NoRecipientCertificate, or the call was ended.
pub(super) async fn of_handed_in(
    rooms: &Rooms,
    call: &Arc<Call>,
    certificates: &[Vec<u8>],
) -> Result<(), WaferError> {
    let hindrances = hindrances(rooms, call, certificates.to_vec()).await?;
    match certificates.iter().zip(hindrances).find_map(|(der, reason)| Some((der, reason?))) {
        None => Ok(()),
        Some((der, reason)) => {
            let subject = Certificate::read(der).map(|certificate| certificate.subject).unwrap_or_default();
            Err(text::certificate_does_not_stand(&subject, reason))
        }
    }
}

/// What speaks against each of `certificates`.
async fn hindrances(
    rooms: &Rooms,
    call: &Arc<Call>,
    certificates: Vec<Vec<u8>>,
) -> Result<Vec<Option<MissingReason>>, WaferError> {
    let distrusted = rooms.decisions.as_ref().map(|decisions| decisions.distrusted()).unwrap_or_default();
    let by_hand = |der: &Vec<u8>| {
        (!distrusted.is_empty() && distrusted.contains(&fingerprint(der)))
            .then_some(MissingReason::Distrusted)
    };
    let settings = rooms.live.get();
    if certificates.is_empty() || !settings.flag("encrypt.check-revocation") {
        return Ok(certificates.iter().map(by_hand).collect());
    }
    let (validator, issuers) = (rooms.validator.clone(), own_issuers(rooms));
    let asked = call.engine(move || {
        // For all recipients together: whoever sends a mail does not wait for each.
        let deadline = Instant::now() + WAIT;
        let ask = |der: &Vec<u8>| withdrawn(&*validator, &settings, der, &issuers, deadline);
        Ok((certificates.iter().map(ask).collect::<Vec<_>>(), certificates))
    });
    let (asked, certificates) = asked.await?;
    Ok(certificates.iter().zip(asked).map(|(der, asked)| by_hand(der).or(asked)).collect())
}

/// The issuers of the person's own certificates: colleagues' certificates mostly have the same.
fn own_issuers(rooms: &Rooms) -> Vec<Vec<u8>> {
    let identities = rooms.keepers.known_identities();
    let chains = identities.iter().flat_map(|identity| rooms.keepers.chain(identity));
    chains.collect::<HashSet<_>>().into_iter().collect()
}

/// Whether an issuer took `certificate` back, or has to say that it did not and does not. That no path leads to a root
/// alone is no hindrance: the person chose to write to its owner.
fn withdrawn(
    validator: &dyn PathValidator,
    settings: &Settings,
    certificate: &[u8],
    others: &[Vec<u8>],
    deadline: Instant,
) -> Option<MissingReason> {
    let revocation = Some(Evidence { deadline: Some(deadline), ..Evidence::default() });
    let question =
        Question { certificate, others, at: SystemTime::now(), purpose: Purpose::EncryptMail, revocation };
    let Finding { trust, revocation, .. } = validator.examine(&question);
    match (trust, revocation) {
        (Trust::Untrusted { reason: Reason::Distrusted, .. }, _) => Some(MissingReason::Distrusted),
        (_, Revocation::Revoked { .. }) => Some(MissingReason::Revoked),
        (_, Revocation::Good) => None,
        _ if settings.revocation.mode == Mode::Hard => Some(MissingReason::RevocationUnknown),
        _ => None,
    }
}

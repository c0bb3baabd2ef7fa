//! Which copies are made, to whom each goes, and to which certificates it is encrypted.

use std::sync::Arc;

use wafer_client::WaferError;

use super::plan::Plan;
use super::{BccMode, Copy, Order, WhenMissing};
use crate::directory::Checked;
use crate::request::{Call, Rooms, oneself, recipients, standing};
use crate::text;

/// A copy to be written, and to whom it is encrypted.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) addresses: Vec<String>,
    pub(super) certificates: Vec<Vec<u8>>,
}

/// The copies, each encrypted to its recipients and to the sender, and who cannot read.
///
/// # Errors
/// Those of `Mail.Protect`.
pub(super) async fn encrypted_copies(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: &Order,
    plan: &Plan,
    from: &[String],
) -> Result<(Vec<Planned>, Vec<String>), WaferError> {
    if order.recipients.is_empty() && order.bcc.is_empty() && order.certificates.is_empty() {
        return Err(text::no_recipient());
    }
    standing::of_handed_in(rooms, call, &order.certificates).await?;
    // All at once: a directory or an issuer that does not answer is waited for only once.
    let addresses = [order.recipients.as_slice(), &order.bcc].concat();
    let all = recipients::check(rooms, call, &addresses, false).await?;
    let (open, blind) = all.split_at(order.recipients.len());
    let each = || all.iter().flat_map(Checked::each);
    let unable: Vec<&Checked> = each().filter(|one| one.found.is_err()).collect();
    let able = each().any(|one| one.found.is_ok()) || !order.certificates.is_empty();
    if !unable.is_empty() && (plan.when_missing == WhenMissing::Refuse || !able) {
        let sentences: Vec<String> = unable.iter().map(|one| one.sentence()).collect();
        let addresses = unable.iter().map(|one| one.address.clone()).collect();
        return Err(text::no_recipient_certificate(addresses, &sentences));
    }
    let planned = |checked: &[&Checked]| Planned::of(checked, plan.when_missing);
    let mut first = planned(&open.iter().collect::<Vec<_>>());
    first.certificates.extend(order.certificates.iter().cloned());
    let blind: Vec<&Checked> = blind.iter().collect();
    let mut copies = match plan.bcc {
        _ if blind.is_empty() => vec![first],
        BccMode::Together => {
            first.join(planned(&blind));
            vec![first]
        }
        BccMode::OneCopy => vec![first, planned(&blind)],
        BccMode::Each => std::iter::once(first).chain(blind.iter().map(|one| planned(&[one]))).collect(),
    };
    // A copy that none of its recipients could read is not made; the first is, for the sender's own folder.
    let mut number = 0;
    copies.retain(|copy| {
        number += 1;
        number == 1 || !copy.certificates.is_empty()
    });
    let own = oneself::certificate(rooms, from);
    for copy in &mut copies {
        copy.certificates.extend(own.clone());
        if copy.certificates.is_empty() {
            return Err(text::no_own_certificate(&from.join(", ")));
        }
    }
    Ok((copies, unable.iter().map(|one| one.address.clone()).collect()))
}

impl Planned {
    /// What was written, if it is not encrypted.
    pub(super) fn plain(self) -> Copy {
        Copy { addresses: self.addresses, recipients: 0, cipher: None }
    }

    fn of(checked: &[&Checked], when_missing: WhenMissing) -> Self {
        let mut planned = Self::default();
        for one in checked {
            let found: Vec<_> = one.each().iter().filter_map(|one| one.found.as_ref().ok()).collect();
            if !found.is_empty() || when_missing == WhenMissing::All {
                planned.addresses.push(one.address.clone());
            }
            planned.certificates.extend(found.iter().map(|recipient| recipient.certificate.clone()));
        }
        planned
    }

    fn join(&mut self, other: Self) {
        self.addresses.extend(other.addresses);
        self.certificates.extend(other.certificates);
    }
}

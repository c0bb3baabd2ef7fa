//! Reading a message: every layer is opened and judged, the innermost entity handed out.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use wafer_client::WaferError;
use wafer_client::keeper::Operation;
use wafer_smime::Error;
use wafer_smime::decrypt::Recipient;
use wafer_smime::error::Result as EngineResult;
use wafer_smime::read::{Layer, Next, Reading, Report};
use zeroize::Zeroizing;

use super::decrypt::{Attempt, with_keys};
use super::verify::harvest;
use super::whole::{self, Whole};
use super::{Call, Rooms, Sink, Supply, deliver};
use crate::text;
use crate::trust::verdict::WAIT;
use crate::trust::{PathValidator, Verdict, judge_until};

/// How a message is to be read.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Id of the only identity to decrypt with, if chosen.
    pub identity: Option<String>,
    /// Further certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// The sender to compare with, instead of the message's own headers.
    pub from: Option<String>,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// What the engine found.
    pub report: Report,
    /// For each layer of the report: what is said of its signers, if it is a signature that can be read.
    pub verdicts: Vec<Option<Verdict>>,
    /// For each layer: id of the identity that opened it, if it is an encryption.
    pub identities: Vec<Option<String>>,
    /// What is said of the whole.
    pub whole: Whole,
}

/// Reads `supply` and writes its innermost entity into `sink`.
///
/// # Errors
/// Those of `Mail.Read`; then nothing usable has been written. A bad signature is none.
pub async fn read(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: Order,
    supply: Box<dyn Supply>,
    mut sink: Box<dyn Sink>,
) -> Result<Read, WaferError> {
    let reading = Reading::new(order.certificates.clone());
    let mut work = Work(Some((reading, supply)));
    let mut openers = Vec::new();
    while work.run(call, |reading, supply| reading.advance(supply)).await? == Next::Sealed {
        // A message without an encrypted layer needs no key, and no leave to use one.
        let admission = call.admit(Operation::Decrypt)?;
        let recipients = work.recipients();
        let chosen = order.identity.as_deref();
        let (identity, ()) = with_keys(rooms, call, &admission, &recipients, chosen, &mut work).await?;
        openers.push(identity.id.clone());
    }
    let (reading, mut supply) = work.0.take().ok_or_else(lost)?;
    let (validator, directory) = (rooms.validator.clone(), rooms.directory.clone());
    call.engine(move || {
        let report = reading.report().cloned().ok_or(Error::Changed)?;
        let now = SystemTime::now();
        let read = judged(report, openers, &order, &*validator, now);
        for (layer, verdict) in read.report.layers.iter().zip(&read.verdicts) {
            if let (Layer::Signed(layer), Some(verdict)) = (layer, verdict)
                && let Ok(verified) = &layer.verified
            {
                harvest(&directory, verified, verdict, &*validator, now);
            }
        }
        deliver(&mut *sink, |out| reading.write(&mut *supply, out))?;
        supply.finish();
        Ok(read)
    })
    .await
}

/// Judges the signers of every layer, and the whole, at the time `now`. `openers` are the ids of the identities that
/// opened the encrypted layers.
pub fn judged(
    report: Report,
    openers: Vec<String>,
    order: &Order,
    validator: &dyn PathValidator,
    now: SystemTime,
) -> Read {
    let senders = match &order.from {
        Some(from) => vec![from.clone()],
        None => [report.from.as_slice(), &report.sender].concat(),
    };
    let deadline = Instant::now() + WAIT;
    let verdict = |layer: &Layer| {
        let Layer::Signed(layer) = layer else { return None };
        let mut checked = layer.verified.clone().ok()?;
        checked.certificates.extend(order.certificates.iter().cloned());
        Some(judge_until(&checked, Some(&senders), validator, now, deadline))
    };
    let verdicts: Vec<Option<Verdict>> = report.layers.iter().map(verdict).collect();
    let mut openers = openers.into_iter();
    let opener = |layer: &Layer| matches!(layer, Layer::Encrypted(_)).then(|| openers.next()).flatten();
    let identities = report.layers.iter().map(opener).collect();
    let from = order.from.as_ref().map_or(report.from.as_slice(), std::slice::from_ref);
    let whole = whole::judge(&report, &verdicts, from, now);
    Read { report, verdicts, identities, whole }
}

/// The message as far as it has been read. Gone only if the engine failed for good.
struct Work(Option<(Reading, Box<dyn Supply>)>);

impl Work {
    /// Lets the engine go on.
    async fn run<T: Send + 'static>(
        &mut self,
        call: &Arc<Call>,
        step: impl FnOnce(&mut Reading, &mut dyn Supply) -> EngineResult<T> + Send + 'static,
    ) -> Result<T, WaferError> {
        let (mut reading, mut supply) = self.0.take().ok_or_else(lost)?;
        let (result, back) = call
            .engine(move || {
                let result = match step(&mut reading, &mut *supply) {
                    // Nothing has come of it, so the next recipient may be tried.
                    Err(Error::Decryption) => Err(text::decryption_failed()),
                    result => Ok(result?),
                };
                Ok((result, (reading, supply)))
            })
            .await?;
        self.0 = Some(back);
        result
    }

    /// The recipients of the layer that waits for a key.
    fn recipients(&self) -> Vec<Recipient> {
        let sealed = self.0.as_ref().and_then(|(reading, _)| reading.sealed());
        sealed.map(|sealed| sealed.recipients().to_vec()).unwrap_or_default()
    }
}

impl Attempt for Work {
    type Opened = ();

    async fn attempt(
        &mut self,
        call: &Arc<Call>,
        index: usize,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<(), WaferError> {
        self.run(call, move |reading, supply| reading.unlock(index, secret, supply)).await
    }
}

fn lost() -> WaferError {
    text::internal("the message was lost between two layers")
}

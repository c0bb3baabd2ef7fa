//! Verifying a signature and judging its signers.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use wafer_client::WaferError;
use wafer_smime::Source;
use wafer_smime::algorithm::Container;
use wafer_smime::error::{Error, Result as EngineResult};
use wafer_smime::inspect::{Layer, inspect};
use wafer_smime::verify::{Content, Verified as Checked, verify as check};

use super::{Call, Rooms, Sink, Supply, deliver};
use crate::directory::{Directory, MailSigner};
use crate::text;
use crate::trust::{PathValidator, Purpose, Trust, Verdict, judge};

/// What is to be verified.
#[derive(Clone, Debug)]
pub struct Order {
    /// Mail or bare CMS.
    pub container: Container,
    /// Further certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// The sender to compare with, instead of the message's own headers.
    pub from: Option<String>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the signatures say.
    pub checked: Checked,
    /// What is said of them.
    pub verdict: Verdict,
}

/// Verifies `signature`, over `content` if it is detached; the signed content goes to `sink`, if there is one.
///
/// # Errors
/// Those of `Mail.Verify`. A bad signature is none.
pub async fn verify(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: Order,
    signature: Box<dyn Supply>,
    content: Option<Box<dyn Supply>>,
    sink: Option<Box<dyn Sink>>,
) -> Result<Verified, WaferError> {
    let mut signature = signature;
    if content.is_some() {
        let look = move || {
            let seen = inspect(&mut *signature.open().map_err(Error::Input)?)?;
            Ok((seen.layer, signature))
        };
        let (layer, back) = call.engine(look).await?;
        if layer == Layer::OpaqueSigned {
            return Err(text::invalid_argument("content", text::CONTENT_TWICE));
        }
        signature = back;
    }
    let (validator, directory) = (rooms.validator.clone(), rooms.directory.clone());
    call.engine(move || {
        let mut checked = read(&order, signature, content, sink)?;
        if let Some(from) = order.from {
            checked.from = vec![from];
        }
        let senders = (order.container == Container::Mail).then(|| checked.from.clone());
        checked.certificates.extend(order.certificates);
        let now = SystemTime::now();
        let verdict = judge(&checked, senders.as_deref(), &*validator, now);
        if senders.is_some() {
            harvest(&directory, &checked, &verdict, &*validator, now);
        }
        Ok(Verified { checked, verdict })
    })
    .await
}

/// Keeps the certificates of signers who were found to be who the mail says.
pub(super) fn harvest(
    directory: &Directory,
    checked: &Checked,
    verdict: &Verdict,
    validator: &dyn PathValidator,
    now: SystemTime,
) {
    let trusts = |der: &[u8]| {
        validator.validate_for(Purpose::EncryptMail, der, &checked.certificates, now) == Trust::Trusted
    };
    for (signer, verdict) in checked.signers.iter().zip(&verdict.signers) {
        let good = verdict.outcome == "good" && verdict.trusted && verdict.address_matches;
        if let Some(certificate) = signer.certificate.as_deref().filter(|_| good) {
            let capabilities = signer.capabilities.as_ref();
            let (preference, others) = (signer.encryption_key.as_ref(), &checked.certificates);
            let signer = MailSigner { certificate, capabilities, preference, others, trusts: &trusts };
            directory.harvest(&signer, now);
        }
    }
}

fn read(
    order: &Order,
    mut signature: Box<dyn Supply>,
    mut content: Option<Box<dyn Supply>>,
    sink: Option<Box<dyn Sink>>,
) -> EngineResult<Checked> {
    let mut run = |out: Option<&mut dyn Write>| {
        let content = match &mut content {
            Some(content) => Content::Detached(&mut **content as &mut dyn Source),
            None => Content::Attached,
        };
        check(&mut *signature, content, order.container, &order.certificates, out)
    };
    let checked = match sink {
        Some(mut sink) => deliver(&mut *sink, |out| run(Some(out)))?,
        None => run(None)?,
    };
    signature.finish();
    if let Some(content) = &mut content {
        content.finish();
    }
    Ok(checked)
}

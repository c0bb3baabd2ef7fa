//! Signing and encrypting an outgoing message as its options and the settings say, with copies for blind-copy
//! recipients.

mod copies;
mod plan;

use std::sync::Arc;

use wafer_client::WaferError;
use wafer_smime::Error;
use wafer_smime::algorithm::{Container, ContentCipher, DigestAlgorithm};
use wafer_smime::encrypt::Style;
use wafer_smime::headers::HeaderProtection;
use wafer_smime::sign::Form;

use super::scratch::{Scratch, Together};
use super::{Call, Rooms, Sink, Supply, encrypt, sign};
use crate::text;
use copies::{Planned, encrypted_copies};
use plan::Plan;

/// What is wanted; what is `None` is as the settings say.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Sign.
    pub sign: Option<bool>,
    /// Encrypt.
    pub encrypt: Option<bool>,
    /// Sign once more around what was encrypted.
    pub triple_wrap: Option<bool>,
    /// Clear or opaque.
    pub form: Option<Form>,
    /// Digest of signatures.
    pub digest: Option<DigestAlgorithm>,
    /// Content cipher for everybody.
    pub cipher: Option<ContentCipher>,
    /// Id of the identity that signs.
    pub identity: Option<String>,
    /// The sender, instead of the message's own From.
    pub from: Option<String>,
    /// Addresses in To and Cc.
    pub recipients: Vec<String>,
    /// Blind-copy addresses.
    pub bcc: Vec<String>,
    /// Further certificates to encrypt the first copy to, DER.
    pub certificates: Vec<Vec<u8>>,
    /// How blind copies are made.
    pub bcc_mode: Option<BccMode>,
    /// What is done when some recipients have no certificate.
    pub when_missing: Option<WhenMissing>,
    /// Whether the message answers another, and whether that one was signed.
    pub replies_to_signed: Option<bool>,
    /// Whether the header fields go within; of what is not encrypted nothing is hidden.
    pub headers: HeaderProtection,
}

/// How blind copies are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BccMode {
    /// One message for everybody: whoever looks sees how many it is encrypted to, and to which certificates.
    Together,
    /// One more message for all blind-copy recipients.
    OneCopy,
    /// One more message for each of them.
    Each,
}

/// What is done when some recipients have no certificate. When none has one, nothing is ever encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// Nothing is written.
    Refuse,
    /// Encrypted to those who have one; the copies' envelopes name only them.
    Able,
    /// The same, and the envelopes name all: some will get what they cannot read.
    All,
}

/// One message that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Whom to send it to.
    pub addresses: Vec<String>,
    /// To how many certificates it is encrypted.
    pub recipients: usize,
    /// Content cipher, if it is encrypted.
    pub cipher: Option<ContentCipher>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Protected {
    /// The signature, if one was made.
    pub signed: Option<sign::Signed>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The messages, in the order of the outputs.
    pub copies: Vec<Copy>,
    /// Addresses that cannot read it.
    pub missing: Vec<String>,
}

/// Protects `supply`; the first of `sinks` gets the message for To and Cc, the others the blind copies.
///
/// # Errors
/// Those of `Mail.Protect`; then nothing usable is in any of `sinks`.
pub async fn protect(
    rooms: &Rooms,
    call: &Arc<Call>,
    order: Order,
    supply: Box<dyn Supply>,
    sinks: Vec<Box<dyn Sink>>,
) -> Result<Protected, WaferError> {
    let plan = Plan::of(&order, &rooms.live.get())?;
    let (from, supply) = sign::senders_of(call, order.from.as_deref(), supply).await?;
    let (planned, missing) = if plan.encrypt {
        encrypted_copies(rooms, call, &order, &plan, &from).await?
    } else {
        let all = order.recipients.iter().chain(&order.bcc).cloned().collect();
        (vec![Planned { addresses: all, ..Planned::default() }], Vec::new())
    };
    if planned.len() > sinks.len() {
        return Err(text::more_outputs(planned.len()));
    }
    let outputs = Together::new(sinks);
    let work = Work { rooms, call, order: &order, plan: &plan, outputs: &outputs };
    let done = async {
        let protected = work.write(supply, planned, missing).await?;
        let finishing = outputs.clone();
        call.engine(move || finishing.finish().map_err(Error::Output)).await?;
        Ok(protected)
    };
    let done = done.await;
    if done.is_err() {
        outputs.abandon();
    }
    done
}

/// The steps of one call.
struct Work<'a> {
    rooms: &'a Rooms,
    call: &'a Arc<Call>,
    order: &'a Order,
    plan: &'a Plan,
    outputs: &'a Together,
}

impl Work<'_> {
    async fn write(
        &self,
        supply: Box<dyn Supply>,
        planned: Vec<Planned>,
        missing: Vec<String>,
    ) -> Result<Protected, WaferError> {
        let scratch = Scratch::default();
        let mut signed = None;
        if self.plan.sign && self.plan.encrypt {
            signed = Some(self.sign(supply, scratch.sink(), self.order.headers).await?);
        } else {
            let sink = if self.plan.encrypt { scratch.sink() } else { self.output(0)? };
            if self.plan.sign {
                let headers = match self.order.headers {
                    HeaderProtection::Cipher(_) => HeaderProtection::Clear,
                    headers => headers,
                };
                signed = Some(self.sign(supply, sink, headers).await?);
            } else {
                self.pass_on(supply, sink).await?;
            }
        }
        let mut copies = Vec::new();
        for (number, copy) in planned.into_iter().enumerate() {
            copies.push(if self.plan.encrypt {
                self.seal(&scratch, copy, number).await?
            } else {
                copy.plain()
            });
        }
        Ok(Protected { signed, encrypted: self.plan.encrypt, copies, missing })
    }

    fn output(&self, number: usize) -> Result<Box<dyn Sink>, WaferError> {
        self.outputs.sink(number).ok_or_else(|| text::more_outputs(number + 1))
    }

    /// Encrypts one copy of what is in `scratch`, and signs it once more if that is wanted.
    async fn seal(&self, scratch: &Scratch, copy: Planned, number: usize) -> Result<Copy, WaferError> {
        // What was signed has them within, and outside what is left of them.
        let headers = if self.plan.sign { HeaderProtection::AsWritten } else { self.order.headers };
        let style = Style { identifier: self.plan.identifier, headers, ..Style::default() };
        let manner = encrypt::Manner { container: Container::Mail, cipher: self.order.cipher, style };
        let inner = Scratch::default();
        let output = self.output(number)?;
        let (sink, outer) = if self.plan.triple_wrap { (inner.sink(), Some(output)) } else { (output, None) };
        let to = copy.certificates;
        let sealed = encrypt::to_each(self.rooms, self.call, to, manner, scratch.supply(), sink).await?;
        if let Some(output) = outer {
            self.sign(inner.supply(), output, HeaderProtection::AsWritten).await?;
        }
        Ok(Copy { addresses: copy.addresses, recipients: sealed.recipients, cipher: Some(sealed.cipher) })
    }

    async fn sign(
        &self,
        supply: Box<dyn Supply>,
        sink: Box<dyn Sink>,
        headers: HeaderProtection,
    ) -> Result<sign::Signed, WaferError> {
        let order = sign::Order {
            container: Container::Mail,
            form: self.plan.form,
            digest: self.plan.digest,
            identity: self.order.identity.clone(),
            from: self.order.from.clone(),
            scheme: None,
            identifier: self.plan.identifier,
            include: self.plan.include,
            headers,
        };
        sign::sign(self.rooms, self.call, order, supply, sink).await
    }

    /// Copies the message as it is.
    async fn pass_on(&self, mut supply: Box<dyn Supply>, mut sink: Box<dyn Sink>) -> Result<(), WaferError> {
        let copy = move || {
            let mut input = supply.open().map_err(Error::Input)?;
            let mut buffer = zeroize::Zeroizing::new(vec![0; 64 * 1024]);
            loop {
                match std::io::Read::read(&mut input, &mut buffer).map_err(Error::Input)? {
                    0 => break,
                    read => sink.write_all(&buffer[..read]).map_err(Error::Output)?,
                }
            }
            drop(input);
            sink.finish().map_err(Error::Output)?;
            supply.finish();
            Ok(())
        };
        self.call.engine(copy).await
    }
}

//! Signing and encrypting an outgoing message as its options and the settings say, with copies for blind-copy
//! recipients.

use std::sync::Arc;

use wafer_client::WaferError;
use wafer_smime::Error;
use wafer_smime::algorithm::{CertificateIdentifier, Container, ContentCipher, DigestAlgorithm};
use wafer_smime::encrypt::Style;
use wafer_smime::headers::HeaderProtection;
use wafer_smime::sign::{Form, Include};

use super::scratch::{Scratch, Together};
use super::{Call, Rooms, Sink, Supply, encrypt, oneself, recipients, sign, standing};
use crate::config::Settings;
use crate::directory::Checked;
use crate::text;

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

/// What an order and the settings come to.
struct Plan {
    sign: bool,
    encrypt: bool,
    triple_wrap: bool,
    form: Form,
    digest: Option<DigestAlgorithm>,
    include: Include,
    identifier: CertificateIdentifier,
    bcc: BccMode,
    when_missing: WhenMissing,
}

/// A copy to be written, and to whom it is encrypted.
#[derive(Default)]
struct Planned {
    addresses: Vec<String>,
    certificates: Vec<Vec<u8>>,
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

impl Plan {
    fn of(order: &Order, settings: &Settings) -> Result<Self, WaferError> {
        let sign = settings.flag("sign.always");
        let signs_reply = |signed: bool| match settings.word("sign.reply").as_str() {
            "never" => false,
            "like-original" => sign || signed,
            _ => sign,
        };
        let always = |given: Option<bool>, name: &str, otherwise: bool| match given {
            // What an administrator has made a rule is none a program can leave out.
            Some(false) if settings.locked.contains(name) && settings.flag(name) => {
                Err(text::administrator_wants(name))
            }
            given => Ok(given.unwrap_or(otherwise)),
        };
        let bcc = match settings.word("encrypt.bcc").as_str() {
            "together" => BccMode::Together,
            "one-copy" => BccMode::OneCopy,
            _ => BccMode::Each,
        };
        let when_missing = match settings.word("encrypt.when-missing").as_str() {
            "able" => WhenMissing::Able,
            "all" => WhenMissing::All,
            _ => WhenMissing::Refuse,
        };
        let digest = match settings.word("sign.digest").as_str() {
            "sha512" => Some(DigestAlgorithm::Sha512),
            "sha384" => Some(DigestAlgorithm::Sha384),
            "sha256" => Some(DigestAlgorithm::Sha256),
            _ => None,
        };
        let include = match settings.word("sign.include").as_str() {
            "signer" => Include::Signer,
            "chain-and-root" => Include::All,
            _ => Include::WithoutRoot,
        };
        let identifier = match settings.flag("encrypt.key-identifier") {
            true => CertificateIdentifier::KeyIdentifier,
            false => CertificateIdentifier::IssuerAndSerial,
        };
        let form = if settings.word("sign.form") == "opaque" { Form::Opaque } else { Form::Clear };
        let wraps = always(order.triple_wrap, "encrypt.triple-wrap", settings.flag("encrypt.triple-wrap"))?;
        let sign = always(order.sign, "sign.always", order.replies_to_signed.map_or(sign, signs_reply))?;
        let encrypt = always(order.encrypt, "encrypt.always", settings.flag("encrypt.always"))?;
        Ok(Self {
            sign,
            encrypt,
            triple_wrap: wraps && sign && encrypt,
            form: order.form.unwrap_or(form),
            digest: order.digest.or(digest),
            include,
            identifier,
            bcc: order.bcc_mode.unwrap_or(bcc),
            when_missing: order.when_missing.unwrap_or(when_missing),
        })
    }
}

/// The copies, each encrypted to its recipients and to the sender, and who cannot read.
async fn encrypted_copies(
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
    let open = recipients::check(rooms, call, &order.recipients, false).await?;
    let blind = recipients::check(rooms, call, &order.bcc, false).await?;
    let all = || open.iter().chain(&blind);
    let unable: Vec<&Checked> = all().flat_map(Checked::each).filter(|one| one.found.is_err()).collect();
    let able = all().flat_map(Checked::each).any(|one| one.found.is_ok()) || !order.certificates.is_empty();
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

impl Planned {
    fn plain(self) -> Copy {
        Copy { addresses: self.addresses, recipients: 0, cipher: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::config::Places;
    use crate::config::value::Value;

    fn settings(values: &[(&'static str, Value)]) -> Settings {
        let mut settings = Settings::defaults(&Places::of_this_process(None));
        settings.values.extend(values.iter().cloned());
        settings
    }

    fn signs(values: &[(&'static str, Value)], order: &Order) -> bool {
        Plan::of(order, &settings(values)).unwrap().sign
    }

    #[test]
    fn a_reply_is_signed_as_the_setting_says() {
        let reply = |signed| Order { replies_to_signed: Some(signed), ..Order::default() };
        let word = |word: &str| ("sign.reply", Value::Word(word.to_owned()));
        let always = ("sign.always", Value::Flag(true));
        assert!(!signs(&[], &Order::default()));
        assert!(signs(&[], &reply(true)), "like the message that is answered");
        assert!(!signs(&[], &reply(false)));
        assert!(signs(std::slice::from_ref(&always), &reply(false)));
        assert!(!signs(&[always.clone(), word("never")], &reply(true)));
        assert!(!signs(&[word("as-always")], &reply(true)));
        assert!(signs(&[always, word("as-always")], &reply(false)));
        assert!(
            !signs(&[], &Order { sign: Some(false), ..reply(true) }),
            "the message's own option counts most"
        );
    }

    #[test]
    fn what_an_administrator_has_locked_cannot_be_left_out() {
        let mut locked = settings(&[("encrypt.always", Value::Flag(true))]);
        let order = Order { encrypt: Some(false), ..Order::default() };
        assert!(!Plan::of(&order, &locked).unwrap().encrypt);
        locked.locked.insert("encrypt.always");
        assert!(Plan::of(&order, &locked).is_err());
        assert!(Plan::of(&Order::default(), &locked).unwrap().encrypt);
    }
}

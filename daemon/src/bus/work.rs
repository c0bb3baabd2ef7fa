//! The methods that `Mail` and `Cms` share: arguments in, use case, answer out.

use std::sync::atomic::Ordering;

use wafer_client::WaferError;
use wafer_smime::algorithm::Container;
use wafer_smime::encrypt::Style;
use wafer_smime::inspect::Layer;
use zbus::Connection;
use zbus::message::Header;

use super::answer::{self, Answer, Value, identity_path, with_output};
use super::door::{Door, Visit};
use super::options::Options;
use super::stream::{self, Contents, Input, MessageArgument};
use super::verdict::signers_answer;
use crate::request::{decrypt, encrypt, inspect, sign, verify};

pub(super) async fn sign(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    container: Container,
    input: MessageArgument,
    output: MessageArgument,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let order = sign::Order {
        container,
        form: options.form()?,
        digest: options.digest()?,
        identity: options.identity()?,
        from: options.text("from")?,
        scheme: options.signature_scheme()?,
        identifier: options.certificate_identifier()?,
        include: options.include_certificates()?,
        headers: options.header_protection(true)?,
    };
    let input = stream::input("input", input, Contents::Plaintext, &visit.call)?;
    let output = stream::output("output", output, &[input.identity], &visit.call)?;
    visit.expect_passes(&input, 2);
    // At most 64 KiB in the call itself, hashed and written in a fraction of what waking a thread costs.
    visit.call.brief.store(input.identity.is_none() && output.identity.is_none(), Ordering::Relaxed);
    let work = sign::sign(&door.service.rooms, &visit.call, order, input.supply, output.sink);
    let signed = visit.run(connection, output.watch, work).await?;
    let answer = Answer::from([
        ("identity", Value::identity(&signed.identity)),
        ("digest", answer::digest(signed.digest).into()),
        ("scheme", answer::scheme(signed.scheme).into()),
    ]);
    Ok(with_output(answer, &output.inline))
}

pub(super) async fn encrypt(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    container: Container,
    input: MessageArgument,
    output: MessageArgument,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let from = options.text("from")?;
    // A bare object names no sender: its caller does, or wants none.
    let otherwise = container == Container::Mail || from.is_some();
    let style = Style {
        key_transport: options.key_transport()?,
        identifier: options.certificate_identifier()?,
        headers: options.header_protection(false)?,
    };
    let order = encrypt::Order {
        manner: encrypt::Manner { container, cipher: options.content_cipher()?, style },
        to_self: options.flag("to-self")?.unwrap_or(otherwise),
        from,
        recipients: options.addresses("recipients")?,
        certificates: options.certificates("recipient-certificates")?,
    };
    let input = stream::input("input", input, Contents::OnePass, &visit.call)?;
    let output = stream::output("output", output, &[input.identity], &visit.call)?;
    visit.expect_passes(&input, 1);
    let work = encrypt::encrypt(&door.service.rooms, &visit.call, order, input.supply, output.sink);
    let encrypted = visit.run(connection, output.watch, work).await?;
    let answer = Answer::from([
        ("content-cipher", answer::cipher(encrypted.cipher).into()),
        ("recipients", Value::count(encrypted.recipients)),
    ]);
    Ok(with_output(answer, &output.inline))
}

pub(super) async fn decrypt(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    container: Container,
    input: MessageArgument,
    output: MessageArgument,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let order = decrypt::Order { container, identity: options.identity()? };
    let input = stream::input("input", input, Contents::Ciphertext, &visit.call)?;
    let output = stream::output("output", output, &[input.identity], &visit.call)?;
    visit.expect_passes(&input, 2);
    let work = decrypt::decrypt(&door.service.rooms, &visit.call, order, input.supply, output.sink);
    let decrypted = visit.run(connection, output.watch, work).await?;
    let answer = Answer::from([
        ("identity", Value::identity(&decrypted.identity)),
        ("content-cipher", answer::cipher(decrypted.opened.cipher).into()),
        ("authenticated", Value::Flag(decrypted.opened.authenticated)),
        ("weak-cipher", Value::Flag(decrypted.opened.cipher.is_weak())),
        ("length", Value::Long(decrypted.opened.length)),
    ]);
    Ok(with_output(answer, &output.inline))
}

pub(super) async fn verify(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    container: Container,
    signature: MessageArgument,
    content: Option<MessageArgument>,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let certificates = options.certificates("certificates")?;
    let order = verify::Order { container, certificates, from: options.text("from")? };
    let name = if container == Container::Mail { "input" } else { "signature" };
    let signature = stream::input(name, signature, Contents::Plaintext, &visit.call)?;
    let content = content
        .map(|content| stream::input("content", content, Contents::Plaintext, &visit.call))
        .transpose()?;
    let inputs = [signature.identity, content.as_ref().and_then(|content| content.identity)];
    let output =
        options.output()?.map(|output| stream::output("output", output, &inputs, &visit.call)).transpose()?;
    visit.expect_passes(content.as_ref().unwrap_or(&signature), if output.is_some() { 2 } else { 1 });
    let (sink, watch, inline) = match output {
        Some(output) => (Some(output.sink), output.watch, output.inline),
        None => (None, None, stream::InlineAnswer::default()),
    };
    let content = content.map(|content| content.supply);
    let work = verify::verify(&door.service.rooms, &visit.call, order, signature.supply, content, sink);
    let verified = visit.run(connection, watch, work).await?;
    let answer = Answer::from([
        ("status", Value::Text(verified.verdict.status.to_string())),
        ("sentence", Value::Text(verified.verdict.sentence.clone())),
        ("signers", signers_answer(&verified.checked.signers, &verified.verdict.signers)),
        ("from", Value::Texts(verified.checked.from)),
        ("length", Value::Long(verified.checked.content_length)),
    ]);
    Ok(with_output(answer, &inline))
}

pub(super) async fn inspect(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    input: MessageArgument,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let input = stream::input("input", input, Contents::OnePass, &visit.call)?;
    let work = inspect::inspect(&door.service.rooms, &visit.call, input.supply);
    let inspected = visit.run(connection, None, work).await?;
    let identities = inspected.identities.iter().map(|id| identity_path(id)).collect();
    let mut answer = Answer::from([
        ("layer", layer(inspected.seen.layer).into()),
        ("layers", Value::Texts(inspected.seen.layers.iter().map(|one| layer(*one).to_owned()).collect())),
        ("recipients", Value::count(inspected.seen.recipients.len())),
        ("identities", Value::Paths(identities)),
        ("token-present", Value::Flag(inspected.present)),
    ]);
    answer.insert("content-cipher", Value::Text(inspected.seen.cipher.unwrap_or_default()));
    Ok(answer)
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Plain => "plain",
        Layer::ClearSigned => "clear-signed",
        Layer::OpaqueSigned => "opaque-signed",
        Layer::CertificatesOnly => "certificates-only",
        Layer::Enveloped => "enveloped",
        Layer::AuthEnveloped => "auth-enveloped",
        Layer::Compressed => "compressed",
        _ => "other",
    }
}

impl Visit {
    /// Notes how many bytes will be read in `passes` over `input`, if that is known.
    pub(super) fn expect_passes(&self, input: &Input, passes: u64) {
        let total = input.supply.length().unwrap_or(0).saturating_mul(passes);
        self.call.total.store(total, Ordering::Relaxed);
    }
}

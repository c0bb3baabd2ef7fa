//! `Mail.Protect`: arguments in, use case, answer out.

use wafer_client::WaferError;
use zbus::Connection;
use zbus::message::Header;

use super::answer::{self, Answer, Value, with_output};
use super::door::Door;
use super::options::{HEADER_PROTECTION, Options};
use super::stream::{self, Contents, MessageArgument};
use crate::request::protect::{self as request, BccMode, Copy, Order, WhenMissing};
use crate::text;

/// The options that it understands.
pub(super) const OPTIONS: &[&str] = &[
    "sign",
    "encrypt",
    "triple-wrap",
    "form",
    "digest",
    "content-cipher",
    "identity",
    "from",
    "recipients",
    "bcc",
    "recipient-certificates",
    "bcc-mode",
    "when-missing",
    "replies-to-signed",
    HEADER_PROTECTION,
];
/// The most outputs of one call.
const OUTPUTS_MAX: usize = 250;

pub(super) async fn protect(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    input: MessageArgument,
    outputs: Vec<MessageArgument>,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let order = order(&mut options)?;
    if outputs.len() > OUTPUTS_MAX {
        return Err(text::invalid_argument("outputs", "the list is too long"));
    }
    let input = stream::input("input", input, Contents::Plaintext, &visit.call)?;
    // Two copies in one file would be written over each other.
    let mut taken = vec![input.identity];
    let (mut sinks, mut inline, mut watch) = (Vec::new(), Vec::new(), None);
    for argument in outputs {
        let output = stream::output("outputs", argument, &taken, &visit.call)?;
        taken.push(output.identity);
        sinks.push(output.sink);
        inline.push(output.inline);
        watch = watch.or(output.watch);
    }
    visit.expect_passes(&input, 2);
    let work = request::protect(&door.service.rooms, &visit.call, order, input.supply, sinks);
    let protected = visit.run(connection, watch, work).await?;
    let copies =
        protected.copies.iter().zip(&inline).map(|(copy, inline)| with_output(copy_answer(copy), inline));
    let mut answer = Answer::from([
        ("signed", Value::Flag(protected.signed.is_some())),
        ("encrypted", Value::Flag(protected.encrypted)),
        ("copies", Value::Answers(copies.collect())),
        ("missing", Value::Texts(protected.missing)),
    ]);
    if let Some(signed) = protected.signed {
        answer.insert("identity", Value::identity(&signed.identity));
        answer.insert("digest", answer::digest(signed.digest).into());
        answer.insert("scheme", answer::scheme(signed.scheme).into());
    }
    Ok(answer)
}

fn order(options: &mut Options) -> Result<Order, WaferError> {
    let modes = [("together", BccMode::Together), ("one-copy", BccMode::OneCopy), ("each", BccMode::Each)];
    let missing = [("refuse", WhenMissing::Refuse), ("able", WhenMissing::Able), ("all", WhenMissing::All)];
    Ok(Order {
        sign: options.flag("sign")?,
        encrypt: options.flag("encrypt")?,
        triple_wrap: options.flag("triple-wrap")?,
        form: options.given_form()?,
        digest: options.digest()?,
        cipher: options.content_cipher()?,
        identity: options.identity()?,
        from: options.text("from")?,
        recipients: options.addresses("recipients")?,
        bcc: options.addresses("bcc")?,
        certificates: options.certificates("recipient-certificates")?,
        bcc_mode: options.named("bcc-mode", &modes)?,
        when_missing: options.named("when-missing", &missing)?,
        replies_to_signed: options.flag("replies-to-signed")?,
        headers: options.header_protection(false)?,
    })
}

fn copy_answer(copy: &Copy) -> Answer {
    let mut answer = Answer::from([
        ("addresses", Value::Texts(copy.addresses.clone())),
        ("recipients", Value::count(copy.recipients)),
    ]);
    if let Some(cipher) = copy.cipher {
        answer.insert("content-cipher", answer::cipher(cipher).into());
    }
    answer
}

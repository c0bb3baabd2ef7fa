//! `Mail.Read`: arguments in, use case, the verdict as named values.

use wafer_client::WaferError;
use wafer_smime::read::{Layer, Part, PartKind, ProtectedHeaders, Protection, SignedLayer};
use wafer_smime::sign::Form;
use zbus::Connection;
use zbus::message::Header;

use super::answer::{Answer, Value, with_output};
use super::door::Door;
use super::options::Options;
use super::stream::{self, Contents, MessageArgument};
use super::verdict::signers_answer;
use crate::request::read::{Order, Read, read as use_case};
use crate::trust::Verdict;

/// The options that `Read` knows.
pub(super) const OPTIONS: &[&str] = &["identity", "certificates", "from"];

pub(super) async fn read(
    door: &Door,
    header: &Header<'_>,
    connection: &Connection,
    input: MessageArgument,
    output: MessageArgument,
    mut options: Options,
) -> Result<Answer, WaferError> {
    let visit = door.enter(header, &mut options).await?;
    let order = Order {
        identity: options.identity()?,
        certificates: options.certificates("certificates")?,
        from: options.text("from")?,
    };
    let input = stream::input("input", input, Contents::Plaintext, &visit.call)?;
    let output = stream::output("output", output, &[input.identity], &visit.call)?;
    let work = use_case(&door.service.rooms, &visit.call, order, input.supply, output.sink);
    let read = visit.run(connection, output.watch, work).await?;
    Ok(with_output(answer(read), &output.inline))
}

fn answer(read: Read) -> Answer {
    let report = &read.report;
    let layers = report.layers.iter().enumerate().map(|(at, layer)| layer_answer(&read, at, layer));
    let mut answer = Answer::from([
        ("whole", protection(report.protection).into()),
        (
            "status",
            read.whole.status.map_or_else(|| "unsigned".into(), |status| Value::Text(status.to_string())),
        ),
        ("sentence", Value::Text(read.whole.sentence.clone())),
        ("reasons", Value::Texts(read.whole.reasons.clone())),
        ("layers", Value::Answers(layers.collect())),
        ("parts", Value::Answers(report.parts.iter().map(part_answer).collect())),
        ("from", Value::Texts(report.from.clone())),
        ("sender", Value::Texts(report.sender.clone())),
        ("legacy-display", Value::Texts(report.legacy_display.clone())),
        ("length", Value::Long(report.length)),
    ]);
    if let Some(headers) = &report.headers {
        answer.extend(headers_answer(headers));
    }
    answer
}

fn layer_answer(read: &Read, at: usize, layer: &Layer) -> Answer {
    match layer {
        Layer::Signed(layer) => {
            let counts = read.report.signatures.contains(&at);
            signed_answer(layer, read.verdicts[at].as_ref(), counts)
        }
        Layer::Encrypted(layer) => {
            let mut answer = Answer::from([
                ("kind", "encrypted".into()),
                ("content-cipher", layer.cipher.name().into()),
                ("authenticated", Value::Flag(layer.authenticated)),
                ("recipients", Value::count(layer.recipients)),
                ("key-algorithm", Value::Text(layer.key_algorithm.clone())),
            ]);
            if let Some(identity) = &read.identities[at] {
                answer.insert("identity", Value::identity(identity));
            }
            answer
        }
        Layer::Compressed => Answer::from([("kind", "compressed".into())]),
        Layer::Certificates(certificates) => {
            Answer::from([("kind", "certificates".into()), ("count", Value::count(certificates.len()))])
        }
        _ => Answer::from([("kind", "other".into())]),
    }
}

fn signed_answer(layer: &SignedLayer, verdict: Option<&Verdict>, counts: bool) -> Answer {
    let form = if layer.form == Form::Clear { "clear" } else { "opaque" };
    let mut answer =
        Answer::from([("kind", "signed".into()), ("form", form.into()), ("counts", Value::Flag(counts))]);
    match (&layer.verified, verdict) {
        (Ok(verified), Some(verdict)) => answer.extend([
            ("status", Value::Text(verdict.status.to_string())),
            ("sentence", Value::Text(verdict.sentence.clone())),
            ("length", Value::Long(verified.content_length)),
            ("signers", signers_answer(&verified.signers, &verdict.signers)),
        ]),
        (verified, _) => answer.extend([
            ("status", "invalid".into()),
            ("sentence", Value::Text(verified.as_ref().err().cloned().unwrap_or_default())),
            ("length", Value::Long(0)),
            ("signers", Value::Answers(Vec::new())),
        ]),
    }
    answer
}

fn part_answer(part: &Part) -> Answer {
    let kind = match part.kind {
        PartKind::Signed => "signed",
        PartKind::Encrypted => "encrypted",
        _ => "other",
    };
    Answer::from([
        ("path", Value::Text(part.path.clone())),
        ("kind", kind.into()),
        ("forwarded", Value::Flag(part.forwarded)),
    ])
}

fn headers_answer(headers: &ProtectedHeaders) -> Answer {
    let field = |(name, value): &(String, String)| {
        let confidential = headers.confidential.contains(name);
        Answer::from([
            ("name", Value::Text(name.clone())),
            ("value", Value::Text(value.clone())),
            ("confidential", Value::Flag(confidential)),
        ])
    };
    Answer::from([
        ("header-protection", if headers.cipher { "cipher" } else { "clear" }.into()),
        ("headers", Value::Answers(headers.fields.iter().map(field).collect())),
    ])
}

fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::None => "none",
        Protection::Signed => "signed",
        Protection::Encrypted => "encrypted",
        Protection::SignedThenEncrypted => "signed-then-encrypted",
    }
}

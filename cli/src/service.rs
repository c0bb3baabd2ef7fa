//! The commands about tokens, identities and the service.

use serde_json::{Value, json};
use wafer_client::{Client, ErrorKind, WaferError};

use crate::args::{Common, Identities};
use crate::call::{self, attend};
use crate::objects::{self, Object};
use crate::people::{say, values};
use crate::report::Report;
use crate::{exit, json, text};

pub(crate) async fn tokens(client: &Client, report: &Report) -> Result<u8, WaferError> {
    let tokens = objects::tokens(client).await?;
    list(report, &tokens, text::token, text::NO_TOKENS);
    Ok(0)
}

pub(crate) async fn identities(
    client: &Client,
    which: Identities,
    report: &Report,
) -> Result<u8, WaferError> {
    if let Some(address) = which.address {
        let purpose = if which.decrypt { "decrypt" } else { "sign" };
        let mut candidates = values(client.candidates(&address, purpose).await?);
        candidates.retain(|one| which.explain || one["chosen"] == Value::Bool(true));
        say(report, &candidates, text::candidate, text::NO_CANDIDATE);
        return Ok(if candidates.is_empty() { exit::code(ErrorKind::NoIdentity) } else { 0 });
    }
    let identities = objects::identities(client).await?;
    list(report, &identities, text::identity, text::NO_IDENTITIES);
    Ok(0)
}

pub(crate) async fn lock(client: &Client, name: Option<&str>, report: &Report) -> Result<u8, WaferError> {
    match name {
        Some(name) => client.lock(&objects::token(client, name).await?.path).await?,
        None => client.lock_all().await?,
    }
    report.say(false, text::LOCKED, &json!({ "locked": true }));
    Ok(0)
}

/// Unlocks the named token, or every one that is present.
pub(crate) async fn unlock(
    client: &Client,
    common: &Common,
    name: Option<&str>,
    report: &Report,
) -> Result<u8, WaferError> {
    let tokens = match name {
        Some(name) => vec![objects::token(client, name).await?],
        None => objects::tokens(client).await?,
    };
    for token in &tokens {
        attend(client, client.unlock(&token.path, &call::options(common))).await?;
    }
    let sentence = if tokens.is_empty() { text::NO_TOKENS } else { text::UNLOCKED };
    report.say(false, sentence, &json!({ "unlocked": tokens.len() }));
    Ok(0)
}

pub(crate) async fn status(client: &Client, report: &Report) -> Result<u8, WaferError> {
    let status = client.status().await?;
    let mut lines: Vec<(String, Value)> =
        status.iter().map(|(name, value)| (name.clone(), json::value(value))).collect();
    lines.sort_by(|left, right| left.0.cmp(&right.0));
    report.say(false, &text::status(&lines), &Value::Object(lines.iter().cloned().collect()));
    Ok(0)
}

pub(crate) async fn log(client: &Client, report: &Report) -> Result<u8, WaferError> {
    let entries = client.log().await?;
    let lines: Vec<String> = entries.iter().map(text::log_line).collect();
    let values = entries.iter().map(|(time, token, key, event, program, outcome)| {
        json!({
            "time-ms": time, "token": token, "key": key, "event": event, "program": program, "outcome": outcome,
        })
    });
    let sentence = if lines.is_empty() { text::NO_LOG.to_owned() } else { lines.join("\n") };
    report.say(false, &sentence, &values.collect());
    Ok(0)
}

fn list(report: &Report, objects: &[Object], line: fn(&Object) -> String, none: &str) {
    let lines: Vec<String> = objects.iter().map(line).collect();
    let sentence = if lines.is_empty() { none.to_owned() } else { lines.join("\n") };
    report.say(false, &sentence, &objects.iter().map(Object::json).collect());
}

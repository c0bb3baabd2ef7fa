//! The commands about tokens, identities and the service.

use std::path::Path;

use serde_json::{Value, json};
use wafer_client::{Client, ErrorKind, WaferError};

use crate::args::{Common, Identities, Pin};
use crate::call::{self, attend};
use crate::objects::{self, Object};
use crate::people::{say, values};
use crate::report::Report;
use crate::{exit, input, json, text};

pub(crate) async fn tokens(client: &Client, report: &Report) -> Result<u8, WaferError> {
    let tokens = objects::tokens(client).await?;
    list(report, &tokens, text::token, text::NO_TOKENS);
    Ok(0)
}

/// Lists the tokens, and again each time that the list has changed, until nobody reads it any more.
pub(crate) async fn watch_tokens(client: &Client, report: &Report) -> Result<u8, WaferError> {
    let mut changes = client.changes().await?;
    let mut shown = None;
    loop {
        let tokens = objects::tokens(client).await?;
        let lines: Vec<String> = tokens.iter().map(text::token).collect();
        if shown.as_ref() != Some(&lines) {
            let sentence = if lines.is_empty() { text::NO_TOKENS.to_owned() } else { lines.join("\n") };
            if !report.says(&sentence, &tokens.iter().map(Object::json).collect()) {
                return Ok(0);
            }
            shown = Some(lines);
        }
        if changes.next().await.is_none() {
            return Ok(0);
        }
    }
}

/// Changes or unblocks the PIN of the named token, or of the only one.
pub(crate) async fn pin(
    client: &Client,
    common: &Common,
    pin: &Pin,
    report: &Report,
) -> Result<u8, WaferError> {
    let (Pin::Change(name) | Pin::Unblock(name)) = pin;
    let token = objects::token_or_only(client, name.token.as_deref()).await?;
    let options = call::options(common);
    let sentence = match pin {
        Pin::Change(_) => {
            attend(client, client.change_pin(&token.path, &options)).await?;
            text::PIN_CHANGED
        }
        Pin::Unblock(_) => {
            attend(client, client.unblock_pin(&token.path, &options)).await?;
            text::PIN_UNBLOCKED
        }
    };
    report.say(false, sentence, &json!({ "changed": true }));
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
        None => objects::present_tokens(client).await?,
    };
    for token in &tokens {
        attend(client, client.unlock(&token.path, &call::options(common))).await?;
    }
    let sentence = if tokens.is_empty() { text::NO_TOKENS } else { text::UNLOCKED };
    report.say(false, sentence, &json!({ "unlocked": tokens.len() }));
    Ok(0)
}

/// Keeps a key file as a token.
pub(crate) async fn import(
    client: &Client,
    common: &Common,
    file: &Path,
    report: &Report,
) -> Result<u8, WaferError> {
    let name = file.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let import = client.import_file(input::open(file)?, &name, call::options(common));
    let token = attend(client, import).await?;
    report.say(false, text::IMPORTED, &json!({ "token": token.as_str() }));
    Ok(0)
}

/// Removes a key file that was imported.
pub(crate) async fn forget(
    client: &Client,
    common: &Common,
    name: &str,
    report: &Report,
) -> Result<u8, WaferError> {
    let token = objects::token(client, name).await?;
    attend(client, client.remove(&token.path, &call::options(common))).await?;
    report.say(false, text::FORGOTTEN, &json!({ "removed": token.path.as_str() }));
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

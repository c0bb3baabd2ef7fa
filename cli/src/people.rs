//! `wafer recipients` and `wafer permissions`.

use serde_json::Value;
use wafer_client::proxies::ResultMap;
use wafer_client::{Client, ErrorKind, WaferError};

use crate::args::{Common, Permissions, Recipients};
use crate::call::{self, attend};
use crate::report::Report;
use crate::{exit, input, json, text};

pub(crate) async fn run(
    client: &Client,
    common: &Common,
    command: Recipients,
    report: &Report,
) -> Result<u8, WaferError> {
    let options = call::options(common);
    match command {
        Recipients::Check { addresses, refresh } => {
            let options = options.set("refresh", refresh);
            let recipients = client.recipients().await?;
            let ask = async { Ok(recipients.check(&addresses, options.map()).await?) };
            let checked = values(attend(client, ask).await?);
            say(report, &checked, text::checked, "");
            let all = checked.iter().all(|one| one["encryptable"] == Value::Bool(true));
            Ok(if all { 0 } else { exit::code(ErrorKind::NoRecipientCertificate) })
        }
        Recipients::Import { file } => {
            let imported = attend(client, client.import_recipients(input::open(&file)?, &options)).await?;
            say(report, &values(imported), text::imported, "");
            Ok(0)
        }
        Recipients::List => {
            let all = values(client.recipients().await?.list().await?);
            say(report, &all, text::certificate, text::NO_RECIPIENTS);
            Ok(0)
        }
        Recipients::Accept { fingerprint } => {
            let recipients = client.recipients().await?;
            let accept = async { Ok(recipients.accept(&fingerprint, options.map()).await?) };
            attend(client, accept).await?;
            report.say(false, text::ACCEPTED, &serde_json::json!({ "accepted": fingerprint }));
            Ok(0)
        }
        Recipients::Remove { fingerprint } => {
            let recipients = client.recipients().await?;
            let remove = async { Ok(recipients.remove(&fingerprint, options.map()).await?) };
            attend(client, remove).await?;
            report.say(false, text::REMOVED, &serde_json::json!({ "removed": fingerprint }));
            Ok(0)
        }
    }
}

/// `wafer permissions`.
pub(crate) async fn permissions(
    client: &Client,
    common: &Common,
    command: Option<Permissions>,
    report: &Report,
) -> Result<u8, WaferError> {
    let permissions = client.permissions().await?;
    match command.unwrap_or(Permissions::List) {
        Permissions::List => {
            say(report, &values(permissions.list().await?), text::permission, text::NO_PERMISSIONS);
        }
        Permissions::Revoke { program, key } => {
            let (options, key) = (call::options(common), key.unwrap_or_default());
            let revoke = async { Ok(permissions.revoke(&program, &key, options.map()).await?) };
            attend(client, revoke).await?;
            report.say(false, text::REVOKED, &serde_json::json!({ "revoked": program }));
        }
    }
    Ok(0)
}

pub(crate) fn values(maps: Vec<ResultMap>) -> Vec<Value> {
    let object =
        |map: ResultMap| map.iter().map(|(name, value)| (name.clone(), json::value(value))).collect();
    maps.into_iter().map(|map| Value::Object(object(map))).collect()
}

/// A line for each of `values`.
pub(crate) fn say(report: &Report, values: &[Value], line: fn(&Value) -> String, none: &str) {
    let lines: Vec<String> = values.iter().map(line).collect();
    let sentence = if lines.is_empty() { none.to_owned() } else { lines.join("\n") };
    report.say(false, &sentence, &Value::Array(values.to_vec()));
}

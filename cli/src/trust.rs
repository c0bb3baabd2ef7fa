//! The commands about trust.

use std::path::Path;

use serde_json::{Value, json};
use wafer_client::{Client, WaferError};

use crate::args::{Common, Trust};
use crate::report::Report;
use crate::{call, json, message, text};

pub(crate) async fn run(
    client: &Client,
    common: &Common,
    command: Trust,
    report: &Report,
) -> Result<u8, WaferError> {
    match command {
        Trust::List => list(client, report).await,
        Trust::Add { file } => decide(client, common, "trust", &file, report).await,
        Trust::Distrust { file } => decide(client, common, "distrust", &file, report).await,
        Trust::Revoke { fingerprint } => {
            let decision = json::object(&client.revoke_trust(&fingerprint, &call::options(common)).await?);
            report.say(false, &text::decision(&decision), &decision);
            Ok(0)
        }
    }
}

async fn list(client: &Client, report: &Report) -> Result<u8, WaferError> {
    let decisions: Vec<Value> = client.trust_decisions().await?.iter().map(json::object).collect();
    let lines: Vec<String> = decisions.iter().map(text::decision).collect();
    let sentence = if lines.is_empty() { text::NO_DECISIONS.to_owned() } else { lines.join("\n") };
    report.say(false, &sentence, &Value::Array(decisions));
    Ok(0)
}

/// Decides about every certificate in `file`.
async fn decide(
    client: &Client,
    common: &Common,
    choice: &str,
    file: &Path,
    report: &Report,
) -> Result<u8, WaferError> {
    let mut decisions = Vec::new();
    for certificate in message::read_certificates(file)? {
        let decided = client.decide_trust(&certificate, choice, &call::options(common)).await?;
        decisions.push(json::object(&decided));
    }
    let lines: Vec<String> = decisions.iter().map(text::decision).collect();
    report.say(false, &lines.join("\n"), &json!(decisions));
    Ok(0)
}

//! Recipients, as a mail program asks for them while a person types.

use std::fs::File;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wafer_client::proxies::{OptionMap, ResultMap};
use wafer_client::{Client, Options};
use zbus::Variant;

use crate::{Fault, figures, nanoseconds};

/// Imports the certificates in a file; tells how many were taken.
pub(crate) async fn import(file: &str) -> Result<Value, Fault> {
    let client = Client::connect().await?;
    let start = Instant::now();
    let imported = client.import_recipients(File::open(file)?, &Options::new()).await?;
    Ok(json!({ "count": imported.len(), "us": nanoseconds(start.elapsed()) / 1000 }))
}

/// Checks `count` addresses out of `stored` in one call, again as soon as it is answered, for `time`.
pub(crate) async fn check_rate(count: usize, stored: usize, time: Duration) -> Result<Value, Fault> {
    let client = Client::connect().await?;
    let recipients = client.recipients().await?;
    let addresses = |round: usize| -> Vec<String> {
        // Spread over all of them: nobody is helped by having been asked for a moment ago.
        (0..count)
            .map(|one| format!("person{}@example.test", (round * count + one) * 7919 % stored))
            .collect()
    };
    let mut latencies = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        let asked = addresses(latencies.len());
        let call = Instant::now();
        let checked = recipients.check(&asked, &OptionMap::new()).await?;
        latencies.push(nanoseconds(call.elapsed()));
        if checked.len() != count || !checked.iter().all(is_encryptable) {
            return Err("an address that is stored cannot be encrypted to".into());
        }
    }
    figures(latencies, start.elapsed())
}

fn is_encryptable(checked: &ResultMap) -> bool {
    checked.get("encryptable").is_some_and(|value| matches!(**value, Variant::Bool(true)))
}

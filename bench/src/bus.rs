//! Calls over the session bus, as a mail program makes them.

use std::fs::File;
use std::time::{Duration, Instant};

use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use wafer_client::names::{BUS_NAME, ROOT_PATH};
use wafer_client::proxies::{MailProxy, OptionMap};
use wafer_client::{Client, Options, Output};
use zbus::as_variant::Serialize as AsVariant;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedVariant, Variant};

use crate::{Fault, figures, nanoseconds};

/// `clients` connections, each signing `message` (inline) again as soon as it is answered, for `time`.
pub(crate) async fn sign_rate(clients: usize, time: Duration, message: Vec<u8>) -> Result<Value, Fault> {
    // Connections are made and the PIN is cached before the clock starts.
    let mut ready = Vec::new();
    for _ in 0..clients {
        let connection = Connection::session().await?;
        sign_inline(&connection, &message, &place()?).await?;
        ready.push(connection);
    }
    let start = Instant::now();
    let tasks: Vec<_> =
        ready.into_iter().map(|bus| tokio::spawn(sign_until(bus, message.clone(), start + time))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    figures(latencies, start.elapsed())
}

/// One call with files, its time and what it answered. Options are `from`, `to` (repeatable) or any text option.
pub(crate) async fn call(
    interface: &str,
    operation: &str,
    input: &str,
    output: &str,
    words: &[&str],
) -> Result<Value, Fault> {
    let options = options(words)?;
    let client = Client::connect().await?;
    let input = File::open(input)?;
    let output = Output::Descriptor(File::create(output)?.into());
    let start = Instant::now();
    match (interface, operation) {
        ("mail", "sign") => drop(client.sign_mail(input, output, &options).await?),
        ("mail", "encrypt") => drop(client.encrypt_mail(input, output, &options).await?),
        ("mail", "decrypt") => drop(client.decrypt_mail(input, output, &options).await?),
        ("mail", "verify") => drop(client.verify_mail(input, output, &options).await?),
        ("cms", "sign") => drop(client.sign_cms(input, output, &options).await?),
        ("cms", "encrypt") => drop(client.encrypt_cms(input, output, &options).await?),
        ("cms", "decrypt") => drop(client.decrypt_cms(input, output, &options).await?),
        _ => return Err("no such operation".into()),
    }
    Ok(json!({ "us": nanoseconds(start.elapsed()) / 1000 }))
}

/// The first call to a name that nobody owns yet: the bus starts the service, then the answer comes.
pub(crate) async fn activate() -> Result<Value, Fault> {
    let connection = Connection::session().await?;
    let start = Instant::now();
    let mail = MailProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
    let features = mail.features().await?;
    let elapsed = nanoseconds(start.elapsed()) / 1000;
    Ok(json!({ "us": elapsed, "features": features.len() }))
}

async fn sign_until(bus: Connection, message: Vec<u8>, end: Instant) -> Result<Vec<u64>, Fault> {
    let options = place()?;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        sign_inline(&bus, &message, &options).await?;
        latencies.push(nanoseconds(start.elapsed()));
    }
    Ok(latencies)
}

/// A message of a few KiB travels in the call itself: the cheapest way for the smallest mail. As other programs do,
/// without the detour over one value for each byte that the proxies' `Variant` takes.
async fn sign_inline(bus: &Connection, message: &[u8], options: &OptionMap) -> Result<(), Fault> {
    let (input, output) = (ByteBuf::from(message), ByteBuf::new());
    let body = (AsVariant(&input), AsVariant(&output), options);
    let reply =
        bus.call_method(Some(BUS_NAME), ROOT_PATH, Some("org.waferd.Wafer1.Mail"), "Sign", &body).await?;
    // The signed message is all of the answer but a few words.
    (reply.body().len() > message.len()).then_some(()).ok_or_else(|| "an answer without a message".into())
}

/// Options from `NAME=VALUE` words; a PIN dialog may appear on this process's terminal.
fn options(words: &[&str]) -> Result<Options, Fault> {
    let tty = std::env::var("GPG_TTY").ok();
    let mut options = Options::new().prompt_here(tty.as_deref());
    let mut recipients = Vec::new();
    for word in words {
        match word.split_once('=').ok_or("an option is NAME=VALUE")? {
            ("to", address) => recipients.push(address.to_owned()),
            (name, value) => options = options.set(name, value.to_owned()),
        }
    }
    Ok(if recipients.is_empty() { options } else { options.recipients(recipients) })
}

/// The options of a small call: on which terminal the PIN dialog may appear.
fn place() -> Result<OptionMap, Fault> {
    let variables = [("tty", "GPG_TTY"), ("term", "TERM")];
    let set =
        variables.into_iter().filter_map(|(name, variable)| Some((name, std::env::var(variable).ok()?)));
    set.map(|(name, value)| Ok((name.to_owned(), OwnedVariant::try_from(Variant::from(value))?))).collect()
}

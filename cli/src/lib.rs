//! The command a person types. It knows `waferd` only through `wafer-client`.
//!
//! What a person reads is written in `text.rs`; exit codes are in [`exit`].

pub mod args;
mod call;
pub mod exit;
mod input;
mod json;
mod message;
mod objects;
mod output;
mod people;
mod report;
mod service;
mod settings;
mod text;
mod trust;

use std::process::ExitCode;

use wafer_client::{Client, WaferError};

use args::{Arguments, Command};
use report::Report;

/// Runs one command to its end.
pub async fn run(arguments: Arguments) -> ExitCode {
    let report = Report { json: arguments.common.json };
    match execute(arguments, &report).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report.error(&error);
            ExitCode::from(exit::code(error.kind))
        }
    }
}

async fn execute(arguments: Arguments, report: &Report) -> Result<u8, WaferError> {
    let common = arguments.common;
    let client = Client::connect().await?;
    match arguments.command {
        Command::Sign(sign) => message::sign(&client, &common, sign, report).await,
        Command::Verify(verify) => message::verify(&client, &common, verify, report).await,
        Command::Encrypt(encrypt) => message::encrypt(&client, &common, encrypt, report).await,
        Command::Decrypt(decrypt) => message::decrypt(&client, &common, decrypt, report).await,
        Command::Read(read) => message::read(&client, &common, read, report).await,
        Command::Inspect(inspect) => message::inspect(&client, &common, inspect, report).await,
        Command::Tokens(tokens) if tokens.watch => service::watch_tokens(&client, report).await,
        Command::Tokens(_) => service::tokens(&client, report).await,
        Command::Pin(pin) => service::pin(&client, &common, &pin, report).await,
        Command::Identities(which) => service::identities(&client, which, report).await,
        Command::Lock(token) => service::lock(&client, token.token.as_deref(), report).await,
        Command::Unlock(token) => service::unlock(&client, &common, token.token.as_deref(), report).await,
        Command::Import { file } => service::import(&client, &common, &file, report).await,
        Command::Forget { token } => service::forget(&client, &common, &token, report).await,
        Command::Trust(command) => trust::run(&client, &common, command, report).await,
        Command::Status => service::status(&client, report).await,
        Command::Log => service::log(&client, report).await,
        Command::Recipients(command) => people::run(&client, &common, command, report).await,
        Command::Permissions { command } => people::permissions(&client, &common, command, report).await,
        Command::Settings { command } => settings::run(&client, &common, command, report).await,
    }
}

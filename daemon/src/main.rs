//! `waferd`: signs and opens mail with the keys on a person's cards, over D-Bus.

use std::path::PathBuf;
use std::process::ExitCode;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use waferd::Config;

const USAGE: &str = "usage: waferd [--config FILE]";

fn main() -> ExitCode {
    // systemd's journal adds the time by itself.
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse().ok());
    let usual = || Targets::new().with_default(Level::INFO).with_target("zbus", Level::WARN);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    tracing_subscriber::registry().with(lines).with(wanted.unwrap_or_else(usual)).init();
    let config = match arguments(std::env::args_os().skip(1)) {
        Ok(config) => config,
        Err(unknown) => {
            tracing::error!("{unknown}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    match waferd::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "waferd cannot serve");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<Config, String> {
    let mut config = Config::default();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--config") => {
                let file = arguments.next().ok_or("--config needs a file")?;
                config.settings_file = Some(PathBuf::from(file));
            }
            _ => return Err(format!("unknown argument {}", argument.display())),
        }
    }
    Ok(config)
}

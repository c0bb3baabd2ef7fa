//! `waferd`: signs and opens mail with the keys on a person's cards, over D-Bus.

use std::path::PathBuf;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use waferd::Config;

const USAGE: &str = "usage: waferd [--config FILE]";

fn main() -> ExitCode {
    // systemd's journal adds the time by itself.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,zbus=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
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

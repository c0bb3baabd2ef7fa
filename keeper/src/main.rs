//! `wafer-keeper`: started by waferd, one process per source of tokens. See ARCHITECTURE.md.

use std::path::Path;
use std::process::ExitCode;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use wafer_client::keeper::LINK_FD;
use wafer_keeper::args::{Command, Kind, Settings, parse};
use wafer_keeper::card::pkcs11::Configuration;
use wafer_keeper::pin::secret;
use wafer_keeper::{confine, link, prompt, roots, sys};

fn main() -> ExitCode {
    let outcome = match parse(std::env::args().skip(1)) {
        Ok(Command::Keep(settings)) => keep(settings),
        Ok(Command::Roots(module)) => read_roots(&module),
        Ok(Command::PromptHelper) => {
            trace();
            prompt::helper::serve()
        }
        Err(error) => Err(error),
    };
    let status = match outcome {
        Ok(()) => 0,
        Err(error) => {
            trace();
            tracing::error!("{error}");
            1
        }
    };
    // No destructors: a vendor's module may hang in its own.
    sys::exit_now(status)
}

fn keep(settings: Settings) -> Result<(), String> {
    // First of all: no child may inherit the link, no debugger may look in.
    let link = sys::take_inherited(LINK_FD).map_err(|error| format!("no link on descriptor 3: {error}"))?;
    confine::close_to_debuggers().map_err(|error| error.to_string())?;
    sys::keep_memory_small();
    trace();
    if settings.secret_memory && !secret::hide() {
        tracing::warn!(
            "the kernel has no memfd_secret, or gives none: PINs are kept in locked pages, as without"
        );
    }
    let helper = prompt::helper::spawn().map_err(|error| format!("the prompt helper: {error}"))?;
    sys::set_environment(&settings.environment);
    let configuration = settings.beside_piv.then(|| Configuration::new(&settings.environment));
    let configuration = configuration.transpose().map_err(|error| format!("settings in memory: {error}"))?;
    sys::set_environment(configuration.as_ref().map(Configuration::variable).as_slice());
    confine::confine(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(link::serve(settings, configuration, link, helper))
}

/// Confined like a keeper: the module is foreign code too.
fn read_roots(module: &Path) -> Result<(), String> {
    confine::close_to_debuggers().map_err(|error| error.to_string())?;
    sys::keep_memory_small();
    trace();
    confine::confine(&Settings::new(Kind::Pkcs11 { module: module.to_owned() }))?;
    roots::write(module, &mut std::io::stdout())
}

fn trace() {
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse().ok());
    let usual = || Targets::new().with_default(Level::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    let log = tracing_subscriber::registry().with(lines).with(wanted.unwrap_or_else(usual));
    // A second call (an error after tracing began) changes nothing.
    drop(log.try_init());
}

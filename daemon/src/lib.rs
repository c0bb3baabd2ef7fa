//! The service: built bottom-up, run until it is told to end (see ARCHITECTURE.md).

pub mod config;
pub mod data;
pub mod directory;
pub mod identity;
pub mod keepers;
pub mod policy;
pub mod request;
pub mod trust;

mod bus;
mod logind;
mod next;
mod spool;
mod sys;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use config::{Live, Places, Settings};
use directory::Directory;
use keepers::Keepers;
use request::Rooms;
use request::judge::Judge;
use trust::Decisions;

/// How long the start waits for tokens: a bus client that starts waferd finds them listed in its first
/// answer, unless a module is slower than this.
const DISCOVERY: Duration = Duration::from_millis(1500);
/// Stack of an engine thread, in bytes of address space.
const STACK: usize = 1024 * 1024;

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The one settings file to read, if it was named.
    pub settings_file: Option<PathBuf>,
}

/// Serves until SIGTERM, SIGINT or the end of the session bus.
///
/// # Errors
/// There is neither a session bus nor a private socket, or another waferd has the name. Wrong settings are
/// no reason to end: every call then answers `BadSettings`.
pub fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    sys::keep_heap_small();
    sys::harden()?;
    sys::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(request::turns::CALLS_MAX + 8)
        .thread_stack_size(STACK)
        .build()?;
    let result = runtime.block_on(serve(config));
    // Threads that still wait for a client were told to end; the process does not wait for them.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// What the person decided about certificates. A file that cannot be read is left alone, and said.
fn decisions(settings: &Settings) -> Option<Arc<Decisions>> {
    Decisions::open(&settings.trust_decisions)
        .inspect_err(|error| {
            let file = settings.trust_decisions.display();
            tracing::error!(%file, %error, "the decisions about trust cannot be read");
        })
        .ok()
        .map(Arc::new)
}

/// Keeps the keepers to the setting `identities.smart-card-only`.
async fn follow_cards_only(live: Arc<Live>, keepers: Arc<Keepers>) {
    let mut changes = live.changes();
    loop {
        keepers.set_cards_only(live.get().flag("identities.smart-card-only")).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn serve(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let places = Places::of_this_process(config.settings_file.as_deref());
    let live = Live::load(places);
    let settings = live.get();
    let keepers = Keepers::new(live.current());
    keepers.discover(DISCOVERY).await;
    let decisions = decisions(&settings);
    let rooms = Rooms {
        keepers: keepers.clone(),
        validator: Arc::new(Judge::new(live.current(), decisions.clone(), tokio::runtime::Handle::current())),
        decisions,
        directory: Directory::new(live.current()),
        live: live.clone(),
        trusted: request::identities::Trusted::default(),
        consents: request::consent::Consents::new(&settings),
    };
    tokio::spawn(follow_cards_only(live.clone(), keepers.clone()));
    tokio::spawn(live.follow());
    tokio::spawn(keepers.clone().follow());
    let service = bus::Service::new(rooms);
    let served = bus::serve(&service).await?;
    tokio::spawn(logind::follow(keepers.clone()));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    wafer_client::memory::give_back();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = served.bus_gone() => tracing::info!("the session bus is gone"),
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    keepers.end().await;
    Ok(())
}

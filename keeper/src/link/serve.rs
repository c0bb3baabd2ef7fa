//! Builds the keeper bottom-up and serves the link until it closes.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use wafer_client::keeper::{DESK_PATH, DeskProxy, KEEPER_PATH};
use zbus::proxy::CacheProperties;

use super::grants::Grants;
use super::log::Log;
use super::{Keeper, KeeperSignals};
use crate::args::{Kind, Settings};
use crate::card::Source;
use crate::card::file::Files;
use crate::card::piv::Readers;
use crate::card::pkcs11::{BesidePiv, Configuration, Module};
use crate::pin::cache::Lives;
use crate::pin::insert::Absent;
use crate::pin::unlock::Asking;
use crate::pin::waiting::Waiting;
use crate::prompt::Prompter;
use crate::token::Common;
use crate::token::registry::{Load, Registry};

/// Time for the last answer to leave before a process whose module hangs ends.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// The exit status of a keeper whose module hangs (EX_SOFTWARE).
const HUNG: i32 = 70;

/// Serves the link; ends when it closes or on SIGTERM, with every login forgotten. `configuration` is the module's,
/// where it stays beside the keeper of PIV cards.
pub async fn serve(
    settings: Settings,
    configuration: Option<Configuration>,
    link: OwnedFd,
    helper: OwnedFd,
) -> Result<(), String> {
    let changed = Arc::new(Notify::new());
    let common = common(&settings, Arc::clone(&changed));
    let registry = Arc::new(Registry::new(load(&settings, configuration), common).map_err(text)?);
    let prompter = Prompter::new(helper, settings.pinentry.clone(), settings.dialog_timeout).map_err(text)?;

    let log = Arc::new(Log::default());
    let asking = Arc::new(Asking {
        prompter,
        desk: OnceLock::new(),
        screen_locked: watch::Sender::new(false),
        dialogs: Arc::default(),
        log: Arc::clone(&log),
        absent: Absent::default(),
        imports: Waiting::default(),
    });
    let grants = Grants::default();
    let readers = Arc::clone(&registry);
    let keeper = Keeper { registry, asking: Arc::clone(&asking), grants, log, source: settings.name };
    // The object is there before the first message can be.
    let builder = zbus::connection::Builder::unix_stream(link.into()).p2p().serve_at(KEEPER_PATH, keeper);
    let connection = builder.build().await.map_err(text)?;
    let desk = DeskProxy::builder(&connection).path(DESK_PATH).cache_properties(CacheProperties::No);
    let desk = desk.build().await.map_err(text)?;
    asking.desk.get_or_init(|| desk);
    let object = connection.object_server().interface::<_, Keeper>(KEEPER_PATH).await.map_err(text)?;

    tokio::spawn(async move { readers.follow_readers().await });
    let mut terminate = signal(SignalKind::terminate()).map_err(text)?;
    loop {
        tokio::select! {
            () = connection.closed() => break,
            _ = terminate.recv() => break,
            () = changed.notified() => {
                if object.tokens_changed().await.is_err() {
                    break;
                }
            }
        }
    }
    // What cannot be logged out in time ends with the process.
    drop(object.get().await.forget("", "forget").await);
    Ok(())
}

/// How the source of tokens comes to life.
fn load(settings: &Settings, configuration: Option<Configuration>) -> Load {
    let name = settings.name.clone();
    match settings.kind.clone() {
        Kind::Pkcs11 { module } => Box::new(move || {
            Ok(match configuration {
                Some(configuration) => {
                    Box::new(BesidePiv::new(module, name, configuration)) as Box<dyn Source>
                }
                None => Box::new(Module::load(&module, &name)?),
            })
        }),
        Kind::Pcsc => {
            let limit = settings.module_deadline;
            Box::new(move || Ok(Box::new(Readers::new(&name, limit)) as Box<dyn Source>))
        }
        Kind::Files { folder } => {
            Box::new(move || Ok(Box::new(Files::new(&name, folder)) as Box<dyn Source>))
        }
    }
}

fn common(settings: &Settings, changed: Arc<Notify>) -> Common {
    Common {
        lives: Lives { idle: settings.idle_timeout, max: settings.max_timeout },
        module_deadline: settings.module_deadline,
        dialog_timeout: settings.dialog_timeout,
        confirm_each_use: settings.confirm_each_use,
        // OpenSC's own locks are of no use: it leaves one locked for ever where a card is pulled while it reads.
        turn: settings.beside_piv.then(Arc::default),
        on_hang: Arc::new(|| {
            tracing::error!("the module does not answer: this keeper ends");
            tokio::spawn(async {
                tokio::time::sleep(LAST_WORDS).await;
                crate::sys::exit_now(HUNG);
            });
        }),
        changed,
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! Starting a keeper process, and the task that waits for its end.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::watch;
use wafer_client::keeper::{DESK_PATH, KeeperProxy};
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::desk::Desk;
use super::running::Life;
use super::source::{PCSCD_VARIABLE, Source};
use crate::config::Settings;
use crate::next::next;
use crate::sys;

/// What a keeper sees of waferd's environment.
const PASSED_ON: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "LANG",
    "RUST_LOG",
    PCSCD_VARIABLE,
];
/// How long the D-Bus handshake with a fresh keeper may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a keeper whose link is closed may take to end (it ends its dialog and restores the terminal).
const FAREWELL: Duration = Duration::from_millis(500);

type Started = (KeeperProxy<'static>, watch::Receiver<u64>);

/// Starts the keeper of `source` and joins it by a socketpair on which `desk` is served.
pub(super) async fn start(
    source: &Source,
    settings: &Settings,
    desk: Desk,
    life: Arc<Life>,
) -> Result<Started, Box<dyn Error + Send + Sync>> {
    let (ours, theirs) = UnixStream::pair()?;
    // Spawned from the runtime's only thread, which lives as long as the process.
    let mut command = command(source, settings);
    sys::pass_link(&mut command, theirs.as_fd());
    let child = command.spawn()?;
    drop(theirs);
    let guid = Guid::generate();
    let link = Builder::unix_stream(ours).server(guid).p2p().serve_at(DESK_PATH, desk).build();
    let link = tokio::time::timeout(HANDSHAKE, link).await??;
    let keeper =
        KeeperProxy::builder(&link).cache_properties(zbus::proxy::CacheProperties::No).build().await?;
    let signals = keeper.receive_tokens_changed().await?;
    let (changed, changes) = watch::channel(0);
    tokio::spawn(async move {
        let mut signals = signals;
        while next(&mut signals).await.is_some() {
            changed.send_modify(|count| *count += 1);
        }
    });
    tokio::spawn(attend(child, link, life));
    Ok((keeper, changes))
}

/// Waits for the child's end, or brings it about.
async fn attend(mut child: Child, link: Connection, life: Arc<Life>) {
    let status = tokio::select! {
        status = child.wait() => Some(status),
        () = link.closed() => None,
        () = life.killed() => None,
    };
    let _ = link.close().await;
    let status = match status {
        Some(status) => status,
        None => match tokio::time::timeout(FAREWELL, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                let _ = child.start_kill();
                child.wait().await
            }
        },
    };
    tracing::debug!(?status, "a keeper ended");
    life.ended();
}

fn command(source: &Source, settings: &Settings) -> Command {
    let mut command = Command::new(&settings.keeper);
    command.args(arguments(source, settings));
    command.env_clear().env("WAFER_KEEPER", "1");
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(source.environment());
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}

fn arguments(source: &Source, settings: &Settings) -> Vec<OsString> {
    let mut arguments = source.arguments();
    let mut add = |name: &str, value: &OsStr| arguments.extend([name.into(), value.to_owned()]);
    add("--pinentry", settings.pinentry.as_os_str());
    for (name, time) in [
        ("--idle-timeout-ms", settings.pin.idle_timeout),
        ("--max-timeout-ms", settings.pin.max_timeout),
        ("--dialog-timeout-ms", settings.pin.dialog_timeout),
        ("--module-deadline-ms", settings.module_deadline),
    ] {
        add(name, time.as_millis().to_string().as_ref());
    }
    if source.is_beside_piv(settings) {
        arguments.push("--beside-piv".into());
    }
    if settings.pin.confirm_each_use {
        arguments.push("--confirm-each-use".into());
    }
    if settings.pin.secret_memory {
        arguments.push("--secret-memory".into());
    }
    arguments
}

//! A call while it runs: its options, its progress on the terminal, its cancelling.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use wafer_client::{Client, ErrorKind, Options, Progress, WaferError};

use crate::args::Common;
use crate::text;

/// Work that is over sooner shows no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// The name by which this process's only call is cancelled.
pub(crate) fn cancellation_id() -> String {
    format!("wafer-{}", std::process::id())
}

/// The options that every call has.
pub(crate) fn options(common: &Common) -> Options {
    let options = Options::new()
        .interactive(!common.non_interactive)
        .cancellation_id(&cancellation_id())
        .prompt_here(terminal().as_deref());
    match common.deadline {
        Some(seconds) => options.deadline(Duration::from_secs(seconds.into())),
        None => options,
    }
}

/// Waits for `work`. Shows its progress if standard error is a terminal; Ctrl-C (or SIGTERM, SIGHUP)
/// cancels it and waits for the service's answer, a second one does not wait.
pub(crate) async fn attend<T>(
    client: &Client,
    work: impl Future<Output = Result<T, WaferError>>,
) -> Result<T, WaferError> {
    let id = cancellation_id();
    let mut progress = Some(client.progress(&id).await?);
    let mut interrupts = Interrupts::new()?;
    let mut meter = Meter::new();
    let mut cancelled = false;
    let mut work = pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                meter.clear();
                return result;
            }
            heard = next(&mut progress) => match heard {
                Some((done, total)) => meter.show(done, total),
                None => progress = None,
            },
            () = interrupts.next() => {
                meter.clear();
                if cancelled || client.cancel(&id).await.is_err() {
                    return Err(WaferError::new(ErrorKind::Cancelled, text::CANCELLED));
                }
                cancelled = true;
            }
        }
    }
}

async fn next(progress: &mut Option<Progress>) -> Option<(u64, u64)> {
    match progress {
        Some(progress) => progress.next().await,
        None => std::future::pending().await,
    }
}

/// The terminal for a PIN dialog in text: the one that the person named for GnuPG's dialogs, or else the
/// one this process was started from.
fn terminal() -> Option<String> {
    if let Some(named) = std::env::var("GPG_TTY").ok().filter(|path| path.starts_with('/')) {
        return Some(named);
    }
    let standard = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
    let number = standard.iter().position(|is_terminal| *is_terminal)?;
    let path = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    path.to_str().map(str::to_owned)
}

struct Interrupts([Signal; 3]);

impl Interrupts {
    fn new() -> Result<Self, WaferError> {
        let listen =
            |kind| signal(kind).map_err(|error| WaferError::new(ErrorKind::Failed, error.to_string()));
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(listen);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

struct Meter {
    started: Instant,
    is_terminal: bool,
    shown: bool,
}

impl Meter {
    fn new() -> Self {
        Self { started: Instant::now(), is_terminal: io::stderr().is_terminal(), shown: false }
    }

    fn show(&mut self, done: u64, total: u64) {
        if self.is_terminal && self.started.elapsed() >= PATIENCE {
            self.shown = true;
            // A terminal that is gone is no reason to stop.
            let _ = write!(io::stderr(), "\r\x1b[K{}", text::progress(done, total));
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

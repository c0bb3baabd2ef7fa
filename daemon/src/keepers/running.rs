//! One keeper process that runs: its link, its life and its signs of life.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wafer_client::WaferError;
use wafer_client::keeper::KeeperProxy;

use super::desk::{Desk, Screen};
use super::source::Source;
use super::{ANSWER_SLACK, spawn};
use crate::config::Settings;
use crate::text;

/// A keeper and the link to it.
pub(super) struct Running {
    /// The keeper's interface. Use it inside [`Self::call`] only.
    pub(super) keeper: KeeperProxy<'static>,
    module: String,
    patience: Duration,
    life: Arc<Life>,
    changes: watch::Receiver<u64>,
}

/// What is known of a keeper's life, shared with those that serve it.
pub(super) struct Life {
    gone: watch::Sender<bool>,
    kill: watch::Sender<bool>,
    returned: watch::Sender<u64>,
    begun: Instant,
    calls: AtomicUsize,
    grants: AtomicUsize,
    dialogs: AtomicUsize,
    /// Milliseconds after `begun` of the last answer, or the last end of a dialog.
    sign_of_life: AtomicU64,
    used: watch::Sender<Instant>,
    holds_pin: watch::Sender<bool>,
}

impl Life {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            gone: watch::Sender::new(false),
            kill: watch::Sender::new(false),
            returned: watch::Sender::new(0),
            begun: now,
            calls: AtomicUsize::new(0),
            grants: AtomicUsize::new(0),
            dialogs: AtomicUsize::new(0),
            sign_of_life: AtomicU64::new(0),
            used: watch::Sender::new(now),
            holds_pin: watch::Sender::new(false),
        })
    }

    /// Waits until the process is gone.
    pub(super) async fn gone(&self) {
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Waits until somebody wants the process ended.
    pub(super) async fn killed(&self) {
        let _ = self.kill.subscribe().wait_for(|kill| *kill).await;
    }

    /// The process is gone.
    pub(super) fn ended(&self) {
        self.gone.send_replace(true);
    }

    /// While the result lives, the keeper waits for a person.
    pub(super) fn in_dialog(self: &Arc<Self>) -> InDialog {
        self.dialogs.fetch_add(1, Ordering::AcqRel);
        InDialog(self.clone())
    }

    /// The keeper's `turn` at the screen was given back.
    pub(super) fn turn_returned(&self, turn: u64) {
        self.returned.send_modify(|last| *last = (*last).max(turn));
    }

    /// Waits until that turn is given back.
    pub(super) async fn returned(&self, turn: u64) {
        let _ = self.returned.subscribe().wait_for(|last| *last >= turn).await;
    }

    fn alive(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.sign_of_life.fetch_max(now, Ordering::AcqRel);
    }

    fn last_sign(&self) -> Instant {
        self.begun + Duration::from_millis(self.sign_of_life.load(Ordering::Acquire))
    }
}

/// See [`Life::in_dialog`].
pub(super) struct InDialog(Arc<Life>);

impl Drop for InDialog {
    fn drop(&mut self) {
        self.0.alive();
        self.0.dialogs.fetch_sub(1, Ordering::AcqRel);
    }
}

/// See [`Running::granted`].
pub(super) struct Granted(Arc<Life>);

impl Drop for Granted {
    fn drop(&mut self) {
        self.0.grants.fetch_sub(1, Ordering::AcqRel);
        self.0.used.send_replace(Instant::now());
    }
}

/// Counts one call on the link.
struct OneCall<'a>(&'a Life);

impl<'a> OneCall<'a> {
    fn begin(life: &'a Life) -> Self {
        life.calls.fetch_add(1, Ordering::AcqRel);
        Self(life)
    }
}

impl Drop for OneCall<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
        self.0.used.send_replace(Instant::now());
    }
}

impl Running {
    /// Starts the keeper of `source`.
    pub(super) async fn start(
        source: &Source,
        settings: &Settings,
        screen: &Screen,
    ) -> Result<Arc<Self>, WaferError> {
        let life = Life::new();
        let desk = Desk::new(screen, life.clone());
        let (keeper, changes) = spawn::start(source, settings, desk, life.clone()).await.map_err(|error| {
            tracing::error!(module = source.name(), keeper = %settings.keeper.display(), %error, "no keeper");
            text::keeper_did_not_start(source.name())
        })?;
        let patience = settings.module_deadline + ANSWER_SLACK;
        Ok(Arc::new(Self { keeper, module: source.name().to_owned(), patience, life, changes }))
    }

    /// Waits for the answer to `call`. A keeper that gives no sign of life for the module's deadline and a
    /// bit, while no person is asked, is ended.
    ///
    /// # Errors
    /// The keeper's own; `TokenFailed` if it is gone.
    pub(super) async fn call<T>(&self, call: impl Future<Output = zbus::Result<T>>) -> Result<T, WaferError> {
        let _counted = OneCall::begin(&self.life);
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.hung() => {
                tracing::error!(module = self.module, "the keeper does not answer and is ended");
                self.end();
                return Err(text::token_failed(&self.module));
            }
            () = self.life.gone() => return Err(text::token_failed(&self.module)),
        };
        self.life.alive();
        answer.map_err(|error| self.explain(error))
    }

    async fn hung(&self) {
        let mut since = Instant::now();
        loop {
            tokio::time::sleep_until((since + self.patience).into()).await;
            if self.life.dialogs.load(Ordering::Acquire) > 0 {
                since = Instant::now();
            } else if self.life.last_sign() > since {
                since = self.life.last_sign();
            } else {
                return;
            }
        }
    }

    fn explain(&self, error: zbus::Error) -> WaferError {
        match &error {
            zbus::Error::MethodError(name, ..) if name.starts_with(wafer_client::names::ERROR_PREFIX) => {
                error.into()
            }
            _ => {
                tracing::warn!(module = self.module, %error, "the keeper's link failed");
                // Its process may end a moment later: nobody shall be sent to it meanwhile.
                if !matches!(error, zbus::Error::MethodError(..)) {
                    self.end();
                }
                text::token_failed(&self.module)
            }
        }
    }

    /// Moves when the keeper says that its tokens changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Waits until the keeper has had nothing to do, and held no PIN, for `time`. One timer, armed when it
    /// becomes idle.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut used = self.life.used.subscribe();
        let mut holds = self.life.holds_pin.subscribe();
        loop {
            let _ = holds.wait_for(|holds| !holds).await;
            let last = *used.borrow_and_update();
            tokio::select! {
                () = tokio::time::sleep_until((last + time).into()) => {
                    if self.life.calls.load(Ordering::Acquire) > 0 {
                        let _ = used.changed().await;
                    } else if *used.borrow() == last && !*holds.borrow() {
                        return;
                    }
                }
                _ = holds.changed() => {}
            }
        }
    }

    /// A grant was made; it is over with the value.
    pub(super) fn granted(&self) -> Granted {
        self.life.grants.fetch_add(1, Ordering::AcqRel);
        Granted(self.life.clone())
    }

    /// Waits until no call is under way and no grant open.
    pub(super) async fn unused(&self) {
        let mut used = self.life.used.subscribe();
        loop {
            used.borrow_and_update();
            let count = |count: &AtomicUsize| count.load(Ordering::Acquire);
            if count(&self.life.calls) + count(&self.life.grants) == 0 || used.changed().await.is_err() {
                return;
            }
        }
    }

    /// Somebody is about to use it.
    pub(super) fn touch(&self) {
        self.life.used.send_replace(Instant::now());
    }

    /// Whether one of its tokens is unlocked.
    pub(super) fn holds_pin(&self, holds: bool) {
        self.life.holds_pin.send_if_modified(|known| std::mem::replace(known, holds) != holds);
    }

    /// Ends it because it has nothing to do.
    pub(super) fn end_idle(&self) {
        tracing::debug!(module = self.module, "an idle keeper is ended");
        self.end();
    }

    /// Kills it.
    pub(super) fn end(&self) {
        self.life.kill.send_replace(true);
    }

    /// Whether it is gone, or about to be.
    pub(super) fn is_gone(&self) -> bool {
        *self.life.gone.borrow() || *self.life.kill.borrow()
    }

    /// Waits until it is gone.
    pub(super) async fn gone(&self) {
        self.life.gone().await;
    }
}

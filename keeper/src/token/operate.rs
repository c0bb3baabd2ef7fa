//! Logins and private-key operations of one token: what goes to its thread, and what is kept afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wafer_client::keeper::{KeyInfo, TriesLeft};

use super::worker::Urgency;
use super::{Token, lock};
use crate::card::{Authentication, Card, CardError, PinUse};
use crate::pin::kept::Kept;
use crate::pin::secret::Secret;

/// A PIN goes to a card by itself only while so many tries are left (pin-rules 2).
const TRIES_TO_SPARE: u32 = 3;

/// What a job on the token's thread may change of its login.
struct Login {
    logged_in: Arc<AtomicBool>,
    kept: Arc<Kept>,
    /// Whether an accepted PIN is kept.
    keeps: bool,
    forgotten: Arc<AtomicU32>,
    /// How often everything had been forgotten when the PIN came.
    begun: u32,
}

impl Login {
    fn is_alive(&self) -> bool {
        self.logged_in.load(Ordering::SeqCst)
    }

    /// A PIN that waited for the card while everything was forgotten goes nowhere.
    fn is_current(&self) -> Result<(), CardError> {
        if self.forgotten.load(Ordering::SeqCst) == self.begun { Ok(()) } else { Err(CardError::NeedsLogin) }
    }

    fn accepted(&self, pin: Option<&Arc<Secret>>) {
        if let Some(pin) = pin.filter(|_| self.keeps) {
            self.kept.keep(Arc::clone(pin));
        }
        self.logged_in.store(true, Ordering::SeqCst);
    }

    fn lost(&self) {
        self.logged_in.store(false, Ordering::SeqCst);
        self.kept.wipe();
    }

    /// Takes note of what an operation says about the login.
    fn after<R>(&self, result: &Result<R, CardError>) {
        if matches!(
            result,
            Err(CardError::NeedsLogin | CardError::PinIncorrect | CardError::PinBlocked | CardError::Gone)
        ) {
            self.lost();
        }
    }
}

impl Token {
    fn of_login(&self) -> Login {
        Login {
            logged_in: Arc::clone(&self.logged_in),
            kept: Arc::clone(&self.kept),
            keeps: self.pin_use == PinUse::EachVisit || self.common.confirm_each_use,
            forgotten: Arc::clone(&self.forgotten),
            begun: self.forgotten.load(Ordering::SeqCst),
        }
    }

    /// A person at a PIN pad takes their time.
    fn deadline(&self, pin: Option<&Arc<Secret>>) -> Duration {
        let pad = if pin.is_none() { self.common.dialog_timeout } else { Duration::ZERO };
        self.common.module_deadline + pad
    }

    /// Verifies a PIN once (`None`: at the reader's PIN pad) and starts the login's life.
    ///
    /// In a task of its own: a caller that stops waiting half-way must not leave a login without a timer.
    pub async fn login(self: &Arc<Self>, pin: Option<Arc<Secret>>) -> Result<(), CardError> {
        let token = Arc::clone(self);
        finished(tokio::spawn(async move { token.login_now(pin).await })).await
    }

    async fn login_now(self: Arc<Self>, pin: Option<Arc<Secret>>) -> Result<(), CardError> {
        let login = self.of_login();
        let job = self.worker.call_within(self.deadline(pin.as_ref()), Urgency::Queued, move |card| {
            login.is_current()?;
            let result = card.login(pin.as_deref());
            match result {
                Ok(()) => login.accepted(pin.as_ref()),
                Err(_) => login.lost(),
            }
            result.map(|()| card.each_use().unwrap_or_default())
        });
        let result = job.await;
        self.opened(result)
    }

    /// Starts the login's life.
    fn opened(self: &Arc<Self>, result: Result<Vec<String>, CardError>) -> Result<(), CardError> {
        let result = result.map(|keys| {
            lock(&self.each_use).extend(keys);
            self.lease.begin(Instant::now());
            self.arm();
        });
        self.common.changed.notify_one();
        result
    }

    /// Runs an operation, with `key` if it is one of a key's; [`CardError::NeedsLogin`] without touching the card
    /// where no login is alive and one is needed.
    pub async fn operate<R: Send + 'static>(
        &self,
        key: Option<KeyInfo>,
        operation: impl FnOnce(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        let (login, pin_use) = (self.of_login(), self.pin_use);
        let login_required = lock(&self.flags).login_required;
        self.counted(self.common.module_deadline, move |card| {
            let is_open = key.is_some_and(|key| card.is_open(&key));
            if login_required && !is_open && !login.is_alive() {
                return Err(CardError::NeedsLogin);
            }
            let pin = login.kept.pin().filter(|_| pin_use == PinUse::EachVisit);
            let result = by_kept(card, pin.as_ref(), operation);
            login.after(&result);
            result
        })
        .await
    }

    /// Runs an operation for which the person entered the PIN just now (`None`: enters it at the reader while
    /// this runs). Logs in on the way, if the card keeps logins and has none.
    pub async fn operate_entered<R: Send + 'static>(
        self: &Arc<Self>,
        pin: Option<Arc<Secret>>,
        operation: impl FnOnce(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        let token = Arc::clone(self);
        finished(tokio::spawn(async move { token.operate_entered_now(pin, operation).await })).await
    }

    async fn operate_entered_now<R: Send + 'static>(
        self: Arc<Self>,
        pin: Option<Arc<Secret>>,
        operation: impl FnOnce(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        let (login, pin_use) = (self.of_login(), self.pin_use);
        let login_required = lock(&self.flags).login_required;
        let was_alive = self.is_logged_in();
        let result = self.counted(self.deadline(pin.as_ref()), move |card| {
            login.is_current()?;
            if pin_use == PinUse::Session && login_required && !login.is_alive() {
                card.login(pin.as_deref())?;
                login.accepted(pin.as_ref());
            }
            let authentication = pin.as_deref().map_or(Authentication::PinPad, Authentication::Entered);
            let result = operation(card, authentication);
            login.after(&result);
            // An operation that a card of this kind did has verified the PIN.
            if result.is_ok() && pin.is_some() {
                login.accepted(pin.as_ref());
            }
            result
        });
        let result = result.await;
        if !was_alive && self.is_logged_in() {
            // Nothing here depends on the list of keys: it comes with the next plain login.
            drop(self.opened(Ok(Vec::new())));
        }
        result
    }

    /// Runs an operation with a PIN from [`Self::confirmable`].
    pub async fn operate_kept<R: Send + 'static>(
        &self,
        pin: Arc<Secret>,
        operation: impl FnOnce(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        let login = self.of_login();
        self.counted(self.common.module_deadline, move |card| {
            if !login.is_alive() {
                return Err(CardError::NeedsLogin);
            }
            let result = spoilt(operation(card, Authentication::Confirmed(&pin)));
            login.after(&result);
            result
        })
        .await
    }

    /// The kept PIN, if a click may stand for it: the administrator allows that, and the card says that it has
    /// tries to spare.
    pub async fn confirmable(&self) -> Option<Arc<Secret>> {
        if !self.common.confirm_each_use || !self.is_logged_in() {
            return None;
        }
        let pin = self.kept.pin()?;
        let spare = match self.pin_flags().await.ok()?.tries {
            TriesLeft::Full => true,
            TriesLeft::Exactly(count) => count >= TRIES_TO_SPARE,
            _ => false,
        };
        spare.then_some(pin)
    }

    /// Counts the operation while it runs: its time is no idle time.
    async fn counted<R: Send + 'static>(
        &self,
        deadline: Duration,
        job: impl FnOnce(&mut dyn Card) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self);
        let result = self.worker.call_within(deadline, Urgency::Queued, |card| job(card.as_mut())).await;
        drop(running);
        if matches!(result, Err(CardError::Gone)) {
            self.lease.end();
        }
        result
    }
}

/// Operates with the kept PIN, if there is one.
fn by_kept<R>(
    card: &mut dyn Card,
    pin: Option<&Arc<Secret>>,
    operation: impl FnOnce(&mut dyn Card, Authentication<'_>) -> Result<R, CardError>,
) -> Result<R, CardError> {
    match pin {
        Some(pin) => spoilt(operation(card, Authentication::Kept(pin))),
        None => operation(card, Authentication::Session),
    }
}

/// A kept PIN that was changed elsewhere is worth nothing any more, and the person is asked.
fn spoilt<R>(result: Result<R, CardError>) -> Result<R, CardError> {
    match result {
        Err(CardError::PinIncorrect) => Err(CardError::NeedsLogin),
        result => result,
    }
}

async fn finished<R>(task: tokio::task::JoinHandle<Result<R, CardError>>) -> Result<R, CardError> {
    task.await.unwrap_or_else(|error| Err(CardError::Failed(error.to_string())))
}

/// Counts a running operation, also when its future is dropped half-way.
struct Running<'t>(&'t Token);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.lease.used(Instant::now());
    }
}

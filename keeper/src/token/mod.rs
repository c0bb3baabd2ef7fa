//! Tokens that are present: one thread each, their login, and what is known of them.

pub mod hotplug;
pub mod registry;
pub mod worker;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wafer_client::keeper::{KeyInfo, PinState, TokenInfo, TriesLeft};

use crate::card::{Authentication, Card, CardError, Contents, Identity, PinFlags, PinFormat, PinUse};
use crate::pin::cache::{Lease, Lives, Next};
use crate::pin::kept::Kept;
use crate::pin::secret::Secret;
use crate::pin::unlock::Waiting;
use worker::{OnHang, Urgency, Worker};

/// Forgetting may take so long before the process ends itself: with it ends every login.
pub const FORGET_WITHIN: Duration = Duration::from_secs(2);

/// What all tokens of a keeper share.
#[derive(Clone)]
pub struct Common {
    /// Time-outs of logins.
    pub lives: Lives,
    /// Deadline of one call into the module.
    pub module_deadline: Duration,
    /// Time a person may take at a PIN pad.
    pub dialog_timeout: Duration,
    /// Ends the process soon.
    pub on_hang: OnHang,
    /// Told when a list, a key or a PIN state changed.
    pub changed: Arc<Notify>,
}

/// A token that is present.
pub struct Token {
    /// Its name cards.
    pub identity: Identity,
    /// Requests that wait for its PIN.
    pub waiting: Waiting,
    reader: Mutex<String>,
    worker: Worker<Box<dyn Card>>,
    contents: Mutex<Arc<Contents>>,
    flags: Mutex<PinFlags>,
    /// A PIN was accepted and not forgotten since.
    logged_in: Arc<AtomicBool>,
    pin_use: PinUse,
    /// That PIN, for [`PinUse::EachVisit`].
    kept: Arc<Kept>,
    running: AtomicU32,
    lease: Lease,
    common: Common,
}

impl Token {
    /// Takes a card that was just opened and starts its thread.
    pub fn new(
        identity: Identity,
        reader: String,
        card: Box<dyn Card>,
        common: Common,
    ) -> std::io::Result<Arc<Self>> {
        let pin_use = card.pin_use();
        let on_hang = Arc::clone(&common.on_hang);
        let worker = Worker::start("token", card, common.module_deadline, on_hang, |card| card.rest())?;
        let format = PinFormat::ANY;
        let flags = PinFlags { login_required: true, pin_pad: false, tries: TriesLeft::Unknown, format };
        Ok(Arc::new(Self {
            identity,
            waiting: Waiting::default(),
            reader: Mutex::new(reader),
            worker,
            contents: Mutex::default(),
            flags: Mutex::new(flags),
            logged_in: Arc::new(AtomicBool::new(false)),
            pin_use,
            kept: Arc::default(),
            running: AtomicU32::new(0),
            lease: Lease::new(common.lives),
            common,
        }))
    }

    /// Reads flags and certificates afresh.
    pub async fn refresh(&self, reader: String) -> Result<TokenInfo, CardError> {
        let (flags, contents) =
            self.worker.call(Urgency::Queued, |card| Ok((card.pin_flags()?, card.contents()?))).await?;
        *lock(&self.reader) = reader;
        *lock(&self.flags) = flags;
        *lock(&self.contents) = Arc::new(contents);
        Ok(self.info())
    }

    /// What waferd is told about the token.
    pub fn info(&self) -> TokenInfo {
        let contents = self.contents();
        let flags = *lock(&self.flags);
        TokenInfo {
            id: self.identity.id.clone(),
            label: self.identity.label.clone(),
            serial: self.identity.serial.clone(),
            model: self.identity.model.clone(),
            manufacturer: self.identity.manufacturer.clone(),
            reader: lock(&self.reader).clone(),
            pin_state: self.pin_state(flags),
            tries_left: flags.tries,
            keys: contents.keys.clone(),
            other_certificates: u32::try_from(contents.others.len()).unwrap_or(u32::MAX),
        }
    }

    fn pin_state(&self, flags: PinFlags) -> PinState {
        if flags.tries == TriesLeft::None {
            PinState::Blocked
        } else if !flags.login_required {
            PinState::NotNeeded
        } else if self.is_logged_in() {
            PinState::Unlocked
        } else if flags.pin_pad {
            PinState::NotNeeded
        } else {
            PinState::Locked
        }
    }

    /// Certificates as last read.
    pub fn contents(&self) -> Arc<Contents> {
        Arc::clone(&lock(&self.contents))
    }

    /// The key with this name.
    pub fn key(&self, id: &str) -> Option<KeyInfo> {
        self.contents().keys.iter().find(|key| key.id == id).cloned()
    }

    /// Whether a login is believed to be alive.
    pub fn is_logged_in(&self) -> bool {
        self.logged_in.load(Ordering::SeqCst)
    }

    /// Reads what the token says about its PIN; costs no try.
    pub async fn pin_flags(&self) -> Result<PinFlags, CardError> {
        let flags = self.worker.call(Urgency::Queued, |card| card.pin_flags()).await?;
        *lock(&self.flags) = flags;
        Ok(flags)
    }

    /// Verifies a PIN once (`None`: at the reader's PIN pad) and starts the login's life.
    ///
    /// In a task of its own: a caller that stops waiting half-way must not leave a login without a timer.
    pub async fn login(self: &Arc<Self>, pin: Option<Secret>) -> Result<(), CardError> {
        let token = Arc::clone(self);
        let login = tokio::spawn(async move { token.login_now(pin).await });
        login.await.unwrap_or_else(|error| Err(CardError::Failed(error.to_string())))
    }

    async fn login_now(self: Arc<Self>, pin: Option<Secret>) -> Result<(), CardError> {
        let (flag, kept, pin_use) = (Arc::clone(&self.logged_in), Arc::clone(&self.kept), self.pin_use);
        let pin = pin.map(Arc::new);
        let deadline = match pin {
            Some(_) => self.common.module_deadline,
            None => self.common.module_deadline + self.common.dialog_timeout,
        };
        let result = self.worker.call_within(deadline, Urgency::Queued, move |card| {
            let result = card.login(pin.as_deref());
            if let (Ok(()), PinUse::EachVisit, Some(pin)) = (&result, pin_use, pin) {
                kept.keep(pin);
            }
            flag.store(result.is_ok(), Ordering::SeqCst);
            result
        });
        let result = result.await;
        if result.is_ok() {
            self.lease.begin(Instant::now());
            self.arm();
        }
        self.common.changed.notify_one();
        result
    }

    /// Runs a private-key operation; [`CardError::NeedsLogin`] without touching the card where none is alive.
    pub async fn operate<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Send + 'static,
    ) -> Result<R, CardError> {
        let (flag, kept) = (Arc::clone(&self.logged_in), Arc::clone(&self.kept));
        let login_required = lock(&self.flags).login_required;
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self);
        let result = self.worker.call(Urgency::Queued, move |card| {
            if login_required && !flag.load(Ordering::SeqCst) {
                return Err(CardError::NeedsLogin);
            }
            let pin = kept.pin();
            let authentication = pin.as_deref().map_or(Authentication::Session, Authentication::Kept);
            let result = match operation(card.as_mut(), authentication) {
                // The PIN was changed elsewhere: what was kept is worth nothing, and the person is asked.
                Err(CardError::PinIncorrect) if pin.is_some() => Err(CardError::NeedsLogin),
                result => result,
            };
            if matches!(result, Err(CardError::NeedsLogin | CardError::PinBlocked | CardError::Gone)) {
                flag.store(false, Ordering::SeqCst);
                kept.wipe();
            }
            result
        });
        let result = result.await;
        drop(running);
        if matches!(result, Err(CardError::Gone)) {
            self.lease.end();
        }
        result
    }

    /// Forgets the login: at once for every later operation, on the token as soon as its thread is free.
    /// If that takes too long, the process ends.
    pub async fn forget(&self) -> Result<(), CardError> {
        self.logged_in.store(false, Ordering::SeqCst);
        self.kept.wipe();
        self.lease.end();
        let (flag, kept) = (Arc::clone(&self.logged_in), Arc::clone(&self.kept));
        let logout = self.worker.call(Urgency::First, move |card| {
            // A login that was under way when this began is undone as well.
            flag.store(false, Ordering::SeqCst);
            kept.wipe();
            card.logout()
        });
        let result = tokio::time::timeout(FORGET_WITHIN, logout).await;
        self.common.changed.notify_one();
        result.unwrap_or_else(|_| {
            (self.common.on_hang)();
            Err(CardError::Hung)
        })
    }

    /// Called when the last request of a login is done: with "never cache" it is forgotten here.
    pub async fn settle(&self) {
        if !self.lease.caches()
            && self.is_logged_in()
            && self.running.load(Ordering::SeqCst) == 0
            && self.waiting.is_empty()
            && let Err(error) = self.forget().await
        {
            tracing::warn!(%error, token = self.identity.label, "logging out failed");
        }
    }

    /// Starts the one timer of this login.
    fn arm(self: &Arc<Self>) {
        if !self.lease.caches() {
            return;
        }
        let token = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let Some(strong) = token.upgrade() else { return };
                match strong.lease.next(Instant::now(), strong.running.load(Ordering::SeqCst) > 0) {
                    Next::Stop => return,
                    Next::Until(when) => {
                        drop(strong);
                        tokio::time::sleep_until(when).await;
                    }
                    Next::Forget => {
                        tracing::info!(token = strong.identity.label, "the login's time is over");
                        if let Err(error) = strong.forget().await {
                            tracing::warn!(%error, token = strong.identity.label, "logging out failed");
                        }
                        return;
                    }
                }
            }
        });
    }
}

/// Counts a running operation, also when its future is dropped half-way.
struct Running<'t>(&'t Token);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.lease.used(Instant::now());
    }
}

fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

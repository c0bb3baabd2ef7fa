//! Tokens that are present: one thread each, their login, and what is known of them.

pub mod hotplug;
mod operate;
mod pcscd;
pub mod registry;
pub mod worker;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wafer_client::keeper::{KeyInfo, PinState, TokenInfo, TriesLeft};

use crate::card::{Card, CardError, Contents, Identity, PinFlags, PinFormat, PinUse, plain};
use crate::pin::cache::{Lease, Lives, Next};
use crate::pin::kept::Kept;
use crate::pin::secret::Secret;
use crate::pin::waiting::Waiting;
use worker::{OnHang, Turn, Urgency, Worker};

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
    /// A kept PIN and a click may stand for the PIN of a key that wants it at every use.
    pub confirm_each_use: bool,
    /// Where the module takes one call at a time.
    pub turn: Turn,
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
    /// How often everything was forgotten.
    forgotten: Arc<AtomicU32>,
    pin_use: PinUse,
    /// That PIN, where the card or a setting wants it kept.
    kept: Arc<Kept>,
    /// Names of keys that want the PIN at every use, as they showed after a login.
    each_use: Mutex<HashSet<String>>,
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
        let (deadline, turn) = (common.module_deadline, common.turn.clone());
        let worker = Worker::start("token", card, deadline, on_hang, turn, |card| card.rest())?;
        let format = PinFormat::ANY;
        let tries = TriesLeft::Unknown;
        let flags = PinFlags { login_required: true, pin_pad: false, global: false, tries, format };
        Ok(Arc::new(Self {
            identity,
            waiting: Waiting::default(),
            reader: Mutex::new(reader),
            worker,
            contents: Mutex::default(),
            flags: Mutex::new(flags),
            logged_in: Arc::new(AtomicBool::new(false)),
            forgotten: Arc::default(),
            pin_use,
            kept: Arc::default(),
            each_use: Mutex::default(),
            running: AtomicU32::new(0),
            lease: Lease::new(common.lives),
            common,
        }))
    }

    /// Reads flags and certificates afresh.
    pub async fn refresh(&self, reader: String) -> Result<TokenInfo, CardError> {
        let (flags, mut contents) =
            self.worker.call(Urgency::Queued, |card| Ok((card.pin_flags()?, card.contents()?))).await?;
        for key in &mut contents.keys {
            key.label = plain(&key.label);
        }
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
            keys: contents.keys.iter().map(|key| self.as_known(key)).collect(),
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
        self.contents().keys.iter().find(|key| key.id == id).map(|key| self.as_known(key))
    }

    fn as_known(&self, key: &KeyInfo) -> KeyInfo {
        let always_authenticate = key.always_authenticate || lock(&self.each_use).contains(&key.id);
        KeyInfo { always_authenticate, ..key.clone() }
    }

    /// Whether this key wants the PIN at every use: its own wish, or there is no other way, since the card is
    /// shut after each visit and only the reader can take the PIN.
    pub fn asks_each_use(&self, id: &str) -> bool {
        let pin_pad = self.pin_use == PinUse::EachVisit && lock(&self.flags).pin_pad;
        pin_pad || self.key(id).is_some_and(|key| key.always_authenticate)
    }

    /// The card says that this key wants the PIN at every use.
    pub fn note_each_use(&self, id: &str) {
        lock(&self.each_use).insert(id.to_owned());
    }

    /// What its PIN may look like, as last read.
    pub fn pin_format(&self) -> PinFormat {
        lock(&self.flags).format
    }

    /// Whether a login is believed to be alive.
    pub fn is_logged_in(&self) -> bool {
        self.logged_in.load(Ordering::SeqCst)
    }

    /// Whether it is unlocked, works, or a person is asked for its PIN.
    pub fn is_in_use(&self) -> bool {
        self.is_logged_in() || self.running.load(Ordering::SeqCst) > 0 || !self.waiting.is_empty()
    }

    /// Reads what the token says about its PIN, before a dialog about it opens; costs no try.
    pub async fn pin_flags(&self) -> Result<PinFlags, CardError> {
        let flags = self.worker.call(Urgency::Queued, |card| {
            let flags = card.pin_flags()?;
            card.step_aside();
            Ok(flags)
        });
        let flags = flags.await?;
        *lock(&self.flags) = flags;
        Ok(flags)
    }

    /// What the token says about what must be entered to set a PIN (the PIN itself, or what unblocks it), and
    /// about the PIN; costs no try.
    pub async fn flags_for_change(&self, unblock: bool) -> Result<(PinFlags, PinFlags), CardError> {
        let flags = self.worker.call(Urgency::Queued, move |card| {
            let pin = card.pin_flags()?;
            let unlocking = if unblock { card.puk_flags()? } else { pin };
            card.step_aside();
            Ok((unlocking, pin))
        });
        flags.await
    }

    /// Sets another PIN, and forgets the old one: the next operation asks for the new one.
    ///
    /// In a task of its own: a caller that stops waiting half-way must not leave the old one cached.
    pub async fn change_pin(
        self: &Arc<Self>,
        unblock: bool,
        old: Arc<Secret>,
        new: Arc<Secret>,
    ) -> Result<(), CardError> {
        let token = Arc::clone(self);
        let change = tokio::spawn(async move {
            let change = token.worker.call(Urgency::Queued, move |card| {
                if unblock { card.unblock(&old, &new) } else { card.change_pin(&old, &new) }
            });
            let result = change.await;
            token.forget().await.and(result)
        });
        change.await.unwrap_or_else(|error| Err(CardError::Failed(error.to_string())))
    }

    /// Forgets the login: at once for every later operation, on the token as soon as its thread is free.
    /// If that takes too long, the process ends.
    pub async fn forget(&self) -> Result<(), CardError> {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
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

    /// Gives back what it has of its source, which begins anew.
    pub async fn close(&self) -> Result<(), CardError> {
        let close = self.worker.call(Urgency::Queued, |card| {
            card.close();
            Ok(())
        });
        close.await
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

fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

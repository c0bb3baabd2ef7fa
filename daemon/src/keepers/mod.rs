//! The keepers: one process per token source, started on first need, watched, ended when idle. What they
//! said of their tokens last is remembered here, so tokens stay listed while their keeper sleeps, and a card
//! that went can be asked for.

mod chain;
mod desk;
mod held;
mod key;
mod remembered;
mod running;
mod slot;
mod source;
mod spawn;

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wafer_client::WaferError;
use wafer_client::keeper::{Consent, ConsentRequest, KeyInfo, LogEntry, PinState, ReaderInfo, TokenInfo};

use crate::config::{Current, Settings};
use crate::identity::Identity;
use crate::policy::Grant;
use crate::request::Call;
use crate::text;

use held::Held;
pub use key::GrantedKey;
use remembered::Remembered;
use slot::Slot;
use source::Source;

/// A keeper that does nothing and holds no PIN ends after this time.
const IDLE_END: Duration = Duration::from_secs(60);
/// A keeper that has not forgotten a PIN in this time is killed (pin-rules 4).
const LOCK_TIME: Duration = Duration::from_secs(2);
/// Beyond the module's deadline, how long a keeper may take to answer.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// A token and where it came from.
#[derive(Clone, Debug)]
pub struct Token {
    /// What the keeper said.
    pub info: TokenInfo,
    /// The module's name.
    pub source: String,
    /// Certificates on it without a key, DER.
    pub others: Vec<Vec<u8>>,
}

/// The source of keys in files (PKCS#12), as [`Token::source`] names it; every other is a card or a module.
pub const FILES: &str = "files";

impl Token {
    /// Whether this is the card `known`, seen through another source: they have a key's certificate in common.
    fn shows(&self, known: &Self) -> bool {
        let has = |key: &KeyInfo| known.info.keys.iter().any(|other| other.certificate == key.certificate);
        self.source != known.source && self.info.keys.iter().any(has)
    }

    /// Whether its keys are on hardware, not in a file of the person's.
    pub fn is_hardware(&self) -> bool {
        self.source != FILES
    }
}

/// All keepers and what they hold.
pub struct Keepers {
    settings: Current,
    slots: Mutex<Vec<Arc<Slot>>>,
    desk: desk::Screen,
    /// What is known of cards over restarts.
    remembered: Arc<Remembered>,
    chains: chain::Chains,
    /// The readers' cards, as the keeper of PIV cards found them.
    readers: watch::Sender<Vec<ReaderInfo>>,
    screen_locked: watch::Sender<bool>,
    /// Keys in files are neither shown nor used.
    cards_only: AtomicBool,
    changed: watch::Sender<u64>,
}

impl Keepers {
    /// The keepers of `settings`; none is started yet.
    pub fn new(settings: Current) -> Arc<Self> {
        let now = settings.get();
        let keepers = Self {
            settings,
            slots: Mutex::default(),
            desk: desk::Screen::default(),
            remembered: Arc::new(Remembered::open(&now.data_folder)),
            chains: chain::Chains::default(),
            readers: watch::Sender::default(),
            screen_locked: watch::Sender::new(false),
            cards_only: AtomicBool::new(now.flag("identities.smart-card-only")),
            changed: watch::Sender::new(0),
        };
        keepers.adopt(&now);
        Arc::new(keepers)
    }

    /// Starts every keeper once, so that its tokens are known. Waits for all, but no longer than `patience`:
    /// a slow module's tokens then appear later.
    pub async fn discover(&self, patience: Duration) {
        let until = Instant::now() + patience;
        // Which cards are left to a module beside the keeper of PIV cards is known after that one's look.
        for beside_piv in [false, true] {
            for start in start(self.reachable().filter(|slot| slot.is_beside_piv() == beside_piv)) {
                let _ = tokio::time::timeout_at(until.into(), start).await;
            }
        }
    }

    /// Takes up settings as they change, for ever: what a new module shows appears, the keeper of one that is gone
    /// ends and forgets its PINs, and so does one whose settings changed, for another to take its place.
    pub async fn follow(self: Arc<Self>) {
        tokio::spawn(self.clone().follow_readers());
        let mut changes = self.settings.changes();
        while changes.changed().await.is_ok() {
            let new = self.adopt(&self.settings.get());
            if !new.is_empty() {
                start(self.reachable().filter(|slot| new.iter().any(|new| Arc::ptr_eq(new, slot))));
                self.changed.send_modify(|count| *count += 1);
            }
        }
    }

    /// Hands on to modules beside the keeper of PIV cards what that one finds in the readers, for ever.
    async fn follow_readers(self: Arc<Self>) {
        let mut readers = self.readers.subscribe();
        // What came between the first look and now.
        readers.mark_changed();
        while readers.changed().await.is_ok() {
            let beside = self.offered().filter(|slot| slot.is_beside_piv());
            for follow in beside.map(|slot| tokio::spawn(async move { slot.follow_readers().await })) {
                let _ = follow.await;
            }
        }
    }

    /// Has a slot for each source of `settings`; gives those that are new.
    fn adopt(&self, settings: &Settings) -> Vec<Arc<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut old, mut new) = (std::mem::take(&mut *slots), Vec::new());
        for source in Source::of(settings) {
            let known = old.iter().position(|slot| slot.source == source).map(|at| old.remove(at));
            let kept = known.clone().filter(|slot| slot.serves(settings));
            slots.push(kept.unwrap_or_else(|| {
                let slot = self.slot(source, settings, known.as_deref());
                old.extend(known);
                new.push(slot.clone());
                slot
            }));
        }
        for slot in &old {
            slot.retired.send_replace(true);
        }
        if !old.is_empty() {
            self.changed.send_modify(|count| *count += 1);
        }
        new
    }

    /// A slot for `source`, which knows of the tokens that `before` has shown, or that were remembered.
    fn slot(&self, source: Source, settings: &Settings, before: Option<&Slot>) -> Arc<Slot> {
        let held = match before {
            Some(before) => std::mem::take(&mut *before.held()),
            None => Held::recalled(self.remembered.of(source.name())),
        };
        let slot = Arc::new(Slot {
            source,
            settings: settings.clone(),
            desk: self.desk.clone(),
            retired: watch::Sender::new(false),
            running: tokio::sync::Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            held: Mutex::new(held),
            remembered: self.remembered.clone(),
            readers: self.readers.clone(),
            settled: watch::Sender::default(),
            screen_locked: self.screen_locked.subscribe(),
            changed: self.changed.clone(),
        });
        // Its keeper is a fresh one, which holds no PIN.
        slot.forgot_pins("");
        slot
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lists every module's tokens afresh: a card may have come while its keeper slept, or without a word
    /// from its reader. A module that fails shows nothing new.
    ///
    /// # Errors
    /// The call was ended meanwhile.
    pub async fn look_again(&self, call: &Call) -> Result<(), WaferError> {
        let look = |slot: Arc<Slot>| tokio::spawn(async move { slot.refresh(&*slot.running().await?).await });
        let all = async {
            for beside_piv in [false, true] {
                let slots = self.reachable().filter(|slot| slot.is_beside_piv() == beside_piv);
                for look in slots.map(look).collect::<Vec<_>>() {
                    if let Ok(Err(error)) = look.await {
                        tracing::warn!(%error, "a module's tokens cannot be listed");
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = all => Ok(()),
            reason = call.cancel.ended() => Err(reason.error()),
        }
    }

    fn reachable(&self) -> impl Iterator<Item = Arc<Slot>> {
        self.offered().filter(|slot| slot.is_reachable())
    }

    /// The sources that may be used.
    fn offered(&self) -> impl Iterator<Item = Arc<Slot>> {
        let cards_only = self.cards_only.load(Ordering::Acquire);
        self.slots().into_iter().filter(move |slot| !(cards_only && slot.source.is_files()))
    }

    /// Whether only keys on hardware may be used. Files are locked and vanish when that begins.
    pub async fn set_cards_only(&self, cards_only: bool) {
        if self.cards_only.swap(cards_only, Ordering::AcqRel) == cards_only {
            return;
        }
        for slot in self.slots().into_iter().filter(|slot| slot.source.is_files()) {
            if let Err(error) = slot.lock("").await {
                tracing::warn!(%error, "the keeper of files was ended");
            }
        }
        if !cards_only {
            self.discover(LOCK_TIME).await;
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// A counter that moves whenever tokens, identities or PIN states change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Every token present; one card that shows through several sources counts once.
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        let mut tokens: Vec<Arc<Token>> = Vec::new();
        for slot in self.offered() {
            let mut new = slot.held().tokens.clone();
            new.retain(|token| !tokens.iter().any(|known| token.shows(known)));
            tokens.append(&mut new);
        }
        tokens
    }

    /// Every token present, then the cards that were seen before and are absent now.
    pub fn known_tokens(&self) -> Vec<Arc<Token>> {
        let mut tokens = self.tokens();
        for slot in self.offered() {
            let mut absent = slot.held().absent.clone();
            absent.retain(|token| {
                !tokens.iter().any(|known| known.info.id == token.info.id || token.shows(known))
            });
            tokens.append(&mut absent);
        }
        tokens
    }

    /// The token with this id, present or absent.
    pub fn known_token(&self, id: &str) -> Option<Arc<Token>> {
        self.known_tokens().into_iter().find(|token| token.info.id == id)
    }

    /// The token with this id.
    pub fn token(&self, id: &str) -> Option<Arc<Token>> {
        self.tokens().into_iter().find(|token| token.info.id == id)
    }

    /// Every identity present; one certificate on two tokens counts once.
    pub fn identities(&self) -> Vec<Arc<Identity>> {
        let mut seen = HashSet::new();
        let all = self.offered().flat_map(|slot| slot.held().identities.clone());
        all.filter(|identity| seen.insert(identity.id.clone())).collect()
    }

    /// Every identity present, then those of cards that were seen before and are absent now: opening one of
    /// their keys asks the person to insert the card.
    pub fn known_identities(&self) -> Vec<Arc<Identity>> {
        let mut all = self.identities();
        let absent = self.offered().flat_map(|slot| slot.held().absent_identities.clone());
        for identity in absent {
            if all.iter().all(|known| known.id != identity.id) {
                all.push(identity);
            }
        }
        all
    }

    /// Whether this token is in its reader.
    pub fn is_present(&self, token: &str) -> bool {
        self.token(token).is_some()
    }

    /// Whether this token's private operations need no dialog now.
    pub fn is_unlocked(&self, token: &str) -> bool {
        self.token(token).is_some_and(|token| token.info.pin_state == PinState::Unlocked)
    }

    /// The issuers of `identity` to include in a signature: from its token and the trust folders.
    pub fn chain(&self, identity: &Identity) -> Vec<Vec<u8>> {
        let known = self.slots().iter().find_map(|slot| slot.held().known(&identity.token).cloned());
        let on_token = known.as_ref().map_or(&[][..], |token| &token.others);
        self.chains.of(identity, on_token, &self.settings.get().trust_folders)
    }

    /// Opens the key (or token) that `grant` is for.
    ///
    /// # Errors
    /// `NoToken` if nobody has it; those of starting a keeper; those of the keeper's own refusal.
    pub async fn open(&self, grant: Grant, call: &Arc<Call>) -> Result<GrantedKey, WaferError> {
        let slot = self.offered().find(|slot| slot.has(&grant)).ok_or_else(text::no_token)?;
        slot.open_for(&grant, call).await
    }

    /// Keeps the PKCS#12 file that `file` can be read from as a token called `name`; gives the token's id. The
    /// keeper asks for its password.
    ///
    /// # Errors
    /// Files may not be used; their folder cannot be made; those of [`Self::open`] and of the keeper.
    pub async fn import(
        &self,
        grant: &Grant,
        name: &str,
        file: OwnedFd,
        call: &Arc<Call>,
    ) -> Result<String, WaferError> {
        let slot = self.offered().find(|slot| slot.source.is_files()).ok_or_else(text::cards_only)?;
        slot.source.make_folder().map_err(|error| text::not_kept(&error))?;
        let imported = slot.open_for(grant, call).await?.import_file(name, file).await;
        slot.catch_up().await;
        imported
    }

    /// Removes a file that was imported, or forgets a card that is absent.
    ///
    /// # Errors
    /// `NoToken`; it is a card that is present; those of the keeper.
    pub async fn remove(&self, token: &str) -> Result<(), WaferError> {
        if self.offered().any(|slot| slot.forget(token)) {
            return Ok(());
        }
        let slot = self.offered().find(|slot| slot.has_token(token)).ok_or_else(text::no_token)?;
        if !slot.source.is_files() {
            return Err(text::not_removable());
        }
        let running = slot.running().await?;
        let removed = running.call(running.keeper.remove(token)).await;
        slot.catch_up().await;
        removed
    }

    /// Has the keeper that owns `key`, or any if none is concerned, ask the person.
    ///
    /// # Errors
    /// `NoPrompter` without a keeper or a place to ask; those of starting a keeper; the call was ended.
    pub async fn ask(
        &self,
        key: Option<&str>,
        request: &ConsentRequest,
        call: &Call,
    ) -> Result<Consent, WaferError> {
        let owns = |slot: &Arc<Slot>| key.is_none_or(|key| slot.held().identity_of(key).is_some());
        let slot = self.offered().find(owns).ok_or_else(text::no_place_to_ask)?;
        let asked = async {
            let running = slot.running().await?;
            running.call(running.keeper.consent(request)).await
        };
        tokio::select! {
            biased;
            answer = asked => answer,
            reason = call.cancel.ended() => Err(reason.error()),
        }
    }

    /// Forgets the PIN of `token`; a keeper that does not confirm in time is ended, which forgets too.
    ///
    /// # Errors
    /// `NoToken`; `TokenFailed` if the keeper had to be ended.
    pub async fn lock(&self, token: &str) -> Result<(), WaferError> {
        let slot = self.slots().into_iter().find(|slot| slot.has_token(token)).ok_or_else(text::no_token)?;
        slot.lock(token).await
    }

    /// Learns how `token` is now, if its keeper runs: a caller that was just told that it is unlocked shall
    /// not read the contrary a moment later.
    pub async fn catch_up(&self, token: &str) {
        let Some(slot) = self.slots().into_iter().find(|slot| slot.has_token(token)) else { return };
        slot.catch_up().await;
    }

    /// Forgets every PIN. Keepers that do not run hold none.
    pub async fn lock_all(&self) {
        let locks: Vec<_> =
            self.slots().into_iter().map(|slot| tokio::spawn(async move { slot.lock("").await })).collect();
        for lock in locks {
            let _ = lock.await;
        }
    }

    /// While the screen is locked no dialog opens and those that are open close. Locking it forgets every PIN.
    pub async fn set_screen_locked(&self, locked: bool) {
        if self.screen_locked.send_replace(locked) == locked {
            return;
        }
        let telling: Vec<_> = self
            .slots()
            .into_iter()
            .map(|slot| tokio::spawn(async move { slot.tell_screen().await }))
            .collect();
        for told in telling {
            let _ = told.await;
        }
        if locked {
            self.lock_all().await;
        }
    }

    /// The logs of all keepers that run, oldest first.
    pub async fn log(&self) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        for slot in self.slots() {
            let Some(running) = slot.current() else { continue };
            match running.call(running.keeper.log()).await {
                Ok(log) => entries.extend(log),
                Err(error) => tracing::warn!(module = slot.source.name(), %error, "no log"),
            }
        }
        entries.sort_by_key(|entry| entry.time_ms);
        entries
    }

    /// Names of the modules whose keeper runs.
    pub fn running(&self) -> Vec<String> {
        let running = self.slots().into_iter().filter(|slot| slot.current().is_some());
        running.map(|slot| slot.source.name().to_owned()).collect()
    }

    /// Ends every keeper.
    pub async fn end(&self) {
        for slot in self.slots() {
            if let Some(running) = slot.current() {
                running.end();
                running.gone().await;
            }
        }
    }
}

/// Starts the keepers of `slots`, each in a task of its own.
fn start(slots: impl Iterator<Item = Arc<Slot>>) -> Vec<tokio::task::JoinHandle<()>> {
    let start = |slot: Arc<Slot>| {
        tokio::spawn(async move {
            if let Err(error) = slot.running().await {
                tracing::warn!(module = slot.source.name(), %error, "no keeper");
            }
        })
    };
    slots.map(start).collect()
}

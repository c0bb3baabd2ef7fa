//! The keepers: one process per token source, started on first need, watched, ended when idle. What they
//! said of their tokens last is remembered here, so tokens stay listed while their keeper sleeps, and a card
//! that went can be asked for.

mod chain;
mod desk;
mod held;
mod key;
mod running;
mod source;
mod spawn;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wafer_client::keeper::{Consent, ConsentRequest, GrantRequest, KeyInfo, LogEntry, PinState, TokenInfo};
use wafer_client::{ErrorKind, WaferError};

use crate::config::{Current, Settings};
use crate::identity::Identity;
use crate::policy::Grant;
use crate::request::Call;
use crate::text;

use held::Held;
pub use key::GrantedKey;
use running::Running;
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
    chains: chain::Chains,
    screen_locked: watch::Sender<bool>,
    changed: watch::Sender<u64>,
}

/// One token source.
struct Slot {
    source: Source,
    settings: Settings,
    desk: desk::Screen,
    /// The settings have no place for it any more: what is under way ends, and nothing new begins.
    retired: watch::Sender<bool>,
    running: tokio::sync::Mutex<Option<Arc<Running>>>,
    /// Held while the tokens are listed, so that what was listed last is what is remembered.
    listing: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
    screen_locked: watch::Receiver<bool>,
    changed: watch::Sender<u64>,
}

impl Keepers {
    /// The keepers of `settings`; none is started yet.
    pub fn new(settings: Current) -> Arc<Self> {
        let keepers = Self {
            settings,
            slots: Mutex::default(),
            desk: desk::Screen::default(),
            chains: chain::Chains::default(),
            screen_locked: watch::Sender::new(false),
            changed: watch::Sender::new(0),
        };
        keepers.adopt(&keepers.settings.get());
        Arc::new(keepers)
    }

    /// Starts every keeper once, so that its tokens are known. Waits for all, but no longer than `patience`:
    /// a slow module's tokens then appear later.
    pub async fn discover(&self, patience: Duration) {
        let until = Instant::now() + patience;
        for start in start(self.reachable()) {
            let _ = tokio::time::timeout_at(until.into(), start).await;
        }
    }

    /// Takes up settings as they change, for ever: what a new module shows appears, the keeper of one that is gone
    /// ends and forgets its PINs, and so does one whose settings changed, for another to take its place.
    pub async fn follow(self: Arc<Self>) {
        let mut changes = self.settings.changes();
        while changes.changed().await.is_ok() {
            let new = self.adopt(&self.settings.get());
            if !new.is_empty() {
                start(new.into_iter().filter(|slot| slot.source.is_reachable()));
                self.changed.send_modify(|count| *count += 1);
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

    /// A slot for `source`, which knows of the tokens that `before` has shown.
    fn slot(&self, source: Source, settings: &Settings, before: Option<&Slot>) -> Arc<Slot> {
        let held = before.map(|before| std::mem::take(&mut *before.held())).unwrap_or_default();
        let slot = Arc::new(Slot {
            source,
            settings: settings.clone(),
            desk: self.desk.clone(),
            retired: watch::Sender::new(false),
            running: tokio::sync::Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            held: Mutex::new(held),
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
        let looks: Vec<_> = self
            .reachable()
            .map(|slot| tokio::spawn(async move { slot.refresh(&*slot.running().await?).await }))
            .collect();
        let all = async {
            for look in looks {
                if let Ok(Err(error)) = look.await {
                    tracing::warn!(%error, "a module's tokens cannot be listed");
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
        self.slots().into_iter().filter(|slot| slot.source.is_reachable())
    }

    /// A counter that moves whenever tokens, identities or PIN states change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Every token present; one card that shows through several sources counts once.
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        let mut tokens: Vec<Arc<Token>> = Vec::new();
        for slot in self.slots() {
            let mut new = slot.held().tokens.clone();
            new.retain(|token| !tokens.iter().any(|known| token.shows(known)));
            tokens.append(&mut new);
        }
        tokens
    }

    fn slot_where(&self, fits: impl Fn(&Slot) -> bool) -> Option<Arc<Slot>> {
        self.slots().into_iter().find(|slot| fits(slot))
    }

    /// The token with this id.
    pub fn token(&self, id: &str) -> Option<Arc<Token>> {
        self.tokens().into_iter().find(|token| token.info.id == id)
    }

    /// Every identity present; one certificate on two tokens counts once.
    pub fn identities(&self) -> Vec<Arc<Identity>> {
        let mut seen = HashSet::new();
        let all = self.slots().into_iter().flat_map(|slot| slot.held().identities.clone());
        all.filter(|identity| seen.insert(identity.id.clone())).collect()
    }

    /// Every identity present, then those of cards seen in this run that are absent now: opening one of
    /// their keys asks the person to insert the card.
    pub fn known_identities(&self) -> Vec<Arc<Identity>> {
        let mut all = self.identities();
        let absent = self.slots().into_iter().flat_map(|slot| slot.held().absent_identities.clone());
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
        let slot = self.slot_where(|slot| slot.has(&grant)).ok_or_else(text::no_token)?;
        let request = GrantRequest {
            key: grant.key().to_owned(),
            operation: grant.operation(),
            uses: grant.uses(),
            requester: call.requester.clone(),
            interactive: call.interactive,
            deadline_ms: call.remaining_ms(),
            place: call.place.clone(),
            token_label: slot.label_for(&grant),
        };
        tokio::select! {
            biased;
            opened = slot.open(request, call) => opened,
            reason = call.cancel.ended() => Err(reason.error()),
        }
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
        let owns = |slot: &Slot| key.is_none_or(|key| slot.held().identity_of(key).is_some());
        let slot = self.slot_where(owns).ok_or_else(text::no_place_to_ask)?;
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
        let slot = self.slot_where(|slot| slot.has_token(token)).ok_or_else(text::no_token)?;
        slot.lock(token).await
    }

    /// Learns how `token` is now, if its keeper runs: a caller that was just told that it is unlocked shall
    /// not read the contrary a moment later.
    pub async fn catch_up(&self, token: &str) {
        let Some(slot) = self.slot_where(|slot| slot.has_token(token)) else { return };
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

impl Slot {
    /// Whether a keeper started by `settings` would be as this slot's.
    fn serves(&self, settings: &Settings) -> bool {
        let of = |settings: &Settings| {
            let Settings { keeper, pinentry, pin, module_deadline, .. } = settings;
            (keeper.clone(), pinentry.clone(), *pin, *module_deadline)
        };
        of(&self.settings) == of(settings)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, grant: &Grant) -> bool {
        if grant.operation().is_about_token() {
            self.has_token(grant.key())
        } else {
            self.held().identity_of(grant.key()).is_some()
        }
    }

    /// The label of the token that `grant` is for; empty if it is not known.
    fn label_for(&self, grant: &Grant) -> String {
        let held = self.held();
        let token = held.identity_of(grant.key()).map_or(grant.key(), |identity| identity.token.as_str());
        held.known(token).map_or(String::new(), |token| token.info.label.clone())
    }

    fn has_token(&self, token: &str) -> bool {
        self.held().tokens.iter().any(|known| known.info.id == token)
    }

    /// The keeper, if it runs. One that is just being started holds nothing yet.
    fn current(&self) -> Option<Arc<Running>> {
        let running = self.running.try_lock().ok()?;
        running.clone().filter(|running| !running.is_gone())
    }

    /// The keeper, started if need be. The first need lists its tokens too.
    async fn running(self: &Arc<Self>) -> Result<Arc<Running>, WaferError> {
        let mut place = self.running.lock().await;
        if let Some(running) = place.as_ref().filter(|running| !running.is_gone()) {
            running.touch();
            return Ok(running.clone());
        }
        if *self.retired.borrow() {
            return Err(text::no_token());
        }
        let running = Running::start(&self.source, &self.settings, &self.desk).await?;
        // Told before it is asked for anything, and once more if that changed meanwhile.
        let told = *self.screen_locked.borrow();
        if told {
            running.call(running.keeper.screen(told)).await?;
        }
        if let Err(error) = self.refresh(&running).await {
            running.end();
            return Err(error);
        }
        tokio::spawn(self.clone().watch(running.clone()));
        *place = Some(running.clone());
        drop(place);
        if *self.screen_locked.borrow() != told {
            self.tell_screen().await;
        }
        Ok(running)
    }

    async fn open(
        self: &Arc<Self>,
        request: GrantRequest,
        call: &Arc<Call>,
    ) -> Result<GrantedKey, WaferError> {
        let running = self.running().await?;
        match running.call(running.keeper.grant(&request)).await {
            // It ended, idle or killed, just as it was asked, and had begun nothing for this request.
            Err(error) if error.kind == ErrorKind::TokenFailed && running.is_gone() => {
                let running = self.running().await?;
                let grant = running.call(running.keeper.grant(&request)).await?;
                Ok(GrantedKey::new(running, grant, request.uses, call))
            }
            grant => Ok(GrantedKey::new(running, grant?, request.uses, call)),
        }
    }

    /// Tells the keeper, if one runs, how the screen is; one that does not take it in is ended.
    async fn tell_screen(&self) {
        let Some(running) = self.current() else { return };
        let locked = *self.screen_locked.borrow();
        let told = tokio::time::timeout(LOCK_TIME, running.call(running.keeper.screen(locked))).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::warn!(
                module = self.source.name(),
                "the keeper did not take in that the screen is locked"
            );
            running.end();
            running.gone().await;
        }
    }

    async fn lock(&self, token: &str) -> Result<(), WaferError> {
        let Some(running) = self.current() else { return Ok(()) };
        match tokio::time::timeout(LOCK_TIME, running.call(running.keeper.lock(token))).await {
            Ok(answer) => {
                answer?;
                self.forgot_pins(token);
                Ok(())
            }
            Err(_) => {
                tracing::warn!(module = self.source.name(), "the keeper did not forget in time and is ended");
                running.end();
                running.gone().await;
                Err(text::token_failed(self.source.name()))
            }
        }
    }

    /// Lists the tokens again, if the keeper runs.
    async fn catch_up(&self) {
        let Some(running) = self.current() else { return };
        if let Err(error) = self.refresh(&running).await {
            tracing::warn!(module = self.source.name(), %error, "its tokens cannot be listed");
        }
    }

    /// Asks `running` for its tokens and remembers them.
    async fn refresh(&self, running: &Running) -> Result<(), WaferError> {
        let _alone = self.listing.lock().await;
        let infos = running.call(running.keeper.tokens()).await?;
        let (mut tokens, mut identities) = (Vec::new(), Vec::new());
        for info in infos {
            let others = self.others(running, &info).await;
            identities.extend(info.keys.iter().filter_map(|key| Identity::read(&info.id, key)).map(Arc::new));
            tokens.push(Arc::new(Token { info, source: self.source.name().to_owned(), others }));
        }
        running.holds_pin(tokens.iter().any(|token| token.info.pin_state == PinState::Unlocked));
        self.held().replace(tokens, identities);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn others(&self, running: &Running, info: &TokenInfo) -> Vec<Vec<u8>> {
        if info.other_certificates == 0 {
            return Vec::new();
        }
        let known = self.held().known(&info.id).cloned();
        if let Some(known) = known.filter(|known| known.others.len() == info.other_certificates as usize) {
            return known.others.clone();
        }
        running.call(running.keeper.certificates(&info.id)).await.unwrap_or_default()
    }

    /// Follows one keeper until it is gone.
    async fn watch(self: Arc<Self>, running: Arc<Running>) {
        let mut changes = running.changes();
        let mut retired = self.retired.subscribe();
        let unwanted = async {
            let _ = retired.wait_for(|retired| *retired).await;
            running.unused().await;
        };
        let mut unwanted = std::pin::pin!(unwanted);
        loop {
            tokio::select! {
                () = running.gone() => break,
                () = &mut unwanted => break,
                () = running.idle_for(IDLE_END), if !self.source.keeps_watch() => running.end_idle(),
                change = changes.changed() => {
                    if change.is_err() { break }
                    if let Err(error) = self.refresh(&running).await {
                        tracing::warn!(module = self.source.name(), %error, "its tokens cannot be listed");
                    }
                }
            }
        }
        running.end();
        running.gone().await;
        // A keeper that is gone holds no PIN.
        self.forgot_pins("");
    }

    /// The keeper forgot the PIN of `token`, or of every token if that is empty.
    fn forgot_pins(&self, token: &str) {
        let mut held = self.held();
        for known in held.tokens.iter_mut().filter(|known| token.is_empty() || known.info.id == token) {
            if known.info.pin_state == PinState::Unlocked {
                Arc::make_mut(known).info.pin_state = PinState::Locked;
            }
        }
        drop(held);
        self.changed.send_modify(|count| *count += 1);
    }
}

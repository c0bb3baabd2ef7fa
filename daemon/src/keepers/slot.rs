//! One source of tokens: its keeper, started on first need and watched, and what that said last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wafer_client::keeper::{GrantRequest, PinState, ReaderInfo, TokenInfo};
use wafer_client::{ErrorKind, WaferError};

use super::held::{Held, identities_of};
use super::remembered::Remembered;
use super::running::Running;
use super::source::Source;
use super::{GrantedKey, IDLE_END, LOCK_TIME, Token, desk};
use crate::config::Settings;
use crate::policy::Grant;
use crate::request::Call;
use crate::text;

/// One token source.
pub(super) struct Slot {
    pub(super) source: Source,
    pub(super) settings: Settings,
    pub(super) desk: desk::Screen,
    /// The settings have no place for it any more: what is under way ends, and nothing new begins.
    pub(super) retired: watch::Sender<bool>,
    pub(super) running: tokio::sync::Mutex<Option<Arc<Running>>>,
    /// Held while the tokens are listed, so that what was listed last is what is remembered.
    pub(super) listing: tokio::sync::Mutex<()>,
    pub(super) held: Mutex<Held>,
    /// What is known of cards over restarts.
    pub(super) remembered: Arc<Remembered>,
    /// The readers' cards, as the keeper of PIV cards found them.
    pub(super) readers: watch::Sender<Vec<ReaderInfo>>,
    /// What of that its keeper, if it is beside that one, was told last.
    pub(super) settled: watch::Sender<Vec<ReaderInfo>>,
    pub(super) screen_locked: watch::Receiver<bool>,
    pub(super) changed: watch::Sender<u64>,
}

impl Slot {
    /// Whether a keeper started by `settings` would be as this slot's.
    pub(super) fn serves(&self, settings: &Settings) -> bool {
        let of = |settings: &Settings| {
            let Settings { keeper, pinentry, pin, module_deadline, .. } = settings;
            let beside_piv = self.source.is_beside_piv(settings);
            (keeper.clone(), pinentry.clone(), *pin, *module_deadline, beside_piv)
        };
        of(&self.settings) == of(settings)
    }

    /// Whether the keeper of PIV cards looks at its cards first.
    pub(super) fn is_beside_piv(&self) -> bool {
        self.source.is_beside_piv(&self.settings)
    }

    /// Whether there is anything to start a keeper for now.
    pub(super) fn is_reachable(&self) -> bool {
        self.source.is_reachable() && (!self.is_beside_piv() || self.has_card())
    }

    /// Whether the keeper of PIV cards left it a card.
    fn has_card(&self) -> bool {
        self.readers.borrow().iter().any(|reader| !reader.taken)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, grant: &Grant) -> bool {
        if grant.operation().is_about_token() {
            self.has_token(grant.key())
        } else {
            self.held().identity_of(grant.key()).is_some()
        }
    }

    /// The label of the token that `grant` is for; empty if it is not known.
    pub(super) fn label_for(&self, grant: &Grant) -> String {
        let held = self.held();
        let token = held.identity_of(grant.key()).map_or(grant.key(), |identity| identity.token.as_str());
        held.known(token).map_or(String::new(), |token| token.info.label.clone())
    }

    pub(super) fn has_token(&self, token: &str) -> bool {
        self.held().tokens.iter().any(|known| known.info.id == token)
    }

    /// Forgets a card that is absent; whether it was known.
    pub(super) fn forget(&self, token: &str) -> bool {
        let known = self.held().forget(token);
        if known {
            self.remembered.forget(self.source.name(), token);
            self.changed.send_modify(|count| *count += 1);
        }
        known
    }

    /// The keeper, if it runs. One that is just being started holds nothing yet.
    pub(super) fn current(&self) -> Option<Arc<Running>> {
        let running = self.running.try_lock().ok()?;
        running.clone().filter(|running| !running.is_gone())
    }

    /// The keeper, started if need be. The first need lists its tokens too.
    pub(super) async fn running(self: &Arc<Self>) -> Result<Arc<Running>, WaferError> {
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

    /// Opens what `grant` is for, on behalf of `call`.
    pub(super) async fn open_for(
        self: &Arc<Self>,
        grant: &Grant,
        call: &Arc<Call>,
    ) -> Result<GrantedKey, WaferError> {
        let request = GrantRequest {
            key: grant.key().to_owned(),
            operation: grant.operation(),
            uses: grant.uses(),
            requester: call.requester.clone(),
            interactive: call.interactive,
            deadline_ms: call.remaining_ms(),
            place: call.place.clone(),
            token_label: self.label_for(grant),
        };
        tokio::select! {
            biased;
            opened = self.open(request, call) => opened,
            reason = call.cancel.ended() => Err(reason.error()),
        }
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
    pub(super) async fn tell_screen(&self) {
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

    pub(super) async fn lock(&self, token: &str) -> Result<(), WaferError> {
        let Some(running) = self.current() else { return Ok(()) };
        match tokio::time::timeout(LOCK_TIME, running.call(running.keeper.lock(token))).await {
            Ok(Ok(())) => {
                self.forgot_pins(token);
                Ok(())
            }
            // One that says it could not is about to end, and its module may still be logged in until then.
            failed => {
                tracing::warn!(
                    module = self.source.name(),
                    ?failed,
                    "the keeper did not forget and is ended"
                );
                running.end();
                running.gone().await;
                Err(text::token_failed(self.source.name()))
            }
        }
    }

    /// Lists the tokens again, if the keeper runs.
    pub(super) async fn catch_up(&self) {
        let Some(running) = self.current() else { return };
        if let Err(error) = self.refresh(&running).await {
            tracing::warn!(module = self.source.name(), %error, "its tokens cannot be listed");
        }
    }

    /// The keeper of PIV cards has looked at other cards: those that it left are listed, and what is gone is gone.
    pub(super) async fn follow_readers(self: &Arc<Self>) {
        if self.has_card()
            && let Err(error) = self.running().await
        {
            tracing::warn!(module = self.source.name(), %error, "no keeper");
        }
        if self.current().is_none() {
            self.shows_nothing();
        } else if *self.settled.borrow() != *self.readers.borrow() {
            self.catch_up().await;
        }
    }

    fn shows_nothing(&self) {
        self.held().replace(Vec::new(), Vec::new());
        self.changed.send_modify(|count| *count += 1);
    }

    /// Asks `running` for its tokens and remembers them.
    pub(super) async fn refresh(&self, running: &Running) -> Result<(), WaferError> {
        let _alone = self.listing.lock().await;
        if self.is_beside_piv() {
            let readers = self.readers.borrow().clone();
            running.call(running.keeper.settle_readers(&readers)).await?;
            self.settled.send_replace(readers);
        }
        let infos = running.call(running.keeper.tokens()).await?;
        if self.source.keeps_watch() {
            let readers = running.call(running.keeper.readers()).await?;
            self.readers.send_if_modified(|known| {
                *known != readers && {
                    *known = readers;
                    true
                }
            });
        }
        let (mut tokens, mut identities) = (Vec::new(), Vec::new());
        for info in infos {
            let others = self.others(running, &info).await;
            let token = Arc::new(Token { info, source: self.source.name().to_owned(), others });
            identities.extend(identities_of(&token));
            tokens.push(token);
        }
        running.holds_pin(tokens.iter().any(|token| token.info.pin_state == PinState::Unlocked));
        // A file tells by itself what is in it.
        if !self.source.is_files() {
            self.remembered.note(&tokens);
        }
        let mut held = self.held();
        held.replace(tokens, identities);
        if self.source.is_files() {
            held.forget_absent();
        }
        drop(held);
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
        if self.is_beside_piv() && !self.has_card() {
            self.shows_nothing();
        }
    }

    /// The keeper forgot the PIN of `token`, or of every token if that is empty.
    pub(super) fn forgot_pins(&self, token: &str) {
        let mut held = self.held();
        let mut forgot = false;
        for known in held.tokens.iter_mut().filter(|known| token.is_empty() || known.info.id == token) {
            if known.info.pin_state == PinState::Unlocked {
                Arc::make_mut(known).info.pin_state = PinState::Locked;
                forgot = true;
            }
        }
        drop(held);
        self.changed.send_modify(|count| *count += 1);
        if forgot {
            // There will be little to do until a person enters it again.
            wafer_client::memory::give_back();
        }
    }
}

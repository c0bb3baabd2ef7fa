//! Which tokens there are: listing, arrival, departure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use wafer_client::keeper::{KeyInfo, ReaderInfo, TokenInfo};

use super::hotplug::Hotplug;
use super::worker::{Urgency, Worker};
use super::{Common, Token};
use crate::card::{BeginAnew, CardError, Source, plain};
use crate::pin::secret::Secret;

/// Loads the source; run once, on the source's own thread.
pub type Load = Box<dyn FnOnce() -> Result<Box<dyn Source>, CardError> + Send>;

enum Place {
    NotLoaded(Option<Load>),
    Loaded(Box<dyn Source>),
}

/// Every token of this keeper.
pub struct Registry {
    source: Worker<Place>,
    tokens: Mutex<BTreeMap<String, Arc<Token>>>,
    /// Labels by id, of tokens that went too: a person is told which one to insert.
    labels: Mutex<BTreeMap<String, String>>,
    listing: tokio::sync::Mutex<()>,
    /// Told after each listing.
    listed: Notify,
    common: Common,
    hotplug: Hotplug,
}

impl Registry {
    /// Starts the source's thread; the source itself is loaded by the first listing.
    pub fn new(load: Load, common: Common) -> std::io::Result<Self> {
        let place = Place::NotLoaded(Some(load));
        let source = Worker::start(
            "module",
            place,
            common.module_deadline,
            Arc::clone(&common.on_hang),
            common.turn.clone(),
            |_| {},
        )?;
        Ok(Self {
            source,
            tokens: Mutex::default(),
            labels: Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            listed: Notify::new(),
            common,
            hotplug: Hotplug::default(),
        })
    }

    /// Lists the tokens afresh. Tokens that went are forgotten, new ones get their thread.
    pub async fn list(&self) -> Result<Vec<TokenInfo>, CardError> {
        let _one_at_a_time = self.listing.lock().await;
        self.begin_anew_if_need_be().await?;
        let look = self.source.call(Urgency::Queued, |place| {
            let source = loaded(place)?;
            let present = source.present()?.into_iter();
            let present: Vec<_> =
                present.map(|(identity, reader)| (identity.plain(), plain(&reader))).collect();
            Ok((present, source.is_removable()))
        });
        let (present, removable) = look.await?;
        if removable {
            self.hotplug.ensure();
        }
        let gone = self.retain(|id| present.iter().any(|(identity, _)| identity.id == id));
        for token in gone {
            self.let_go(&token).await;
        }
        let mut listed = Vec::new();
        for (identity, reader) in present {
            let is_back = self.get(&identity.id).is_none() && self.label(&identity.id).is_some();
            let token = match self.get(&identity.id) {
                Some(token) => token,
                None => {
                    let wanted = identity.clone();
                    let open = self.source.call(Urgency::Queued, move |place| loaded(place)?.open(&wanted));
                    let Ok(card) = open.await else { continue };
                    let token = Token::new(identity.clone(), reader.clone(), card, self.common.clone());
                    token.map_err(|error| CardError::Failed(error.to_string()))?
                }
            };
            match token.refresh(reader).await {
                Ok(info) => {
                    listed.push(info);
                    self.labels().insert(identity.id.clone(), identity.label.clone());
                    self.tokens().insert(identity.id, token);
                    if is_back {
                        self.common.changed.notify_one();
                    }
                }
                Err(CardError::Gone) => self.vanished(&token).await,
                Err(CardError::Hung) => return Err(CardError::Hung),
                // Another program holds it: what is known of it is still true.
                Err(CardError::Busy(_)) if self.get(&identity.id).is_some() => listed.push(token.info()),
                Err(error) => tracing::warn!(%error, token = identity.label, "the token cannot be read"),
            }
        }
        self.listed.notify_waiters();
        Ok(listed)
    }

    /// Has the source begin anew where it has to, with every token locked and closed before.
    async fn begin_anew_if_need_be(&self) -> Result<(), CardError> {
        let wants = self.source.call(Urgency::Queued, |place| loaded(place)?.wants_to_begin_anew()).await?;
        let in_use = || self.all().iter().any(|token| token.is_in_use());
        if wants == BeginAnew::No || (wants == BeginAnew::Unused && in_use()) {
            return Ok(());
        }
        for token in self.retain(|_| false) {
            self.let_go(&token).await;
            token.close().await?;
        }
        self.source.call(Urgency::Queued, |place| loaded(place)?.begin_anew()).await
    }

    /// The readers whose card the source has looked at.
    pub async fn readers(&self) -> Result<Vec<ReaderInfo>, CardError> {
        self.source.call(Urgency::Queued, |place| Ok(loaded(place)?.readers())).await
    }

    /// Tells the source which cards are used directly by another keeper; the next listing heeds it.
    pub async fn settle(&self, readers: Vec<ReaderInfo>) -> Result<(), CardError> {
        let settle = self.source.call(Urgency::Queued, |place| {
            loaded(place)?.settle(readers);
            Ok(())
        });
        settle.await
    }

    /// Waits until a listing, whoever wants it, finds the token with this id.
    pub async fn appears(&self, id: &str) {
        loop {
            let listed = self.listed.notified();
            if self.get(id).is_some() {
                return;
            }
            listed.await;
        }
    }

    /// Goes on for ever: after each insertion or removal the list is made afresh and waferd is told.
    pub async fn follow_readers(&self) {
        loop {
            self.hotplug.happened.notified().await;
            if let Err(error) = self.list().await {
                tracing::warn!(%error, "the tokens cannot be listed");
            }
            self.common.changed.notify_one();
        }
    }

    /// The token with this id, if it was there at the last look.
    pub fn get(&self, id: &str) -> Option<Arc<Token>> {
        self.tokens().get(id).cloned()
    }

    /// The label of a token that is or was there; `name` is its id or a key's.
    pub fn label(&self, name: &str) -> Option<String> {
        self.labels().get(token_of(name)).cloned()
    }

    /// Takes waferd's word for the label of a token that this keeper never saw.
    pub fn remember(&self, name: &str, label: &str) {
        let id = token_of(name);
        if !label.is_empty() {
            self.labels().entry(id.to_owned()).or_insert_with(|| label.to_owned());
        }
    }

    /// Every token.
    pub fn all(&self) -> Vec<Arc<Token>> {
        self.tokens().values().cloned().collect()
    }

    /// The token by id, looking again once if it is not known.
    pub async fn find(&self, id: &str) -> Result<Arc<Token>, CardError> {
        if let Some(token) = self.get(id) {
            return Ok(token);
        }
        self.list().await?;
        self.get(id).ok_or(CardError::Gone)
    }

    /// A key by its name, and its token.
    pub async fn find_key(&self, key: &str) -> Result<(Arc<Token>, KeyInfo), CardError> {
        let (token, _) = key.split_once('/').ok_or(CardError::NoKey)?;
        let token = self.find(token).await?;
        let key = token.key(key).ok_or(CardError::NoKey)?;
        Ok((token, key))
    }

    /// Keeps a file as a token from now on; see [`Source::import`].
    pub async fn import(
        &self,
        file: Arc<Vec<u8>>,
        name: String,
        password: Arc<Secret>,
    ) -> Result<String, CardError> {
        let import =
            self.source.call(Urgency::Queued, move |place| loaded(place)?.import(&file, &name, &password));
        let identity = import.await?;
        self.list().await?;
        self.common.changed.notify_one();
        Ok(identity.id)
    }

    /// Removes a token that was imported, locked before.
    pub async fn remove(&self, id: &str) -> Result<(), CardError> {
        let token = self.find(id).await?;
        self.let_go(&token).await;
        let identity = token.identity.clone();
        self.source.call(Urgency::Queued, move |place| loaded(place)?.remove(&identity)).await?;
        self.vanished(&token).await;
        self.labels().remove(id);
        Ok(())
    }

    /// A token turned out to be gone: it is forgotten and waferd is told.
    pub async fn vanished(&self, token: &Arc<Token>) {
        tracing::info!(token = token.identity.label, "the token is gone");
        let id = &token.identity.id;
        let is_this = |known: &Arc<Token>| Arc::ptr_eq(known, token);
        {
            let mut tokens = self.tokens();
            if tokens.get(id).is_some_and(is_this) {
                tokens.remove(id);
            }
        }
        self.let_go(token).await;
        self.common.changed.notify_one();
    }

    async fn let_go(&self, token: &Arc<Token>) {
        if let Err(error) = token.forget().await {
            tracing::debug!(%error, token = token.identity.label, "logging out of a token that went");
        }
    }

    fn retain(&self, keep: impl Fn(&str) -> bool) -> Vec<Arc<Token>> {
        let mut tokens = self.tokens();
        let gone: Vec<_> = tokens.keys().filter(|id| !keep(id)).cloned().collect();
        gone.iter().filter_map(|id| tokens.remove(id)).collect()
    }

    fn labels(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Token>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token's id in a key's name, or in its own.
pub fn token_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(id, _)| id)
}

fn loaded(place: &mut Place) -> Result<&mut Box<dyn Source>, CardError> {
    if let Place::NotLoaded(load) = place {
        // A module that failed to load is not tried again: it may have been left half-initialised.
        let load = load.take().ok_or_else(|| CardError::Failed("the module did not load".to_owned()))?;
        *place =
            Place::Loaded(load().inspect_err(|error| tracing::error!(%error, "the module does not load"))?);
    }
    match place {
        Place::Loaded(source) => Ok(source),
        Place::NotLoaded(_) => Err(CardError::Failed("the module did not load".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::time::Duration;

    use crate::card::{Authentication, Card, Contents, Identity, PinFlags, PinFormat, PinUse};
    use crate::pin::cache::Lives;
    use wafer_client::keeper::{Digest, KeyTransport, PinState, SignScheme, TriesLeft};
    use zeroize::Zeroizing;

    /// A card that can be pulled, and counts its logouts.
    #[derive(Clone)]
    struct Paper {
        absent: Arc<AtomicBool>,
        logouts: Arc<AtomicU32>,
        pin_use: PinUse,
        /// Somebody else changed the PIN.
        changed: Arc<AtomicBool>,
    }

    impl Default for Paper {
        fn default() -> Self {
            Self {
                absent: Arc::default(),
                logouts: Arc::default(),
                pin_use: PinUse::Session,
                changed: Arc::default(),
            }
        }
    }

    impl Paper {
        fn here<T>(&self, value: T) -> Result<T, CardError> {
            if self.absent.load(Ordering::SeqCst) { Err(CardError::Gone) } else { Ok(value) }
        }
    }

    impl Paper {
        /// The PIN that came with an operation.
        fn opened_by<'p>(&self, authentication: Authentication<'p>) -> Result<&'p [u8], CardError> {
            match authentication {
                Authentication::Kept(_) if self.changed.load(Ordering::SeqCst) => {
                    Err(CardError::PinIncorrect)
                }
                Authentication::Kept(pin) | Authentication::Confirmed(pin) | Authentication::Entered(pin) => {
                    self.here(secrecy::ExposeSecret::expose_secret(pin))
                }
                Authentication::Session | Authentication::PinPad => self.here(&[]),
            }
        }
    }

    impl Card for Paper {
        fn pin_flags(&mut self) -> Result<PinFlags, CardError> {
            self.here(PinFlags {
                login_required: true,
                pin_pad: false,
                global: false,
                tries: TriesLeft::Full,
                format: PinFormat::ANY,
            })
        }
        fn contents(&mut self) -> Result<Contents, CardError> {
            self.here(Contents::default())
        }
        fn login(&mut self, _: Option<&Secret>) -> Result<(), CardError> {
            self.here(())
        }
        fn logout(&mut self) -> Result<(), CardError> {
            self.logouts.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        fn pin_use(&self) -> PinUse {
            self.pin_use
        }
        fn sign(
            &mut self,
            _: &KeyInfo,
            authentication: Authentication<'_>,
            _: SignScheme,
            _: Digest,
            _: &[u8],
        ) -> Result<Vec<u8>, CardError> {
            self.opened_by(authentication).map(<[u8]>::to_vec)
        }
        fn unwrap_key(
            &mut self,
            _: &KeyInfo,
            _: Authentication<'_>,
            _: &KeyTransport,
            _: &[u8],
        ) -> Result<Zeroizing<Vec<u8>>, CardError> {
            self.here(Zeroizing::default())
        }
        fn derive(
            &mut self,
            _: &KeyInfo,
            _: Authentication<'_>,
            _: &[u8],
        ) -> Result<Zeroizing<Vec<u8>>, CardError> {
            self.here(Zeroizing::default())
        }
    }

    impl Source for Paper {
        fn present(&mut self) -> Result<Vec<(Identity, String)>, CardError> {
            let identity = Identity {
                id: "id".to_owned(),
                label: "paper".to_owned(),
                serial: "1".to_owned(),
                model: "m".to_owned(),
                manufacturer: String::new(),
            };
            Ok(self.here((identity, "slot".to_owned())).into_iter().collect())
        }
        fn open(&mut self, _: &Identity) -> Result<Box<dyn Card>, CardError> {
            Ok(Box::new(self.clone()))
        }
    }

    fn registry(paper: &Paper) -> (Registry, Arc<Notify>) {
        let changed = Arc::new(Notify::new());
        let hour = Duration::from_secs(3600);
        let common = Common {
            lives: Lives { idle: hour, max: hour },
            module_deadline: hour,
            dialog_timeout: hour,
            confirm_each_use: false,
            turn: None,
            on_hang: Arc::new(|| panic!("no call hangs here")),
            changed: Arc::clone(&changed),
        };
        let source = paper.clone();
        (Registry::new(Box::new(move || Ok(Box::new(source))), common).unwrap(), changed)
    }

    #[tokio::test]
    async fn a_token_that_goes_is_forgotten_and_comes_back_locked() {
        let paper = Paper::default();
        let (registry, changed) = registry(&paper);
        assert_eq!(registry.list().await.unwrap()[0].pin_state, PinState::Locked);
        let token = registry.find("id").await.unwrap();
        token.login(None).await.unwrap();
        assert_eq!(registry.list().await.unwrap()[0].pin_state, PinState::Unlocked);

        paper.absent.store(true, Ordering::SeqCst);
        assert!(registry.list().await.unwrap().is_empty());
        assert!(!token.is_logged_in());
        assert_eq!(paper.logouts.load(Ordering::SeqCst), 1);
        changed.notified().await;
        assert_eq!(registry.find("id").await.err(), Some(CardError::Gone));

        paper.absent.store(false, Ordering::SeqCst);
        assert_eq!(registry.list().await.unwrap()[0].pin_state, PinState::Locked);
    }

    #[tokio::test]
    async fn an_operation_that_finds_it_gone_ends_the_login() {
        let paper = Paper::default();
        let (registry, _) = registry(&paper);
        let token = registry.find("id").await.unwrap();
        token.login(None).await.unwrap();
        paper.absent.store(true, Ordering::SeqCst);
        let result = token.operate(None, |card, _| card.logout().and(card.pin_flags().map(drop))).await;
        assert_eq!(result, Err(CardError::Gone));
        assert!(!token.is_logged_in());
        registry.vanished(&token).await;
        assert!(registry.get("id").is_none());
    }

    /// Signs without a word to the person.
    async fn sign(token: &Arc<Token>) -> Result<Vec<u8>, CardError> {
        let key = KeyInfo {
            id: "id/01".to_owned(),
            label: String::new(),
            kind: wafer_client::keeper::KeyKind::Ec,
            certificate: Vec::new(),
            always_authenticate: false,
        };
        let signature = token.operate(None, move |card, authentication| {
            card.sign(&key, authentication, SignScheme::Ecdsa, Digest::Sha256, &[])
        });
        signature.await
    }

    #[tokio::test]
    async fn a_pin_is_kept_only_for_a_card_that_is_shut_after_each_visit() {
        for (pin_use, comes_along) in
            [(PinUse::Session, b"".as_slice()), (PinUse::EachVisit, b"123456".as_slice())]
        {
            let paper = Paper { pin_use, ..Paper::default() };
            let (registry, _) = registry(&paper);
            let token = registry.find("id").await.unwrap();
            assert_eq!(sign(&token).await, Err(CardError::NeedsLogin));
            token.login(Secret::from_bytes(b"123456").map(Arc::new)).await.unwrap();
            assert_eq!(sign(&token).await.unwrap(), comes_along);
            token.forget().await.unwrap();
            assert_eq!(sign(&token).await, Err(CardError::NeedsLogin));
        }
    }

    #[tokio::test]
    async fn a_kept_pin_that_the_card_refuses_is_not_tried_again() {
        let paper = Paper { pin_use: PinUse::EachVisit, ..Paper::default() };
        let (registry, _) = registry(&paper);
        let token = registry.find("id").await.unwrap();
        token.login(Secret::from_bytes(b"123456").map(Arc::new)).await.unwrap();
        paper.changed.store(true, Ordering::SeqCst);
        assert_eq!(sign(&token).await, Err(CardError::NeedsLogin));
        paper.changed.store(false, Ordering::SeqCst);
        assert_eq!(sign(&token).await, Err(CardError::NeedsLogin), "the PIN was forgotten");
    }

    #[tokio::test]
    async fn a_source_that_fails_to_load_is_not_tried_again() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let (_, changed) = registry(&Paper::default());
        let hour = Duration::from_secs(3600);
        let common = Common {
            lives: Lives { idle: hour, max: hour },
            module_deadline: hour,
            dialog_timeout: hour,
            confirm_each_use: false,
            turn: None,
            on_hang: Arc::new(|| {}),
            changed,
        };
        let load: Load = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Err(CardError::Failed("no such file".to_owned()))
        });
        let registry = Registry::new(load, common).unwrap();
        assert!(registry.list().await.is_err() && registry.list().await.is_err());
        assert_eq!(tries.load(Ordering::SeqCst), 1);
    }
}

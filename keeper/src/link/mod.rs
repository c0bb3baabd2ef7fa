//! The link with waferd: what `org.waferd.Keeper1` does.

mod files;
pub mod grants;
pub mod log;
mod pipe;
mod serve;

use std::sync::Arc;

use serde_bytes::{ByteBuf, Bytes};
use wafer_client::keeper::{
    Consent, ConsentRequest, Digest, GrantId, GrantRequest, KeyInfo, KeyTransport, LogEntry, Operation,
    ReaderInfo, SignScheme, TokenInfo,
};
use wafer_client::{ErrorKind, WaferError};
use zbus::OwnedFd;
use zbus::object_server::SignalEmitter;

use crate::card::{Authentication, Card, CardError};
use crate::failure::Failure;
use crate::pin::change::PinChange;
use crate::pin::consent::consent;
use crate::pin::each_use::EachUse;
use crate::pin::import::Import;
use crate::pin::insert::insert;
use crate::pin::unlock::{Asking, unlock};
use crate::token::Token;
use crate::token::registry::Registry;
use grants::{Grants, Use};
use log::Log;
use pipe::SecretPipe;

pub use serve::serve;

/// A login that the token denies again and again is the token's fault.
const LOGIN_ROUNDS: usize = 4;
/// Limits of what waferd sends; nothing genuine comes near.
const LONGEST_ENCRYPTED_KEY: usize = 2048;
const LONGEST_CONTENT_KEY: u32 = 256;
const LONGEST_LABEL: usize = 1024;

/// The object on the link.
pub struct Keeper {
    registry: Arc<Registry>,
    asking: Arc<Asking>,
    grants: Grants,
    log: Arc<Log>,
    /// The module's name, for errors that concern no single token.
    source: String,
}

/// How an operation appears in the log.
struct Purpose<'p> {
    event: &'p str,
    key: &'p str,
}

impl Keeper {
    /// An operation on a granted key: find it, unlock it if need be, do it, note it.
    async fn with_key<R: Send + 'static>(
        &self,
        grant: GrantId,
        operation: Operation,
        work: impl Fn(&mut dyn Card, &KeyInfo, Authentication<'_>) -> Result<R, CardError>
        + Clone
        + Send
        + 'static,
    ) -> Result<R, WaferError> {
        let mut used = self.grants.take(grant, operation).map_err(|failure| self.refuse(failure))?;
        let request = Arc::clone(&used.request);
        let event = if operation == Operation::Sign { "sign" } else { "decrypt" };
        let mut retried = false;
        loop {
            let (token, key) = self.present(&mut used, || self.registry.find_key(&request.key)).await?;
            let purpose = Purpose { event, key: &key.label };
            let (wanted, work) = (key.clone(), work.clone());
            let job = move |card: &mut dyn Card, open: Authentication<'_>| work(card, &wanted, open);
            match self.run(&mut used, &token, Some(key.clone()), &purpose, job).await {
                // A card that was reset or put back is there again at the second look, without its login.
                Err(error) if error.kind == ErrorKind::NoToken && !retried => retried = true,
                result => return result,
            }
        }
    }

    /// What `find` finds; a known card that is absent is asked for.
    async fn present<T, F: Future<Output = Result<T, CardError>>>(
        &self,
        used: &mut Use<'_>,
        find: impl Fn() -> F,
    ) -> Result<T, WaferError> {
        let request = Arc::clone(&used.request);
        let found = used.during(async {
            loop {
                match find().await {
                    Err(CardError::Gone) => insert(&self.asking, &self.registry, &request).await?,
                    found => return Ok(found?),
                }
            }
        });
        found.await.map_err(|failure| match failure {
            Failure::TimedOut => self.refuse_for(&request.key, Failure::NotInserted),
            failure => self.refuse_for(&request.key, failure),
        })
    }

    /// Operates, unlocking as often as the token says it is needed.
    async fn run<R: Send + 'static>(
        &self,
        used: &mut Use<'_>,
        token: &Arc<Token>,
        key: Option<KeyInfo>,
        purpose: &Purpose<'_>,
        job: impl Fn(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Clone + Send + 'static,
    ) -> Result<R, WaferError> {
        let request = Arc::clone(&used.request);
        let operation = async {
            let mut entered = None;
            for _ in 0..LOGIN_ROUNDS {
                if let Some(key) = key.as_ref().filter(|key| token.asks_each_use(&key.id)) {
                    let use_once = EachUse { asking: &self.asking, token, key, grant: &request };
                    return use_once.run(entered, job.clone()).await;
                }
                match (token.operate(key.clone(), job.clone()).await, &key) {
                    (Err(CardError::NeedsLogin), _) => {
                        entered = unlock(&self.asking, token, &request, key.clone()).await?;
                    }
                    (Err(CardError::EveryUse), Some(key)) => token.note_each_use(&key.id),
                    (result, _) => return Ok(result?),
                }
            }
            Err(Failure::Card(CardError::NeedsLogin))
        };
        let result = used.during(operation).await;
        self.log.note(&token.identity.label, purpose.key, purpose.event, &request.requester.program, &result);
        if matches!(result, Err(Failure::NoToken)) {
            self.registry.vanished(token).await;
        }
        token.settle().await;
        result.map_err(|failure| failure.into_error(&token.identity.label))
    }

    /// A failure before any token was touched.
    fn refuse(&self, failure: Failure) -> WaferError {
        self.refuse_for("", failure)
    }

    /// The same, about a token or key that was asked for by `name` and may be gone.
    fn refuse_for(&self, name: &str, failure: Failure) -> WaferError {
        let label = self.registry.label(name).unwrap_or_else(|| self.source.clone());
        let refused: Result<(), Failure> = Err(failure.clone());
        self.log.note(&label, "", "refuse", "", &refused);
        failure.into_error(&label)
    }

    /// Forgets one token's login, or every one's, and notes it.
    pub(crate) async fn forget(&self, token: &str, event: &str) -> Result<(), Failure> {
        let tokens: Vec<_> = self
            .registry
            .all()
            .into_iter()
            .filter(|known| token.is_empty() || known.identity.id == token)
            .collect();
        let mut result = Ok(());
        // Each in its own task: one slow token does not keep another unlocked.
        let tasks: Vec<_> = tokens
            .into_iter()
            .map(|token| tokio::spawn(async move { (token.identity.label.clone(), token.forget().await) }))
            .collect();
        for task in tasks {
            let Ok((label, forgotten)) = task.await else { continue };
            let forgotten = forgotten.map_err(Failure::from);
            self.log.note(&label, "", event, "", &forgotten);
            result = result.and(forgotten);
        }
        result
    }
}

/// Checks what waferd sent with a key transport.
fn check_transport(transport: &KeyTransport, encrypted: &[u8]) -> Result<(), Failure> {
    if !(1..=LONGEST_CONTENT_KEY).contains(&transport.key_length) || transport.label.len() > LONGEST_LABEL {
        return Err(Failure::Argument("transport"));
    }
    if encrypted.is_empty() || encrypted.len() > LONGEST_ENCRYPTED_KEY {
        return Err(Failure::Argument("encrypted_key"));
    }
    Ok(())
}

#[zbus::interface(name = "org.waferd.Keeper1")]
impl Keeper {
    async fn tokens(&self) -> Result<Vec<TokenInfo>, WaferError> {
        let listed = self.registry.list().await;
        // Asked for when a card or a login came or went: nothing like it will happen soon.
        wafer_client::memory::give_back();
        listed.map_err(|error| self.refuse(error.into()))
    }

    async fn readers(&self) -> Result<Vec<ReaderInfo>, WaferError> {
        self.registry.readers().await.map_err(|error| self.refuse(error.into()))
    }

    async fn settle_readers(&self, readers: Vec<ReaderInfo>) -> Result<(), WaferError> {
        self.registry.settle(readers).await.map_err(|error| self.refuse(error.into()))
    }

    async fn certificates(&self, token: &str) -> Result<Vec<Vec<u8>>, WaferError> {
        let token = self.registry.find(token).await.map_err(|error| self.refuse(error.into()))?;
        Ok(token.contents().others.clone())
    }

    async fn grant(&self, request: GrantRequest) -> Result<GrantId, WaferError> {
        self.registry.remember(&request.key, &request.token_label);
        self.grants.open(request).map_err(|failure| self.refuse(failure))
    }

    async fn revoke(&self, grant: GrantId) {
        self.grants.revoke(grant);
    }

    async fn sign(
        &self,
        grant: GrantId,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &Bytes,
    ) -> Result<ByteBuf, WaferError> {
        let digest = digest.to_vec();
        let signature = self
            .with_key(grant, Operation::Sign, move |card, key, authentication| {
                card.sign(key, authentication, scheme, algorithm, &digest)
            })
            .await?;
        Ok(ByteBuf::from(signature))
    }

    async fn unwrap_key(
        &self,
        grant: GrantId,
        transport: KeyTransport,
        encrypted_key: &Bytes,
        secret: OwnedFd,
    ) -> Result<(), WaferError> {
        let encrypted = encrypted_key.to_vec();
        check_transport(&transport, &encrypted).map_err(|failure| self.refuse(failure))?;
        let pipe = SecretPipe::new(secret).map_err(|failure| self.refuse(failure))?;
        let key = self
            .with_key(grant, Operation::Decrypt, move |card, key, authentication| {
                card.unwrap_key(key, authentication, &transport, &encrypted)
            })
            .await?;
        pipe.send(&key).map_err(|failure| self.refuse(failure))
    }

    async fn derive(&self, grant: GrantId, peer_point: &Bytes, secret: OwnedFd) -> Result<(), WaferError> {
        let point = peer_point.to_vec();
        let pipe = SecretPipe::new(secret).map_err(|failure| self.refuse(failure))?;
        let shared = self
            .with_key(grant, Operation::Decrypt, move |card, key, authentication| {
                card.derive(key, authentication, &point)
            })
            .await?;
        pipe.send(&shared).map_err(|failure| self.refuse(failure))
    }

    async fn unlock(&self, grant: GrantId) -> Result<(), WaferError> {
        let mut used = self.grants.take(grant, Operation::Unlock).map_err(|failure| self.refuse(failure))?;
        let request = Arc::clone(&used.request);
        let token = self.present(&mut used, || self.registry.find(&request.key)).await?;
        let purpose = Purpose { event: "unlock", key: "" };
        self.run(&mut used, &token, None, &purpose, |_, _| Ok(())).await
    }

    async fn change_pin(&self, grant: GrantId, unblock: bool) -> Result<(), WaferError> {
        let operation = if unblock { Operation::UnblockPin } else { Operation::ChangePin };
        let mut used = self.grants.take(grant, operation).map_err(|failure| self.refuse(failure))?;
        let request = Arc::clone(&used.request);
        let token = self.present(&mut used, || self.registry.find(&request.key)).await?;
        let change = PinChange { asking: &self.asking, token: &token, grant: &request };
        let result = used.during(change.run()).await;
        result.map_err(|failure| failure.into_error(&token.identity.label))
    }

    async fn import_file(&self, grant: GrantId, name: String, file: OwnedFd) -> Result<String, WaferError> {
        let mut used =
            self.grants.take(grant, Operation::ImportFile).map_err(|failure| self.refuse(failure))?;
        let request = Arc::clone(&used.request);
        let file = files::contents(file).map_err(|failure| failure.into_error(&name))?;
        let (asking, registry) = (&self.asking, &self.registry);
        let import = Import { asking, registry, grant: &request, name: name.clone(), file: Arc::new(file) };
        let result = used.during(import.run()).await;
        self.log.note(&name, "", "import", &request.requester.program, &result);
        wafer_client::memory::give_back();
        result.map_err(|failure| failure.into_error(&name))
    }

    async fn remove(&self, token: &str) -> Result<(), WaferError> {
        let label = self.registry.label(token).unwrap_or_default();
        let result = self.registry.remove(token).await.map_err(Failure::from);
        self.log.note(&label, "", "remove", "", &result);
        result.map_err(|failure| failure.into_error(&label))
    }

    async fn lock(&self, token: &str) -> Result<(), WaferError> {
        self.forget(token, "lock").await.map_err(|failure| self.refuse(failure))
    }

    async fn screen(&self, locked: bool) {
        self.asking.screen_locked.send_replace(locked);
    }

    async fn consent(&self, request: ConsentRequest) -> Result<Consent, WaferError> {
        consent(&self.asking, &request).await.map_err(|failure| self.refuse(failure))
    }

    async fn log(&self) -> Vec<LogEntry> {
        self.log.entries()
    }

    #[zbus(signal)]
    async fn tokens_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

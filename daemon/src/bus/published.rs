//! Tokens and identities as objects: what the keepers know now is what every connection shows.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use wafer_client::keeper::{PinState, TokenInfo, TriesLeft};
use wafer_client::names::TOKEN_PATH_PREFIX;
use zbus::connection::Builder;
use zbus::{Connection, OwnedObjectPath};

use super::answer::{identity_path, path};
use super::door::Door;
use super::identity::Identity;
use super::token::Token;

/// Every connection and what it shows.
#[derive(Default)]
pub(super) struct Published(Mutex<Vec<Shown>>);

/// What one connection shows.
struct Shown {
    connection: Connection,
    door: Door,
    tokens: HashMap<OwnedObjectPath, State>,
    identities: HashMap<OwnedObjectPath, ()>,
}

/// What a connection shows from its first moment.
#[derive(Default)]
pub(super) struct First {
    tokens: HashMap<OwnedObjectPath, State>,
    identities: HashMap<OwnedObjectPath, ()>,
}

/// Puts all that is known now on a connection that is still being built. No signal tells of it: a client takes
/// the first message for the answer to its Hello, and fails if it is another.
pub(super) fn first<'a>(mut builder: Builder<'a>, door: &Door) -> (Builder<'a>, First) {
    let keepers = &door.service.rooms.keepers;
    let mut first = First::default();
    for token in keepers.tokens() {
        let path = path(TOKEN_PATH_PREFIX, &token.info.id);
        first.tokens.insert(path.clone(), State::of(&token.info));
        builder = builder.serve_at(path, Token { door: door.clone(), known: token });
    }
    for known in keepers.identities() {
        let path = identity_path(&known.id);
        first.identities.insert(path.clone(), ());
        builder = builder.serve_at(path, Identity(known));
    }
    (builder, first)
}

/// The properties of a token that change.
#[derive(Clone, PartialEq, Eq)]
struct State {
    pin: PinState,
    tries: TriesLeft,
    reader: String,
}

impl State {
    fn of(info: &TokenInfo) -> Self {
        Self { pin: info.pin_state, tries: info.tries_left, reader: info.reader.clone() }
    }
}

impl Published {
    /// Shows all on one more connection, which shows `first` already.
    pub(super) async fn add(&self, connection: &Connection, door: &Door, first: First) {
        let First { tokens, identities } = first;
        let mut shown = Shown { connection: connection.clone(), door: door.clone(), tokens, identities };
        let mut all = self.0.lock().await;
        shown.update().await;
        all.push(shown);
    }

    /// Brings every connection up to date; closed ones are forgotten.
    pub(super) async fn update(&self) {
        let mut all = self.0.lock().await;
        all.retain(|shown| !shown.connection.is_closed());
        for shown in all.iter_mut() {
            shown.update().await;
        }
    }

    /// Forgets closed connections.
    pub(super) async fn sweep(&self) {
        self.0.lock().await.retain(|shown| !shown.connection.is_closed());
    }
}

impl Shown {
    async fn update(&mut self) {
        if let Err(error) = self.try_update().await {
            tracing::warn!(%error, "tokens could not be shown on a connection");
        }
    }

    async fn try_update(&mut self) -> zbus::Result<()> {
        let keepers = &self.door.service.rooms.keepers;
        let server = self.connection.object_server();
        let tokens: HashMap<_, _> = keepers
            .tokens()
            .into_iter()
            .map(|token| (path(TOKEN_PATH_PREFIX, &token.info.id), token))
            .collect();
        let identities: HashMap<_, _> =
            keepers.identities().into_iter().map(|known| (identity_path(&known.id), known)).collect();
        // Identities go before their token and come after it.
        for gone in missing(&self.identities, &identities) {
            server.remove::<Identity, _>(&gone).await?;
            self.identities.remove(&gone);
        }
        for gone in missing(&self.tokens, &tokens) {
            server.remove::<Token, _>(&gone).await?;
            self.tokens.remove(&gone);
        }
        for (path, token) in tokens {
            let state = State::of(&token.info);
            match self.tokens.insert(path.clone(), state.clone()) {
                None => {
                    server.at(&path, Token { door: self.door.clone(), known: token }).await?;
                }
                Some(before) if before != state => tell(&self.connection, &path, &before, &state).await?,
                Some(_) => {}
            }
        }
        for (path, known) in identities {
            if self.identities.insert(path.clone(), ()).is_none() {
                server.at(&path, Identity(Arc::clone(&known))).await?;
            }
        }
        Ok(())
    }
}

fn missing<A, B>(
    shown: &HashMap<OwnedObjectPath, A>,
    present: &HashMap<OwnedObjectPath, B>,
) -> Vec<OwnedObjectPath> {
    shown.keys().filter(|path| !present.contains_key(*path)).cloned().collect()
}

/// Announces what changed of a token.
async fn tell(
    connection: &Connection,
    path: &OwnedObjectPath,
    before: &State,
    now: &State,
) -> zbus::Result<()> {
    let token = connection.object_server().interface::<_, Token>(path).await?;
    let emitter = token.signal_emitter();
    let object = token.get().await;
    if before.pin != now.pin {
        object.pin_state_changed(emitter).await?;
    }
    if before.tries != now.tries {
        object.tries_left_changed(emitter).await?;
    }
    if before.reader != now.reader {
        object.reader_changed(emitter).await?;
    }
    Ok(())
}

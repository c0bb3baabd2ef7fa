//! Tokens and identities as objects: what the keepers know now is what every connection shows.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use wafer_client::keeper::{PinState, TriesLeft};
use wafer_client::names::TOKEN_PATH_PREFIX;
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
    identities: HashMap<OwnedObjectPath, Place>,
}

/// The properties of a token that change.
#[derive(Clone, PartialEq, Eq)]
struct State {
    pin: PinState,
    tries: TriesLeft,
    reader: String,
    present: bool,
}

/// Where an identity's key is.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    token: String,
    present: bool,
}

impl Published {
    /// Shows all on one more connection.
    pub(super) async fn add(&self, connection: &Connection, door: &Door) {
        let mut shown = Shown {
            connection: connection.clone(),
            door: door.clone(),
            tokens: HashMap::new(),
            identities: HashMap::new(),
        };
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

    /// Every connection that is open.
    pub(super) async fn connections(&self) -> Vec<Connection> {
        self.0.lock().await.iter().map(|shown| shown.connection.clone()).collect()
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
            .known_tokens()
            .into_iter()
            .map(|token| (path(TOKEN_PATH_PREFIX, &token.info.id), token))
            .collect();
        let identities: HashMap<_, _> =
            keepers.known_identities().into_iter().map(|known| (identity_path(&known.id), known)).collect();
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
            let info = &token.info;
            let state = State {
                pin: info.pin_state,
                tries: info.tries_left,
                reader: info.reader.clone(),
                present: keepers.is_present(&info.id),
            };
            match self.tokens.insert(path.clone(), state.clone()) {
                None => {
                    server.at(&path, Token { door: self.door.clone(), known: token }).await?;
                }
                Some(before) if before != state => tell(&self.connection, &path, &before, &state).await?,
                Some(_) => {}
            }
        }
        for (path, known) in identities {
            let place = Place { token: known.token.clone(), present: keepers.is_present(&known.token) };
            let before = self.identities.insert(path.clone(), place.clone());
            // The same certificate on another token: what the object says of its token never changes.
            if before.as_ref().is_some_and(|before| before.token != place.token) {
                server.remove::<Identity, _>(&path).await?;
            }
            match before {
                Some(before) if before.token == place.token => {
                    if before.present != place.present {
                        let identity = server.interface::<_, Identity>(&path).await?;
                        identity.get().await.present_changed(identity.signal_emitter()).await?;
                    }
                }
                _ => {
                    server.at(&path, Identity { door: self.door.clone(), known: Arc::clone(&known) }).await?;
                }
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
        object.tries_count_changed(emitter).await?;
    }
    if before.present != now.present {
        object.present_changed(emitter).await?;
    }
    if before.reader != now.reader {
        object.reader_changed(emitter).await?;
    }
    Ok(())
}

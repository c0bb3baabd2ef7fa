//! Cards that were seen once, over restarts: what is public of them lies in the data folder, so that a client can
//! say which card to insert.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use der::pem::{self, LineEnding};
use serde::{Deserialize, Serialize};
use wafer_client::keeper::{KeyInfo, KeyKind, PinState, TokenInfo, TriesLeft};

use super::Token;
use crate::data;

/// The file in the data folder.
const FILE: &str = "known-cards.json";
const VERSION: u32 = 2;
/// So many are remembered; of more the ones that were seen first are forgotten.
const MOST: usize = 64;
const LABEL: &str = "CERTIFICATE";

/// Every card that is remembered.
pub(super) struct Remembered {
    path: PathBuf,
    cards: Mutex<Vec<Card>>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    cards: Vec<Card>,
}

/// What is public of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Card {
    source: String,
    id: String,
    label: String,
    serial: String,
    model: String,
    manufacturer: String,
    keys: Vec<Key>,
    /// Certificates without a key, PEM.
    others: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    id: String,
    label: String,
    kind: KeyKind,
    each_use: bool,
    /// PEM.
    certificate: String,
}

impl Remembered {
    /// Those kept in the folder `data`; none if the file cannot be read.
    pub(super) fn open(data: &std::path::Path) -> Self {
        let path = data.join(FILE);
        let cards = match data::read(&path) {
            Ok(None) => Vec::new(),
            Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
                Ok(Kept { version: VERSION, cards }) => cards,
                _ => {
                    tracing::warn!(file = %path.display(), "the cards that were seen before are not known");
                    Vec::new()
                }
            },
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the cards that were seen before are not known");
                Vec::new()
            }
        };
        Self { path, cards: Mutex::new(cards) }
    }

    /// The cards of `source`, as tokens that are absent.
    pub(super) fn of(&self, source: &str) -> Vec<Arc<Token>> {
        self.cards().iter().filter(|card| card.source == source).map(|card| Arc::new(card.token())).collect()
    }

    /// Takes note of the tokens that a source shows; writes only what is new.
    pub(super) fn note(&self, present: &[Arc<Token>]) {
        let mut cards = self.cards();
        let mut changed = false;
        for card in present.iter().filter_map(|token| Card::of(token)) {
            if cards.contains(&card) {
                continue;
            }
            cards.retain(|known| !known.is(&card.source, &card.id));
            cards.insert(0, card);
            cards.truncate(MOST);
            changed = true;
        }
        if changed {
            self.write(&cards);
        }
    }

    /// Forgets a card.
    pub(super) fn forget(&self, source: &str, id: &str) {
        let mut cards = self.cards();
        cards.retain(|card| !card.is(source, id));
        self.write(&cards);
    }

    fn write(&self, cards: &[Card]) {
        let kept = Kept { version: VERSION, cards: cards.to_vec() };
        let written = serde_json::to_vec_pretty(&kept)
            .map_err(std::io::Error::from)
            .and_then(|bytes| data::replace(&self.path, &bytes));
        if let Err(error) = written {
            tracing::warn!(file = %self.path.display(), %error, "cards are remembered for this session only");
        }
    }

    fn cards(&self) -> MutexGuard<'_, Vec<Card>> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Card {
    /// `None` for a token without a key: nothing will ever ask for it.
    fn of(token: &Token) -> Option<Self> {
        let info = &token.info;
        let key = |key: &KeyInfo| {
            let certificate = to_pem(&key.certificate)?;
            let (kind, each_use) = (key.kind, key.always_authenticate);
            Some(Key { id: key.id.clone(), label: key.label.clone(), kind, each_use, certificate })
        };
        let keys: Vec<Key> = info.keys.iter().filter_map(key).collect();
        (!keys.is_empty()).then(|| Self {
            source: token.source.clone(),
            id: info.id.clone(),
            label: info.label.clone(),
            serial: info.serial.clone(),
            model: info.model.clone(),
            manufacturer: info.manufacturer.clone(),
            keys,
            others: token.others.iter().filter_map(|other| to_pem(other)).collect(),
        })
    }

    fn is(&self, source: &str, id: &str) -> bool {
        self.source == source && self.id == id
    }

    fn token(&self) -> Token {
        let key = |key: &Key| {
            Some(KeyInfo {
                id: key.id.clone(),
                label: key.label.clone(),
                kind: key.kind,
                certificate: from_pem(&key.certificate)?,
                always_authenticate: key.each_use,
            })
        };
        let others: Vec<Vec<u8>> = self.others.iter().filter_map(|other| from_pem(other)).collect();
        let info = TokenInfo {
            id: self.id.clone(),
            label: self.label.clone(),
            serial: self.serial.clone(),
            model: self.model.clone(),
            manufacturer: self.manufacturer.clone(),
            reader: String::new(),
            pin_state: PinState::Locked,
            tries_left: TriesLeft::Unknown,
            keys: self.keys.iter().filter_map(key).collect(),
            other_certificates: u32::try_from(others.len()).unwrap_or(u32::MAX),
        };
        Token { info, source: self.source.clone(), others }
    }
}

fn to_pem(der: &[u8]) -> Option<String> {
    pem::encode_string(LABEL, LineEnding::LF, der).ok()
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    pem::decode_vec(text.as_bytes()).ok().filter(|(label, _)| *label == LABEL).map(|(_, der)| der)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn token(number: usize) -> Arc<Token> {
        let certificate = to_pem(&number.to_be_bytes()).unwrap();
        let key = Key {
            id: format!("{number}/01"),
            label: "key".to_owned(),
            kind: KeyKind::Ed25519,
            each_use: true,
            certificate,
        };
        let card = Card {
            source: "piv".to_owned(),
            id: number.to_string(),
            label: format!("card {number}"),
            serial: "s".to_owned(),
            model: "m".to_owned(),
            manufacturer: "f".to_owned(),
            keys: vec![key],
            others: vec![to_pem(b"other").unwrap()],
        };
        Arc::new(card.token())
    }

    #[test]
    fn a_card_is_known_after_a_restart_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        Remembered::open(home.path()).note(&[token(1), token(2)]);
        let again = Remembered::open(home.path());
        let known = again.of("piv");
        assert_eq!(known.len(), 2);
        assert_eq!((&known[0].info, &known[0].others), (&token(2).info, &token(2).others));
        assert!(again.of("opensc").is_empty());
        again.forget("piv", "2");
        assert_eq!(Remembered::open(home.path()).of("piv").len(), 1);
    }

    #[test]
    fn a_card_that_changed_takes_its_own_place_and_there_is_an_end_to_memory() {
        let home = tempfile::tempdir().unwrap();
        let cards = Remembered::open(home.path());
        cards.note(&[token(0)]);
        let mut renamed = token(0);
        Arc::make_mut(&mut renamed).info.label = "another".to_owned();
        cards.note(&[renamed]);
        assert_eq!(
            cards.of("piv").iter().map(|card| card.info.label.as_str()).collect::<Vec<_>>(),
            ["another"]
        );
        cards.note(&(1..=MOST).map(token).collect::<Vec<_>>());
        assert!(cards.of("piv").iter().all(|card| card.info.id != "0"));
        assert_eq!(cards.of("piv").len(), MOST);
    }

    #[test]
    fn a_file_that_is_broken_is_no_reason_to_stop() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(FILE), "{").unwrap();
        let cards = Remembered::open(home.path());
        assert!(cards.of("piv").is_empty());
        cards.note(&[token(1)]);
        assert_eq!(Remembered::open(home.path()).of("piv").len(), 1);
    }
}

//! What a slot's keeper said of its tokens, and what is remembered of those that went.

use std::sync::Arc;

use wafer_client::keeper::PinState;

use super::Token;
use crate::identity::Identity;

/// Tokens with their identities.
#[derive(Default)]
pub(super) struct Held {
    /// Present, as the keeper said last.
    pub(super) tokens: Vec<Arc<Token>>,
    /// Identities on them.
    pub(super) identities: Vec<Arc<Identity>>,
    /// Seen before, in this run or an earlier one, and absent now.
    pub(super) absent: Vec<Arc<Token>>,
    /// Identities on those.
    pub(super) absent_identities: Vec<Arc<Identity>>,
}

impl Held {
    /// What is remembered of an earlier run.
    pub(super) fn recalled(absent: Vec<Arc<Token>>) -> Self {
        let identities = absent.iter().flat_map(|token| identities_of(token)).collect();
        Self { absent, absent_identities: identities, ..Self::default() }
    }

    /// Takes a new list; what was there before and is in it no more is remembered.
    pub(super) fn replace(&mut self, tokens: Vec<Arc<Token>>, identities: Vec<Arc<Identity>>) {
        let mut absent = std::mem::replace(&mut self.tokens, tokens);
        absent.append(&mut self.absent);
        let mut absent_identities = std::mem::replace(&mut self.identities, identities);
        absent_identities.append(&mut self.absent_identities);
        let is_present = |id: &str| self.tokens.iter().any(|token| token.info.id == id);
        absent.retain(|token| !is_present(&token.info.id));
        // What a card that is here does not hold any more is gone for good.
        absent_identities.retain(|identity| !is_present(&identity.token));
        for token in &mut absent {
            if token.info.pin_state == PinState::Unlocked {
                Arc::make_mut(token).info.pin_state = PinState::Locked;
            }
        }
        (self.absent, self.absent_identities) = (absent, absent_identities);
    }

    /// Forgets a token that is absent; whether there was one.
    pub(super) fn forget(&mut self, id: &str) -> bool {
        let before = self.absent.len();
        self.absent.retain(|token| token.info.id != id);
        self.absent_identities.retain(|identity| identity.token != id);
        self.absent.len() < before
    }

    /// Forgets what is absent: a file that is gone cannot be inserted.
    pub(super) fn forget_absent(&mut self) {
        self.absent.clear();
        self.absent_identities.clear();
    }

    /// The token with this id, present or remembered.
    pub(super) fn known(&self, id: &str) -> Option<&Arc<Token>> {
        self.tokens.iter().chain(&self.absent).find(|token| token.info.id == id)
    }

    /// The identity with this key, present or remembered.
    pub(super) fn identity_of(&self, key: &str) -> Option<&Arc<Identity>> {
        self.identities.iter().chain(&self.absent_identities).find(|identity| identity.key == key)
    }
}

/// The identities on `token`.
pub(super) fn identities_of(token: &Token) -> impl Iterator<Item = Arc<Identity>> {
    let id = &token.info.id;
    token.info.keys.iter().filter_map(move |key| Identity::read(id, key)).map(Arc::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use wafer_client::keeper::{KeyInfo, KeyKind, TokenInfo, TriesLeft};

    use super::*;
    use crate::trust::testing::self_signed;

    fn card(id: &str) -> (Arc<Token>, Arc<Identity>) {
        let key = KeyInfo {
            id: format!("{id}/01"),
            label: "key".to_owned(),
            kind: KeyKind::Ec,
            certificate: self_signed("someone@example.org"),
            always_authenticate: false,
        };
        let identity = Identity::read(id, &key).unwrap();
        let info = TokenInfo {
            id: id.to_owned(),
            label: format!("card {id}"),
            serial: String::new(),
            model: String::new(),
            manufacturer: String::new(),
            reader: String::new(),
            pin_state: PinState::Unlocked,
            tries_left: TriesLeft::Unknown,
            keys: vec![key],
            other_certificates: 0,
        };
        (Arc::new(Token { info, source: String::new(), others: Vec::new() }), Arc::new(identity))
    }

    #[test]
    fn a_card_that_went_is_remembered_until_it_comes_back() {
        let mut held = Held::default();
        let ((one, key_one), (two, key_two)) = (card("1"), card("2"));
        held.replace(vec![one.clone(), two.clone()], vec![key_one.clone(), key_two.clone()]);
        assert!(held.absent.is_empty() && held.absent_identities.is_empty());

        held.replace(vec![two.clone()], vec![key_two.clone()]);
        held.replace(vec![two.clone()], vec![key_two.clone()]);
        assert_eq!((held.absent.len(), held.absent_identities.len()), (1, 1));
        assert_eq!(held.known("1").unwrap().info.label, "card 1");
        assert_eq!(held.known("1").unwrap().info.pin_state, PinState::Locked);
        assert_eq!(held.identity_of("1/01").unwrap().id, key_one.id);

        let mut file = Held::default();
        file.replace(vec![one.clone()], vec![key_one.clone()]);
        file.replace(Vec::new(), Vec::new());
        file.forget_absent();
        assert!(file.known("1").is_none() && file.identity_of("1/01").is_none());

        held.replace(vec![one, two], vec![key_two]);
        assert!(held.absent.is_empty() && held.absent_identities.is_empty());
        assert!(held.identity_of("1/01").is_none(), "the card came back without it");
    }
}

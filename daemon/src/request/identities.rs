//! Choosing among the person's identities by the settings and by what is known of their cards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::Rooms;
use crate::config::Settings;
use crate::identity::Identity;
use crate::identity::choose::{self, Candidate, Facts, Purpose, Wish};
use crate::trust::certificate::same_address;
use crate::trust::{self, Trust};

/// How long a path is believed.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Every identity known as a candidate for `purpose` for one of `addresses` (any without), the best first.
pub fn candidates(rooms: &Rooms, purpose: Purpose, addresses: &[String]) -> Vec<Candidate> {
    let settings = rooms.live.get();
    let chosen = settings.list("identities.use");
    let chosen = chosen.iter().filter_map(|line| line.split_once('='));
    let chosen =
        chosen.filter(|(address, _)| addresses.iter().any(|wanted| same_address(wanted, address.trim())));
    let wish = Wish {
        addresses: addresses.to_vec(),
        chosen: chosen.map(|(_, start)| start.trim().to_lowercase().replace(':', "")).collect(),
        smart_card_only: settings.flag("identities.smart-card-only"),
    };
    let now = SystemTime::now();
    let facts = |identity: &Identity| facts(rooms, identity, now);
    choose::candidates(rooms.keepers.known_identities(), purpose, &wish, &facts, now)
}

/// The best identity for `purpose` and `addresses` that is valid, if there is one.
pub fn best(rooms: &Rooms, purpose: Purpose, addresses: &[String]) -> Option<Arc<Identity>> {
    let now = SystemTime::now();
    let best = candidates(rooms, purpose, addresses).into_iter().find(Candidate::serves)?;
    Some(best.identity).filter(|identity| identity.certificate.is_valid_at(now))
}

fn facts(rooms: &Rooms, identity: &Identity, now: SystemTime) -> Facts {
    let certificate = &identity.certificate.der;
    let token = rooms.keepers.token(&identity.token);
    Facts {
        present: token.is_some(),
        hardware: token.is_none_or(|token| token.is_hardware()),
        trusted: rooms.trusted.of(&rooms.live.get(), &identity.id, || {
            let chain = rooms.keepers.chain(identity);
            // What it may be used for is looked at apart.
            rooms.validator.validate_for(trust::Purpose::Any, certificate, &chain, now) == Trust::Trusted
        }),
    }
}

/// Whether identities are trusted, remembered for a while: a path takes far longer to build than a signature
/// takes to make.
#[derive(Default)]
pub struct Trusted(Mutex<Remembered>);

/// What was found under one state of the settings.
#[derive(Default)]
struct Remembered {
    under: Option<Arc<Settings>>,
    found: HashMap<String, (Instant, bool)>,
}

impl Trusted {
    /// What is known of the identity `id` under `settings`, or what `look` finds.
    fn of(&self, settings: &Arc<Settings>, id: &str, look: impl FnOnce() -> bool) -> bool {
        // A panic elsewhere leaves the map whole: it is only ever inserted into, or emptied.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.under.as_ref().is_some_and(|under| Arc::ptr_eq(under, settings)) {
            *known = Remembered { under: Some(settings.clone()), found: HashMap::new() };
        }
        match known.found.get(id) {
            Some((when, trusted)) if when.elapsed() < REMEMBERED => *trusted,
            _ => {
                let trusted = look();
                known.found.insert(id.to_owned(), (Instant::now(), trusted));
                trusted
            }
        }
    }
}

//! The issuers that go along with a signature. Finding them reads folders and checks signatures, so they are
//! remembered until a folder or the token changes, and not for long.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::identity::Identity;
use crate::trust::files::read_folder;
use crate::trust::path::issuers;

/// A file that is rewritten in place leaves its folder's time alone: look again after this time.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Chains by identity.
#[derive(Default)]
pub(super) struct Chains(Mutex<HashMap<String, Remembered>>);

struct Remembered {
    made: Instant,
    sources: Sources,
    chain: Vec<Vec<u8>>,
}

/// What a chain was made from, as far as it is cheap to know.
#[derive(PartialEq, Eq)]
struct Sources {
    folders: Vec<(PathBuf, Option<SystemTime>)>,
    on_token: usize,
}

impl Chains {
    /// The issuers of `identity` (DER, nearest first, no root) among `on_token` and the files in `folders`.
    pub(super) fn of(&self, identity: &Identity, on_token: &[Vec<u8>], folders: &[PathBuf]) -> Vec<Vec<u8>> {
        let changed = |folder: &PathBuf| {
            (folder.clone(), fs::metadata(folder).and_then(|folder| folder.modified()).ok())
        };
        let sources = Sources { folders: folders.iter().map(changed).collect(), on_token: on_token.len() };
        // A panic elsewhere leaves the map whole: it is only ever inserted into.
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = chains.get(&identity.id)
            && known.sources == sources
            && known.made.elapsed() < REMEMBERED
        {
            return known.chain.clone();
        }
        let pool: Vec<_> =
            on_token.iter().cloned().chain(folders.iter().flat_map(|folder| read_folder(folder))).collect();
        let chain = issuers(&identity.certificate.der, &pool);
        let remembered = Remembered { made: Instant::now(), sources, chain: chain.clone() };
        chains.insert(identity.id.clone(), remembered);
        chain
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use wafer_client::keeper::{KeyInfo, KeyKind};

    use super::*;
    use crate::trust::testing::Authority;

    #[test]
    fn an_issuer_that_appears_is_found_and_one_that_is_known_is_not_looked_for_again() {
        let root = Authority::root("Root");
        let below = root.below("Below", |_| {});
        let key = KeyInfo {
            id: "card/01".to_owned(),
            label: "key".to_owned(),
            kind: KeyKind::Ec,
            certificate: below.person("someone@example.org"),
            always_authenticate: false,
        };
        let identity = Identity::read("card", &key).unwrap();
        let parent = tempfile::tempdir().unwrap();
        let issuer = std::slice::from_ref(&below.der);
        let folders = [parent.path().join("trust")];
        let chains = Chains::default();
        assert!(chains.of(&identity, &[], &folders).is_empty(), "the folder is not there yet");

        fs::create_dir(&folders[0]).unwrap();
        let file = folders[0].join("below.der");
        fs::write(&file, &below.der).unwrap();
        assert_eq!(chains.of(&identity, &[], &folders), issuer);

        // The folder's own time stays when a file in it is written over: that look is spared.
        fs::write(&file, b"nothing").unwrap();
        assert_eq!(chains.of(&identity, &[], &folders), issuer);
        // Another set of certificates on the token is another question.
        assert_eq!(chains.of(&identity, std::slice::from_ref(&root.der), &folders), Vec::<Vec<u8>>::new());
    }
}

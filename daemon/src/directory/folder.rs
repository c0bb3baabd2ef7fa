//! The folder of recipients' certificates that the person or an administrator fills by hand.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::entry::{Entry, Source};
use crate::trust::files::read_folder;

/// In a folder with more files than this only its own time is looked at: a file that was changed in place
/// is seen at the next `refresh`.
const LOOKED_AT: usize = 64;

/// What the folder held when it was read last.
#[derive(Debug, Default)]
pub(super) struct FolderCache {
    seen: Option<Vec<SystemTime>>,
    held: Vec<(Entry, Vec<u8>)>,
    by_address: HashMap<String, Vec<usize>>,
}

impl FolderCache {
    /// Reads `folder` again if it changed since, or if `always`.
    pub(super) fn refresh(&mut self, folder: &Path, always: bool, now: SystemTime) {
        let times = times(folder);
        if self.seen.as_ref() == Some(&times) && !always {
            return;
        }
        let read = |der: Vec<u8>| Some((Entry::read(&der, Source::Folder, now).ok()?, der));
        self.held = read_folder(folder).into_iter().filter_map(read).collect();
        self.by_address.clear();
        for (number, (entry, _)) in self.held.iter().enumerate() {
            for address in &entry.addresses {
                self.by_address.entry(address.to_lowercase()).or_default().push(number);
            }
        }
        self.seen = Some(times);
    }

    /// Every entry that has `address`, whatever its case.
    pub(super) fn of(&self, address: &str) -> Vec<&Entry> {
        let numbers = self.by_address.get(&address.to_lowercase()).into_iter().flatten();
        numbers.filter_map(|number| self.held.get(*number)).map(|(entry, _)| entry).collect()
    }

    /// Every entry.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.held.iter().map(|(entry, _)| entry)
    }

    /// The certificate with this fingerprint, DER.
    pub(super) fn certificate(&self, fingerprint: &str) -> Option<Vec<u8>> {
        let mut held = self.held.iter();
        held.find(|(entry, _)| entry.fingerprint == fingerprint).map(|(_, der)| der.clone())
    }
}

/// When the folder and its files were changed last; empty if there is no folder.
fn times(folder: &Path) -> Vec<SystemTime> {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let mut times: Vec<SystemTime> = time(folder).into_iter().collect();
    let files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().take(LOOKED_AT + 1).collect();
    if files.len() <= LOOKED_AT {
        let mut inner: Vec<_> = files.iter().filter_map(|file| time(&file.path())).collect();
        inner.sort();
        times.append(&mut inner);
    }
    times
}

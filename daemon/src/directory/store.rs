//! The person's own store of recipients' certificates: a journal on the disk, an index in memory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::data::{Journal, Place};

/// What the journal says of itself.
const KIND: &str = "recipients";
/// The journal's version: 1 is the first.
const VERSION: u32 = 1;
/// So many lines that say nothing any more, and more than live ones, and the journal is written anew.
const DEAD_MIN: usize = 256;
/// The most certificates kept; harvested ones beyond are not taken.
const ENTRIES_MAX: usize = 200_000;

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    /// A certificate came, or something of what is known of it changed.
    Add {
        #[serde(flatten)]
        entry: Entry,
        /// PEM's base64, without its lines.
        certificate: String,
    },
    /// A certificate was removed.
    Remove { fingerprint: String },
}

/// The store.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    journal: Option<Journal<Event>>,
    index: Index,
    /// What [`Self::put`] has put aside since [`Self::gather`].
    gathered: Option<Vec<Event>>,
}

/// What is known of every certificate, found by address and by fingerprint.
#[derive(Debug, Default)]
struct Index {
    entries: Vec<Option<(Entry, Place)>>,
    by_address: HashMap<String, Vec<u32>>,
    by_fingerprint: HashMap<String, u32>,
    dead: usize,
}

impl Store {
    /// The store in the file `path`, which is read at the first need.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, journal: None, index: Index::default(), gathered: None }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that the index is what the file holds.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        let current = self.journal.as_ref().is_some_and(Journal::is_current);
        if current { Ok(()) } else { self.load() }
    }

    fn load(&mut self) -> io::Result<()> {
        let mut index = Index::default();
        self.journal = Some(Journal::open(&self.path, KIND, VERSION, |event, place| match event {
            Event::Add { entry, .. } => index.put(entry, place),
            Event::Remove { fingerprint } => index.remove(&fingerprint),
        })?);
        self.index = index;
        Ok(())
    }

    /// Every entry that has `address`, whatever its case. [`Self::refresh`] first.
    pub(super) fn of(&self, address: &str) -> Vec<&Entry> {
        let numbers = self.index.by_address.get(&address.to_lowercase());
        numbers.into_iter().flatten().filter_map(|number| self.index.at(*number)).map(|(it, _)| it).collect()
    }

    /// Every entry.
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.index.entries.iter().flatten().map(|(entry, _)| entry)
    }

    /// The entry with this fingerprint.
    pub(super) fn with_fingerprint(&self, fingerprint: &str) -> Option<&Entry> {
        self.index.find(fingerprint).map(|(entry, _)| entry)
    }

    /// The certificate with this fingerprint, DER.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub(super) fn certificate(&self, fingerprint: &str) -> io::Result<Vec<u8>> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let (_, place) = self.index.find(fingerprint).ok_or_else(missing)?;
        match self.journal.as_ref().ok_or_else(missing)?.entry(*place)? {
            Event::Add { certificate, .. } => {
                base64_simd::STANDARD.decode_to_vec(&certificate).map_err(io::Error::other)
            }
            Event::Remove { .. } => Err(missing()),
        }
    }

    /// Keeps `entry` with its certificate, in the place of the one with its fingerprint.
    ///
    /// # Errors
    /// It could not be written; the store is full.
    pub(super) fn put(&mut self, entry: Entry, certificate: &[u8]) -> io::Result<()> {
        if self.index.by_fingerprint.len() >= ENTRIES_MAX {
            return Err(io::Error::other("the store of recipients' certificates is full"));
        }
        let certificate = base64_simd::STANDARD.encode_to_string(certificate);
        let event = Event::Add { entry: entry.clone(), certificate };
        if let Some(gathered) = &mut self.gathered {
            gathered.push(event);
            self.index.put(entry, Place::default());
            return Ok(());
        }
        let place = self.append(&event)?;
        self.index.put(entry, place);
        self.tidy()
    }

    /// From now on what is put is known at once, but kept by [`Self::keep`] only: many certificates then reach the
    /// disk together, in the time of one.
    pub(super) fn gather(&mut self) {
        self.gathered = Some(Vec::new());
    }

    /// Keeps what was put since [`Self::gather`], or drops it if it is not `wanted` after all.
    ///
    /// # Errors
    /// It could not be written: the store is as it was.
    pub(super) fn keep(&mut self, wanted: bool) -> io::Result<()> {
        let Some(gathered) = self.gathered.take().filter(|gathered| !gathered.is_empty()) else {
            return Ok(());
        };
        let kept = if wanted { self.append_all(&gathered) } else { Ok(()) };
        // Where each stands, or that none is there after all.
        self.load()?;
        kept?;
        self.tidy()
    }

    fn append_all(&mut self, events: &[Event]) -> io::Result<()> {
        loop {
            self.refresh()?;
            let Some(journal) = &mut self.journal else { continue };
            if journal.append_all(events)? {
                return Ok(());
            }
        }
    }

    /// Makes `entries` the whole store, each with the same certificate.
    #[cfg(test)]
    pub(super) fn fill(
        &mut self,
        entries: impl Iterator<Item = Entry>,
        certificate: &[u8],
    ) -> io::Result<()> {
        let certificate = base64_simd::STANDARD.encode_to_string(certificate);
        self.refresh()?;
        if let Some(journal) = &mut self.journal {
            journal
                .rewrite(entries.map(|entry| Ok(Event::Add { entry, certificate: certificate.clone() })))?;
        }
        self.load()
    }

    /// Removes the certificate with this fingerprint.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) fn remove(&mut self, fingerprint: &str) -> io::Result<()> {
        self.append(&Event::Remove { fingerprint: fingerprint.to_owned() })?;
        self.index.remove(fingerprint);
        self.tidy()
    }

    fn append(&mut self, event: &Event) -> io::Result<Place> {
        loop {
            self.refresh()?;
            let Some(journal) = &mut self.journal else { continue };
            if let Some(place) = journal.append(event)? {
                return Ok(place);
            }
        }
    }

    /// Writes the journal anew when most of it says nothing any more.
    fn tidy(&mut self) -> io::Result<()> {
        let live = self.index.by_fingerprint.len();
        if self.index.dead < DEAD_MIN.max(live) {
            return Ok(());
        }
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let places: Vec<Place> = self.index.entries.iter().flatten().map(|(_, place)| *place).collect();
        let events: Vec<Event> =
            places.into_iter().map(|place| journal.entry(place)).collect::<Result<_, _>>()?;
        journal.rewrite(events.into_iter().map(Ok))?;
        self.load()
    }
}

impl Index {
    fn at(&self, number: u32) -> Option<&(Entry, Place)> {
        self.entries.get(number as usize)?.as_ref()
    }

    fn find(&self, fingerprint: &str) -> Option<&(Entry, Place)> {
        self.at(*self.by_fingerprint.get(fingerprint)?)
    }

    fn put(&mut self, entry: Entry, place: Place) {
        self.remove(&entry.fingerprint);
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        for address in &entry.addresses {
            self.by_address.entry(address.to_lowercase()).or_default().push(number);
        }
        self.by_fingerprint.insert(entry.fingerprint.clone(), number);
        self.entries.push(Some((entry, place)));
    }

    fn remove(&mut self, fingerprint: &str) {
        let Some(number) = self.by_fingerprint.remove(fingerprint) else { return };
        self.dead += 1;
        let Some((entry, _)) = self.entries.get_mut(number as usize).and_then(Option::take) else { return };
        for address in entry.addresses {
            if let Some(numbers) = self.by_address.get_mut(&address.to_lowercase()) {
                numbers.retain(|known| *known != number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::directory::entry::Source;
    use crate::trust::testing::{self_signed, year};

    fn keep(store: &mut Store, address: &str) -> String {
        let der = self_signed(address);
        let entry = Entry::read(&der, Source::Imported, year(2030)).unwrap();
        let fingerprint = entry.fingerprint.clone();
        store.put(entry, &der).unwrap();
        assert_eq!(store.certificate(&fingerprint).unwrap(), der);
        fingerprint
    }

    #[test]
    fn what_is_kept_is_found_by_this_and_by_another_session() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("recipients.jsonl");
        let (mut one, mut two) = (Store::new(path.clone()), Store::new(path.clone()));
        let first = keep(&mut one, "a@example.org");
        let second = keep(&mut two, "a@example.org");
        one.refresh().unwrap();
        assert_eq!(one.of("A@Example.ORG").len(), 2);
        one.remove(&first).unwrap();
        two.refresh().unwrap();
        assert_eq!(two.of("a@example.org").iter().map(|it| &it.fingerprint).collect::<Vec<_>>(), [&second]);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.lines().nth(1).unwrap().contains("\"addresses\":[\"a@example.org\"]"), "{text}");
    }

    #[test]
    fn a_journal_of_removals_is_written_anew() {
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::new(home.path().join("recipients.jsonl"));
        let kept = keep(&mut store, "kept@example.org");
        let der = self_signed("b@example.org");
        let entry = Entry::read(&der, Source::Imported, year(2030)).unwrap();
        for _ in 0..=DEAD_MIN {
            store.put(entry.clone(), &der).unwrap();
        }
        let lines = std::fs::read_to_string(store.path()).unwrap().lines().count();
        assert!(lines < 10, "{lines} lines");
        assert!(store.certificate(&kept).is_ok());
    }
}

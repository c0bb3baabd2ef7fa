//! A module that shares pcscd's readers with the keeper of PIV cards (OpenSC's): a card that is used directly is left
//! alone, one that nobody has looked at yet too. The module is loaded when there is a card for it, and begins
//! anew when the readers that it leaves alone have to be others.

use std::path::PathBuf;

use wafer_client::keeper::ReaderInfo;

use super::{Configuration, Module};
use crate::card::readers::Occupied;
use crate::card::{BeginAnew, Card, CardError, Identity, Source};

/// PKCS#11 has room for so much of a slot's description, which is the reader's name here.
const DESCRIPTION: usize = 64;

/// The module and its part of the readers.
pub struct BesidePiv {
    library: PathBuf,
    name: String,
    configuration: Configuration,
    occupied: Occupied,
    /// What the keeper of PIV cards said last.
    settled: Vec<ReaderInfo>,
    loaded: Option<Loaded>,
}

struct Loaded {
    module: Module,
    /// Readers that it leaves alone.
    ignored: Vec<String>,
    /// What it listed last, with the reader's count then.
    listed: Vec<(Identity, String, u32)>,
}

/// The readers with a card in them: name and count.
#[derive(Default)]
struct Readers {
    /// With a card for the module.
    ours: Vec<(String, u32)>,
    /// With a card that is used directly.
    taken: Vec<String>,
    /// With one that nobody has looked at.
    unsettled: Vec<String>,
}

impl BesidePiv {
    /// The module in `library`, which reads `configuration`.
    pub fn new(library: PathBuf, name: String, configuration: Configuration) -> Self {
        Self {
            library,
            name,
            configuration,
            occupied: Occupied::default(),
            settled: Vec::new(),
            loaded: None,
        }
    }

    fn look(&mut self) -> Result<Readers, CardError> {
        let looked = self.occupied.look();
        if looked.anew {
            self.settled.clear();
        }
        let present = looked.readers.map_err(|error| CardError::Failed(format!("pcscd: {error}")))?;
        let present = present.into_iter().map(|(name, count)| (name.to_string_lossy().into_owned(), count));
        Ok(sort(&self.settled, present))
    }

    fn load(&mut self, readers: &Readers) -> Result<&mut Loaded, CardError> {
        let ignored = readers.not_ours();
        self.configuration.ignore(&ignored).map_err(|error| CardError::Failed(error.to_string()))?;
        let module = Module::load_without_locks(&self.library, &self.name)?;
        Ok(self.loaded.insert(Loaded { module, ignored, listed: Vec::new() }))
    }
}

impl Source for BesidePiv {
    fn present(&mut self) -> Result<Vec<(Identity, String)>, CardError> {
        let readers = self.look()?;
        let loaded = match self.loaded.take() {
            Some(loaded) => self.loaded.insert(loaded),
            None if readers.ours.is_empty() => return Ok(Vec::new()),
            None => self.load(&readers)?,
        };
        if loaded.sees_others(&readers) {
            loaded.listed.retain(|(_, reader, count)| readers.has(reader, *count));
        } else {
            // Also when nothing is there any more: a card that went is let go of by this first, in order.
            let present = loaded.module.present()?;
            let counted = present.into_iter().filter_map(|(identity, reader)| {
                let count = readers.count(&reader)?;
                Some((identity, reader, count))
            });
            loaded.listed = counted.collect();
        }
        Ok(loaded.listed.iter().map(|(identity, reader, _)| (identity.clone(), reader.clone())).collect())
    }

    fn is_removable(&self) -> bool {
        true
    }

    fn wants_to_begin_anew(&mut self) -> Result<BeginAnew, CardError> {
        let readers = self.look()?;
        Ok(self.loaded.as_ref().map_or(BeginAnew::No, |loaded| loaded.wants_to_begin_anew(&readers)))
    }

    fn begin_anew(&mut self) -> Result<(), CardError> {
        self.loaded.take().map_or(Ok(()), |loaded| loaded.module.end())
    }

    fn settle(&mut self, readers: Vec<ReaderInfo>) {
        self.settled = readers;
    }

    fn open(&mut self, identity: &Identity) -> Result<Box<dyn Card>, CardError> {
        self.loaded.as_mut().ok_or(CardError::Gone)?.module.open(identity)
    }
}

impl Loaded {
    /// Whether a listing would touch a card that is not the module's.
    fn sees_others(&self, readers: &Readers) -> bool {
        readers.not_ours().iter().any(|reader| !self.ignored.contains(reader))
    }

    fn wants_to_begin_anew(&self, readers: &Readers) -> BeginAnew {
        let sees = |reader: &String| !self.ignored.contains(reader);
        if readers.ours.is_empty() {
            BeginAnew::No
        } else if readers.ours.iter().any(|(reader, _)| !sees(reader)) {
            BeginAnew::AtOnce
        } else if readers.taken.iter().any(sees) {
            BeginAnew::Unused
        } else {
            BeginAnew::No
        }
    }
}

impl Readers {
    fn not_ours(&self) -> Vec<String> {
        self.taken.iter().chain(&self.unsettled).cloned().collect()
    }

    fn count(&self, description: &str) -> Option<u32> {
        self.ours.iter().find(|(reader, _)| is_called(reader, description)).map(|(_, count)| *count)
    }

    fn has(&self, description: &str, count: u32) -> bool {
        self.count(description) == Some(count)
    }
}

fn sort(settled: &[ReaderInfo], present: impl Iterator<Item = (String, u32)>) -> Readers {
    let mut readers = Readers::default();
    for (name, count) in present {
        match settled.iter().find(|known| (known.name.as_str(), known.count) == (name.as_str(), count)) {
            Some(ReaderInfo { taken: false, .. }) => readers.ours.push((name, count)),
            Some(_) => readers.taken.push(name),
            None => readers.unsettled.push(name),
        }
    }
    readers
}

/// Whether a slot's description is this reader's: cut off where it is longer.
fn is_called(reader: &str, description: &str) -> bool {
    let octets = reader.as_bytes();
    let start = &octets[..octets.len().min(DESCRIPTION)];
    String::from_utf8_lossy(start).trim_end() == description.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(name: &str, count: u32, taken: bool) -> ReaderInfo {
        ReaderInfo { name: name.to_owned(), count, taken }
    }

    fn present(readers: &[(&str, u32)]) -> impl Iterator<Item = (String, u32)> {
        readers.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn only_a_card_that_was_looked_at_and_left_is_ours() {
        let known = [settled("A", 1, true), settled("B", 3, false), settled("C", 5, false)];
        let readers = sort(&known, present(&[("A", 1), ("B", 3), ("C", 6), ("D", 1)]));
        assert_eq!(readers.ours, [("B".to_owned(), 3)]);
        assert_eq!(readers.taken, ["A"]);
        assert_eq!(
            readers.unsettled,
            ["C", "D"],
            "another card than the one that was looked at, and a new one"
        );
    }

    #[test]
    fn a_long_name_is_cut_off_in_a_slot_s_description() {
        let long = "x".repeat(70);
        assert!(is_called(&long, &"x".repeat(64)) && !is_called(&long, &"x".repeat(63)));
        assert!(is_called("Reader 00 00", "Reader 00 00   "));
    }
}

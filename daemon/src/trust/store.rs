//! Where roots come from: Mozilla's list, the trust folders, and what the person decided by hand. What they hold
//! is remembered until a file among them changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::anchors::{Anchors, Origin};
use super::decisions::Decisions;
use super::files::read_folder;
use super::mozilla::Mozilla;

/// The stores, and what they held when they were last read.
#[derive(Debug, Default)]
pub(super) struct Store {
    folders: Vec<PathBuf>,
    pub(super) mozilla: Option<Mozilla>,
    pub(super) decisions: Option<Arc<Decisions>>,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    stamps: Vec<Stamp>,
    /// How many decisions there were: they only grow in number.
    decided: usize,
    anchors: Arc<Anchors>,
}

/// Tells a file that was changed from what it was before.
type Stamp = (PathBuf, Option<SystemTime>, u64);

impl Store {
    pub(super) fn of_folders(folders: Vec<PathBuf>) -> Self {
        Self { folders, ..Self::default() }
    }

    /// The roots as they are now.
    pub(super) fn anchors(&self) -> Arc<Anchors> {
        let stamps = self.stamps();
        let decided = self.decisions.as_ref().map_or(0, |decisions| decisions.count());
        // A panic elsewhere leaves the value whole: it is only ever replaced.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) =
            loaded.as_ref().filter(|known| known.stamps == stamps && known.decided == decided)
        {
            return known.anchors.clone();
        }
        let anchors = Arc::new(self.read());
        *loaded = Some(Loaded { stamps, decided, anchors: anchors.clone() });
        anchors
    }

    fn read(&self) -> Anchors {
        let mut anchors = Anchors::default();
        for folder in &self.folders {
            anchors.add(read_folder(folder), Origin::Folder);
        }
        if let Some(mozilla) = &self.mozilla {
            for authority in mozilla.roots() {
                anchors.add_until(authority.certificate, Origin::Mozilla, authority.distrust_after);
            }
        }
        if let Some(decisions) = &self.decisions {
            decisions.apply(&mut anchors);
        }
        anchors
    }

    fn stamps(&self) -> Vec<Stamp> {
        let module = self.mozilla.iter().map(|mozilla| stamp(mozilla.module.clone()));
        self.folders.iter().flat_map(|folder| stamps_in(folder)).chain(module).collect()
    }
}

fn stamps_in(folder: &Path) -> Vec<Stamp> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut stamps: Vec<Stamp> = entries.map(|entry| stamp(entry.path())).collect();
    stamps.sort();
    stamps
}

fn stamp(path: PathBuf) -> Stamp {
    // Through a symbolic link: what it points to may change.
    let metadata = fs::metadata(&path).ok();
    let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    (path, modified, metadata.map_or(0, |metadata| metadata.len()))
}

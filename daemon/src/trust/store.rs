//! Where roots come from: the trust folders. What they hold is remembered until a file in them changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::anchors::{Anchors, Origin};
use super::files::read_folder;

/// The stores, and what they held when they were last read.
#[derive(Debug, Default)]
pub(super) struct Store {
    folders: Vec<PathBuf>,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    stamps: Vec<Stamp>,
    anchors: Arc<Anchors>,
}

/// Tells a file that was changed from what it was before.
type Stamp = (PathBuf, Option<SystemTime>, u64);

impl Store {
    pub(super) fn of_folders(folders: Vec<PathBuf>) -> Self {
        Self { folders, loaded: Mutex::default() }
    }

    /// The roots as they are now.
    pub(super) fn anchors(&self) -> Arc<Anchors> {
        let stamps = self.stamps();
        // A panic elsewhere leaves the value whole: it is only ever replaced.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = loaded.as_ref().filter(|known| known.stamps == stamps) {
            return known.anchors.clone();
        }
        let anchors = Arc::new(self.read());
        *loaded = Some(Loaded { stamps, anchors: anchors.clone() });
        anchors
    }

    fn read(&self) -> Anchors {
        let mut anchors = Anchors::default();
        for folder in &self.folders {
            anchors.add(read_folder(folder), Origin::Folder);
        }
        anchors
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.folders.iter().flat_map(|folder| stamps_in(folder)).collect()
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

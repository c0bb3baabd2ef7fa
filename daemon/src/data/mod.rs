//! Everything that Wafer keeps on disk. Readable by a person and by that person only (folders 0700, files
//! 0600), versioned, and whole at every moment: after a kill, a power cut or a full disk a file holds what it
//! held before or what it was to hold, never half of it.
//!
//! Two shapes: a small file that is written anew as a whole ([`replace`]), and a [`Journal`] of lines that
//! grows by one line at a time. Writers of one folder take turns by a lock on the folder itself, so that two
//! sessions of one person do not spoil each other's work.

mod journal;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

pub use journal::{Journal, Place};

/// Makes `bytes` the content of the file at `path`: written aside, synced, renamed. Folders that are missing
/// are made.
///
/// # Errors
/// The file could not be written (disk full, no permission): it is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = Folder::lock(path)?;
    replace_in(&folder, path, bytes)
}

/// What the file at `path` holds; `None` if there is none.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A folder that this thread alone writes in, until the value is dropped.
struct Folder(File);

impl Folder {
    /// Waits for the folder that `path` is in, and makes it if it is missing.
    fn lock(path: &Path) -> io::Result<Self> {
        let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let folder = File::open(folder)?;
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(Self(folder))
    }
}

/// [`replace`] by who holds the folder.
fn replace_in(folder: &Folder, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path)?;
    // What a killed writer left, with whatever mode.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_new(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written.and_then(|()| folder.0.sync_all())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `.NAME.new` beside the file.
fn aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut aside = std::ffi::OsString::from(".");
    aside.push(name);
    aside.push(".new");
    Ok(path.with_file_name(aside))
}

/// For files that nobody else reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_the_persons_own() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/settings");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, b"one, long").unwrap();
        // What a killed writer left behind is in nobody's way.
        fs::write(home.path().join("a/b/.settings.new"), "half of something longer than that").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}

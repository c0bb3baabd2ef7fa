//! What was fetched, kept on disk so that it outlives a restart. Everything in it is signed and checked again
//! at each use: who can write the folder can make waferd ask again, no more.
//!
//! One file for each address: a head in words, an empty line, and the bytes as they came.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use crate::data;

/// First line of a file.
const VERSION: &str = "wafer cache 1";
/// Most files kept; the oldest go first.
const FILES_MAX: usize = 512;
/// Most bytes kept in all.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Cache(PathBuf);

/// What a file is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    url: String,
    /// Whom a responder was asked about; empty for what has an address of its own.
    about: Vec<u8>,
}

impl Key {
    pub(super) fn new(url: &str, about: &[u8]) -> Self {
        Self { url: url.to_owned(), about: about.to_vec() }
    }

    fn file(&self) -> String {
        let mut named = self.url.clone().into_bytes();
        named.push(0);
        named.extend_from_slice(&self.about);
        let hash = digest(&SHA256, &named);
        hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The bytes kept for `key`.
    pub(super) fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.0.join(key.file())).ok()?;
        let head = bytes.windows(2).take(4096).position(|pair| pair == b"\n\n")?;
        let text = std::str::from_utf8(&bytes[..head]).ok()?;
        let mut lines = text.lines();
        let fits = lines.next() == Some(VERSION)
            && lines.any(|line| line.strip_prefix("address: ") == Some(key.url.as_str()));
        fits.then(|| bytes.split_off(head + 2))
    }

    /// Keeps `bytes` for `key`. A failure is logged: the answer is good all the same.
    pub(super) fn put(&self, key: &Key, bytes: &[u8]) {
        if let Err(error) = self.write(key, bytes) {
            tracing::warn!(folder = %self.0.display(), %error, "what was fetched cannot be kept");
        }
    }

    /// Drops what is kept for `key`.
    pub(super) fn forget(&self, key: &Key) {
        let _ = fs::remove_file(self.0.join(key.file()));
    }

    fn write(&self, key: &Key, bytes: &[u8]) -> std::io::Result<()> {
        let head = format!("{VERSION}\naddress: {}\n\n", key.url);
        data::replace(&self.0.join(key.file()), &[head.as_bytes(), bytes].concat())?;
        self.shrink();
        Ok(())
    }

    /// Removes the oldest files until the rest fits.
    fn shrink(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        files.sort();
        let (mut count, mut bytes) = (files.len(), files.iter().map(|(_, length, _)| length).sum::<u64>());
        for (_, length, path) in &files {
            if count > FILES_MAX || bytes > BYTES_MAX {
                let _ = fs::remove_file(path);
                count -= 1;
                bytes -= length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_private_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/b");
        let (key, other) = (Key::new("http://host/a", b""), Key::new("http://host/a", b"x"));
        Cache::new(place.clone()).put(&key, b"one\n\ntwo");
        let cache = Cache::new(place.clone());
        assert_eq!(cache.get(&key).unwrap(), b"one\n\ntwo");
        assert_eq!(cache.get(&other), None);
        let file = place.join(key.file());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "nothing half written is left");
        cache.put(&key, b"three");
        assert_eq!(cache.get(&key).unwrap(), b"three");
        fs::write(&file, "wafer cache 2\naddress: http://host/a\n\nfour").unwrap();
        assert_eq!(cache.get(&key), None, "a later version's file is left alone");
        cache.forget(&key);
        assert!(!file.exists());
    }

    #[test]
    fn the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        for number in 0..FILES_MAX + 3 {
            cache.put(&Key::new(&format!("http://host/{number}"), b""), b"x");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), FILES_MAX);
        assert!(cache.get(&Key::new(&format!("http://host/{}", FILES_MAX + 2), b"")).is_some());
    }
}

//! A file of JSON lines that grows: a first line that says what it is, then one line for each entry.
//!
//! ```text
//! {"wafer":"recipients","version":1}
//! {"event":"add", ...}
//! ```

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader};
use std::marker::PhantomData;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Folder, private, replace_in};

/// The longest line read, in bytes: a certificate with all that is known of it is far shorter.
const LINE_MAX: u64 = 1024 * 1024;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    wafer: String,
    version: u32,
}

/// Where an entry stands in its file: good until the journal is written anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    length: u32,
}

/// A journal of entries `T`, open for reading and growing.
#[derive(Debug)]
pub struct Journal<T> {
    path: PathBuf,
    kind: &'static str,
    version: u32,
    /// The file, and which one it is; none before the first entry.
    file: Option<(File, Stamp)>,
    entries: PhantomData<fn() -> T>,
}

/// Which state of which file was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), length: metadata.len() }
    }
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens the journal at `path`, which need not exist, and hands every entry with its place to `each`.
    /// A last line that was not finished counts as never written; any other line that is no entry is
    /// logged and passed over.
    ///
    /// # Errors
    /// It cannot be read; it is of another kind; a newer Wafer wrote it (`InvalidData`: it is left alone).
    pub fn open(
        path: &Path,
        kind: &'static str,
        version: u32,
        each: impl FnMut(T, Place),
    ) -> io::Result<Self> {
        let mut journal = Self { path: path.to_owned(), kind, version, file: None, entries: PhantomData };
        journal.load(each)?;
        Ok(journal)
    }

    /// Whether the file is still the one that was read last: another session of the person may have
    /// written to it.
    pub fn is_current(&self) -> bool {
        let now = std::fs::metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata));
        now == self.file.as_ref().map(|(_, stamp)| *stamp)
    }

    /// Reads everything again.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn load(&mut self, mut each: impl FnMut(T, Place)) -> io::Result<()> {
        let file = match private().read(true).write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.file = None;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let _folder = Folder::lock(&self.path)?;
        let mut reader = BufReader::with_capacity(64 * 1024, &file);
        let (mut offset, mut line) = (0, Vec::new());
        while let Some(length) = whole_line(&mut reader, &mut line)? {
            if offset == 0 {
                self.check_header(&line)?;
            } else {
                match serde_json::from_slice(&line) {
                    Ok(entry) => each(entry, Place { offset, length }),
                    Err(error) => {
                        tracing::warn!(file = %self.path.display(), offset, %error, "a line is passed over");
                    }
                }
            }
            offset += u64::from(length);
        }
        if file.metadata()?.len() > offset {
            file.set_len(offset)?; // what a killed writer did not finish
        }
        let stamp = Stamp::of(&file.metadata()?);
        self.file = Some((file, stamp));
        Ok(())
    }

    /// The entry at `place`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn entry(&self, place: Place) -> io::Result<T> {
        let (file, _) = self.file.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let mut line = vec![0; place.length as usize];
        file.read_exact_at(&mut line, place.offset)?;
        serde_json::from_slice(&line).map_err(io::Error::from)
    }

    /// Adds `entry` and returns when it is on the disk. `None`: another session wrote meanwhile, so
    /// [`Self::load`] and try again.
    ///
    /// # Errors
    /// It could not be written (disk full): the journal is as it was.
    pub fn append(&mut self, entry: &T) -> io::Result<Option<Place>> {
        let line = line_of(entry)?;
        let length = u32::try_from(line.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(self.append_lines(line)?.map(|offset| Place { offset, length }))
    }

    /// As [`Self::append`] for many entries at once, which then reach the disk at once; [`Self::load`] tells their
    /// places. `false`: another session wrote meanwhile.
    ///
    /// # Errors
    /// They could not be written: the journal is as it was.
    pub fn append_all(&mut self, entries: &[T]) -> io::Result<bool> {
        let lines = entries.iter().map(line_of).collect::<io::Result<Vec<_>>>()?.concat();
        Ok(lines.is_empty() || self.append_lines(lines)?.is_some())
    }

    /// Adds whole lines; gives the offset of the first one.
    fn append_lines(&mut self, lines: Vec<u8>) -> io::Result<Option<u64>> {
        let folder = Folder::lock(&self.path)?;
        if !self.is_current() {
            return Ok(None);
        }
        let Some((file, stamp)) = &mut self.file else {
            return self.write(&folder, std::iter::once(Ok(lines))).map(Some);
        };
        let offset = stamp.length;
        if let Err(error) = file.write_all_at(&lines, offset).and_then(|()| file.sync_data()) {
            file.set_len(offset)?;
            return Err(error);
        }
        stamp.length += lines.len() as u64;
        Ok(Some(offset))
    }

    /// Writes the journal anew with nothing but `entries`; every [`Place`] is void then.
    ///
    /// # Errors
    /// It could not be written: the journal is as it was.
    pub fn rewrite(&mut self, entries: impl Iterator<Item = io::Result<T>>) -> io::Result<()> {
        let folder = Folder::lock(&self.path)?;
        self.write(&folder, entries.map(|entry| line_of(&entry?))).map(drop)
    }

    /// A new file with a header and `lines`; gives the offset of the first one.
    fn write(
        &mut self,
        folder: &Folder,
        lines: impl Iterator<Item = io::Result<Vec<u8>>>,
    ) -> io::Result<u64> {
        let header = Header { wafer: self.kind.to_owned(), version: self.version };
        let mut text = line_of(&header)?;
        let first = text.len() as u64;
        for line in lines {
            text.extend_from_slice(&line?);
        }
        replace_in(folder, &self.path, &text)?;
        let file = private().read(true).write(true).open(&self.path)?;
        let stamp = Stamp::of(&file.metadata()?);
        self.file = Some((file, stamp));
        Ok(first)
    }

    fn check_header(&self, line: &[u8]) -> io::Result<()> {
        let refuse = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        match serde_json::from_slice::<Header>(line) {
            Ok(header) if header.wafer != self.kind => refuse(format!("it holds {}", header.wafer)),
            Ok(header) if header.version > self.version => {
                refuse(format!("a newer Wafer wrote it (version {})", header.version))
            }
            Ok(_) => Ok(()),
            Err(_) => refuse(format!("it is no file of Wafer's {}", self.kind)),
        }
    }
}

fn line_of(entry: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads one line that has its end into `line`, and gives its length with it; `None` at the file's end.
fn whole_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<u32>> {
    line.clear();
    let mut limited = io::Read::take(reader, LINE_MAX);
    let read = limited.read_until(b'\n', line)?;
    if read as u64 == LINE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
    }
    Ok(line.ends_with(b"\n").then_some(read as u32))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("lines")
        }

        fn open(&self) -> (Journal<String>, Vec<String>) {
            let mut entries = Vec::new();
            let journal = Journal::open(&self.path(), "words", 2, |entry, _| entries.push(entry)).unwrap();
            (journal, entries)
        }

        fn add(&self, text: &str) {
            let file = File::options().append(true).open(self.path()).unwrap();
            io::Write::write_all(&mut &file, text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn entries_are_found_again_by_all_and_by_place() {
        let home = Home::new();
        let (mut journal, none) = home.open();
        assert!(none.is_empty() && journal.is_current());
        let places =
            ["one", "two\nlines", "three"].map(|word| journal.append(&word.to_owned()).unwrap().unwrap());
        assert_eq!(journal.entry(places[1]).unwrap(), "two\nlines");
        let (mut again, all) = home.open();
        assert_eq!(all, ["one", "two\nlines", "three"]);
        again.append(&"four".to_owned()).unwrap().unwrap();
        assert!(!journal.is_current(), "another session wrote");
        assert_eq!(journal.append(&"lost".to_owned()).unwrap(), None);
        journal.load(|_, _| {}).unwrap();
        journal.rewrite(["five".to_owned()].into_iter().map(Ok)).unwrap();
        assert!(journal.is_current() && !again.is_current());
        assert_eq!(home.open().1, ["five"]);
        assert!(
            std::fs::read_to_string(home.path())
                .unwrap()
                .starts_with("{\"wafer\":\"words\",\"version\":2}\n")
        );
    }

    #[test]
    fn what_was_not_finished_was_never_written() {
        let home = Home::new();
        home.open().0.append(&"one".to_owned()).unwrap().unwrap();
        home.add("{\"odd\":1}\n\"a torn li");
        let (mut journal, entries) = home.open();
        assert_eq!(entries, ["one"]);
        journal.append(&"two".to_owned()).unwrap().unwrap();
        assert_eq!(home.open().1, ["one", "two"]);
    }

    #[test]
    fn another_kind_and_a_newer_version_are_left_alone() {
        let home = Home::new();
        for header in
            ["{\"wafer\":\"words\",\"version\":3}\n", "{\"wafer\":\"x\",\"version\":1}\n", "hello\n"]
        {
            std::fs::write(home.path(), header).unwrap();
            let error = Journal::<String>::open(&home.path(), "words", 2, |_, _| {}).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{header}");
            assert_eq!(std::fs::read_to_string(home.path()).unwrap(), header);
        }
    }
}

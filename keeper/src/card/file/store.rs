//! The folder of the files: `ID.p12`, as it came, and `ID.json`, what is public of it. Folders are 0700, files
//! 0600; a file is whole or not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use der::pem;
use serde::{Deserialize, Serialize};
use wafer_client::keeper::{KeyInfo, KeyKind};

use super::pfx::LARGEST;
use crate::card::{CardError, Contents, kind};

/// What is public of a file is not larger.
const LARGEST_NOTE: u64 = 4 * LARGEST as u64;
/// The version of what is written.
const VERSION: u32 = 1;
const LABEL: &str = "CERTIFICATE";

/// What is public of a file, as it lies beside it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    version: u32,
    /// How the token is called.
    pub(super) label: String,
    /// Its private keys are encrypted.
    pub(super) has_password: bool,
    keys: Vec<Known>,
    others: Vec<String>,
}

/// A certificate with a private key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    label: String,
    /// PEM.
    certificate: String,
}

impl Note {
    pub(super) fn new(label: String, has_password: bool, contents: &Contents) -> Result<Self, CardError> {
        let known = |key: &KeyInfo| {
            let certificate = to_pem(&key.certificate)?;
            Ok(Known { label: key.label.clone(), certificate })
        };
        let keys = contents.keys.iter().map(known).collect::<Result<_, CardError>>()?;
        let others = contents.others.iter().map(|other| to_pem(other)).collect::<Result<_, _>>()?;
        Ok(Self { version: VERSION, label, has_password, keys, others })
    }

    /// The certificates, for the token `id`; what cannot be read is left out.
    pub(super) fn contents(&self, id: &str) -> Contents {
        let key = |known: &Known| {
            let certificate = from_pem(&known.certificate)?;
            let kind = kind::of_certificate(&certificate)?;
            Some(key_info(id, known.label.clone(), kind, certificate))
        };
        Contents {
            keys: self.keys.iter().filter_map(key).collect(),
            others: self.others.iter().filter_map(|other| from_pem(other)).collect(),
        }
    }
}

/// A key of the token `id`, named by its certificate.
pub(super) fn key_info(id: &str, label: String, kind: KeyKind, certificate: Vec<u8>) -> KeyInfo {
    let name = hex(&digest::digest(&digest::SHA256, &certificate).as_ref()[..10]);
    KeyInfo { id: format!("{id}/{name}"), label, kind, certificate, always_authenticate: false }
}

/// The token's id for a file with these octets, for ever.
pub(super) fn id_of(source: &str, file: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [b"pkcs12", source.as_bytes(), file] {
        context.update(part);
        context.update(&[0]);
    }
    hex(&context.finish().as_ref()[..10])
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// Ids of the files in it; a folder that is missing has none.
    pub(super) fn ids(&self) -> Result<Vec<String>, CardError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut ids: Vec<String> =
            names.filter_map(|name| name.strip_suffix(".p12").map(str::to_owned)).collect();
        ids.retain(|id| is_id(id));
        ids.sort();
        Ok(ids)
    }

    /// Where the file of a token lies.
    pub(super) fn file(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.p12"))
    }

    fn note_file(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// What is public of it; `None` where nothing can be read.
    pub(super) fn note(&self, id: &str) -> Option<Note> {
        let path = self.note_file(id);
        if fs::metadata(&path).ok()?.len() > LARGEST_NOTE {
            return None;
        }
        let note: Note = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        Some(note).filter(|note| note.version == VERSION)
    }

    /// What is public of a file that is kept with all that belongs to it.
    pub(super) fn kept(&self, id: &str) -> Option<Note> {
        self.note(id).filter(|_| self.file(id).is_file())
    }

    /// Keeps a file. The note comes first: a token is there with its file, and never without a note.
    pub(super) fn keep(&self, id: &str, file: &[u8], note: &Note) -> Result<(), CardError> {
        let keep = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            write(&self.note_file(id), &serde_json::to_vec_pretty(note)?)?;
            write(&self.file(id), file)
        };
        keep().map_err(|error: io::Error| {
            let _ = fs::remove_file(self.note_file(id));
            CardError::NotKept(error.to_string())
        })
    }

    /// Removes a file and what lies beside it.
    pub(super) fn remove(&self, id: &str) -> Result<(), CardError> {
        if !is_id(id) {
            return Err(CardError::Gone);
        }
        match fs::remove_file(self.file(id)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CardError::Gone),
            Err(error) => return Err(CardError::NotKept(error.to_string())),
        }
        // A note without its file is nothing.
        let _ = fs::remove_file(self.note_file(id));
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))
    }
}

/// The octets of a file, which may be gone by now.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CardError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CardError::Gone),
        Err(error) => Err(failed(&error)),
    }
}

/// Written aside, synced, renamed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_added_extension("new");
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let written = written.and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn is_id(name: &str) -> bool {
    name.len() == 20 && name.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

fn to_pem(der: &[u8]) -> Result<String, CardError> {
    pem::encode_string(LABEL, pem::LineEnding::LF, der).map_err(|_| CardError::FileForm)
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    pem::decode_vec(text.as_bytes()).ok().filter(|(label, _)| *label == LABEL).map(|(_, der)| der)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn failed(error: &io::Error) -> CardError {
    CardError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    const ID: &str = "00112233445566778899";

    fn certificate() -> Vec<u8> {
        let make = "req -x509 -newkey ed25519 -noenc -keyout /dev/null -subj /CN=alice -outform DER";
        Command::new("openssl").args(make.split(' ')).output().unwrap().stdout
    }

    #[test]
    fn a_file_is_kept_as_it_came_and_is_the_persons_own() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder(home.path().join("files"));
        assert!(folder.ids().unwrap().is_empty());
        let key = key_info(ID, "alice".to_owned(), KeyKind::Ed25519, certificate());
        let contents = Contents { keys: vec![key.clone()], others: vec![vec![0x30, 1, 5]] };
        let note = Note::new("alice.p12".to_owned(), true, &contents).unwrap();
        folder.keep(ID, b"as it came", &note).unwrap();
        assert_eq!(folder.ids().unwrap(), [ID]);
        assert_eq!(fs::read(folder.file(ID)).unwrap(), b"as it came");
        assert_eq!(folder.note(ID).unwrap(), note);
        let again = folder.note(ID).unwrap().contents(ID);
        assert_eq!((again.keys, again.others), (contents.keys, contents.others));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&folder.file(ID)), mode(&folder.note_file(ID)), mode(&folder.0)),
            (0o600, 0o600, 0o700)
        );

        assert_eq!(folder.remove("../files"), Err(CardError::Gone));
        folder.remove(ID).unwrap();
        assert_eq!(folder.remove(ID), Err(CardError::Gone));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_leaves_nothing() {
        let note = Note::new(String::new(), true, &Contents::default()).unwrap();
        let folder = Folder(PathBuf::from("/proc/self/files"));
        assert!(matches!(folder.keep(ID, b"x", &note), Err(CardError::NotKept(_))));
    }
}

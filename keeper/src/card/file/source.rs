//! The files as a source of tokens.

use std::path::PathBuf;

use der::Decode;
use secrecy::ExposeSecret;
use wafer_client::keeper::KeyKind;
use x509_cert::Certificate;

use super::store::{self, Folder, Note};
use super::{FileCard, keys, nothing, pfx};
use crate::card::{Card, CardError, Contents, Identity, Source};
use crate::pin::secret::Secret;

/// The model of a token that is a file.
pub const MODEL: &str = "PKCS#12";
/// A listing must fit the link's message, as with other tokens.
const MOST_KEYS: usize = 20;
const MOST_OTHERS: usize = 64;
const LARGEST_CERTIFICATE: usize = 16 * 1024;
/// Longer names are cut.
const LONGEST_NAME: usize = 100;

/// The files that were imported.
pub struct Files {
    name: String,
    folder: Folder,
}

impl Files {
    /// Those in `folder`; `name` is the source's in waferd's settings.
    pub fn new(name: &str, folder: PathBuf) -> Self {
        Self { name: name.to_owned(), folder: Folder(folder) }
    }

    fn identity(&self, id: &str, note: &Note) -> Identity {
        Identity {
            id: id.to_owned(),
            label: note.label.clone(),
            // A file has none: the beginning of its id tells two of one name apart.
            serial: id.chars().take(8).collect(),
            model: MODEL.to_owned(),
            manufacturer: String::new(),
        }
    }
}

impl Source for Files {
    fn present(&mut self) -> Result<Vec<(Identity, String)>, CardError> {
        let mut present = Vec::new();
        for id in self.folder.ids()? {
            match self.folder.note(&id) {
                Some(note) => present.push((self.identity(&id, &note), String::new())),
                None => tracing::warn!(id, "a key file whose certificates are not known is left out"),
            }
        }
        Ok(present)
    }

    fn open(&mut self, identity: &Identity) -> Result<Box<dyn Card>, CardError> {
        let note = self.folder.note(&identity.id).ok_or(CardError::Gone)?;
        Ok(Box::new(FileCard {
            path: self.folder.file(&identity.id),
            contents: note.contents(&identity.id),
            has_password: note.has_password,
            unlocked: Vec::new(),
        }))
    }

    fn import(&mut self, file: &[u8], name: &str, password: &Secret) -> Result<Identity, CardError> {
        let opened = pfx::open(file, password)?;
        let id = store::id_of(&self.name, file);
        // Its password was right; there is nothing to write.
        if let Some(note) = self.folder.kept(&id) {
            return Ok(self.identity(&id, &note));
        }
        let has_password = match pfx::open(file, &nothing()?) {
            Ok(_) => false,
            Err(CardError::PinIncorrect) => true,
            Err(error) => return Err(error),
        };
        let contents = contents(&id, &opened)?;
        let label: String = name.chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect();
        let note = Note::new(label, has_password, &contents)?;
        self.folder.keep(&id, file, &note)?;
        Ok(self.identity(&id, &note))
    }

    fn remove(&mut self, identity: &Identity) -> Result<(), CardError> {
        self.folder.remove(&identity.id)
    }
}

/// The certificates of a file, those of its private keys apart.
fn contents(id: &str, opened: &pfx::Opened) -> Result<Contents, CardError> {
    if opened.keys.is_empty() {
        return Err(CardError::FileKeyless);
    }
    let mut contents = Contents::default();
    let certificates = opened.certificates.iter().filter(|(der, _)| der.len() <= LARGEST_CERTIFICATE);
    for (der, name) in certificates {
        match owner(opened, der) {
            Some((kind, own_name)) if contents.keys.len() < MOST_KEYS => {
                let label = own_name.or(name.as_ref()).cloned().unwrap_or_else(|| subject(der));
                contents.keys.push(store::key_info(id, label, kind, der.clone()));
            }
            None if contents.others.len() < MOST_OTHERS => contents.others.push(der.clone()),
            _ => tracing::warn!(id, "more certificates in the file than are used"),
        }
    }
    // A key without a certificate signs and opens nothing.
    if contents.keys.is_empty() { Err(CardError::FileKeyless) } else { Ok(contents) }
}

/// The private key of a certificate: its kind and its friendly name.
fn owner<'o>(opened: &'o pfx::Opened, certificate: &[u8]) -> Option<(KeyKind, Option<&'o String>)> {
    let own = opened.keys.iter().find(|(key, _)| keys::belongs(key.expose_secret(), certificate));
    own.and_then(|(key, name)| Some((keys::kind(key.expose_secret())?, name.as_ref())))
}

fn subject(certificate: &[u8]) -> String {
    let certificate = Certificate::from_der(certificate);
    certificate.map_or(String::new(), |certificate| certificate.tbs_certificate().subject().to_string())
}

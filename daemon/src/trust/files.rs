//! Certificates in folders: PEM (any number in a file), DER, or a PKCS#7 object with nothing but certificates.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use der::pem;
use wafer_smime::algorithm::{Armor, Container};
use wafer_smime::certificates::certificates;

/// The largest file looked at, in bytes: larger ones are no certificates.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// The most files looked at in one folder.
const FILES_MAX: usize = 10_000;
const PEM_START: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// Every certificate (DER) in the regular files of `folder`, in the order of their names. Hidden files
/// are passed over; what cannot be read is logged and passed over; a missing folder holds nothing.
pub fn read_folder(folder: &Path) -> Vec<Vec<u8>> {
    names(folder).iter().flat_map(|file| read_file(file)).collect()
}

/// The certificates (DER) in the bytes of one file.
pub fn certificates_in(bytes: &[u8]) -> Vec<Vec<u8>> {
    // DER starts with a SEQUENCE's tag, which no PEM file does.
    if bytes.first() == Some(&0x30) {
        // RFC 5280 section 4.2.2.1: an address of issuers may lead to such an object (`.p7c`).
        let bundle = certificates(&mut &*bytes, Container::Cms(Armor::Der)).unwrap_or_default();
        return if bundle.is_empty() { vec![bytes.to_vec()] } else { bundle };
    }
    let text = String::from_utf8_lossy(bytes);
    let blocks = text.match_indices(PEM_START).filter_map(|(start, _)| {
        let length = text[start..].find(PEM_END)?;
        pem::decode_vec(&text.as_bytes()[start..start + length + PEM_END.len()]).ok()
    });
    blocks.map(|(_, der)| der).collect()
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the certificate folder cannot be read");
            return Vec::new();
        }
    };
    let visible =
        |path: &PathBuf| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."));
    let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(visible).collect();
    names.sort();
    names.truncate(FILES_MAX);
    names
}

fn read_file(file: &Path) -> Vec<Vec<u8>> {
    // A FIFO would block the open: look before.
    if !fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= FILE_MAX) {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    match fs::File::open(file).and_then(|opened| opened.take(FILE_MAX).read_to_end(&mut bytes)) {
        Ok(_) => certificates_in(&bytes),
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the certificate file cannot be read");
            Vec::new()
        }
    }
}

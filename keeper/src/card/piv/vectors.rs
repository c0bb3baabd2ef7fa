//! Every test card of the US government (GSA's ICAM card builder), its containers read as a card's would be.
//! The files lie in the folder `WAFER_VECTORS` (in `gsa-icam/`), each the content of one data object.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::keys::Shape;
use super::objects::{self, PinReference};
use super::tlv;

/// Cards whose discovery object says something else than "the application's PIN".
const GLOBAL_PIN: &[&str] = &["28_Disco_Object_Present_Global_PIN_Primary"];
/// Fewer were given than there are: something is amiss with the folder.
const CARDS: usize = 37;

#[test]
fn every_container_of_every_card_is_read() {
    let Some(folder) = folder() else { return };
    let (mut cards, mut certificates) = (0, 0);
    let mut guids: HashMap<Vec<u8>, PathBuf> = HashMap::new();
    for card in entries(&folder).into_iter().filter(|path| path.join("8 - CHUID Object").is_file()) {
        cards += 1;
        let name = card.file_name().unwrap().to_str().unwrap().to_owned();
        check_chuid(&card, &name);
        let pin = objects::pin_reference(&fs::read(card.join("1 - Discovery Object")).unwrap());
        let global = pin == PinReference::Global;
        assert_eq!(global, GLOBAL_PIN.contains(&name.as_str()), "{name}");
        for file in entries(&card).into_iter().filter(|file| file.extension().is_some_and(|end| end == "crt"))
        {
            check_certificate(&file);
            certificates += 1;
        }
        for file in entries(&card) {
            let octets = fs::read(&file).unwrap();
            // Whatever it is: nothing of it may surprise a reader.
            let _ = (objects::chuid(&octets), objects::certificate(&octets), objects::pin_reference(&octets));
            let _ = (objects::content(&octets), objects::retired_certificates(&octets));
        }
        let guid = objects::chuid(&fs::read(card.join("8 - CHUID Object")).unwrap()).unwrap().guid;
        // Two cards with one GUID are one card to us: only the expired twins of a card may be that.
        if let Some(other) = guids.insert(guid, card.clone()) {
            println!("{} has the GUID of {}", card.display(), other.display());
        }
    }
    assert_eq!(cards, CARDS);
    assert!(certificates >= 4 * CARDS, "{certificates} certificates");
}

/// The CHUID says what the card's own description says.
fn check_chuid(card: &Path, name: &str) {
    let content = fs::read(card.join("8 - CHUID Object")).unwrap();
    let answer = tlv::encode(0x53, &content);
    let chuid = objects::chuid(objects::content(&answer).unwrap()).unwrap_or_else(|| panic!("{name}"));
    assert_eq!((chuid.fasc_n.len(), chuid.guid.len()), (25, 16), "{name}");
    for length in 0..content.len().min(200) {
        // Cut off anywhere it is another CHUID or none, and no panic.
        let _ = objects::chuid(&content[..length]);
    }
}

fn check_certificate(file: &Path) {
    let der = der_of(&fs::read_to_string(file).unwrap());
    let object = tlv::encode(
        0x53,
        &[tlv::encode(0x70, &der), tlv::encode(0x71, &[0]), tlv::encode(0xfe, &[])].concat(),
    );
    let read = objects::content(&object).and_then(objects::certificate).unwrap();
    assert_eq!(read, der, "{}", file.display());
    assert!(Shape::of(&read).is_some(), "{}: a key that PIV does not have", file.display());
}

/// The certificate in a PEM file; text may stand around it.
fn der_of(text: &str) -> Vec<u8> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = text.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = start + text[start..].find(END).unwrap() + END.len();
    der::pem::decode_vec(text[start..end].replace('\r', "").as_bytes()).unwrap().1
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("WAFER_VECTORS").map(|folder| PathBuf::from(folder).join("gsa-icam"));
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WAFER_VECTORS must name the folder of the vectors");
        println!("skipped: WAFER_VECTORS does not name the folder of the vectors");
    }
    folder
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.retain(|path| folder.join(path).exists());
    entries
}

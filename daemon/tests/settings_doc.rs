//! `docs/settings.md` lists what the program has, and has an answer for every name that administrators of Exchange
//! know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use waferd::config::items::{ITEMS, item_called};
use waferd::config::value::{Kind, Value};

/// The parameters of `Set-SmimeConfig`.
const EXCHANGE: [&str; 26] = [
    "AllowUserChoiceOfSigningCertificate",
    "AlwaysEncrypt",
    "AlwaysSign",
    "BCCEncryptedEmailForking",
    "CheckCRLOnSend",
    "ClearSign",
    "CopyRecipientHeaders",
    "CRLConnectionTimeout",
    "CRLRetrievalTimeout",
    "DisableCRLCheck",
    "DLExpansionTimeout",
    "EncryptionAlgorithms",
    "EncryptTemporaryBuffers",
    "ForceSMIMEClientUpgrade",
    "IncludeCertificateChainAndRootCertificate",
    "IncludeCertificateChainWithoutRootCertificate",
    "IncludeSMIMECapabilitiesInMessage",
    "OnlyUseSmartCard",
    "SenderCertificateAttributesToDisplay",
    "SignedEmailCertificateInclusion",
    "SigningAlgorithms",
    "TripleWrapSignedEncryptedMail",
    "UseKeyIdentifier",
    "UseSecondaryProxiesWhenFindingCertificates",
    "NoSignOnReply",
    "SMIMECertificateIssuingCA",
];

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md")).unwrap()
}

/// The cells of every table row, by their first cell.
fn rows(document: &str) -> BTreeMap<String, Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = document.lines().filter(|line| line.starts_with("| ")).map(cells);
    rows.map(|row| (row[0].clone(), row)).collect()
}

#[test]
fn every_setting_is_explained_with_its_default_and_no_other() {
    let rows = rows(&document());
    for item in ITEMS {
        let row = rows.get(item.name).unwrap_or_else(|| panic!("{} is not in docs/settings.md", item.name));
        let default = match item.default() {
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Word(word) => word,
            Value::List(list) if list.is_empty() => "none".to_owned(),
            Value::List(_) => "all five".to_owned(),
        };
        assert_eq!(row[1], default, "{}", item.name);
        if let Kind::Word(words) | Kind::Some(words) = item.kind {
            assert!(words.iter().all(|word| row[2].contains(word)), "{}: {:?}", item.name, row[2]);
        }
    }
    for name in rows.keys().filter(|name| name.contains('.')) {
        assert!(item_called(name).is_some(), "docs/settings.md explains {name}, which does not exist");
    }
}

#[test]
fn every_name_of_exchanges_has_a_place_or_a_reason() {
    let rows = rows(&document());
    for name in EXCHANGE {
        let row = rows.get(name).unwrap_or_else(|| panic!("{name} is not in docs/settings.md"));
        let place = row[1].split('`').find_map(item_called);
        let in_files = ["trust-folder", "[revocation] timeout-s", "[revocation] mode"];
        let folder = in_files.iter().any(|key| row[1].contains(key));
        let reason = row[1].starts_with("no setting: ");
        assert!(place.is_some() || folder || reason, "{name}: {}", row[1]);
    }
}

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, date_time_ymd};

use super::*;
use crate::trust::testing::{Authority, year};

struct Folder {
    folder: tempfile::TempDir,
    root: Authority,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), root: Authority::root("Root") }
    }

    fn add(&self, name: &str, certificate: &[u8]) {
        fs::write(self.folder.path().join(name), certificate).unwrap();
    }

    fn lookup(&self, address: &str) -> Result<Vec<u8>, MissingReason> {
        let directory = Directory::new(self.folder.path().to_owned());
        let mut found = directory.lookup(&[address.to_owned()], year(2030));
        assert_eq!(found.len(), 1);
        found.remove(0).map_err(|missing| {
            assert!(missing.sentence().contains(address));
            missing.reason
        })
    }
}

#[test]
fn the_newest_usable_certificate_of_the_address_is_found() {
    let folder = Folder::new();
    let older = folder.root.person("a@example.org");
    let newer =
        folder.root.person_with("a@example.org", |params| params.not_before = date_time_ymd(2022, 1, 1));
    folder.add("1", &newer);
    folder.add("2", &older);
    folder.add("3", &folder.root.person("b@example.org"));
    folder.add("4", b"not a certificate");
    assert_eq!(folder.lookup("a@EXAMPLE.ORG"), Ok(newer));
    assert_eq!(folder.lookup("c@example.org"), Err(MissingReason::NoCertificate));
}

#[test]
fn what_stands_in_the_way_is_named() {
    let folder = Folder::new();
    let (root, address) = (&folder.root, "a@example.org");
    folder.add(
        "1",
        &root.person_with(address, |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
    );
    assert_eq!(folder.lookup(address), Err(MissingReason::WrongUsage));
    folder.add(
        "2",
        &root.person_with(address, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
    );
    assert_eq!(folder.lookup(address), Err(MissingReason::WrongUsage));
    folder.add("3", &root.person_with(address, |params| params.not_before = date_time_ymd(2035, 1, 1)));
    assert_eq!(folder.lookup(address), Err(MissingReason::NotYetValid));
    folder.add("4", &root.person_with(address, |params| params.not_after = date_time_ymd(2025, 1, 1)));
    assert_eq!(folder.lookup(address), Err(MissingReason::Expired));
    let good = root.person(address);
    folder.add("5", &good);
    assert_eq!(folder.lookup(address), Ok(good));
}

#[test]
fn a_missing_folder_holds_nothing_and_answers_keep_their_order() {
    let folder = Folder::new();
    let present = folder.root.person("a@example.org");
    folder.add("1", &present);
    let addresses = ["x@example.org", "a@example.org"].map(str::to_owned);
    let found = Directory::new(folder.folder.path().to_owned()).lookup(&addresses, year(2030));
    assert!(found[0].is_err());
    assert_eq!(found[1], Ok(present));
    let nowhere = Directory::new(folder.folder.path().join("absent")).lookup(&addresses, year(2030));
    assert!(nowhere.iter().all(Result::is_err));
}

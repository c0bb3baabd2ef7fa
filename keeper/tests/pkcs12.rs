//! PKCS#12 files of others: every one of pyca/cryptography's, and OpenSSL's with a MAC by PBMAC1, good and bad.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `pyca-pkcs12/` and `openssl-cms/80-test_pkcs12_data/`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wafer_keeper::card::CardError;
use wafer_keeper::card::file::pfx::{Opened, open};
use wafer_keeper::pin::secret::Secret;

/// The folder `name` of the vectors; without `WAFER_VECTORS` the test says so, and under CI fails.
fn folder(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("WAFER_VECTORS").map(|folder| PathBuf::from(folder).join(name));
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WAFER_VECTORS must name the folder of the vectors");
        println!("skipped: WAFER_VECTORS does not name the folder of the vectors");
    }
    folder
}

/// Names of the `.p12` files in a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".p12")).collect()
}

fn opened(folder: &Path, file: &str, password: &str) -> Result<Opened, CardError> {
    open(&fs::read(folder.join(file)).unwrap(), &Secret::from_bytes(password.as_bytes()).unwrap())
}

/// A key's and the certificates' friendly names; `-` for none.
fn names(opened: &Opened) -> String {
    let keys = opened.keys.iter().map(|(_, name)| name);
    let all = keys.chain(opened.certificates.iter().map(|(_, name)| name));
    all.map(|name| name.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
}

/// File, password, private keys, certificates, friendly names (keys first).
const PYCA: &[(&str, &str, usize, usize, &str)] = &[
    ("cert-aes256cbc-no-key.p12", "cryptography", 0, 1, "-"),
    ("cert-key-aes256cbc.p12", "cryptography", 1, 1, "- -"),
    ("cert-none-key-none.p12", "cryptography", 1, 1, "- -"),
    ("cert-rc2-key-3des.p12", "cryptography", 1, 1, "- -"),
    ("java-truststore.p12", "", 0, 2, "cert1 -"),
    ("name-1-no-pwd.p12", "", 1, 3, "name name - -"),
    ("name-1-pwd.p12", "password", 1, 3, "name name - -"),
    ("name-2-3-no-pwd.p12", "", 1, 3, "- - name2 name3"),
    ("name-2-3-pwd.p12", "password", 1, 3, "- - name2 name3"),
    ("name-2-no-pwd.p12", "", 1, 3, "- - name2 -"),
    ("name-2-pwd.p12", "password", 1, 3, "- - name2 -"),
    ("name-3-no-pwd.p12", "", 1, 3, "- - - name3"),
    ("name-3-pwd.p12", "password", 1, 3, "- - - name3"),
    ("name-all-no-pwd.p12", "", 1, 3, "name name name2 name3"),
    ("name-all-pwd.p12", "password", 1, 3, "name name name2 name3"),
    ("name-unicode-no-pwd.p12", "", 1, 3, "☺ ☺ ä ç"),
    ("name-unicode-pwd.p12", "password", 1, 3, "☺ ☺ ä ç"),
    ("no-cert-key-aes256cbc.p12", "cryptography", 1, 0, "-"),
    ("no-cert-name-2-no-pwd.p12", "", 0, 2, "name2 -"),
    ("no-cert-name-2-pwd.p12", "password", 0, 2, "name2 -"),
    ("no-cert-name-3-no-pwd.p12", "", 0, 2, "- name3"),
    ("no-cert-name-3-pwd.p12", "password", 0, 2, "- name3"),
    ("no-cert-name-all-no-pwd.p12", "", 0, 2, "name2 name3"),
    ("no-cert-name-all-pwd.p12", "password", 0, 2, "name2 name3"),
    ("no-cert-name-unicode-no-pwd.p12", "", 0, 2, "☹ ï"),
    ("no-cert-name-unicode-pwd.p12", "password", 0, 2, "☹ ï"),
    ("no-cert-no-name-no-pwd.p12", "", 0, 2, "- -"),
    ("no-cert-no-name-pwd.p12", "password", 0, 2, "- -"),
    ("no-name-no-pwd.p12", "", 1, 3, "- - - -"),
    ("no-name-pwd.p12", "password", 1, 3, "- - - -"),
    ("no-password.p12", "", 1, 1, "6BC162DA cryptography CA"),
];

#[test]
fn each_of_the_31_files_of_pyca_opens_with_its_password_and_no_other() {
    let Some(folder) = folder("pyca-pkcs12") else { return };
    for (file, password, keys, certificates, named) in PYCA {
        let opened = opened(&folder, file, password).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!((opened.keys.len(), opened.certificates.len()), (*keys, *certificates), "{file}");
        assert_eq!(names(&opened), *named, "{file}");
        let wrong = self::opened(&folder, file, "wrong").unwrap_err();
        assert_eq!(wrong, CardError::PinIncorrect, "{file}");
    }
    let known: BTreeSet<_> = PYCA.iter().map(|(file, ..)| (*file).to_owned()).collect();
    assert_eq!(known, files(&folder), "the table has every file");
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_refused() {
    let Some(folder) = folder("pyca-pkcs12") else { return };
    let file = fs::read(folder.join("cert-none-key-none.p12")).unwrap();
    let password = Secret::from_bytes(b"cryptography").unwrap();
    assert!(open(&file, &password).is_ok());
    for end in 0..file.len() {
        assert!(open(&file[..end], &password).is_err(), "cut at {end}");
    }
    for at in (0..file.len()).step_by(7) {
        let mut changed = file.clone();
        changed[at] ^= 0x81;
        assert!(open(&changed, &password).is_err(), "changed at {at}");
    }
}

/// A DER element.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[tag, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

#[test]
fn an_absurd_number_of_iterations_is_refused_at_once() {
    let data = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let sha256 = element(0x30, &[&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]]);
    let mac = element(0x30, &[&sha256, &element(4, &[&[0; 32]])]);
    let mac = element(0x30, &[&mac, &element(4, &[&[0; 8]]), &[2, 4, 0x7f, 0xff, 0xff, 0xff]]);
    let safe = element(0xa0, &[&element(4, &[&element(0x30, &[])])]);
    let file = element(0x30, &[&[2, 1, 3], &element(0x30, &[&data, &safe]), &mac]);
    let begun = std::time::Instant::now();
    let error = open(&file, &Secret::from_bytes(b"x").unwrap()).unwrap_err();
    assert_eq!(error, CardError::FileCost);
    assert!(begun.elapsed().as_secs() < 5);
}

/// OpenSSL's, with the password of its tests: what opens, and how the others fail. The good ones hold one key and
/// its certificate. Each bad one is what its name says; RFC 9579 wants the length of PBMAC1's key to be there.
const OPENSSL: &[(&str, Result<(), CardError>)] = &[
    ("bad1.p12", Err(CardError::FileForm)),
    ("bad2.p12", Err(CardError::PinIncorrect)),
    ("bad3.p12", Err(CardError::PinIncorrect)),
    ("pbmac1_256_256.bad-iter.p12", Err(CardError::PinIncorrect)),
    ("pbmac1_256_256.bad-key-len.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.bad-len.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.bad-salt-type.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.bad-salt.p12", Err(CardError::PinIncorrect)),
    ("pbmac1_256_256.good-shorter-key-len.p12", Ok(())),
    ("pbmac1_256_256.good.p12", Ok(())),
    ("pbmac1_256_256.negative-len.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.no-len.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.no-salt.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.very-big-len.p12", Err(CardError::FileForm)),
    ("pbmac1_256_256.zero-len.p12", Err(CardError::FileForm)),
    ("pbmac1_512_256.good.p12", Ok(())),
    ("pbmac1_512_512.good.p12", Ok(())),
    ("pbmac1_sha1_hmac_and_prf.p12", Ok(())),
];
/// Encrypted to a recipient's public key (RFC 7292 section 3.1, public-key privacy mode), without a MAC.
const ENVELOPED: &str = "nomac_parse.p12";

#[test]
fn openssl_s_files_open_or_fail_as_their_names_say() {
    let Some(folder) = folder("openssl-cms/80-test_pkcs12_data") else { return };
    for (file, expected) in OPENSSL {
        let opened = opened(&folder, file, "1234");
        let counts = opened.as_ref().map(|opened| (opened.keys.len(), opened.certificates.len()));
        assert_eq!(counts.map_err(Clone::clone), expected.clone().map(|()| (1, 1)), "{file}");
    }
    // Empty contents once crashed a reader (CVE-2024-0727): here they are a file that is not whole.
    for file in ["bad1.p12", "bad2.p12", "bad3.p12"] {
        assert_eq!(opened(&folder, file, "").unwrap_err(), CardError::FileForm, "{file}");
    }
    let enveloped = opened(&folder, ENVELOPED, "1234").unwrap_err();
    assert_eq!(enveloped, CardError::Unsupported("1.2.840.113549.1.7.3".to_owned()));
    let known: BTreeSet<_> =
        OPENSSL.iter().map(|(file, _)| *file).chain([ENVELOPED]).map(str::to_owned).collect();
    assert_eq!(known, files(&folder), "the table has every file");
}

//! Certificates of others against the path validator: the cross-certificates of RFC 9216, the test cards of the US government
//! (GSA ICAM), and mails with a root beside them.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `rfc9216/`, `gsa-icam/`, `boringssl-pki/`,
//! `bouncycastle/` and `rfc9788-excerpt/`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

mod vectors;

use std::fs;
use std::path::{Path, PathBuf};

use vectors::{Row, Tally, at, certificates, folder, read};
use wafer_smime::algorithm::Container;
use wafer_smime::verify::{Content, Outcome, verify};
use waferd::trust::{Purpose, Reason, Trust};

/// 2026-08-01.
const ICAM_TIME: u64 = 1_785_542_400;
/// 2023-01-01, when the certificates of RFC 9216 are all valid.
const RFC9216_TIME: u64 = 1_672_531_200;

#[test]
fn every_person_of_rfc9216_is_found_under_both_roots() {
    let Some(folder) = folder("rfc9216") else { return };
    let one = |name: &str| certificates(&read(&folder, name)).remove(0);
    let mut tally = Tally::default();
    for root in ["rsa", "ed25519"] {
        for person in ["alice", "bob", "carlos", "dana"] {
            for (use_, purpose) in [("sign", Purpose::SignMail), ("encrypt", Purpose::EncryptMail)] {
                let crosses = vec![one("ca-rsa.cross.crt"), one("ca-ed25519.cross.crt")];
                let certificate = one(&format!("{person}.{use_}.crt"));
                let mut row =
                    Row::new(vec![one(&format!("ca-{root}.crt"))], certificate, crosses, at(RFC9216_TIME));
                row.purpose = purpose;
                tally.note(&format!("{person}.{use_} under {root}"), true, &row.examine(), &[]);
            }
        }
    }
    tally.finish(16, &[]);
}

#[test]
fn the_cards_of_icam_are_judged_as_their_table_says() {
    let Some(folder) = folder("gsa-icam") else { return };
    let table = fs::read_to_string(folder.join("../openssl_results.csv")).unwrap();
    let Authorities { roots, others, crls } = Authorities::of_icam(&folder);
    let mut tally = Tally::default();
    for line in table.lines().filter(|line| line.starts_with("gsa-icam,") && line.contains("path-validate")) {
        let (before, after) = line.split_once(",\"path-validate (2026-08-01, no CRL)\",ICAM roots,").unwrap();
        let file = before.splitn(3, ',').nth(2).unwrap();
        let Some(expected) = after.split(',').next().filter(|expected| !expected.is_empty()) else {
            continue;
        };
        let certificate = certificates(&read(&folder, file)).remove(0);
        let row = Row::new(roots.clone(), certificate, others.clone(), at(ICAM_TIME));
        tally.note(file, expected == "pass", &row.examine(), &[]);
    }
    tally.finish(140, &[]);
    // Card 24, which OpenSSL cannot judge: two of its certificates are on the authority's list.
    for slot in ["3 - ICAM_PIV_Auth_SP_800-73-4.crt", "6 - ICAM_PIV_Card_Auth_SP_800-73-4.crt"] {
        let certificate = certificates(&read(&folder, &format!("24_Revoked_Certificates/{slot}"))).remove(0);
        let mut row = Row::new(roots.clone(), certificate, others.clone(), at(ICAM_TIME));
        row.crls = Some(crls.clone());
        let trust = row.examine().trust;
        assert!(matches!(trust, Trust::Untrusted { reason: Reason::Revoked, .. }), "{slot}: {trust:?}");
    }
}

/// Bouncy Castle's mails to its validator, as of 2006-09-29. Its certificates are signed with SHA-1 by a key of 1024
/// bits, which vouches for nobody here: a mail that is valid there is named for that, the others for what is wrong.
const VALIDATOR: &[(&str, Reason)] = &[
    ("expired", Reason::Expired),
    ("notYetValid", Reason::NotYetValid),
    ("extKeyUsage", Reason::WrongUsage),
    ("keyUsage", Reason::WrongUsage),
    ("revoked", Reason::UnsupportedAlgorithm),
    ("validMail", Reason::UnsupportedAlgorithm),
];
/// 2006-09-29.
const VALIDATOR_TIME: u64 = 1_159_488_000;

#[test]
fn mails_with_a_root_beside_them_are_judged_together_with_it() {
    let (Some(folder), Some(sample)) = (folder("bouncycastle/mail"), folder("rfc9788-excerpt")) else {
        return;
    };
    for (name, expected) in VALIDATOR {
        let root = certificates(&read(&folder, "validator.root.crt")).remove(0);
        let mail = read(&folder, &format!("validator.{name}.eml"));
        match signer(&mail, root, VALIDATOR_TIME) {
            Trust::Untrusted { reason, .. } => assert_eq!(reason, *expected, "{name}"),
            Trust::Trusted => panic!("{name} is trusted"),
        }
    }
    let root = certificates(&read(&sample, "../rfc9216/ca-rsa.crt")).remove(0);
    let mail = read(&sample, "smime-signed-enc-hp-shy.inner.eml");
    assert_eq!(signer(&mail, root, RFC9216_TIME), Trust::Trusted);
}

/// Whether the only signer of `mail`, whose signature is good, is to be trusted.
fn signer(mut mail: &[u8], root: Vec<u8>, time: u64) -> Trust {
    let verified = verify(&mut mail, Content::Attached, Container::Mail, &[], None).unwrap();
    let [signer] = &verified.signers[..] else { panic!("{} signers", verified.signers.len()) };
    assert_eq!(signer.outcome, Outcome::Good);
    let certificate = signer.certificate.clone().unwrap();
    let mut row = Row::new(vec![root], certificate, verified.certificates, at(time));
    row.purpose = Purpose::SignMail;
    row.examine().trust
}

/// BoringSSL's malformed and odd certificates: each is judged, as its own root and below itself, without harm.
#[test]
fn odd_certificates_do_no_harm() {
    let Some(folder) = folder("boringssl-pki") else { return };
    let mut seen = 0;
    for file in files_below(&folder) {
        let bytes = fs::read(&file).unwrap();
        for certificate in certificates(&bytes).into_iter().chain([bytes]) {
            let others = vec![certificate.clone()];
            Row::new(others.clone(), certificate, others, at(ICAM_TIME)).examine();
            seen += 1;
        }
    }
    assert_eq!(seen, 450);
}

/// Roots, other certificates and lists.
#[derive(Default)]
struct Authorities {
    roots: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
    crls: Vec<Vec<u8>>,
}

impl Authorities {
    fn of_icam(folder: &Path) -> Self {
        let mut found = Self::default();
        for file in files_below(&folder.join("ICAM_CA_and_Signer")) {
            let bytes = fs::read(&file).unwrap();
            match file.extension().and_then(|extension| extension.to_str()) {
                // Of two lists of this authority the older one has card 24 on it.
                Some("crl") if file.ends_with("ICAMTestCardSCA.crl") => found.crls.push(bytes),
                Some("crt") => {
                    let certificate = certificates(&bytes).remove(0);
                    let is_root = file.file_name().unwrap().to_str().unwrap().contains("Root_CA");
                    if is_root { found.roots.push(certificate) } else { found.others.push(certificate) }
                }
                _ => {}
            }
        }
        found
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = files(folder);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        }
    }
    found
}

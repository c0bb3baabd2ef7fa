#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says why")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use x509_cert::name::Name;

use super::crl::Crl;
use super::lists::{ListIssuers, Subject, may_sign_lists, standing};
use super::*;
use crate::trust::signature::SHORT_KEYS;

/// 2017-03-09, as crl_unittest.cc has it.
const TIME: u64 = 1_489_017_600;
/// Where BoringSSL's table says otherwise, and why. A row that no longer differs fails the test too.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "bad_thisupdate_too_old",
        "BoringSSL is told there to take nothing older than a week; we go by nextUpdate",
    ),
    ("invalid_revoked_empty_sequence", "an empty list of entries is against the letter, and revokes nobody"),
    ("invalid_v1_with_crlentryextension", "an entry that has too much in it is still an entry"),
    ("invalid_idp_onlycontainsusercerts_v1_leaf", "a certificate of version 1 is no authority's"),
    ("bad_crldp_has_crlissuer", "indirect lists, which BoringSSL does not do; the issuer's own list counts"),
    ("bad_idp_indirectcrl", "indirect lists, which BoringSSL does not do"),
];

/// The signers of lists that a row brings.
struct Named(Vec<Known>);

impl ListIssuers for Named {
    fn named(&self, name: &Name) -> Vec<Known> {
        let fits = |known: &&Known| certval::compare_names(known.subject(), name) && may_sign_lists(known);
        self.0.iter().filter(fits).cloned().collect()
    }
}

/// Each file: a certificate, its issuer (and who else signs lists), a list, and in its name what to say.
#[test]
fn lists_are_judged_as_boringssl_judges_them() {
    let Some(folder) = vectors() else { return };
    // The vectors' keys have 1024 bits, which we refuse outside this test.
    SHORT_KEYS.set(true);
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let said = judge(&fs::read_to_string(&path).unwrap());
        let expected = match name.split('_').next().unwrap() {
            "good" => "good",
            "revoked" => "revoked",
            _ => "unknown",
        };
        seen += 1;
        if (said == expected) == DIFFERENT.iter().any(|(different, _)| *different == name) {
            wrong.push(format!("{name}: {said}"));
        }
    }
    SHORT_KEYS.set(false);
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(seen, 66);
}

fn judge(text: &str) -> &'static str {
    let one = |label: &str| blocks(text, label).first().and_then(|der| Known::read(der));
    let (Some(certificate), Some(issuer)) = (one("CERTIFICATE"), one("CA CERTIFICATE")) else {
        return "unknown";
    };
    let others = Named(one("CA CERTIFICATE 2").into_iter().collect());
    let crls: Vec<Crl> = blocks(text, "CRL").into_iter().filter_map(|der| Crl::read(der).ok()).collect();
    let subject = Subject { certificate: &certificate, issuer: &issuer };
    match standing(subject, &crls, SystemTime::UNIX_EPOCH + Duration::from_secs(TIME), &others) {
        Some(Standing::Good) => "good",
        Some(Standing::Revoked { .. }) => "revoked",
        None => "unknown",
    }
}

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("WAFER_VECTORS")
        .map(|folder| PathBuf::from(folder).join("boringssl-pki/crl_unittest"));
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WAFER_VECTORS must name the folder of the vectors");
        println!("skipped: WAFER_VECTORS does not name the folder of the vectors");
    }
    folder
}

/// The DER of every PEM block with exactly this label.
fn blocks(text: &str, label: &str) -> Vec<Vec<u8>> {
    let (start, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let found = text.match_indices(&start).filter_map(|(at, _)| {
        let length = text[at..].find(&end)? + end.len();
        Some(der::pem::decode_vec(&text.as_bytes()[at..at + length]).ok()?.1)
    });
    found.collect()
}

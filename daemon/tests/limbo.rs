//! x509-limbo against the path validator: its rows that are about RFC 5280, revocation lists, path lengths,
//! pathological chains and known flaws. Its webpki and online rows are about web servers.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `x509-limbo/`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

mod vectors;

use std::time::SystemTime;

use der::DateTime;
use serde_json::Value;
use vectors::{Row, Tally, certificates, folder, read};

const NOT_OURS: &[&str] = &["webpki", "online"];
const ROWS: usize = 90;
/// Noon of 2024-06-15, for rows that name no time: their certificates are valid for centuries.
const NOON: &str = "2024-06-15T12:00:00Z";
/// Where the verdict differs from the table, and why. A row that no longer differs fails the test too.
const DIFFERENT: &[(&str, &str)] = &[
    ("pathlen::max-chain-depth-0-exhausted", CHOSEN_DEPTH),
    ("pathlen::max-chain-depth-1-exhausted", CHOSEN_DEPTH),
    ("pathological::nc-dos-3", "is judged in milliseconds, so that there is nothing to refuse"),
    ("rfc5280::aki::leaf-missing-aki", FOR_AUTHORITIES),
    ("rfc5280::aki::intermediate-missing-aki", FOR_AUTHORITIES),
    ("rfc5280::aki::cross-signed-root-missing-aki", FOR_AUTHORITIES),
    ("rfc5280::ski::root-missing-ski", FOR_AUTHORITIES),
    ("rfc5280::ski::intermediate-missing-ski", FOR_AUTHORITIES),
    ("rfc5280::nc::permitted-dns-match-noncritical", FOR_AUTHORITIES),
    ("rfc5280::nc::not-allowed-in-ee-noncritical", FOR_AUTHORITIES),
    ("rfc5280::nc::not-allowed-in-ee-critical", FOR_AUTHORITIES),
    ("rfc5280::san::noncritical-with-empty-subject", FOR_AUTHORITIES),
    ("rfc5280::root-non-critical-basic-constraints", FOR_AUTHORITIES),
    ("rfc5280::leaf-ku-keycertsign", FOR_AUTHORITIES),
    ("rfc5280::serial::too-long", "PKITS 4.4.16 wants long serial numbers to be taken"),
    ("rfc5280::serial::negative", "PKITS 4.4.14 wants negative serial numbers to be taken"),
    ("rfc5280::nc::nc-permits-invalid-dns-san", WEB_NAMES),
    ("rfc5280::nc::nc-forbids-dnsname-wildcard-san", WEB_NAMES),
    ("rfc5280::san::underscore-dns", WEB_NAMES),
    ("rfc5280::ca-as-leaf-wrong-san", WEB_NAMES),
];
const CHOSEN_DEPTH: &str = "the caller cannot choose a depth: eight issuers are the most";
const FOR_AUTHORITIES: &str =
    "a rule for who issues: section 6 of RFC 5280 does not hold it against a certificate";
const WEB_NAMES: &str = "about names of web servers, which say nothing about mail";

#[test]
fn the_validator_agrees_with_limbo() {
    let Some(folder) = folder("x509-limbo") else { return };
    let table: Value = serde_json::from_slice(&read(&folder, "limbo.json")).unwrap();
    let mut tally = Tally::default();
    for case in table["testcases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if NOT_OURS.iter().any(|group| id.starts_with(group)) {
            continue;
        }
        tally.note(id, case["expected_result"] == "SUCCESS", &row(case).examine(), DIFFERENT);
    }
    tally.finish(ROWS, DIFFERENT);
}

fn row(case: &Value) -> Row {
    let list = |name: &str| -> Vec<Vec<u8>> {
        let texts = case[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        texts.flat_map(|text| certificates(text.as_bytes())).collect()
    };
    let certificate = certificates(case["peer_certificate"].as_str().unwrap().as_bytes()).remove(0);
    let time = case["validation_time"].as_str().unwrap_or(NOON);
    let mut row = Row::new(list("trusted_certs"), certificate, list("untrusted_intermediates"), moment(time));
    let crls: Vec<Vec<u8>> = case["crls"].as_array().into_iter().flatten().map(crl).collect();
    row.crls = (!crls.is_empty()).then_some(crls);
    row
}

fn crl(text: &Value) -> Vec<u8> {
    der::pem::decode_vec(text.as_str().unwrap().as_bytes()).unwrap().1
}

/// Seconds are what X.509 has: a fraction is kept for the comparison all the same.
fn moment(text: &str) -> SystemTime {
    let (date, rest) = text.split_at(19);
    let whole: DateTime = format!("{date}Z").parse().unwrap();
    let fraction = rest.strip_prefix('.').map_or(0, |digits| digits[..3].parse().unwrap());
    whole.to_system_time() + std::time::Duration::from_millis(fraction)
}

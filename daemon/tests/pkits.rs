//! NIST's PKITS against the path validator: all 164 rows of the table, with their revocation lists and their
//! policy inputs, and the signed mail that goes with each.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `pkits/`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

mod vectors;

use std::path::Path;

use serde_json::Value;
use vectors::{Row, Tally, at, certificates, folder, read};
use wafer_smime::algorithm::Container;
use wafer_smime::verify::{Content, Outcome, verify};
use waferd::trust::{PolicyInputs, Purpose};

/// Noon of 2011-04-15, as the vectors' own table has it.
const TIME: u64 = 1_302_868_800;
const ROWS: usize = 164;
/// Where the verdict differs from the table, and why. A case that no longer differs fails the test too.
const DIFFERENT: &[(&str, &str)] = &[
    ("4.1.4", "DSA, which RFC 8551 calls historic, is not supported"),
    ("4.1.5", "DSA, which RFC 8551 calls historic, is not supported"),
    ("4.2.3", "x509-cert reads no date before 1970"),
];
/// Further differences for the mails.
const DIFFERENT_MAILS: &[(&str, &str)] = DIFFERENT;

#[test]
fn the_validator_agrees_with_pkits() {
    let Some(folder) = folder("pkits") else { return };
    let mut tally = Tally::default();
    for case in cases(&folder) {
        let (id, row) = (case["id"].as_str().unwrap(), row(&folder, &case));
        tally.note(id, case["expected"] == "valid", &row.examine(), DIFFERENT);
    }
    tally.finish(ROWS, DIFFERENT);
}

/// The mail brings the certificates; who signed is taken from the message alone.
#[test]
fn the_signed_mails_agree_too() {
    let Some(folder) = folder("pkits") else { return };
    let mut tally = Tally::default();
    for case in cases(&folder) {
        let (id, mut row) = (case["id"].as_str().unwrap(), row(&folder, &case));
        let mail = read(&folder, case["smime_eml"].as_str().unwrap());
        let checked = verify(&mut mail.as_slice(), Content::Attached, Container::Mail, &[], None).unwrap();
        let signer = &checked.signers[0];
        let good = signer.outcome == Outcome::Good;
        row.certificate = signer.certificate.clone().unwrap_or_default();
        row.others.extend(checked.certificates.clone());
        let found = row.examine();
        let trusted = good && found.trust == waferd::trust::Trust::Trusted;
        let detail = format!("{:?}, {:?}", signer.outcome, found.trust);
        tally.note_outcome(id, case["expected"] == "valid", trusted, &detail, DIFFERENT_MAILS);
    }
    tally.finish(ROWS, DIFFERENT_MAILS);
}

/// NIST's paths once more, as certval's project re-issued them: the same certificates found by name.
#[test]
fn the_copy_beside_certval_gives_the_same() {
    let (Some(folder), Some(pkits)) = (folder("certval-pkits/PKITS_data_2048"), folder("pkits")) else {
        return;
    };
    let mut tally = Tally::default();
    for case in cases(&pkits) {
        let id = case["id"].as_str().unwrap();
        tally.note(id, case["expected"] == "valid", &row(&folder, &case).examine(), DIFFERENT);
    }
    tally.finish(ROWS, DIFFERENT);
}

fn cases(folder: &Path) -> Vec<Value> {
    let mut table: Value = serde_json::from_slice(&read(folder, "pkits_tests.json")).unwrap();
    table["tests"].as_array_mut().unwrap().drain(..).collect()
}

fn row(folder: &Path, case: &Value) -> Row {
    let file = |name: &Value| read(folder, name.as_str().unwrap());
    let root = certificates(&file(&case["trust_anchor"])).remove(0);
    let mut chain: Vec<Vec<u8>> = case["certs"].as_array().unwrap().iter().map(file).collect();
    let signer = chain.pop().unwrap();
    chain.retain(|certificate| *certificate != root);
    let mut row = Row::new(vec![root], signer, chain, at(TIME));
    row.crls = Some(case["crls"].as_array().unwrap().iter().map(file).collect());
    row.purpose = Purpose::SignMail;
    row.inputs = inputs(&case["inputs"]);
    row
}

fn inputs(inputs: &Value) -> PolicyInputs {
    let flag = |name: &str| inputs[name].as_bool().unwrap();
    let policies = inputs["initial_policy_set"].as_array().unwrap().iter().map(|oid| oid.as_str().unwrap());
    PolicyInputs {
        policies: policies.map(|oid| oid.parse().unwrap()).collect(),
        explicit: flag("initial_explicit_policy"),
        inhibit_mapping: flag("initial_policy_mapping_inhibit"),
        inhibit_any: flag("initial_any_policy_inhibit"),
    }
}

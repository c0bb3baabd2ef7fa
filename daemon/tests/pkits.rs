//! NIST's PKITS against the path validator: every case that needs no revocation and no inputs of its own.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `pkits/`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use waferd::trust::{FolderValidator, PathValidator, Trust};

/// Noon of 2011-04-15, as the vectors' own table has it.
const TIME: Duration = Duration::from_secs(1_302_868_800);
/// Sections whose cases turn on revocation lists, which are not looked at yet.
const REVOCATION: &[&str] = &["Basic Certificate Revocation Tests", "Distribution Points", "Delta-CRLs"];
/// Where the verdict differs from the table, and why. A case that no longer differs fails the test too.
const DIFFERENT: &[(&str, &str)] = &[
    ("4.1.4", "DSA is not supported"),
    ("4.1.5", "DSA is not supported"),
    ("4.2.3", "x509-cert reads no date before 1970"),
    ("4.5.2", "turns on a revocation list"),
    ("4.5.5", "turns on a revocation list"),
    ("4.7.4", "turns on a revocation list"),
    ("4.7.5", "turns on a revocation list"),
];

#[test]
fn the_validator_agrees_with_pkits() {
    let Some(folder) = vectors() else { return };
    let table: Value = serde_json::from_slice(&fs::read(folder.join("pkits_tests.json")).unwrap()).unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for case in table["tests"].as_array().unwrap() {
        if REVOCATION.contains(&case["section"].as_str().unwrap()) || !has_default_inputs(case) {
            continue;
        }
        seen += 1;
        let (id, trust) = (case["id"].as_str().unwrap(), validate(&folder, case));
        let agrees = (trust == Trust::Trusted) == (case["expected"] == "valid");
        let excused = DIFFERENT.iter().any(|(different, _)| *different == id);
        if agrees == excused {
            wrong.push(format!("{id} {}: expected {}, got {trust:?}", case["title"], case["expected"]));
        }
    }
    assert!(seen >= 100, "only {seen} cases were run");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("WAFER_VECTORS").map(|folder| PathBuf::from(folder).join("pkits"));
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WAFER_VECTORS must name the folder of the vectors");
        println!("skipped: WAFER_VECTORS does not name the folder of the vectors");
    }
    folder
}

fn has_default_inputs(case: &Value) -> bool {
    let inputs = &case["inputs"];
    inputs["initial_policy_set"] == serde_json::json!(["2.5.29.32.0"])
        && ["initial_explicit_policy", "initial_policy_mapping_inhibit", "initial_any_policy_inhibit"]
            .iter()
            .all(|flag| inputs[*flag] == false)
}

fn validate(folder: &Path, case: &Value) -> Trust {
    let read = |name: &Value| fs::read(folder.join(name.as_str().unwrap())).unwrap();
    let roots = tempfile::tempdir().unwrap();
    let root = read(&case["trust_anchor"]);
    fs::write(roots.path().join("root.der"), &root).unwrap();
    let mut chain: Vec<Vec<u8>> = case["certs"].as_array().unwrap().iter().map(read).collect();
    let signer = chain.pop().unwrap();
    chain.retain(|certificate| *certificate != root);
    FolderValidator::new(vec![roots.path().to_owned()]).validate(
        &signer,
        &chain,
        SystemTime::UNIX_EPOCH + TIME,
    )
}

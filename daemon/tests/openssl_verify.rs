//! The table of OpenSSL's own `verify` test against the path validator: every row, with its roots in a trust folder as
//! they are.
//!
//! Purposes and the meaning of options are OpenSSL's. What the validator has in place of them: a root may be any
//! certificate (`-partial_chain` is always on), keys and digests are as strong as at `-auth_level` 2, proxy
//! certificates are none, and of purposes it knows mail's only, so that these rows are asked without one. Where that
//! makes a difference stands in `openssl_verify.txt`.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `openssl-cms/`).

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
use waferd::trust::{Reason, Trust};

/// Noon of 2026-08-01, for rows that name no time.
const TIME: u64 = 1_785_585_600;
/// Rows of the table in the folder.
const ROWS: usize = 98;
/// The families of rows that are answered otherwise.
const DIFFERENT: &str = include_str!("openssl_verify.txt");

#[test]
fn the_validator_agrees_with_openssl() {
    let Some(folder) = folder("openssl-cms") else { return };
    let table: Value = serde_json::from_slice(&read(&folder, "verify_table.json")).unwrap();
    let (cases, folder) = (table["tests"].as_array().unwrap(), folder.join("certs"));
    let families = families();
    let named: Vec<(String, &Value)> =
        cases.iter().enumerate().map(|(at, case)| (name(at, case), case)).collect();
    let excepted: Vec<(&str, &str)> = named
        .iter()
        .filter_map(|(id, case)| {
            families
                .iter()
                .find(|family| family.is_of(&folder, case))
                .map(|found| (id.as_str(), found.reason))
        })
        .collect();
    let mut tally = Tally::default();
    for (id, case) in &named {
        tally.note(id, case["expected"] == "valid", &row(&folder, case).examine(), &excepted);
    }
    tally.finish(ROWS, &excepted);
    for family in &families {
        assert!(cases.iter().any(|case| family.is_of(&folder, case)), "no row for: {}", family.reason);
    }
}

/// What is refused for its issuer's short key was signed by the authority it names all the same.
#[test]
fn a_short_key_is_not_called_a_forgery() {
    let Some(folder) = folder("openssl-cms") else { return };
    let file = |name: &str| read(&folder.join("certs"), name);
    let one = |name: &str| certificates(&file(name)).remove(0);
    let (signer, authority) = (one("ee-cert.pem"), one("ca-cert-768i.pem"));
    let row = Row::new(vec![file("root-cert-768.pem")], signer, vec![authority], at(TIME));
    let Trust::Untrusted { reason, .. } = row.examine().trust else { panic!("it is trusted") };
    assert_eq!(reason, Reason::UnsupportedAlgorithm);
}

/// A row's place and what it is called: some are called alike.
fn name(at: usize, case: &Value) -> String {
    format!("{at} {}", case["desc"].as_str().unwrap())
}

fn row(folder: &Path, case: &Value) -> Row {
    let files = |column: &str| -> Vec<Vec<u8>> {
        words(&case[column]).iter().map(|file| read(folder, file)).collect()
    };
    let certificate = certificates(&read(folder, case["cert"].as_str().unwrap())).remove(0);
    let others = files("untrusted").iter().flat_map(|file| certificates(file)).collect();
    Row::new(files("trusted"), certificate, others, at(time(&words(&case["opts"]))))
}

/// The time that a row names. An option of unknown meaning fails the test.
fn time(options: &[&str]) -> u64 {
    let mut time = TIME;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "-attime" => time = options.next().unwrap().parse().unwrap(),
            "-auth_level" | "-vfyopt" => drop(options.next()),
            "-partial_chain" | "-allow_proxy_certs" | "-x509_strict" => {}
            other => panic!("nobody says what {other} means here"),
        }
    }
    time
}

/// How many of the roots are in OpenSSL's own form.
fn auxiliary(folder: &Path, case: &Value) -> &'static str {
    let own = |file: &&str| read(folder, file).starts_with(b"-----BEGIN TRUSTED CERTIFICATE-----");
    let roots = words(&case["trusted"]);
    match roots.iter().copied().filter(own).count() {
        0 => "none",
        some if some < roots.len() => "some",
        _ => "all",
    }
}

fn words(column: &Value) -> Vec<&str> {
    match column.as_array() {
        Some(all) => all.iter().flat_map(words).collect(),
        None => column.as_str().unwrap().split_whitespace().collect(),
    }
}

/// Rows that are answered otherwise than the table has it, for one reason.
struct Family {
    /// Columns, and what is in them.
    marks: Vec<(&'static str, &'static str)>,
    reason: &'static str,
}

impl Family {
    fn is_of(&self, folder: &Path, case: &Value) -> bool {
        let has = |(column, text): &(&str, &str)| match *column {
            "expected" | "purpose" | "desc" => case[*column] == *text,
            "auxiliary" => auxiliary(folder, case) == *text,
            column => words(&case[column]).join(" ").contains(text),
        };
        self.marks.iter().all(has)
    }
}

fn families() -> Vec<Family> {
    let lines = DIFFERENT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let family = |line: &'static str| {
        let (marks, reason) = line.split_once(" | ").unwrap();
        let marks = marks.split("; ").map(|mark| mark.split_once(": ").unwrap()).collect();
        Family { marks, reason }
    };
    lines.map(family).collect()
}

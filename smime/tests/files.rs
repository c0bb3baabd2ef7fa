//! Every message in the folders of other projects, whether or not a table of theirs says something of it: what it looks
//! like, and what its signers say. The answers stand in `files.txt`; one that changes fails, and so does a message
//! that nobody has looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::*;
use wafer_smime::inspect::{Layer, inspect};
use wafer_smime::verify::{Content, Outcome, verify as check};

/// The folders that are looked through.
const FOLDERS: &[&str] = &[
    "rfc4134",
    "rfc9788-excerpt",
    "thunderbird",
    "nss-interop",
    "bouncycastle",
    "openssl-cms/80-test_cms_data",
    "openssl-cms/80-test_cmsapi_data",
    "go-pkcs7",
    "mimekit",
    "rustcrypto-cms",
    "gnupg-cms",
    "pyca-pkcs7",
    "boringssl-pkcs7",
];

/// How the names of messages end; what ends otherwise is one if it looks like one.
const MESSAGES: &[&str] = &["eml", "env", "message", "p7m", "p7s", "p7b", "p7c", "cms", "ber"];

#[test]
fn every_message_looks_as_it_did() {
    let Some(root) = vectors("") else { return };
    let found: BTreeMap<String, String> = FOLDERS
        .iter()
        .flat_map(|folder| files_below(&root.join(folder)))
        .filter_map(|file| look(&root, &file))
        .collect();
    let lines = include_str!("files.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known: BTreeMap<String, String> = lines
        .map(|line| {
            let (name, answer) = line.split_once(" | ").unwrap();
            (name.to_owned(), answer.to_owned())
        })
        .collect();
    let line = |(name, answer): (&String, &String)| format!("{name} | {answer}");
    let strange: Vec<String> =
        found.iter().filter(|(name, answer)| known.get(*name) != Some(answer)).map(line).collect();
    assert!(strange.is_empty(), "not so in files.txt:\n{}", strange.join("\n"));
    let gone: Vec<String> = known.iter().filter(|(name, _)| !found.contains_key(*name)).map(line).collect();
    assert!(gone.is_empty(), "not in the folders:\n{}", gone.join("\n"));
}

/// The name of a message and what is said of it; `None` for what is none.
fn look(root: &Path, file: &Path) -> Option<(String, String)> {
    let bytes = fs::read(file).unwrap();
    let named = file.extension().and_then(|extension| extension.to_str());
    let named = named.is_some_and(|extension| MESSAGES.contains(&extension));
    let answer = match inspect(&mut bytes.as_slice()) {
        Ok(seen) if seen.layer == Layer::Plain => named.then(|| "plain".to_owned())?,
        Ok(seen) => {
            let layers: Vec<String> = seen.layers.iter().map(|layer| format!("{layer:?}")).collect();
            let cipher = seen.cipher.map(|cipher| format!(" {cipher} for {}", seen.recipients.len()));
            let signed = matches!(seen.layer, Layer::ClearSigned | Layer::OpaqueSigned);
            let signers = if signed { format!(": {}", signers(&bytes)) } else { String::new() };
            format!("{}{}{signers}", layers.join(" "), cipher.unwrap_or_default())
        }
        Err(error) => named.then(|| error.to_string())?,
    };
    Some((file.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), answer))
}

/// What the signers say, without a content from elsewhere.
fn signers(bytes: &[u8]) -> String {
    let verified = match check(&mut { bytes }, Content::Attached, container(bytes), &[], None) {
        Ok(verified) => verified,
        Err(error) => return error.to_string(),
    };
    let word = |outcome: &Outcome| format!("{outcome:?}");
    outcomes(&verified).iter().map(word).collect::<Vec<_>>().join(", ")
}

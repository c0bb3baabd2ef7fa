//! Thunderbird's own table of what it must show for each mail: our verdict is at least as strict, row by row.
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `thunderbird/`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use wafer_smime::Error;
use wafer_smime::decrypt::Request;
use wafer_smime::read::{Next, Reading};
use waferd::request::read::{Order, Read, judged};
use waferd::trust::{Status, Validator};
use zeroize::Zeroizing;

/// In the life of the certificates: 2026-02-01.
const TIME: Duration = Duration::from_secs(1_769_904_000);
const PEOPLE: [&str; 5] = ["Alice", "Bob", "Dave", "Fran", "Fran-ec"];
/// Rows whose file did not come with the table.
const ABSENT: [&str; 2] = ["fran-oaep_ossl.env", "fran-oaep-sha256hash-sha256mgf_ossl.env"];
/// Where we show less than Thunderbird, and why. A row that no longer differs fails the test too.
const STRICTER: &[(&str, &str)] = &[
    (
        "alice.env.sig.SHA384.opaque.dave.sig.SHA384.opaque.eml",
        "two signatures around an encryption say nothing of the content",
    ),
    ("alice.env.sig.SHA1.opaque.dave.sig.SHA1.opaque.eml", "the same, and SHA-1"),
    ("alice.env.dsig.SHA1.multipart.dave.sig.SHA1.opaque.eml", "the same"),
    (
        "alice.plain.sig.SHA256.opaque.dave.sig.SHA256.opaque.eml",
        "a signature around a signature is worth a look",
    ),
    (
        "alice.plain.sig.SHA512.opaque.dave.sig.SHA512.opaque.eml",
        "a signature around a signature is worth a look",
    ),
];
/// The table with SHA-1 allowed shows its signatures as good; here they are worth a look.
const SHA1: &str = "allow_sha1";

/// What is shown.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    encrypted: bool,
    signature: bool,
    good: bool,
}

#[test]
fn our_verdict_is_at_least_as_strict() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("smime");
    let table: Value = serde_json::from_slice(&fs::read(folder.join("../expected.json")).unwrap()).unwrap();
    let keys = tempfile::tempdir().unwrap();
    let people = PEOPLE.map(|name| Person::new(&folder, keys.path(), name));
    let (mut seen, mut absent, mut wrong) = (0, Vec::new(), Vec::new());
    let mut excuses: Vec<&str> = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        let (table, file) = (case["table"].as_str().unwrap(), case["file"].as_str().unwrap());
        let name = file.rsplit('/').next().unwrap();
        let Ok(message) = fs::read(folder.join(file)) else {
            absent.push(name);
            continue;
        };
        seen += 1;
        let flag = |name: &str| case[name].as_bool().unwrap();
        let expected = Shown {
            encrypted: flag("encrypted_shown"),
            signature: flag("signature_shown"),
            good: flag("signature_good"),
        };
        let read = read(&message, &people, &folder).unwrap_or_else(|error| panic!("{file}: {error}"));
        let shown = shown(&read);
        let strict = (expected.encrypted || !shown.encrypted) && (expected.good || !shown.good);
        let sha1 = table == SHA1 && name.contains("SHA1") && Shown { good: false, ..expected } == shown;
        if shown != expected && STRICTER.iter().any(|(row, _)| *row == name) {
            excuses.push(name);
        } else if shown != expected && !sha1 {
            wrong.push(format!("{table} {file}: expected {expected:?}, got {shown:?}: {:?}", read.whole));
        }
        assert!(strict, "{file}: {shown:?}, {:?}", read.whole);
    }
    assert_eq!((seen, absent), (70, ABSENT.to_vec()));
    for (row, reason) in STRICTER {
        assert!(excuses.contains(row), "{row} is shown as Thunderbird shows it; no longer: {reason}");
    }
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

fn shown(read: &Read) -> Shown {
    Shown {
        encrypted: read.whole.protection.is_encrypted(),
        signature: read.whole.status.is_some(),
        good: read.whole.status == Some(Status::Valid),
    }
}

fn read(mut message: &[u8], people: &[Person], roots: &Path) -> Result<Read, Error> {
    let mut reading = Reading::new(vec![]);
    let mut openers = Vec::new();
    while reading.advance(&mut message)? == Next::Sealed {
        let recipients = reading.sealed().unwrap().recipients().to_vec();
        let served = people.iter().find_map(|person| {
            let mine = recipients.iter().position(|one| one.id.matches(&person.certificate))?;
            Some((mine, person.answer(recipients[mine].request.as_ref()?)))
        });
        let (index, secret) = served.ok_or(Error::Decryption)?;
        reading.unlock(index, secret, &mut message)?;
        openers.push("somebody".to_owned());
    }
    let report = reading.report().unwrap().clone();
    let validator = Validator::new(vec![roots.to_owned()]);
    let now = SystemTime::UNIX_EPOCH + TIME;
    Ok(judged(report, openers, &Order::default(), &validator, now))
}

/// Somebody whose key lies in a PKCS#12 file.
struct Person {
    certificate: Vec<u8>,
    key: PathBuf,
    scratch: PathBuf,
}

impl Person {
    fn new(folder: &Path, scratch: &Path, name: &str) -> Self {
        let (file, key) = (folder.join(format!("{name}.p12")), scratch.join(format!("{name}.key")));
        let certificate = scratch.join(format!("{name}.pem"));
        let take = |what: &[&str], out: &Path| {
            let file = file.to_str().unwrap();
            let fixed = ["pkcs12", "-in", file, "-passin", "pass:nss", "-out", out.to_str().unwrap()];
            openssl(&[&fixed, what].concat());
        };
        take(&["-nocerts", "-nodes"], &key);
        take(&["-nokeys", "-clcerts"], &certificate);
        let certificate = openssl(&["x509", "-in", certificate.to_str().unwrap(), "-outform", "DER"]);
        Self { certificate, key, scratch: scratch.to_owned() }
    }

    /// What the private key answers.
    fn answer(&self, request: &Request) -> Zeroizing<Vec<u8>> {
        let input = self.scratch.join("input");
        let (key, name) = (self.key.to_str().unwrap(), input.to_str().unwrap());
        let decrypt = ["pkeyutl", "-decrypt", "-inkey", key, "-in", name];
        Zeroizing::new(match request {
            Request::RsaPkcs1 { encrypted_key, .. } => {
                fs::write(&input, encrypted_key).unwrap();
                openssl(&decrypt)
            }
            Request::RsaOaep { encrypted_key, hash, mgf_hash, label, .. } => {
                fs::write(&input, encrypted_key).unwrap();
                let plain = |name: &str| name.replace('-', "").to_lowercase();
                let label: String = label.iter().map(|byte| format!("{byte:02x}")).collect();
                let hash = format!("rsa_oaep_md:{}", plain(hash.name()));
                let mgf = format!("rsa_mgf1_md:{}", plain(mgf_hash.name()));
                let label = format!("rsa_oaep_label:{label}");
                let mut all = decrypt.to_vec();
                all.extend(["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", &hash, "-pkeyopt", &mgf]);
                if !label.ends_with(':') {
                    all.extend(["-pkeyopt", &label]);
                }
                openssl(&all)
            }
            Request::Ecdh { peer_point, .. } => {
                fs::write(&input, public_key(peer_point)).unwrap();
                openssl(&["pkeyutl", "-derive", "-inkey", key, "-peerkey", name, "-peerform", "DER"])
            }
        })
    }
}

/// SubjectPublicKeyInfo of a point on a NIST curve (RFC 5480).
fn public_key(point: &[u8]) -> Vec<u8> {
    let curve: &[u8] = match point.len() {
        65 => &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        97 => &[6, 5, 0x2b, 0x81, 4, 0, 0x22],
        _ => &[6, 5, 0x2b, 0x81, 4, 0, 0x23],
    };
    let element = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head, content.to_vec()].concat()
    };
    let algorithm = element(0x30, &[&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], curve].concat());
    element(0x30, &[algorithm, element(3, &[&[0], point].concat())].concat())
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("WAFER_VECTORS").map(|folder| PathBuf::from(folder).join("thunderbird"));
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WAFER_VECTORS must name the folder of the vectors");
        println!("skipped: WAFER_VECTORS does not name the folder of the vectors");
    }
    folder
}

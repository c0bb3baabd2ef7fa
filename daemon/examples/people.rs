//! For `make bench`: people by the thousand, and how fast their certificates are judged.
//!
//! ```text
//! people make FOLDER COUNT     an authority, one below it, and COUNT people: root.pem, middle.pem, all.pem and, of
//!                              the first 1000, people/NUMBER.pem
//! people judge FOLDER SECONDS  paths to the root built and validated, one thread, as fast as it goes; prints JSON
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measuring program fails by panicking, and prints"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use waferd::trust::files::read_folder;
use waferd::trust::{PathValidator, Trust, Validator};

/// As many as `openssl verify` is given in one go.
const IN_FILES: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", folder, count] => make(Path::new(folder), count.parse().unwrap()),
        ["judge", folder, seconds] => {
            judge(Path::new(folder), Duration::from_secs_f64(seconds.parse().unwrap()));
        }
        _ => panic!("see the head of daemon/examples/people.rs for the arguments"),
    }
}

fn make(folder: &Path, count: usize) {
    let trust = folder.join("trust");
    for made in [&trust, &folder.join("people")] {
        fs::create_dir_all(made).unwrap();
    }
    let (root_params, root_key) = (authority("Bench Root"), KeyPair::generate().unwrap());
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let (middle_params, middle_key) = (authority("Bench Middle"), KeyPair::generate().unwrap());
    let middle = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = Issuer::new(middle_params, middle_key);
    fs::write(trust.join("root.pem"), root.pem()).unwrap();
    fs::write(folder.join("root.pem"), root.pem()).unwrap();
    fs::write(folder.join("middle.pem"), middle.pem()).unwrap();
    // One key is enough: it is the certificates that are looked at.
    let key = KeyPair::generate().unwrap();
    let mut all = String::new();
    for number in 0..count {
        let certificate = person(number).signed_by(&key, &middle_issuer).unwrap();
        if number < IN_FILES {
            fs::write(folder.join(format!("people/{number}.pem")), certificate.pem()).unwrap();
        }
        write!(all, "{}", certificate.pem()).unwrap();
    }
    fs::write(folder.join("all.pem"), all).unwrap();
}

fn judge(folder: &Path, time: Duration) {
    let validator = Validator::new(vec![folder.join("trust")]);
    let people = read_folder(&folder.join("people"));
    let others = waferd::trust::files::certificates_in(&fs::read(folder.join("middle.pem")).unwrap());
    let (now, start) = (SystemTime::now(), Instant::now());
    let mut count = 0_u32;
    for person in people.iter().cycle() {
        assert_eq!(validator.validate(person, &others, now), Trust::Trusted);
        count += 1;
        if start.elapsed() >= time {
            break;
        }
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "count": count, "rate": rate }));
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn person(number: usize) -> CertificateParams {
    let mut params = named(&format!("Person {number}"));
    params.subject_alt_names =
        vec![SanType::Rfc822Name(format!("person{number}@example.test").try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2044, 1, 1);
    params
}

//! How fast the engine is, without bus, token and files: each use case over 100 MiB in memory.
//!
//! `cargo run --release -p wafer-smime --example throughput -- CERT.pem KEY.pem [MIB]`: an RSA certificate and its
//! key; the private operations are done by the openssl command, and not counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measuring tool that prints, and ends by panicking"
)]

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use wafer_smime::algorithm::{Armor, Container, ContentCipher, DigestAlgorithm, SignatureScheme};
use wafer_smime::{decrypt, encrypt, sign, verify};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, certificate, key, ..] = &arguments[..] else {
        panic!("usage: throughput CERT.pem KEY.pem [MIB]")
    };
    let mebibytes: usize = arguments.get(3).map_or(100, |number| number.parse().expect("a number"));
    let certificate = openssl(&["x509", "-in", certificate, "-outform", "DER"], &[]);
    let line = b"VGhpcyBpcyBhIGxpbmUgb2YgYmFzZTY0LCBhcyBhdHRhY2htZW50cyBtb3N0bHkgYXJlLiBJdCBoYXM3\r\n";
    let mut mail = b"Subject: speed\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    mail.extend(line.iter().copied().cycle().take(mebibytes << 20));
    let tool = Tool { certificate, key: key.clone(), mebibytes, mail };
    for container in [Container::Mail, Container::Cms(Armor::Der)] {
        for form in [sign::Form::Clear, sign::Form::Opaque] {
            tool.signing(container, form);
        }
        for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
            tool.sealing(container, cipher);
        }
    }
}

struct Tool {
    certificate: Vec<u8>,
    key: String,
    mebibytes: usize,
    mail: Vec<u8>,
}

impl Tool {
    fn signing(&self, container: Container, form: sign::Form) {
        let mut source = self.mail.as_slice();
        let options = sign::Options {
            container,
            form,
            digest: DigestAlgorithm::Sha256,
            scheme: SignatureScheme::RsaPkcs1,
            certificate: self.certificate.clone(),
            chain: vec![],
            signing_time: SystemTime::now(),
            style: sign::Style::default(),
        };
        let started = Instant::now();
        let prepared = sign::prepare(&mut source, &options).unwrap();
        let first = started.elapsed();
        let padded = ["pkeyutl", "-sign", "-inkey", &self.key, "-pkeyopt", "digest:sha256"];
        let signature = openssl(&padded, &prepared.request().digest);
        let mut signed = Vec::with_capacity(self.mail.len() * 2);
        let started = Instant::now();
        prepared.write(&signature, &mut source, &mut signed).unwrap();
        self.tell(&format!("sign {container:?} {form:?}"), first + started.elapsed());
        let mut signed = signed.as_slice();
        let content = match (container, form) {
            (Container::Cms(_), sign::Form::Clear) => verify::Content::Detached(&mut source),
            _ => verify::Content::Attached,
        };
        let started = Instant::now();
        let verified = verify::verify(&mut signed, content, container, &[], None).unwrap();
        self.tell(&format!("verify {container:?} {form:?}"), started.elapsed());
        assert_eq!(verified.signers[0].outcome, verify::Outcome::Good);
    }

    fn sealing(&self, container: Container, cipher: ContentCipher) {
        let mut source = self.mail.as_slice();
        let recipients = vec![self.certificate.clone()];
        let options = encrypt::Options { container, cipher, recipients, style: encrypt::Style::default() };
        let mut sealed = Vec::with_capacity(self.mail.len() * 2);
        let started = Instant::now();
        encrypt::encrypt(&mut source, &options, &mut sealed).unwrap();
        self.tell(&format!("encrypt {container:?} {cipher:?}"), started.elapsed());
        let mut sealed = sealed.as_slice();
        let message = decrypt::open(&mut sealed, container).unwrap();
        let Some(decrypt::Request::RsaPkcs1 { encrypted_key, .. }) = &message.recipients()[0].request else {
            panic!("an RSA certificate is needed")
        };
        let secret = openssl(&["pkeyutl", "-decrypt", "-inkey", &self.key], encrypted_key);
        let started = Instant::now();
        message.decrypt(0, secret.into(), &mut sealed, &mut io::sink()).unwrap();
        self.tell(&format!("decrypt {container:?} {cipher:?}"), started.elapsed());
    }

    fn tell(&self, what: &str, time: Duration) {
        let rate = self.mebibytes as f64 / time.as_secs_f64();
        println!("{what:36} {:8.1} ms {rate:8.0} MiB/s", time.as_secs_f64() * 1000.0);
    }
}

/// Runs openssl with `input`; answers its output.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

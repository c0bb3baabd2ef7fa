//! What we write gpgsm reads, and what it writes we read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::*;
use wafer_smime::algorithm::{Armor, Container, ContentCipher, DigestAlgorithm};
use wafer_smime::sign::Form;
use wafer_smime::verify::Outcome;

/// A GnuPG home with one person in it; its agent ends with it.
struct Home(Person);

impl Home {
    fn new(key: Key) -> Self {
        let person = Person::new(key);
        fs::set_permissions(person.dir.path(), Permissions::from_mode(0o700)).unwrap();
        person.write(
            "gpgsm.conf",
            b"disable-crl-checks\ndisable-policy-checks\ndisable-dirmngr\nno-secmem-warning\n",
        );
        person.write("gpg-agent.conf", b"allow-loopback-pinentry\ndisable-scdaemon\ns2k-calibration 1\n");
        let told = person.openssl("x509 -in ca.pem -noout -fingerprint -sha1");
        let fingerprint = String::from_utf8(told).unwrap();
        let (_, fingerprint) = fingerprint.trim().split_once('=').unwrap();
        person.write("trustlist.txt", format!("{fingerprint} S relax\n").as_bytes());
        person.openssl("pkcs12 -export -legacy -inkey key.pem -in cert.pem -passout pass:pw -out user.p12");
        person.write("passphrase", b"pw\n");
        let home = Self(person);
        home.gpgsm("--import ca.pem cert.pem");
        if key == Key::Rsa {
            // Debian 12's gpgsm (2.2) crashes over an EC key in PKCS#12.
            home.gpgsm("--import user.p12");
        }
        home
    }

    fn gpgsm(&self, arguments: &str) -> Vec<u8> {
        let passphrase = fs::File::open(self.0.path("passphrase")).unwrap();
        let output = Command::new("gpgsm")
            .args(words("--batch --yes --pinentry-mode loopback --passphrase-fd 0"))
            .args(words(arguments))
            .current_dir(self.0.dir.path())
            .env("GNUPGHOME", self.0.dir.path())
            .stdin(Stdio::from(passphrase))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpgsm {arguments}: {told}");
        output.stdout
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.0.dir.path()).status();
    }
}

#[test]
fn gpgsm_verifies_us() {
    if !has("gpgsm") {
        return;
    }
    for key in [Key::Rsa, Key::P256] {
        let home = Home::new(key);
        home.0.write("content", b"bare\nbytes\r\n\0");
        for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
            for armor in [Armor::Der, Armor::Pem, Armor::Base64] {
                for form in [Form::Clear, Form::Opaque] {
                    let options = home.0.sign_options(Container::Cms(armor), form, digest);
                    home.0.write("signed", &home.0.sign_with(b"bare\nbytes\r\n\0", &options).unwrap());
                    let content = if form == Form::Clear { "content" } else { "" };
                    let assume = if armor == Armor::Base64 { "--assume-base64" } else { "" };
                    home.gpgsm(&format!("{assume} --verify signed {content}"));
                }
            }
        }
    }
}

#[test]
fn gpgsm_decrypts_us() {
    if !has("gpgsm") {
        return;
    }
    // Debian 12's gpgsm (2.2) has no EC key of its own, but must pass over an EC recipient.
    let home = Home::new(Key::Rsa);
    let other = Person::new(Key::P384);
    for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc] {
        home.0.write("sealed", &encrypt(b"for gpgsm", DER, cipher, &[&home.0]));
        assert_eq!(home.gpgsm("--decrypt sealed"), b"for gpgsm");
        home.0.write("sealed", &encrypt(b"for both", DER, cipher, &[&home.0, &other]));
        assert_eq!(home.gpgsm("--decrypt sealed"), b"for both");
    }
}

#[test]
fn we_read_gpgsm() {
    if !has("gpgsm") {
        return;
    }
    let home = Home::new(Key::Rsa);
    home.0.write("content", b"bare\nbytes\r\n\0");
    for armor in ["", "--armor", "--base64"] {
        let detached = home.gpgsm(&format!("{armor} --detach-sign content"));
        let verified = verify_detached(&detached, b"bare\nbytes\r\n\0").unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good], "{armor}");
        let (verified, content) = verify(&home.gpgsm(&format!("{armor} --sign content")), DER).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good]);
        assert_eq!(content, b"bare\nbytes\r\n\0");
        for cipher in ["AES128", "AES256"] {
            let encrypt = format!("{armor} --cipher-algo {cipher} -r anna@example.test --encrypt content");
            assert_eq!(home.0.decrypt(&home.gpgsm(&encrypt), DER).unwrap().1, b"bare\nbytes\r\n\0");
        }
    }
}

//! The sample people of RFC 9216.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::*;
use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;
use wafer_smime::verify::Outcome;

#[test]
fn alice_signs_for_us() {
    let Some(folder) = vectors("rfc9216") else { return };
    let alice = Person::from_files(&folder.join("alice.sign.key"), &folder.join("alice.sign.crt"));
    alice.write("letter", letter_entity().as_bytes());
    for extra in ["", "-nodetach -stream"] {
        alice.openssl(&format!("cms -sign -in letter -signer cert.pem -inkey key.pem {extra} -out signed"));
        let (verified, content) = verify(&alice.read("signed"), MAIL).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good]);
        assert_eq!(content, letter_entity().into_bytes());
    }
}

#[test]
fn bob_reads_what_we_encrypt() {
    let Some(folder) = vectors("rfc9216") else { return };
    let bob = Person::from_files(&folder.join("bob.decrypt.key"), &folder.join("bob.encrypt.crt"));
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes128Cbc] {
        let sealed = encrypt(LETTER.as_bytes(), MAIL, cipher, &[&bob]);
        bob.write("sealed", &sealed);
        let opened = bob.openssl("cms -decrypt -in sealed -inkey key.pem -recip cert.pem");
        assert_eq!(opened, letter_entity().into_bytes());
        assert!(bob.decrypt(&sealed, MAIL).unwrap().1.ends_with(letter_entity().as_bytes()));
    }
}

#[test]
fn alice_signs_with_us() {
    let Some(folder) = vectors("rfc9216") else { return };
    let alice = Person::from_files(&folder.join("alice.sign.key"), &folder.join("alice.sign.crt"));
    fs::copy(folder.join("ca-rsa.crt"), alice.path("ca.pem")).unwrap();
    for form in [Form::Clear, Form::Opaque] {
        alice.write("signed", &alice.sign(LETTER.as_bytes(), MAIL, form));
        let content = alice.openssl("cms -verify -in signed -CAfile ca.pem -purpose smimesign");
        assert_eq!(content, letter_entity().into_bytes());
    }
}

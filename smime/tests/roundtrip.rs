//! Whatever goes in comes out again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;

use common::*;
use proptest::prelude::*;
use wafer_smime::algorithm::{Armor, Container, ContentCipher};
use wafer_smime::sign::Form;
use wafer_smime::verify::Outcome;

static RSA: LazyLock<Person> = LazyLock::new(|| Person::new(Key::Rsa));
static EC: LazyLock<Person> = LazyLock::new(|| Person::new(Key::P256));

fn cipher() -> impl Strategy<Value = ContentCipher> {
    prop::sample::select(vec![
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes256Gcm,
    ])
}

fn container() -> impl Strategy<Value = Container> {
    prop::sample::select(vec![Armor::Der, Armor::Base64, Armor::Pem]).prop_map(Container::Cms)
}

/// Lengths around block and buffer borders, and any others.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let borders = vec![0, 1, 15, 16, 17, 8191, 65_535, 65_536, 131_071, 131_072, 131_073, 300_000];
    let length = prop_oneof![prop::sample::select(borders), 0_usize..5000];
    (length, any::<u8>())
        .prop_map(|(length, seed)| (0..length).map(|at| (at.wrapping_mul(31) >> 3) as u8 ^ seed).collect())
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec("[-=a-z \t.]{0,80}", 0..400).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bare_content_is_encrypted(content in content(), cipher in cipher(), container in container(), rsa: bool) {
        let person: &Person = if rsa { &RSA } else { &EC };
        let sealed = encrypt(&content, container, cipher, &[&RSA, &EC]);
        let (opened, plain) = person.decrypt(&sealed, DER).unwrap();
        prop_assert_eq!(opened.cipher, cipher);
        prop_assert!(plain == content);
    }

    #[test]
    fn bare_content_is_signed(content in content(), container in container()) {
        let (verified, plain) = verify(&EC.sign(&content, container, Form::Opaque), DER).unwrap();
        prop_assert_eq!(outcomes(&verified), [Outcome::Good]);
        prop_assert!(plain == content);
        let verified = verify_detached(&EC.sign(&content, container, Form::Clear), &content).unwrap();
        prop_assert_eq!(outcomes(&verified), [Outcome::Good]);
    }

    #[test]
    fn mail_is_signed_and_encrypted(text in text(), cipher in cipher(), opaque: bool, lf: bool) {
        let mail = format!("Subject: x\nContent-Type: text/plain\n\n{text}");
        let crlf = mail.replace('\n', "\r\n");
        let form = if opaque { Form::Opaque } else { Form::Clear };
        let signed = EC.sign(if lf { &mail } else { &crlf }.as_bytes(), MAIL, form);
        let (_, opened) = EC.decrypt(&encrypt(&signed, MAIL, cipher, &[&EC]), MAIL).unwrap();
        let (verified, entity) = verify(&opened, MAIL).unwrap();
        prop_assert_eq!(outcomes(&verified), [Outcome::Good]);
        prop_assert_eq!(String::from_utf8(entity).unwrap(), crlf.strip_prefix("Subject: x\r\n").unwrap());
    }
}

#[test]
fn what_waits_for_a_token_may_change_threads() {
    fn send<T: Send>() {}
    send::<wafer_smime::sign::Prepared>();
    send::<wafer_smime::decrypt::Sealed>();
}

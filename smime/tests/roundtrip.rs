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
    prop::sample::select(ContentCipher::WRITTEN.to_vec())
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
    // Without blanks at line ends, for which a clear signature would make quoted-printable of it.
    prop::collection::vec("([-=a-z \t.]{0,79}[-=a-z.])?", 0..400).prop_map(|lines| lines.join("\n"))
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

/// One thing that is done to a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrap {
    Clear,
    Opaque,
    Encrypt(ContentCipher),
    Compress,
}

fn wraps() -> impl Strategy<Value = Vec<Wrap>> {
    let one = prop_oneof![
        Just(Wrap::Clear),
        Just(Wrap::Opaque),
        cipher().prop_map(Wrap::Encrypt),
        Just(Wrap::Compress),
    ];
    prop::collection::vec(one, 0..5).prop_filter("compressed once", |wraps| {
        wraps.iter().filter(|wrap| **wrap == Wrap::Compress).count() < 2
    })
}

fn wrap(message: &[u8], wrap: Wrap) -> Vec<u8> {
    match wrap {
        Wrap::Clear => EC.sign(message, MAIL, Form::Clear),
        Wrap::Opaque => EC.sign(message, MAIL, Form::Opaque),
        Wrap::Encrypt(cipher) => encrypt(message, MAIL, cipher, &[&EC]),
        Wrap::Compress => {
            let mut out = Vec::new();
            wafer_smime::compress::compress(&mut { message }, MAIL, &mut out).unwrap();
            out
        }
    }
}

/// Leaves of a message: with what no relay passes on unchanged, too.
fn part() -> impl Strategy<Value = String> {
    let encoding = prop::sample::select(vec!["", "Content-Transfer-Encoding: 8bit\n"]);
    let body = prop::collection::vec("(From |\\.|-)?[a-z =\u{e4}\u{20ac}\t]{0,120} ?", 0..20);
    (encoding, body).prop_map(|(encoding, lines)| {
        format!("Content-Type: text/plain; charset=utf-8\n{encoding}\n{}", lines.join("\n"))
    })
}

fn entity() -> impl Strategy<Value = String> {
    let mixed = prop::collection::vec(part(), 1..4).prop_map(|parts| {
        let parts: String = parts.iter().map(|part| format!("--m\n{part}\n")).collect();
        format!(
            "Content-Type: multipart/mixed; boundary=m\nContent-Transfer-Encoding: 8bit\n\n{parts}--m--\n"
        )
    });
    prop_oneof![part(), mixed]
}

/// The text of every leaf, decoded, with CRLF.
fn texts(entity: &[u8]) -> Vec<String> {
    let message = mail_parser::MessageParser::default().parse(entity).unwrap();
    let crlf = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
    message.parts.iter().filter_map(|part| part.text_contents()).map(crlf).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_wrapping_is_unwrapped(entity in entity(), wraps in wraps()) {
        let mut message = format!("From: anna@example.test\n{entity}").into_bytes();
        for one in &wraps {
            message = wrap(&message, *one);
        }
        let (report, inner) = read(&message, &[&EC]).unwrap();
        prop_assert_eq!(report.layers.len(), wraps.len());
        prop_assert_eq!(texts(&inner), texts(entity.as_bytes()));
        let first = wraps.iter().position(|wrap| matches!(wrap, Wrap::Encrypt(_)));
        let inside = wraps.iter().take(first.unwrap_or(wraps.len()));
        let signed = inside.filter(|wrap| matches!(wrap, Wrap::Clear | Wrap::Opaque)).count();
        prop_assert_eq!(report.protection.is_signed(), signed > 0, "{:?} {:?}", wraps, report.concerns);
        if wraps.first() == Some(&Wrap::Clear) {
            // Nothing that was clear-signed gives a relay a reason to change it.
            prop_assert!(inner.is_ascii());
            let lines = inner.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            prop_assert!(lines.clone().all(|line| line.len() <= 998 && !line.starts_with(b"From ")));
            prop_assert!(lines.clone().all(|line| !line.ends_with(b" ") && !line.ends_with(b"\t")));
        }
    }
}

#[test]
fn what_waits_for_a_token_may_change_threads() {
    fn send<T: Send>() {}
    send::<wafer_smime::sign::Prepared>();
    send::<wafer_smime::decrypt::Sealed>();
}

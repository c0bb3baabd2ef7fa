//! What we write OpenSSL reads, and what it writes we read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use wafer_smime::algorithm::{Armor, Container, ContentCipher, DigestAlgorithm};
use wafer_smime::sign::Form;
use wafer_smime::verify::Outcome;

const DIGESTS: [DigestAlgorithm; 3] =
    [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];
const ARMORS: [(Armor, &str); 2] = [(Armor::Der, "DER"), (Armor::Pem, "PEM")];

#[test]
fn openssl_verifies_our_mail() {
    for key in KEYS {
        let anna = Person::new(key);
        for form in [Form::Clear, Form::Opaque] {
            for digest in DIGESTS {
                let options = anna.sign_options(MAIL, form, digest);
                anna.write("signed", &anna.sign_with(LETTER.as_bytes(), &options).unwrap());
                anna.openssl("cms -verify -in signed -CAfile ca.pem -purpose smimesign -out content");
                assert_eq!(anna.read("content"), letter_entity().into_bytes(), "{key:?} {form:?} {digest:?}");
            }
        }
        let signed = String::from_utf8(anna.read("signed")).unwrap();
        assert!(signed.starts_with("From: Anna <anna@example.test>\r\nTo: Bert"), "{signed}");
        assert_eq!(signed.matches("MIME-Version").count(), 1);
    }
}

#[test]
fn openssl_verifies_our_bare_signatures() {
    for key in KEYS {
        let anna = Person::new(key);
        anna.write("content", b"bare\nbytes\r\n\0");
        for (armor, form) in ARMORS {
            let container = Container::Cms(armor);
            anna.write("detached", &anna.sign(b"bare\nbytes\r\n\0", container, Form::Clear));
            anna.openssl(&format!(
                "cms -verify -binary -inform {form} -in detached -content content -CAfile ca.pem -out out"
            ));
            anna.write("attached", &anna.sign(b"bare\nbytes\r\n\0", container, Form::Opaque));
            anna.openssl(&format!("cms -verify -binary -inform {form} -in attached -CAfile ca.pem -out out"));
            assert_eq!(anna.read("out"), b"bare\nbytes\r\n\0");
        }
    }
}

#[test]
fn openssl_decrypts_our_mail() {
    for key in KEYS {
        let anna = Person::new(key);
        for cipher in [
            ContentCipher::Aes128Cbc,
            ContentCipher::Aes256Cbc,
            ContentCipher::Aes128Gcm,
            ContentCipher::Aes256Gcm,
        ] {
            anna.write("sealed", &encrypt(LETTER.as_bytes(), MAIL, cipher, &[&anna]));
            anna.openssl("cms -decrypt -in sealed -inkey key.pem -recip cert.pem -out opened");
            assert_eq!(anna.read("opened"), letter_entity().into_bytes(), "{key:?} {cipher:?}");
        }
    }
}

#[test]
fn every_recipient_of_ours_can_read() {
    let people = KEYS.map(Person::new);
    let all: Vec<&Person> = people.iter().collect();
    for (armor, form) in ARMORS {
        let sealed = encrypt(b"for all", Container::Cms(armor), ContentCipher::Aes256Gcm, &all);
        for person in &people {
            person.write("sealed", &sealed);
            let by_certificate =
                format!("cms -decrypt -inform {form} -in sealed -inkey key.pem -recip cert.pem");
            assert_eq!(person.openssl(&by_certificate), b"for all");
            assert_eq!(person.decrypt(&sealed, DER).unwrap().1, b"for all");
        }
    }
}

#[test]
fn we_verify_their_mail() {
    for key in KEYS {
        let anna = Person::new(key);
        anna.write("letter", letter_entity().as_bytes());
        for extra in [
            "",
            "-nodetach",
            "-stream",
            "-nodetach -stream",
            "-keyid",
            "-crlfeol",
            "-nodetach -crlfeol",
            "-md sha1",
            "-md sha384",
            "-md sha512 -stream",
            "-noattr",
            "-nosmimecap",
            "-binary -nodetach -stream",
        ] {
            anna.openssl(&format!(
                "cms -sign -in letter -signer cert.pem -inkey key.pem {extra} -out signed"
            ));
            let (verified, content) = verify(&anna.read("signed"), MAIL).unwrap();
            assert_eq!(outcomes(&verified), [Outcome::Good], "{key:?} {extra}");
            assert_eq!(content, letter_entity().into_bytes(), "{key:?} {extra}");
            assert_eq!(verified.signers[0].certificate.as_ref(), Some(&anna.certificate));
            assert_eq!(verified.signers[0].signing_time.is_none(), extra == "-noattr");
        }
    }
}

#[test]
fn a_message_may_have_lf_or_crlf() {
    let anna = Person::new(Key::P256);
    anna.write("letter", letter_entity().as_bytes());
    for extra in ["", "-nodetach"] {
        anna.openssl(&format!(
            "cms -sign -in letter -signer cert.pem -inkey key.pem {extra} -out signed \
             -from Anna.B@Example.TEST -to b -subject s"
        ));
        let lf = String::from_utf8(anna.read("signed")).unwrap().replace("\r\n", "\n");
        for text in [lf.clone(), lf.replace('\n', "\r\n")] {
            let (verified, content) = verify(text.as_bytes(), MAIL).unwrap();
            assert_eq!(outcomes(&verified), [Outcome::Good], "{extra}");
            assert_eq!(content, letter_entity().into_bytes());
            assert_eq!(verified.from, ["Anna.B@example.test"]);
        }
    }
}

#[test]
fn we_verify_their_bare_signatures() {
    for key in KEYS {
        let anna = Person::new(key);
        anna.write("content", b"bare\nbytes\r\n\0");
        for form in ["DER", "PEM"] {
            for stream in ["", "-stream"] {
                let sign = format!("cms -sign -binary -in content -signer cert.pem -inkey key.pem {stream}");
                let attached = anna.openssl(&format!("{sign} -nodetach -outform {form}"));
                let (verified, content) = verify(&attached, DER).unwrap();
                assert_eq!(outcomes(&verified), [Outcome::Good], "{key:?} {form} {stream}");
                assert_eq!(content, b"bare\nbytes\r\n\0");
                assert!(verify_detached(&attached, b"bare").is_err());
                if !stream.is_empty() {
                    // openssl puts the content inside then, whatever was asked for.
                    continue;
                }
                let detached = anna.openssl(&format!("{sign} -outform {form}"));
                let verified = verify_detached(&detached, b"bare\nbytes\r\n\0").unwrap();
                assert_eq!(outcomes(&verified), [Outcome::Good]);
                let altered = verify_detached(&detached, b"bare\nbytes\r\n\x01").unwrap();
                assert_eq!(outcomes(&altered), [Outcome::DigestMismatch]);
                assert!(verify(&detached, DER).is_err());
            }
        }
    }
}

#[test]
fn we_decrypt_their_messages() {
    for key in KEYS {
        let anna = Person::new(key);
        anna.write("letter", letter_entity().as_bytes());
        let oaep = [
            "-keyopt rsa_padding_mode:oaep",
            "-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha256",
        ];
        let agreement = ["-keyopt ecdh_kdf_md:sha256", "-keyopt ecdh_kdf_md:sha384 -aes256-wrap"];
        let special = if key == Key::Rsa { oaep } else { agreement };
        for cipher in ["-aes128", "-aes192", "-aes256", "-aes-128-gcm", "-aes-192-gcm", "-aes-256-gcm"] {
            for extra in ["", "-stream", "-keyid", special[0], special[1]] {
                for form in ["SMIME", "DER", "PEM"] {
                    // -keyopt applies to the -recip in front of it.
                    let sealed = anna.openssl(&format!(
                        "cms -encrypt -binary -in letter {cipher} -outform {form} -recip cert.pem {extra}"
                    ));
                    let container = if form == "SMIME" { MAIL } else { DER };
                    let what = format!("{key:?} {cipher} {extra} {form}");
                    let (opened, letter) = anna.decrypt(&sealed, container).expect(&what);
                    assert_eq!(letter, letter_entity().into_bytes(), "{what}");
                    assert_eq!(opened.authenticated, cipher.ends_with("gcm"), "{what}");
                }
            }
        }
    }
}

#[test]
fn outer_fields_come_back() {
    let anna = Person::new(Key::P256);
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
        let sealed = encrypt(LETTER.as_bytes(), MAIL, cipher, &[&anna]);
        let text = String::from_utf8(sealed.clone()).unwrap();
        assert!(text.starts_with("From: Anna") && !text.contains("utf-8"), "{text}");
        let opened = String::from_utf8(anna.decrypt(&sealed, MAIL).unwrap().1).unwrap();
        let outer = "From: Anna <anna@example.test>\r\nTo: Bert <bert@example.test>\r\nSubject: a letter\r\n";
        assert_eq!(opened, format!("{outer}MIME-Version: 1.0\r\n{}", letter_entity()));
    }
}

#[test]
fn signed_and_then_encrypted() {
    let (anna, bert) = (Person::named(Key::P256, "anna"), Person::named(Key::Rsa, "bert"));
    let signed = anna.sign(LETTER.as_bytes(), MAIL, Form::Clear);
    bert.write("sealed", &encrypt(&signed, MAIL, ContentCipher::Aes256Gcm, &[&bert]));
    bert.openssl("cms -decrypt -in sealed -inkey key.pem -recip cert.pem -out opened");
    anna.write("opened", &bert.read("opened"));
    anna.openssl("cms -verify -in opened -CAfile ca.pem -out content");
    assert_eq!(anna.read("content"), letter_entity().into_bytes());
    let (_, opened) = bert.decrypt(&bert.read("sealed"), MAIL).unwrap();
    let (verified, content) = verify(&opened, MAIL).unwrap();
    assert_eq!(outcomes(&verified), [Outcome::Good]);
    assert_eq!(verified.from, ["anna@example.test"]);
    assert_eq!(content, letter_entity().into_bytes());
}

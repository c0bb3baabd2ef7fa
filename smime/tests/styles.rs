//! Everything that can be chosen about a message, written by us and read by OpenSSL and by us.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::SystemTime;

use common::*;
use wafer_smime::algorithm::{
    CertificateIdentifier, ContentCipher, DigestAlgorithm, KeyTransport, SignatureScheme, Weakness,
};
use wafer_smime::capabilities::{Capabilities, Capability};
use wafer_smime::decrypt::{self, RecipientId, Request};
use wafer_smime::encrypt::best_cipher;
use wafer_smime::sign::{Form, Include};
use wafer_smime::verify::Outcome;
use wafer_smime::{Error, sign};

const VERIFY: &str = "cms -verify -in signed -CAfile ca.pem -purpose any";

#[test]
fn every_kind_of_key_signs() {
    let kinds = [
        (Key::Rsa, SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha512),
        (Key::Rsa, SignatureScheme::RsaPss, DigestAlgorithm::Sha256),
        (Key::Rsa, SignatureScheme::RsaPss, DigestAlgorithm::Sha512),
        (Key::P256, SignatureScheme::Ecdsa, DigestAlgorithm::Sha256),
        (Key::P521, SignatureScheme::Ecdsa, DigestAlgorithm::Sha512),
        (Key::Ed25519, SignatureScheme::Ed25519, DigestAlgorithm::Sha512),
    ];
    for (key, scheme, digest) in kinds {
        let person = Person::new(key);
        for form in [Form::Clear, Form::Opaque] {
            for identifier in [CertificateIdentifier::IssuerAndSerial, CertificateIdentifier::KeyIdentifier] {
                let mut options = person.sign_options(MAIL, form, digest);
                options.scheme = scheme;
                options.style.identifier = identifier;
                let signed = person.sign_with(LETTER.as_bytes(), &options).unwrap();
                let (verified, content) = verify(&signed, MAIL).unwrap();
                let signer = &verified.signers[0];
                assert_eq!((&signer.outcome, signer.scheme), (&Outcome::Good, Some(scheme)));
                assert!(signer.weaknesses.is_empty());
                person.write("signed", &signed);
                // OpenSSL 3.0 lacks Ed25519 in CMS: it hands the digest's name to a scheme that takes none.
                if key != Key::Ed25519 {
                    assert!(person.openssl(VERIFY) == content, "{key:?} {scheme:?} {identifier:?}");
                }
            }
        }
    }
}

#[test]
fn a_digest_is_as_strong_as_its_key() {
    for (key, digest) in [
        (Key::Rsa, DigestAlgorithm::Sha256),
        (Key::P256, DigestAlgorithm::Sha256),
        (Key::P384, DigestAlgorithm::Sha384),
        (Key::P521, DigestAlgorithm::Sha512),
        (Key::Ed25519, DigestAlgorithm::Sha512),
    ] {
        let person = Person::new(key);
        let options = sign::Options::new(person.certificate.clone(), person.scheme, SystemTime::now());
        let signed = person.sign_with(LETTER.as_bytes(), &options).unwrap();
        let (verified, _) = verify(&signed, MAIL).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good]);
        assert_eq!(verified.signers[0].digest, Some(digest), "{key:?}");
    }
    assert_eq!(sign::digest_for(b"no certificate"), DigestAlgorithm::Sha256);
}

#[test]
fn what_cannot_be_written_is_named() {
    let person = Person::new(Key::Ed25519);
    let refused = |options: &sign::Options| match sign::prepare(&mut LETTER.as_bytes(), options) {
        Err(Error::UnsupportedAlgorithm(name)) => name,
        other => panic!("{other:?}"),
    };
    let options = person.sign_options(MAIL, Form::Clear, DigestAlgorithm::Sha256);
    assert_eq!(refused(&options), "SHA-256 with Ed25519");
    let options = person.sign_options(MAIL, Form::Clear, DigestAlgorithm::Md5);
    assert_eq!(refused(&options), "MD5 for new signatures");
    let mut options = person.sign_options(MAIL, Form::Clear, DigestAlgorithm::Sha256);
    options.scheme = SignatureScheme::Dsa;
    assert_eq!(refused(&options), "DSA for new signatures");
    for cipher in [ContentCipher::TripleDesCbc, ContentCipher::Rc2Cbc40, ContentCipher::Aes192Cbc] {
        let options = encrypt_options(MAIL, cipher, &[&Person::new(Key::P256)]);
        let mut out = Vec::new();
        let error = wafer_smime::encrypt::encrypt(&mut LETTER.as_bytes(), &options, &mut out).unwrap_err();
        assert!(matches!(error, Error::UnsupportedAlgorithm(name) if name == cipher.name()));
        assert!(out.is_empty());
    }
}

#[test]
fn certificates_go_along_as_chosen() {
    let anna = Person::new(Key::P256);
    let root = anna.openssl("x509 -in ca.pem -outform DER");
    let counts = [(Include::Nothing, 0), (Include::Signer, 1), (Include::WithoutRoot, 1), (Include::All, 2)];
    for (include, count) in counts {
        let mut options = anna.sign_options(DER, Form::Opaque, DigestAlgorithm::Sha256);
        options.chain = vec![root.clone()];
        options.style.include = include;
        let signed = anna.sign_with(b"text", &options).unwrap();
        let attached = wafer_smime::verify::Content::Attached;
        let further = [anna.certificate.clone()];
        let verified =
            wafer_smime::verify::verify(&mut signed.as_slice(), attached, DER, &further, None).unwrap();
        assert_eq!((verified.certificates.len(), outcomes(&verified)), (count, vec![Outcome::Good]));
    }
}

#[test]
fn a_signature_says_where_to_answer() {
    let (signs, reads) = (Person::new(Key::P256), Person::new(Key::P384));
    let mut options = signs.sign_options(MAIL, Form::Clear, DigestAlgorithm::Sha256);
    options.style.encryption_certificate = Some(reads.certificate.clone());
    options.chain = vec![reads.certificate.clone()];
    let (verified, _) = verify(&signs.sign_with(LETTER.as_bytes(), &options).unwrap(), MAIL).unwrap();
    let signer = &verified.signers[0];
    let preferred = signer.encryption_key.as_ref().unwrap();
    assert!(preferred.matches(&reads.certificate) && !preferred.matches(&signs.certificate));
    let capabilities = signer.capabilities.as_ref().unwrap();
    assert_eq!(capabilities.list()[0], Capability::Cipher(ContentCipher::Aes256Gcm));
    assert_eq!(Capabilities::from_der(capabilities.as_der()).unwrap(), *capabilities);
    assert_eq!(signer.signed_attributes.len(), 6);
    assert!(signer.unsigned_attributes.is_empty());
}

#[test]
fn every_kind_of_recipient_reads() {
    let people = [Key::Rsa, Key::P256, Key::P384, Key::P521, Key::X25519].map(Person::new);
    let everybody: Vec<&Person> = people.iter().collect();
    let transports = [
        KeyTransport::RsaPkcs1,
        KeyTransport::RsaOaep(DigestAlgorithm::Sha1),
        KeyTransport::RsaOaep(DigestAlgorithm::Sha256),
        KeyTransport::RsaOaep(DigestAlgorithm::Sha512),
    ];
    for key_transport in transports {
        for identifier in [CertificateIdentifier::IssuerAndSerial, CertificateIdentifier::KeyIdentifier] {
            let mut options = encrypt_options(MAIL, ContentCipher::Aes256Cbc, &everybody);
            options.style.key_transport = key_transport;
            options.style.identifier = identifier;
            let sealed = encrypt_with(LETTER.as_bytes(), &options);
            for person in &people {
                let (opened, plain) = person.decrypt(&sealed, MAIL).unwrap();
                assert!(!opened.authenticated && plain.ends_with(letter_entity().as_bytes()));
            }
            // OpenSSL 3.0 knows no X25519 recipients, and reads the others beside one.
            for person in &people[..4] {
                person.write("sealed", &sealed);
                let plain = person.openssl("cms -decrypt -in sealed -recip cert.pem -inkey key.pem");
                assert_eq!(plain, letter_entity().into_bytes(), "{key_transport:?} {identifier:?}");
            }
            let recipients = decrypt::open(&mut sealed.as_slice(), MAIL).unwrap().recipients().to_vec();
            let by_key = |id: &RecipientId| matches!(id, RecipientId::KeyIdentifier(_));
            let wanted = identifier == CertificateIdentifier::KeyIdentifier;
            assert!(recipients.iter().all(|one| by_key(&one.id) == wanted));
            let oaep = recipients.iter().any(|one| matches!(one.request, Some(Request::RsaOaep { .. })));
            assert_eq!(oaep, key_transport != KeyTransport::RsaPkcs1);
        }
    }
    let mut options = encrypt_options(MAIL, ContentCipher::Aes256Cbc, &everybody);
    options.style.key_transport = KeyTransport::RsaOaep(DigestAlgorithm::Md5);
    let refused = wafer_smime::encrypt::encrypt(&mut LETTER.as_bytes(), &options, &mut Vec::new());
    assert!(matches!(refused, Err(Error::UnsupportedAlgorithm(name)) if name == "RSAES-OAEP with MD5"));
}

#[test]
fn the_best_cipher_is_one_that_all_read() {
    use ContentCipher::{Aes128Cbc, Aes256Cbc, Aes256Gcm};
    // SEQUENCE OF { aes256-CBC, aes128-CBC }, and { triple DES }.
    let aes = |last: u8| [&[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1][..], &[last]].concat();
    let list = |entries: &[Vec<u8>]| {
        let entries = entries.concat();
        Capabilities::from_der(&[&[0x30, entries.len() as u8][..], &entries].concat()).unwrap()
    };
    let (cbc, gcm) = (list(&[aes(42), aes(2)]), list(&[aes(46), aes(42)]));
    let old = list(&[vec![0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7]]);
    assert_eq!(best_cipher(&[]), Aes256Gcm);
    assert_eq!(best_cipher(&[None, Some(&gcm)]), Aes256Gcm);
    assert_eq!(best_cipher(&[None, Some(&gcm), Some(&cbc)]), Aes256Cbc);
    assert_eq!(best_cipher(&[Some(&old), Some(&gcm)]), Aes128Cbc);
}

/// What old programs wrote: it opens, with a mark.
#[test]
fn old_messages_are_read_with_a_warning() {
    let anna = Person::new(Key::Rsa);
    anna.write("letter", LETTER.as_bytes());
    let ciphers = [
        ("-des3", ContentCipher::TripleDesCbc),
        ("-rc2-40", ContentCipher::Rc2Cbc40),
        ("-rc2-64", ContentCipher::Rc2Cbc64),
        ("-rc2-128", ContentCipher::Rc2Cbc128),
    ];
    for (name, cipher) in ciphers {
        let provider = "-provider legacy -provider default";
        anna.openssl(&format!(
            "smime {provider} -encrypt -binary {name} -in letter -outform DER -out sealed cert.pem"
        ));
        let (opened, plain) = anna.decrypt(&anna.read("sealed"), DER).unwrap();
        assert_eq!((opened.cipher, plain.as_slice()), (cipher, LETTER.as_bytes()));
        assert!(opened.cipher.is_weak() && !opened.authenticated);
    }
    for (digest, weak) in [("md5", DigestAlgorithm::Md5), ("sha1", DigestAlgorithm::Sha1)] {
        let signed = anna.openssl(&format!(
            "cms -sign -binary -nodetach -md {digest} -in letter -signer cert.pem -inkey key.pem -outform DER"
        ));
        let (verified, _) = verify(&signed, DER).unwrap();
        let signer = &verified.signers[0];
        assert_eq!((&signer.outcome, &*signer.weaknesses), (&Outcome::Good, &[Weakness::Digest(weak)][..]));
    }
    anna.openssl("req -x509 -nodes -newkey rsa:1024 -keyout short.key -out short.pem -subj /CN=short");
    for extra in ["", "-keyopt rsa_padding_mode:pss"] {
        let signed = anna.openssl(&format!(
            "cms -sign -binary -nodetach -in letter -signer short.pem -inkey short.key -outform DER {extra}"
        ));
        let (verified, _) = verify(&signed, DER).unwrap();
        let signer = &verified.signers[0];
        assert_eq!((&signer.outcome, &*signer.weaknesses), (&Outcome::Good, &[Weakness::ShortRsa(1024)][..]));
    }
}

/// Digests of today that OpenSSL writes and few others do.
#[test]
fn every_digest_is_checked() {
    for key in [Key::Rsa, Key::P256, Key::P384, Key::P521] {
        let anna = Person::new(key);
        anna.write("letter", LETTER.as_bytes());
        for digest in ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-512"] {
            let (good, signed) = {
                let command = format!(
                    "cms -sign -binary -nodetach -md {digest} -in letter -signer cert.pem -inkey key.pem \
                     -outform DER"
                );
                let output = run("openssl", anna.dir.path(), &words(&command));
                (output.status.success(), output.stdout)
            };
            // OpenSSL 3.0 has no name for ECDSA with SHA-3 in CMS.
            assert!(good || digest.starts_with("sha3"), "{key:?} {digest}");
            if good {
                assert_eq!(outcomes(&verify(&signed, DER).unwrap().0), [Outcome::Good], "{key:?} {digest}");
            }
        }
    }
}

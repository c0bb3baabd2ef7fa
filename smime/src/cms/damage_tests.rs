//! What damage, wrong keys and hostile messages do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;

use proptest::prelude::*;
use proptest::sample::Index;
use zeroize::Zeroizing;

use super::enveloped_read::{self, Proved};
use super::enveloped_write::{Recipients, Writer};
use super::openssl_tests::{content, decrypt, seal};
use super::signed_read;
use super::test_keys::Keys;
use crate::algorithm::ContentCipher;
use crate::encrypt::Style;
use crate::error::Error;

#[test]
fn a_length_that_was_not_kept_is_an_error() {
    let keys = Keys::new();
    let recipients = Recipients::new(&[keys.certificate("rsa")], Style::default()).unwrap();
    for cipher in ContentCipher::WRITTEN {
        let mut writer = Writer::new(cipher, &recipients, Some(100), Vec::new()).unwrap();
        writer.write_all(&[0; 50]).unwrap();
        assert!(matches!(writer.finish(), Err(Error::Changed)));
    }
}

#[test]
fn damage_never_opens() {
    let keys = Keys::new();
    let plain = content(3000);
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::ChaCha20Poly1305, ContentCipher::Aes128Cbc] {
        for length in [None, Some(3000)] {
            let sealed = seal(&keys, &["rsa"], cipher, &plain, length);
            let (header, _) = enveloped_read::open(&sealed[..]).unwrap();
            let secret = keys.answer("rsa", header.recipients[0].request.as_ref().unwrap());
            let opened = |bytes: &[u8]| decrypt(bytes, |header| header.content_key(0, &secret));
            assert_eq!(opened(&sealed).unwrap(), plain);
            for part in 0..16 {
                let cut = &sealed[..sealed.len() * part / 16];
                assert!(matches!(opened(cut), Err(Error::Malformed(_))), "{cipher:?} cut at {part}/16");
            }
            let tail = &sealed[..sealed.len() - 1];
            assert!(matches!(opened(tail), Err(Error::Malformed(_))), "{cipher:?} without its last byte");
            for at in (0..sealed.len()).step_by(13) {
                let mut bent = sealed.clone();
                bent[at] ^= 1 << (at % 8);
                match opened(&bent) {
                    // What is not hashed (RecipientInfos, versions) may be bent without harm, as may all of
                    // CBC but its end: that is why CBC is not called authenticated.
                    Ok(opened) => {
                        assert!(opened == plain || !cipher.is_authenticated(), "{cipher:?} bit at {at}")
                    }
                    Err(
                        Error::Decryption
                        | Error::Malformed(_)
                        | Error::Limit(_)
                        | Error::UnsupportedAlgorithm(_),
                    ) => {}
                    Err(other) => panic!("{cipher:?} bit at {at}: {other}"),
                }
            }
        }
    }
}

#[test]
fn every_wrong_secret_is_one_error() {
    let keys = Keys::new();
    let plain = content(1000);
    for name in ["rsa", "p256"] {
        let sealed = seal(&keys, &[name], ContentCipher::Aes256Gcm, &plain, None);
        for secret in [vec![], vec![1; 16], vec![1; 32], vec![1; 5000]] {
            let secret = Zeroizing::new(secret);
            let opened = decrypt(&sealed, |header| header.content_key(0, &secret));
            assert!(matches!(opened, Err(Error::Decryption)), "{name} {}", secret.len());
        }
    }
    let sealed = seal(&keys, &["p256"], ContentCipher::Aes256Cbc, &plain, None);
    for byte in 0..=255 {
        let secret = Zeroizing::new(vec![byte; 32]);
        let opened = decrypt(&sealed, |header| header.content_key(0, &secret));
        assert!(
            matches!(opened, Err(Error::Decryption)),
            "a key unwrapped wrongly must not reach the padding"
        );
    }
}

/// AuthEnvelopedData with authenticated attributes: they stand behind the content, but are hashed first.
#[test]
fn authenticated_attributes_take_one_pass_more() {
    use super::identifier;
    use crate::asn1::{der, oid};
    use crate::crypto::cipher::{Cipher, Direction, OUTPUT};

    let (key, nonce) = (Zeroizing::new(vec![3; 32]), [4; 12]);
    let value = der::element(der::SET, &[&der::oid(&oid::ID_DATA)]);
    let attribute = der::sequence(&[&der::oid(&oid::CONTENT_TYPE), &value]);
    let mut cipher = Cipher::new(ContentCipher::Aes256Gcm, Direction::Encrypt, &key, &nonce).unwrap();
    cipher.authenticate(&der::element(der::SET, &[&attribute])).unwrap();
    let mut sealed = Box::new([0; OUTPUT]);
    let length = cipher.update(b"attributes", &mut sealed).unwrap();
    cipher.finish(&mut sealed).unwrap();
    let tag = cipher.tag().unwrap();

    let id = der::sequence(&[&der::sequence(&[]), &der::integer(1)]);
    let wrapped = der::element(der::OCTET_STRING, &[&[9; 256]]);
    let info = der::sequence(&[
        &der::integer(0),
        &id,
        &der::algorithm(&oid::RSA_ENCRYPTION, &[der::NULL, 0]),
        &wrapped,
    ]);
    let algorithm = identifier::write_content(ContentCipher::Aes256Gcm, &nonce).unwrap();
    let content =
        der::sequence(&[&der::oid(&oid::ID_DATA), &algorithm, &der::element(0x80, &[&sealed[..length]])]);
    let message = |attribute: &[u8]| {
        let whole = der::sequence(&[
            &der::integer(0),
            &der::element(der::SET, &[&info]),
            &content,
            &der::element(der::context(1), &[attribute]),
            &der::element(der::OCTET_STRING, &[&tag]),
        ]);
        der::sequence(&[&der::oid(&oid::ID_AUTH_ENVELOPED_DATA), &der::element(der::context(0), &[&whole])])
    };
    let opened = |message: &[u8]| decrypt(message, |header| header.content_key(0, &key));
    assert_eq!(opened(&message(&attribute)).unwrap(), b"attributes");
    let mut other = attribute.clone();
    *other.last_mut().unwrap() ^= 1;
    assert!(matches!(opened(&message(&other)), Err(Error::Decryption)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Pieces of real messages, bent, cut and repeated: whatever comes, no panic.
    #[test]
    fn bent_messages_do_no_harm(which in 0..3usize, edits in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..4u8), 1..8)) {
        let mut bytes = SAMPLES.with(|samples| samples[which].clone());
        for (at, byte, kind) in edits {
            if bytes.is_empty() { break }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.truncate(at + 1),
                _ => bytes.insert(at, byte),
            }
        }
        super::vector_tests::try_everything(&bytes);
    }
}

thread_local! {
    static SAMPLES: [Vec<u8>; 3] = {
        let keys = Keys::new();
        keys.write("plain", b"plain");
        keys.openssl(&["cms", "-sign", "-in", "plain", "-nodetach", "-stream", "-outform", "DER", "-out", "signed",
            "-signer", "rsa.pem", "-inkey", "rsa.key"]);
        [
            keys.read("signed"),
            seal(&keys, &["rsa", "p256"], ContentCipher::Aes256Gcm, b"plain", None),
            seal(&keys, &["p384"], ContentCipher::Aes128Cbc, b"plain", Some(5)),
        ]
    };
}

#[test]
fn a_message_that_changes_between_the_passes_is_noticed() {
    let keys = Keys::new();
    let plain = content(1000);
    let sealed = seal(&keys, &["rsa"], ContentCipher::Aes256Gcm, &plain, None);
    let (header, body) = enveloped_read::open(&sealed[..]).unwrap();
    let secret = keys.answer("rsa", header.recipients[0].request.as_ref().unwrap());
    let key = header.content_key(0, &secret).unwrap();
    let Proved::Yes(proof) = body.prove(&header, &key, None).unwrap() else {
        panic!("no attributes are there")
    };
    let mut changed = sealed.clone();
    let at = changed.len() - 100;
    changed[at] ^= 1;
    let (_, body) = enveloped_read::open(&changed[..]).unwrap();
    assert!(matches!(body.decrypt(&header, &key, &proof, &mut std::io::sink()), Err(Error::Changed)));
}

/// Lists of the smallest members possible, as long as fits: refused before they cost much memory.
#[test]
fn endless_lists_are_a_limit() {
    use crate::asn1::{der, oid};
    let many = |member: &[u8], count| der::element(der::SET, &[&member.repeat(count)]);
    let content_info =
        |id, inside: &[u8]| der::sequence(&[&der::oid(&id), &der::element(der::context(0), &[inside])]);
    let algorithm = super::identifier::write_content(ContentCipher::Aes128Cbc, &[0; 16]).unwrap();
    let content = der::sequence(&[&der::oid(&oid::ID_DATA), &algorithm]);

    let nobody = many(&[0x30, 0], 1_000_000);
    let sealed = content_info(oid::ID_ENVELOPED_DATA, &der::sequence(&[&der::integer(0), &nobody, &content]));
    assert!(matches!(enveloped_read::open(&sealed[..]), Err(Error::Limit(_))));

    let point = der::element(0x03, &[&[0, 4], &[7; 64]]);
    let originator = der::element(der::context(1), &[&der::algorithm(&oid::EC_PUBLIC_KEY, &[]), &point]);
    let id = der::sequence(&[&der::sequence(&[]), &der::integer(1)]);
    let key = der::sequence(&[&id, &der::element(der::OCTET_STRING, &[])]);
    let ukm = der::element(der::OCTET_STRING, &[&[1; 1_000_000]]);
    let agreement = |keys| {
        let info = der::element(
            der::context(1),
            &[
                &der::integer(3),
                &der::element(der::context(0), &[&originator]),
                &der::element(der::context(1), &[&ukm]),
                &der::algorithm(&oid::STD_DH_SHA256, &der::algorithm(&oid::AES128_WRAP, &[])),
                &der::sequence(&[&key.repeat(keys)]),
            ],
        );
        let inside = der::sequence(&[&der::integer(2), &der::element(der::SET, &[&info]), &content]);
        content_info(oid::ID_ENVELOPED_DATA, &inside)
    };
    assert!(matches!(enveloped_read::open(&agreement(100_000)[..]), Err(Error::Limit(_))));
    let (header, _) = enveloped_read::open(&agreement(9_000)[..]).unwrap();
    assert!(
        header.recipients.iter().all(|recipient| recipient.request.is_none()),
        "so large a UKM is not served"
    );

    let data = der::sequence(&[&der::oid(&oid::ID_DATA)]);
    let signers = many(&[0x30, 0], 100_000);
    let signed = der::sequence(&[&der::integer(1), &many(&[], 0), &data, &signers]);
    let read = signed_read::read(&content_info(oid::ID_SIGNED_DATA, &signed)[..], &mut std::io::sink());
    assert!(matches!(read, Err(Error::Limit(_))));
}

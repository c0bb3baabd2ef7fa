//! Every decryption that fails for a cryptographic reason looks the same from outside: one error, in the same words,
//! after the same readings of the message, and without a byte of output. Who sends messages to be tried learns nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use common::*;
use wafer_smime::algorithm::{ContentCipher, DigestAlgorithm, KeyTransport, SignatureScheme};
use wafer_smime::decrypt::{self, Request};
use wafer_smime::{Error, Source};
use zeroize::Zeroizing;

/// Content of several blocks, more than one buffer.
const LONG: usize = 200_000;

/// A message that counts what is read of it.
struct Counted {
    bytes: Vec<u8>,
    read: Rc<Cell<usize>>,
    opened: usize,
}

impl Source for Counted {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        self.opened += 1;
        Ok(Box::new(Counting { bytes: &self.bytes, read: self.read.clone() }))
    }
}

struct Counting<'a> {
    bytes: &'a [u8],
    read: Rc<Cell<usize>>,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.read.set(self.read.get() + n);
        Ok(n)
    }
}

/// How a decryption looks from outside.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    told: String,
    opened: usize,
    read: usize,
    written: usize,
}

fn course(message: &[u8], secret: Vec<u8>) -> Course {
    let mut source = Counted { bytes: message.to_vec(), read: Rc::default(), opened: 0 };
    let sealed = decrypt::open(&mut source, DER).unwrap();
    let mut out = Vec::new();
    let error = sealed.decrypt(0, Zeroizing::new(secret), &mut source, &mut out).expect_err("wrong");
    assert!(matches!(error, Error::Decryption), "{error:?}");
    Course { told: error.to_string(), opened: source.opened, read: source.read.get(), written: out.len() }
}

fn request(message: &[u8]) -> Request {
    decrypt::open(&mut &*message, DER).unwrap().recipients()[0].request.clone().unwrap()
}

/// Secrets that a token may answer: none, of wrong lengths, of the right length and wrong.
fn wrong_secrets() -> Vec<Vec<u8>> {
    [0, 1, 8, 16, 24, 32, 33, 66, 256].map(|length| vec![0xa5; length]).into()
}

/// That no two differ, and none has written; the message was opened for its recipients and once for its proof.
fn all_alike(courses: &[Course]) {
    assert!(courses.len() > 3);
    for course in courses {
        assert_eq!(course, &courses[0]);
        assert_eq!((course.opened, course.written), (2, 0));
    }
}

#[test]
fn an_authenticated_message_fails_in_one_course() {
    let people = [Key::Rsa, Key::P256, Key::X25519].map(Person::new);
    for cipher in ContentCipher::WRITTEN.into_iter().filter(|cipher| cipher.is_authenticated()) {
        for person in &people {
            let message = encrypt(&vec![7; LONG], DER, cipher, &[person]);
            let mut courses: Vec<Course> =
                wrong_secrets().into_iter().map(|secret| course(&message, secret)).collect();
            // The right key, and a ciphertext or tag that was altered.
            let secret = person.private_unwrap(&request(&message)).to_vec();
            for at in [message.len() - 1, message.len() - 100, message.len() - LONG] {
                let mut altered = message.clone();
                altered[at] ^= 1;
                courses.push(course(&altered, secret.clone()));
            }
            all_alike(&courses);
        }
    }
}

#[test]
fn key_agreement_and_oaep_fail_alike_whatever_the_padding_would_say() {
    let people = [Key::Rsa, Key::P384, Key::X25519].map(Person::new);
    for person in &people {
        let mut options = encrypt_options(DER, ContentCipher::Aes256Cbc, &[person]);
        options.style.key_transport = KeyTransport::RsaOaep(DigestAlgorithm::Sha256);
        let message = encrypt_with(&vec![7; LONG], &options);
        let secrets = wrong_secrets().into_iter();
        // A wrong secret of OAEP with the right length cannot be: a token checks it. Key wrap is checked here.
        let secrets =
            secrets.filter(|secret| person.scheme != SignatureScheme::RsaPkcs1 || secret.len() != 32);
        all_alike(&secrets.map(|secret| course(&message, secret)).collect::<Vec<_>>());
    }
}

/// RSAES-PKCS1-v1_5: what is no key of the right length is replaced by a random one, so that only the content's own end
/// can tell; and for GCM that always fails.
#[test]
fn pkcs1_goes_on_with_a_random_key() {
    let anna = Person::new(Key::Rsa);
    let plain = vec![7; LONG];
    let message = encrypt(&plain, DER, ContentCipher::Aes256Cbc, &[&anna]);
    let Request::RsaPkcs1 { key_length, .. } = request(&message) else { panic!("not v1.5") };
    assert_eq!(key_length, 32);
    let mut failed = Vec::new();
    for _ in 0..20 {
        for secret in wrong_secrets() {
            let mut source = message.as_slice();
            let sealed = decrypt::open(&mut source, DER).unwrap();
            let mut out = Vec::new();
            match sealed.decrypt(0, secret.clone().into(), &mut source, &mut out) {
                // One random key in 256 ends in what looks like padding (the wrong key of the right length may be
                // one, too): noise comes out, never the content.
                Ok(_) => {
                    assert!(out.len() > LONG - 32 && !out.windows(100).any(|part| part == &plain[..100]))
                }
                Err(error) => {
                    assert!(matches!(error, Error::Decryption) && out.is_empty());
                    failed.push(error.to_string());
                }
            }
        }
    }
    assert!(failed.len() > 100 && failed.iter().all(|told| *told == failed[0]));
    // A block bent by the sender, with a token's answer to it.
    let encrypted = anna.private_unwrap(&Request::RsaPkcs1 { encrypted_key: vec![3; 256], key_length });
    assert_eq!(encrypted.len(), key_length);
}

#[test]
fn cbc_content_fails_in_one_course_wherever_it_is_bent() {
    let people = [Key::Rsa, Key::P256].map(Person::new);
    for person in &people {
        let message = encrypt(&[7; 64], DER, ContentCipher::Aes128Cbc, &[person]);
        let secret = person.private_unwrap(&request(&message)).to_vec();
        // The last block's last byte decrypts to the padding's length: bending the block before it bends that.
        let mut courses = Vec::new();
        for bit in [0x40, 0x20, 0x80, 0x60] {
            let mut altered = message.clone();
            let at = message.len() - 17;
            altered[at] ^= bit;
            courses.push(course(&altered, secret.clone()));
        }
        all_alike(&courses);
    }
}

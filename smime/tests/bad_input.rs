//! Whatever comes in: one clear error, nothing written before proof, no panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{self, Read};
use std::sync::LazyLock;

use common::*;
use wafer_smime::algorithm::{Armor, Container, ContentCipher, DigestAlgorithm};
use wafer_smime::inspect::{Layer, inspect};
use wafer_smime::sign::{self, Form};
use wafer_smime::verify::Outcome;
use wafer_smime::{Error, Source, decrypt, encrypt};

static ANNA: LazyLock<Person> = LazyLock::new(|| Person::new(Key::P256));

/// Every kind of message we write, over [`LETTER`].
fn messages() -> Vec<(&'static str, Container, Vec<u8>)> {
    let letter = LETTER.as_bytes();
    let sealed = |container, cipher| encrypt(letter, container, cipher, &[&*ANNA]);
    vec![
        ("clear", MAIL, ANNA.sign(letter, MAIL, Form::Clear)),
        ("opaque", MAIL, ANNA.sign(letter, MAIL, Form::Opaque)),
        ("attached", DER, ANNA.sign(letter, DER, Form::Opaque)),
        ("gcm mail", MAIL, sealed(MAIL, ContentCipher::Aes256Gcm)),
        ("cbc mail", MAIL, sealed(MAIL, ContentCipher::Aes128Cbc)),
        ("gcm", DER, sealed(DER, ContentCipher::Aes256Gcm)),
        ("cbc", DER, sealed(DER, ContentCipher::Aes256Cbc)),
    ]
}

/// Decrypts or verifies; `Ok(true)` if all signatures are good or the message could be decrypted.
fn open(name: &str, container: Container, message: &[u8]) -> Result<(bool, Vec<u8>), Error> {
    if name.contains("gcm") || name.contains("cbc") {
        let mut source = message;
        let sealed = decrypt::open(&mut source, container)?;
        let Some(recipient) = sealed.recipients().first() else { return Err(Error::Decryption) };
        let Some(request) = &recipient.request else {
            return Err(Error::UnsupportedAlgorithm(recipient.algorithm.clone()));
        };
        // The token refuses what is no point on its curve.
        let words = match request {
            decrypt::Request::Ecdh { peer_point } if peer_point.len() == 65 => peer_point,
            _ => return Err(Error::Decryption),
        };
        let secret = cached_secret(words);
        let mut out = Vec::new();
        let result = sealed.decrypt(0, secret, &mut source, &mut out);
        assert!(result.is_ok() || out.is_empty(), "{name}: something was written before the proof");
        result.map(|_| (true, out))
    } else {
        let (verified, content) = verify(message, container)?;
        Ok((outcomes(&verified).iter().all(|outcome| *outcome == Outcome::Good), content))
    }
}

/// One private operation for each ephemeral key: a thousand openssl processes would take a minute.
fn cached_secret(point: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    use std::collections::HashMap;
    use std::sync::Mutex;
    static KNOWN: Mutex<Option<HashMap<Vec<u8>, Vec<u8>>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap();
    let known = known.get_or_insert_default();
    let secret = known.entry(point.to_vec()).or_insert_with(|| {
        let spki = [
            &[
                0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48,
                0xce, 0x3d,
            ][..],
            &[3, 1, 7, 3, 0x42, 0],
            point,
        ]
        .concat();
        ANNA.write("peer.der", &spki);
        let derive = words("pkeyutl -derive -inkey key.pem -peerkey peer.der -peerform DER");
        let output = run("openssl", ANNA.dir.path(), &derive);
        if output.status.success() { output.stdout } else { vec![7; 32] }
    });
    zeroize::Zeroizing::new(secret.clone())
}

#[test]
fn truncated_at_every_sixteenth() {
    for (name, container, message) in messages() {
        assert!(open(name, container, &message).unwrap().0, "{name}");
        for part in 0..16 {
            let cut = &message[..message.len() * part / 16];
            let error = open(name, container, cut).expect_err(name);
            let told = error.to_string();
            assert!(
                matches!(error, Error::Malformed(_) | Error::Decryption),
                "{name} cut at {part}/16: {told}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_never_proof() {
    for (name, container, message) in messages() {
        let (_, whole) = open(name, container, &message).unwrap();
        let step = (message.len() / 400).max(1);
        for at in (0..message.len()).step_by(step) {
            let mut flipped = message.clone();
            flipped[at] ^= 1 << (at % 8);
            // Bits outside of what is sealed (outer fields, spaces) may change; CBC promises no more.
            if let Ok((true, content)) = open(name, container, &flipped) {
                let same = content.ends_with(letter_entity().as_bytes()) || content == whole;
                assert!(same || name.starts_with("cbc"), "{name}: bit at {at} went unnoticed");
            }
        }
    }
}

#[test]
fn a_wrong_recipient_is_told_nothing() {
    let other = Person::new(Key::P256);
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
        let sealed = encrypt(LETTER.as_bytes(), MAIL, cipher, &[&*ANNA]);
        assert!(matches!(other.decrypt(&sealed, MAIL), Err(Error::Decryption)));
        let mut source = sealed.as_slice();
        let message = decrypt::open(&mut source, MAIL).unwrap();
        let mut out = Vec::new();
        for secret in [vec![], vec![1], vec![9; 32], vec![9; 64]] {
            let refused = message.decrypt(0, secret.into(), &mut source, &mut out);
            assert!(matches!(refused, Err(Error::Decryption)), "{refused:?}");
        }
        let refused = message.decrypt(7, vec![9; 32].into(), &mut source, &mut out);
        assert!(matches!(refused, Err(Error::Decryption)));
        assert!(out.is_empty());
    }
}

#[test]
fn a_wrong_rsa_secret_fails_alike() {
    let anna = Person::new(Key::Rsa);
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes128Cbc] {
        let sealed = encrypt(LETTER.as_bytes(), MAIL, cipher, &[&anna]);
        let mut source = sealed.as_slice();
        let message = decrypt::open(&mut source, MAIL).unwrap();
        for secret in [vec![], vec![9; 16], vec![9; 32], vec![9; 200]] {
            let mut out = Vec::new();
            let refused = message.decrypt(0, secret.into(), &mut source, &mut out);
            assert!(matches!(refused, Err(Error::Decryption)), "{refused:?}");
            assert!(out.is_empty());
        }
    }
}

#[test]
fn what_is_no_message_is_said_so() {
    let options = ANNA.sign_options(MAIL, Form::Clear, DigestAlgorithm::Sha256);
    for text in ["", "hello world\n", "\u{0}\u{1}\u{2}", "a b: c\n\n"] {
        let error = sign::prepare(&mut text.as_bytes(), &options).expect_err(text);
        assert!(matches!(error, Error::Malformed(_)), "{text:?}: {error}");
        for container in [MAIL, DER] {
            assert!(matches!(decrypt::open(&mut text.as_bytes(), container), Err(Error::Malformed(_))));
            assert!(matches!(verify(text.as_bytes(), container), Err(Error::Malformed(_))));
        }
        assert!(matches!(inspect(&mut text.as_bytes()), Err(Error::Malformed(_))), "{text:?}");
    }
    let plain = verify(LETTER.as_bytes(), MAIL).expect_err("plain").to_string();
    assert!(plain.contains("plain message, not a signed one"), "{plain}");
    let signed = ANNA.sign(LETTER.as_bytes(), MAIL, Form::Clear);
    let error = decrypt::open(&mut signed.as_slice(), MAIL).expect_err("signed").to_string();
    assert!(error.contains("clear-signed message, not an encrypted one"), "{error}");
    let opaque = ANNA.sign(LETTER.as_bytes(), MAIL, Form::Opaque);
    assert!(matches!(decrypt::open(&mut opaque.as_slice(), MAIL), Err(Error::Malformed(_))));
    let sealed = encrypt(LETTER.as_bytes(), MAIL, ContentCipher::Aes256Gcm, &[&*ANNA]);
    assert!(matches!(verify(&sealed, MAIL), Err(Error::Malformed(_))));
}

#[test]
fn an_unknown_algorithm_is_named() {
    ANNA.write("letter", LETTER.as_bytes());
    let camellia = ANNA.openssl("cms -encrypt -camellia128 -outform DER -in letter cert.pem");
    match decrypt::open(&mut camellia.as_slice(), DER) {
        // Its name, or its OID.
        Err(Error::UnsupportedAlgorithm(name)) => {
            assert!(
                name.to_lowercase().contains("camellia") || name == "1.2.392.200011.61.1.1.1.2",
                "{name}"
            );
        }
        other => panic!("{other:?}"),
    }
    let seen = inspect(&mut camellia.as_slice()).unwrap();
    assert_eq!(seen.layer, Layer::Enveloped);
    assert!(seen.cipher.is_some());
    // SHA-256's identifier becomes that of SHA-512/256.
    let mut signed = ANNA.sign(LETTER.as_bytes(), DER, Form::Opaque);
    let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let found: Vec<usize> = (0..signed.len()).filter(|at| signed[*at..].starts_with(&sha256)).collect();
    found.iter().for_each(|at| signed[at + 8] = 6);
    let (verified, _) = verify(&signed, DER).unwrap();
    assert!(matches!(&outcomes(&verified)[..], [Outcome::UnsupportedAlgorithm(_)]), "{verified:?}");
}

#[test]
fn absurd_lengths_and_depths_end_soon() {
    // ContentInfo of a pretended 2^63 bytes, of 2^1000 bytes, and ten thousand levels.
    let huge =
        [&[0x30, 0x88, 0x7f][..], &[0xff; 7], &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]].concat();
    let absurd = [&[0x30, 0xfe][..], &[0xff; 126]].concat();
    let deep = [0x30, 0x80].repeat(10_000);
    let signed_oid: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let enveloped_oid: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
    let nested = |oid: &[u8]| [&[0x30, 0x80][..], oid, &[0xa0, 0x80].repeat(10_000)].concat();
    for bytes in [huge, absurd, deep, nested(signed_oid), nested(enveloped_oid)] {
        let refused = |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::Malformed(_) | Error::Limit(_))), "{result:?}");
        };
        refused(verify(&bytes, DER).map(drop));
        refused(decrypt::open(&mut bytes.as_slice(), DER).map(drop));
        refused(inspect(&mut bytes.as_slice()).map(drop));
    }
}

#[test]
fn boundaries_within_the_text_are_text() {
    let letter =
        "Content-Type: multipart/mixed; boundary=b1\n\n--b1\n\nx--b1\n--b1x\n --b1\n--b1\n\n--b1--\n";
    for form in [Form::Clear, Form::Opaque] {
        ANNA.write("signed", &ANNA.sign(letter.as_bytes(), MAIL, form));
        let (verified, content) = verify(&ANNA.read("signed"), MAIL).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good]);
        assert_eq!(content, letter.replace('\n', "\r\n").into_bytes());
        assert_eq!(ANNA.openssl("cms -verify -in signed -CAfile ca.pem"), content);
    }
}

#[test]
fn an_altered_letter_is_a_verdict() {
    let signed = String::from_utf8(ANNA.sign(LETTER.as_bytes(), MAIL, Form::Clear)).unwrap();
    let (verified, _) = verify(signed.replace("Dear Bert", "Dear Curt").as_bytes(), MAIL).unwrap();
    assert_eq!(outcomes(&verified), [Outcome::DigestMismatch]);
    // A micalg that does not say what the signer used costs a second reading, nothing else.
    for micalg in ["sha-512", "sha1", "md5", ""] {
        let (verified, _) =
            verify(signed.replace("micalg=sha-256", &format!("micalg={micalg}")).as_bytes(), MAIL).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good], "{micalg}");
    }
}

#[test]
fn a_wrong_signature_writes_nothing() {
    for form in [Form::Clear, Form::Opaque] {
        let mut source = LETTER.as_bytes();
        let prepared =
            sign::prepare(&mut source, &ANNA.sign_options(MAIL, form, DigestAlgorithm::Sha256)).unwrap();
        let mut signature = ANNA.private_sign(prepared.request());
        *signature.last_mut().unwrap() ^= 1;
        let mut out = Vec::new();
        assert!(matches!(prepared.write(&signature, &mut source, &mut out), Err(Error::Crypto(_))));
        assert!(out.is_empty());
    }
}

/// A source whose bytes are others from the `turn`th reading on.
struct Changing {
    first: Vec<u8>,
    then: Vec<u8>,
    turn: usize,
}

impl Source for Changing {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let now = if self.turn == 0 { &self.then } else { &self.first };
        self.turn = self.turn.saturating_sub(1);
        Ok(Box::new(now.as_slice()))
    }
}

#[test]
fn a_change_between_the_readings_is_seen() {
    let changes = [("Dear Bert", "Dear Curt"), ("a letter", "another"), ("charset=utf-8", "charset=latin")];
    for (from, to) in changes {
        let changed = LETTER.replace(from, to).into_bytes();
        for form in [Form::Clear, Form::Opaque] {
            let mut source = Changing { first: LETTER.into(), then: changed.clone(), turn: 1 };
            let options = ANNA.sign_options(MAIL, form, DigestAlgorithm::Sha256);
            let prepared = sign::prepare(&mut source, &options).unwrap();
            let signature = ANNA.private_sign(prepared.request());
            let error = prepared.write(&signature, &mut source, &mut Vec::new()).expect_err(from);
            assert!(matches!(error, Error::Changed), "{form:?} {from}: {error}");
        }
    }
}

#[test]
fn a_sealed_message_that_changes_is_not_opened() {
    for (name, container, message) in messages() {
        if !name.contains("gcm") && !name.contains("cbc") {
            continue;
        }
        let then = if name.contains("gcm") {
            // Inside the encrypted content, whatever surrounds it.
            let mut then = message.clone();
            let at = message.len() - 100;
            then[at] = if then[at] == b'A' { b'B' } else { b'A' };
            then
        } else {
            // CBC proves nothing about its content: only another key or another length shows.
            encrypt(LETTER.as_bytes(), container, ContentCipher::Aes256Cbc, &[&*ANNA])
        };
        // open, prove, decrypt: three readings.
        for turn in [1, 2] {
            let mut source = Changing { first: message.clone(), then: then.clone(), turn };
            let sealed = decrypt::open(&mut source, container).unwrap();
            let Some(decrypt::Request::Ecdh { peer_point }) = &sealed.recipients()[0].request else {
                panic!()
            };
            let error =
                sealed.decrypt(0, cached_secret(peer_point), &mut source, &mut Vec::new()).expect_err(name);
            assert!(
                matches!(error, Error::Changed | Error::Decryption | Error::Malformed(_)),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn the_source_s_own_errors_come_back() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    impl Source for Broken {
        fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
            Ok(Box::new(Self))
        }
    }
    for container in [MAIL, DER] {
        let timed_out = |error: Error| {
            assert!(
                matches!(&error, Error::Input(inner) if inner.kind() == io::ErrorKind::TimedOut),
                "{error:?}"
            );
        };
        timed_out(decrypt::open(&mut Broken, container).expect_err("broken"));
        let options = ANNA.sign_options(container, Form::Clear, DigestAlgorithm::Sha256);
        timed_out(sign::prepare(&mut Broken, &options).expect_err("broken"));
        let attached = wafer_smime::verify::Content::Attached;
        timed_out(
            wafer_smime::verify::verify(&mut Broken, attached, container, &[], None).expect_err("broken"),
        );
    }
    timed_out_inspect();
    fn timed_out_inspect() {
        assert!(matches!(inspect(&mut Broken), Err(Error::Input(_))));
    }
}

#[test]
fn a_full_disk_is_an_output_error() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.0);
            self.0 -= n;
            if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 100, 700] {
        for container in [MAIL, Container::Cms(Armor::Pem)] {
            let letter = LETTER.repeat(100);
            let recipients = vec![ANNA.certificate.clone()];
            let style = encrypt::Style::default();
            let options = encrypt::Options { container, cipher: ContentCipher::Aes256Gcm, recipients, style };
            let error =
                encrypt::encrypt(&mut letter.as_bytes(), &options, &mut Full(room)).expect_err("full");
            assert!(
                matches!(&error, Error::Output(inner) if inner.kind() == io::ErrorKind::StorageFull),
                "{error:?}"
            );
        }
    }
}

#[test]
fn unusable_recipients_are_refused_before_a_byte() {
    for recipients in [vec![], vec![b"no certificate".to_vec()]] {
        let mut options = encrypt_options(MAIL, ContentCipher::Aes256Gcm, &[]);
        options.recipients = recipients;
        let mut out = Vec::new();
        let error = encrypt::encrypt(&mut LETTER.as_bytes(), &options, &mut out).expect_err("none");
        assert!(matches!(error, Error::Certificate { .. }), "{error}");
        assert!(out.is_empty());
    }
}

/// Gives `head`, then `filler` for ever; counts what was asked of it.
struct Endless<'a> {
    head: &'a [u8],
    filler: &'a [u8],
    at: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in buffer.iter_mut() {
            let behind = self.at.checked_sub(self.head.len());
            *byte =
                behind.map_or_else(|| self.head[self.at], |behind| self.filler[behind % self.filler.len()]);
            self.at += 1;
        }
        Ok(buffer.len())
    }
}

#[test]
fn inspect_answers_from_the_first_bytes_of_an_endless_message() {
    let letter = [LETTER.as_bytes(), b"more\n".repeat(5000).as_slice()].concat();
    let sealed = encrypt(&letter, MAIL, ContentCipher::Aes256Gcm, &[&ANNA]);
    let clear = ANNA.sign(&letter, MAIL, Form::Clear);
    let opaque = ANNA.sign(&letter, MAIL, Form::Opaque);
    let clear_sealed = ANNA.sign(&sealed, MAIL, Form::Clear);
    let filler = [&[b'A'; 76][..], b"\r\n"].concat();
    for (message, layers) in [
        (&sealed, vec![Layer::AuthEnveloped]),
        (&clear, vec![Layer::ClearSigned]),
        (&opaque, vec![Layer::OpaqueSigned]),
        (&clear_sealed, vec![Layer::ClearSigned, Layer::AuthEnveloped]),
        (&letter, vec![]),
    ] {
        let mut endless = Endless { head: &message[..8000], filler: &filler, at: 0 };
        let seen = inspect(&mut endless).unwrap();
        assert_eq!(seen.layers, layers);
        assert!(endless.at <= 8192, "{layers:?}: {} bytes", endless.at);
        assert_eq!(
            seen.recipients.iter().any(|one| one.matches(&ANNA.certificate)),
            layers.ends_with(&[Layer::AuthEnveloped])
        );
    }
}

#[test]
fn inspect_names_the_layer() {
    let layers = [
        ("clear", Layer::ClearSigned),
        ("opaque", Layer::OpaqueSigned),
        ("attached", Layer::OpaqueSigned),
        ("gcm mail", Layer::AuthEnveloped),
        ("cbc mail", Layer::Enveloped),
        ("gcm", Layer::AuthEnveloped),
        ("cbc", Layer::Enveloped),
    ];
    for (name, _, message) in messages() {
        let seen = inspect(&mut message.as_slice()).unwrap();
        assert!(layers.contains(&(name, seen.layer)), "{name}: {:?}", seen.layer);
        if name.contains("cbc") || name.contains("gcm") {
            assert!(seen.recipients[0].matches(&ANNA.certificate));
            assert!(seen.cipher.unwrap().to_lowercase().contains("aes"));
        }
    }
    assert_eq!(inspect(&mut LETTER.as_bytes()).unwrap().layer, Layer::Plain);
    ANNA.write("letter", LETTER.as_bytes());
    let certificates = ANNA.openssl("crl2pkcs7 -nocrl -certfile cert.pem");
    assert_eq!(inspect(&mut certificates.as_slice()).unwrap().layer, Layer::CertificatesOnly);
    assert!(matches!(verify(&certificates, DER), Err(Error::Malformed(_))));
}

//! Both ways with `openssl cms`, and what damage does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::sample::Index;
use zeroize::Zeroizing;

use super::enveloped_read::{self, ContentKey, Header, Proved};
use super::enveloped_write::{Recipients, Writer};
use super::outline::{Outline, outline};
use super::signed_write::{self, Signature};
use super::test_keys::Keys;
use super::{signed_read, signed_verify};
use crate::algorithm::{ContentCipher, DigestAlgorithm, SignatureScheme};
use crate::crypto::hash;
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};
use crate::verify::Outcome;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 % 251) as u8).collect()
}

/// The whole use case in two passes.
pub(super) fn decrypt(sealed: &[u8], key: impl Fn(&Header) -> Result<ContentKey>) -> Result<Vec<u8>> {
    let (header, body) = enveloped_read::open(sealed)?;
    let key = key(&header)?;
    let proof = match body.prove(&header, &key, None)? {
        Proved::Yes(proof) => proof,
        Proved::Again(hint) => match enveloped_read::open(sealed)?.1.prove(&header, &key, Some(&hint))? {
            Proved::Yes(proof) => proof,
            Proved::Again(_) => panic!("asked again twice"),
        },
    };
    let (again, body) = enveloped_read::open(sealed)?;
    assert!(again == header);
    let mut plain = Vec::new();
    let length = body.decrypt(&again, &key, &proof, &mut plain)?;
    assert_eq!(length, plain.len() as u64);
    Ok(plain)
}

/// Index of the recipient for certificate `name`, found as decrypt does.
pub(super) fn index(header: &Header, certificate: &[u8]) -> usize {
    let certificate = super::certificate::Certificate::parse(certificate).unwrap();
    header.recipients.iter().position(|recipient| certificate.is(&recipient.id)).unwrap()
}

fn open_with(keys: &Keys, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    let certificate = keys.certificate(name);
    decrypt(sealed, |header| {
        let index = index(header, &certificate);
        header.content_key(index, &keys.answer(name, header.recipients[index].request.as_ref().unwrap()))
    })
}

#[test]
fn opens_what_openssl_encrypted() {
    let keys = Keys::new();
    let plain = content(100_000);
    keys.write("plain", &plain);
    let variants: &[(&str, &[&str])] = &[
        ("rsa", &["-aes-128-cbc"]),
        ("rsa", &["-aes-192-cbc", "-stream"]),
        ("rsa", &["-aes-256-gcm", "-stream"]),
        ("rsa", &["-aes-128-gcm"]),
        ("rsa", &["-aes-256-cbc", "-keyid"]),
        ("p256", &["-aes-256-cbc"]),
        ("p384", &["-aes-256-gcm", "-stream"]),
        ("p521", &["-aes-128-cbc", "-stream"]),
    ];
    for (name, options) in variants {
        let certificate = format!("{name}.pem");
        let mut arguments =
            vec!["cms", "-encrypt", "-binary", "-in", "plain", "-outform", "DER", "-out", "sealed"];
        arguments.extend(*options);
        arguments.push(&certificate);
        keys.openssl(&arguments);
        let sealed = keys.read("sealed");
        assert_eq!(open_with(&keys, name, &sealed).unwrap(), plain, "{name} {options:?}");
        assert!(matches!(outline(&sealed[..]).unwrap(), Outline::Enveloped(_)));
    }
    for (hash, kdf) in [("sha256", "sha256"), ("sha1", "sha384"), ("sha512", "sha512")] {
        let (oaep, mgf) = (format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}"));
        keys.openssl(&[
            "cms",
            "-encrypt",
            "-binary",
            "-in",
            "plain",
            "-outform",
            "DER",
            "-out",
            "sealed",
            "-aes256",
            "-recip",
            "rsa.pem",
            "-keyopt",
            "rsa_padding_mode:oaep",
            "-keyopt",
            &oaep,
            "-keyopt",
            &mgf,
        ]);
        assert_eq!(open_with(&keys, "rsa", &keys.read("sealed")).unwrap(), plain, "OAEP {hash}");
        let kdf = format!("ecdh_kdf_md:{kdf}");
        keys.openssl(&[
            "cms", "-encrypt", "-binary", "-in", "plain", "-outform", "DER", "-out", "sealed", "-aes256",
            "-recip", "p256.pem", "-keyopt", &kdf,
        ]);
        assert_eq!(open_with(&keys, "p256", &keys.read("sealed")).unwrap(), plain, "{kdf}");
    }
}

fn seal(keys: &Keys, names: &[&str], cipher: ContentCipher, plain: &[u8], length: Option<u64>) -> Vec<u8> {
    let certificates: Vec<_> = names.iter().map(|name| keys.certificate(name)).collect();
    let recipients = Recipients::new(&certificates).unwrap();
    let mut writer = Writer::new(cipher, &recipients, length, Vec::new()).unwrap();
    for piece in plain.chunks(30_001) {
        writer.write_all(piece).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn openssl_opens_what_we_encrypt() {
    let keys = Keys::new();
    let all = ["rsa", "p256", "p384", "p521"];
    let ciphers = [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes256Gcm,
    ];
    for cipher in ciphers {
        for size in [0, 1, 16, 200_000] {
            let plain = content(size);
            for length in [None, Some(size as u64)] {
                let sealed = seal(&keys, &all, cipher, &plain, length);
                keys.write("sealed", &sealed);
                for name in all {
                    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
                    keys.openssl(&[
                        "cms",
                        "-decrypt",
                        "-binary",
                        "-inform",
                        "DER",
                        "-in",
                        "sealed",
                        "-inkey",
                        &key,
                        "-recip",
                        &certificate,
                        "-out",
                        "opened",
                    ]);
                    assert!(keys.read("opened") == plain, "{cipher:?} {size} {length:?} {name}");
                }
                assert!(open_with(&keys, "p384", &sealed).unwrap() == plain, "{cipher:?} {size} ourselves");
            }
        }
    }
}

#[test]
fn a_length_that_was_not_kept_is_an_error() {
    let keys = Keys::new();
    let recipients = Recipients::new(&[keys.certificate("rsa")]).unwrap();
    for cipher in [ContentCipher::Aes256Cbc, ContentCipher::Aes256Gcm] {
        let mut writer = Writer::new(cipher, &recipients, Some(100), Vec::new()).unwrap();
        writer.write_all(&[0; 50]).unwrap();
        assert!(matches!(writer.finish(), Err(Error::Changed)));
    }
}

#[test]
fn damage_never_opens() {
    let keys = Keys::new();
    let plain = content(3000);
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes128Cbc] {
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
                    Ok(opened) => assert!(opened == plain || !cipher.is_gcm(), "{cipher:?} bit at {at}"),
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
    use crate::crypto::ffi::{Cipher, Direction, OUTPUT};

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

#[test]
fn unfit_recipients_are_named() {
    let keys = Keys::new();
    assert!(matches!(Recipients::new(&[]), Err(Error::Certificate { .. })));
    let garbage = Recipients::new(&[keys.certificate("rsa"), vec![1, 2, 3]]);
    assert!(matches!(garbage, Err(Error::Certificate { subject, .. }) if subject == "number 2"));
    keys.openssl(&[
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "rsa:2048",
        "-keyout",
        "s.key",
        "-out",
        "s.pem",
        "-subj",
        "/CN=signs",
        "-addext",
        "keyUsage=digitalSignature",
    ]);
    let signs = Recipients::new(&[keys.certificate("s")]);
    assert!(matches!(signs, Err(Error::Certificate { subject, .. }) if subject == "CN=signs"));
}

#[test]
fn unknown_content_ciphers_are_named() {
    let keys = Keys::new();
    keys.write("plain", b"plain");
    keys.openssl(&[
        "cms",
        "-encrypt",
        "-in",
        "plain",
        "-outform",
        "DER",
        "-out",
        "sealed",
        "-camellia128",
        "rsa.pem",
    ]);
    let (header, _) = enveloped_read::open(&keys.read("sealed")[..]).unwrap();
    assert!(
        matches!(header.cipher(), Err(Error::UnsupportedAlgorithm(oid)) if oid == "1.2.392.200011.61.1.1.1.2")
    );
    keys.openssl(&[
        "cms",
        "-encrypt",
        "-in",
        "plain",
        "-outform",
        "DER",
        "-out",
        "sealed",
        "-aes128",
        "-secretkey",
        "000102030405060708090a0b0c0d0e0f",
        "-secretkeyid",
        "01",
        "-pwri_password",
        "x",
    ]);
    let (header, _) = enveloped_read::open(&keys.read("sealed")[..]).unwrap();
    assert_eq!(header.recipients.len(), 2);
    assert!(header.recipients.iter().all(|one| one.id == RecipientId::Other && one.request.is_none()));
    assert!(matches!(
        header.content_key(0, &Zeroizing::new(vec![0; 16])),
        Err(Error::UnsupportedAlgorithm(_))
    ));
}

pub(super) fn outcomes(signed: &[u8], detached: Option<&[u8]>, further: &[Vec<u8>]) -> Result<Vec<Outcome>> {
    let read = signed_read::read(signed, &mut std::io::sink())?;
    let mut hashers = hash::Hashers::new(&signed_verify::digests_needed(&read));
    hashers.update(detached.unwrap_or_default());
    let digests = if detached.is_some() { hashers.finish() } else { read.digests.clone() };
    Ok(signed_verify::verify(&read, &digests, further).into_iter().map(|signer| signer.outcome).collect())
}

#[test]
fn verifies_what_openssl_signed() {
    let keys = Keys::new();
    let plain = content(50_000);
    keys.write("plain", &plain);
    let pss = ["-keyopt", "rsa_padding_mode:pss"];
    let variants: &[(&str, &[&str])] = &[
        ("rsa", &["-nodetach"]),
        ("rsa", &["-nodetach", "-stream", "-md", "sha512"]),
        ("rsa", &["-nodetach", "-noattr", "-stream"]),
        ("rsa", &["-md", "sha1", "-keyid"]),
        ("rsa", &pss),
        ("p256", &["-nodetach", "-stream", "-md", "sha384"]),
        ("p384", &["-md", "sha384", "-cades"]),
        ("p521", &["-nodetach", "-md", "sha512", "-noattr"]),
    ];
    for (name, options) in variants {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut arguments =
            vec!["cms", "-sign", "-binary", "-in", "plain", "-outform", "DER", "-out", "signed"];
        arguments.extend(["-signer", &certificate, "-inkey", &key]);
        arguments.extend(*options);
        keys.openssl(&arguments);
        let signed = keys.read("signed");
        let attached = options.contains(&"-nodetach");
        let detached = (!attached).then_some(&plain[..]);
        assert_eq!(outcomes(&signed, detached, &[]).unwrap(), [Outcome::Good], "{name} {options:?}");
        let mut taken = Vec::new();
        let read = signed_read::read(&signed[..], &mut taken).unwrap();
        assert_eq!((read.attached, read.content_length), (attached, taken.len() as u64));
        assert!(!attached || taken == plain);
        if !attached {
            let altered =
                if options.contains(&"-noattr") { Outcome::BadSignature } else { Outcome::DigestMismatch };
            assert_eq!(outcomes(&signed, Some(b"other"), &[]).unwrap(), [altered]);
        }
    }
}

#[test]
fn several_signers_and_certificates_from_elsewhere() {
    let keys = Keys::new();
    keys.write("plain", b"plain");
    keys.openssl(&[
        "cms",
        "-sign",
        "-in",
        "plain",
        "-binary",
        "-nodetach",
        "-outform",
        "DER",
        "-out",
        "signed",
        "-nocerts",
        "-signer",
        "rsa.pem",
        "-inkey",
        "rsa.key",
        "-signer",
        "p256.pem",
        "-inkey",
        "p256.key",
    ]);
    let signed = keys.read("signed");
    assert_eq!(outcomes(&signed, None, &[]).unwrap(), [Outcome::NoCertificate, Outcome::NoCertificate]);
    let further = [keys.certificate("p256"), keys.certificate("rsa")];
    assert_eq!(outcomes(&signed, None, &further).unwrap(), [Outcome::Good, Outcome::Good]);
    keys.openssl(&["crl2pkcs7", "-nocrl", "-certfile", "rsa.pem", "-outform", "DER", "-out", "certificates"]);
    let only = keys.read("certificates");
    assert!(outcomes(&only, None, &[]).unwrap().is_empty());
    assert!(matches!(outline(&only[..]).unwrap(), Outline::Signed { content: false, signers: false }));
}

#[test]
fn openssl_verifies_what_we_sign() {
    let keys = Keys::new();
    let plain = content(150_000);
    keys.write("plain", &plain);
    let variants = [
        ("rsa", SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha256, "sha256"),
        ("rsa", SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha512, "sha512"),
        ("p256", SignatureScheme::Ecdsa, DigestAlgorithm::Sha256, "sha256"),
        ("p384", SignatureScheme::Ecdsa, DigestAlgorithm::Sha384, "sha384"),
    ];
    for (name, scheme, digest, hash_name) in variants {
        let certificate = keys.certificate(name);
        signed_write::check_certificate(&certificate, scheme).unwrap();
        let content_digest = hash::digest(digest, &plain);
        let time = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let attributes = signed_write::signed_attributes(&content_digest, time, &certificate).unwrap();
        let made = keys.sign(name, &hash::digest(digest, &attributes), hash_name);
        let chain = [keys.certificate("p521")];
        let signature = Signature {
            digest,
            scheme,
            certificate: &certificate,
            chain: &chain,
            attributes: &attributes,
            signature: &made,
        };
        signature.check().unwrap();
        assert!(matches!(Signature { signature: b"wrong", ..signature }.check(), Err(Error::Crypto(_))));

        let trusted = format!("{name}.pem");
        let verify = [
            "cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-CAfile", &trusted, "-out",
            "out",
        ];
        let verify = [&verify[..], &["-purpose", "any"]].concat();
        keys.write("signed", &signature.detached().unwrap());
        keys.openssl(&[&verify[..], &["-content", "plain"]].concat());
        assert_eq!(outcomes(&keys.read("signed"), Some(&plain), &[]).unwrap(), [Outcome::Good]);
        for length in [None, Some(plain.len() as u64)] {
            let mut writer = signature.opaque(length, Vec::new()).unwrap();
            writer.write_all(&plain).unwrap();
            let (signed, digests) = writer.finish().unwrap();
            assert_eq!(digests.of(digest).unwrap(), content_digest);
            keys.write("signed", &signed);
            keys.openssl(&verify);
            assert!(keys.read("out") == plain);
            assert_eq!(outcomes(&signed, None, &[]).unwrap(), [Outcome::Good], "{name} {length:?}");
            damage(&signed);
        }
        let read = signed_read::read(&signature.detached().unwrap()[..], &mut std::io::sink()).unwrap();
        let signer = &signed_verify::verify(&read, &hash::Digests::default(), &[])[0];
        assert_eq!(
            (signer.signing_time, signer.scheme, signer.digest),
            (Some(time), Some(scheme), Some(digest))
        );
        assert!(signer.capabilities.is_some());
        assert_eq!(read.certificates.len(), 2);
    }
}

/// Cut anywhere it is no message; with a bent bit it is never a good one with other content.
fn damage(signed: &[u8]) {
    for part in 0..16 {
        assert!(outcomes(&signed[..signed.len() * part / 16], None, &[]).is_err(), "cut at {part}/16");
    }
    for at in (0..signed.len()).step_by(4999) {
        let mut bent = signed.to_vec();
        bent[at] ^= 0x10;
        let mut content = Vec::new();
        if let Ok(read) = signed_read::read(&bent[..], &mut content) {
            let good = signed_verify::verify(&read, &read.digests, &[])
                .iter()
                .any(|one| one.outcome == Outcome::Good);
            assert!(!good || content == self::content(150_000), "bit at {at}");
        }
    }
}

#[test]
fn after_2049_the_time_is_generalized() {
    let time = |seconds| {
        let attributes =
            signed_write::signed_attributes(&[0; 32], UNIX_EPOCH + Duration::from_secs(seconds), b"c")
                .unwrap();
        (
            memchr::memmem::find(&attributes, b"\x17\x0d491231235959Z").is_some(),
            memchr::memmem::find(&attributes, b"\x18\x0f20500101000000Z").is_some(),
        )
    };
    assert_eq!(time(2_524_607_999), (true, false));
    assert_eq!(time(2_524_608_000), (false, true));
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

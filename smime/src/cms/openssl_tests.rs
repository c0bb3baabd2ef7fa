//! Both ways with `openssl cms`, and what damage does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use zeroize::Zeroizing;

use super::enveloped_read::{self, ContentKey, Header, Proved};
use super::enveloped_write::{Recipients, Writer};
use super::outline::{Outline, outline};
use super::signed_write::{self, Signature};
use super::test_keys::Keys;
use super::{signed_read, signed_verify};
use crate::algorithm::{CertificateIdentifier, ContentCipher, DigestAlgorithm, SignatureScheme};
use crate::crypto::hash;
use crate::decrypt::RecipientId;
use crate::encrypt::Style;
use crate::error::{Error, Result};
use crate::verify::Outcome;

pub(super) fn content(length: usize) -> Vec<u8> {
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

pub(super) fn open_with(keys: &Keys, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
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

pub(super) fn seal(
    keys: &Keys,
    names: &[&str],
    cipher: ContentCipher,
    plain: &[u8],
    length: Option<u64>,
) -> Vec<u8> {
    let certificates: Vec<_> = names.iter().map(|name| keys.certificate(name)).collect();
    let recipients = Recipients::new(&certificates, Style::default()).unwrap();
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
fn unfit_recipients_are_named() {
    let keys = Keys::new();
    assert!(matches!(Recipients::new(&[], Style::default()), Err(Error::Certificate { .. })));
    let garbage = Recipients::new(&[keys.certificate("rsa"), vec![1, 2, 3]], Style::default());
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
    let signs = Recipients::new(&[keys.certificate("s")], Style::default());
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
    assert!(matches!(header.cipher(), Err(Error::UnsupportedAlgorithm(name)) if name == "Camellia-128"));
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
    let ids: Vec<_> = header.recipients.iter().map(|one| one.id.clone()).collect();
    assert!(ids.contains(&RecipientId::Password) && ids.contains(&RecipientId::KeyEncryptionKey(vec![1])));
    assert!(ids.len() == 2 && header.recipients.iter().all(|one| one.request.is_none()));
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
        let attributes = signed_write::signed_attributes(&content_digest, time, &certificate, None).unwrap();
        let made = keys.sign(name, &hash::digest(digest, &attributes), hash_name);
        let certificates = [certificate.clone(), keys.certificate("p521")];
        let signature = Signature {
            digest,
            scheme,
            certificate: &certificate,
            identifier: CertificateIdentifier::IssuerAndSerial,
            certificates: &certificates,
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
            let signed = writer.finish().unwrap();
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
    let certificate = Keys::new().certificate("p256");
    let time = |seconds| {
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        let attributes = signed_write::signed_attributes(&[0; 32], time, &certificate, None).unwrap();
        (
            memchr::memmem::find(&attributes, b"\x17\x0d491231235959Z").is_some(),
            memchr::memmem::find(&attributes, b"\x18\x0f20500101000000Z").is_some(),
        )
    };
    assert_eq!(time(2_524_607_999), (true, false));
    assert_eq!(time(2_524_608_000), (false, true));
}

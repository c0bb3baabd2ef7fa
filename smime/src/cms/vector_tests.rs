//! Messages and damage that other projects collected. `WAFER_VECTORS` names the folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it was left out"
)]

use std::io::Write;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;
use std::{env, fs};

use zeroize::Zeroizing;

use super::enveloped_read::{self, Proved};
use super::enveloped_write::{Recipients, Writer};
use super::openssl_tests::{decrypt, index, outcomes};
use super::outline::outline;
use super::signed_write::{self, Signature};
use super::test_keys::Keys;
use super::{signed_read, signed_verify};
use crate::algorithm::{ContentCipher, DigestAlgorithm, SignatureScheme};
use crate::crypto::hash;
use crate::error::Error;
use crate::verify::Outcome;

fn vectors(name: &str) -> Option<PathBuf> {
    let Some(root) = env::var_os("WAFER_VECTORS") else {
        assert!(env::var_os("CI").is_none(), "WAFER_VECTORS must be set where all tests must run");
        println!("left out: WAFER_VECTORS is not set");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

#[test]
fn openssl_fuzz_inputs_do_no_harm() {
    let Some(folder) = vectors("openssl-fuzz-cms") else { return };
    let mut files = 0;
    for part in ["cms", "smime"] {
        for file in fs::read_dir(folder.join(part)).unwrap() {
            try_everything(&fs::read(file.unwrap().path()).unwrap());
            files += 1;
        }
    }
    assert!(files > 500, "only {files} inputs were found");
}

/// Reads `bytes` in every way; whatever comes out is fine.
pub(super) fn try_everything(bytes: &[u8]) {
    let _ = outline(bytes);
    if let Ok(signed) = signed_read::read(bytes, &mut std::io::sink()) {
        signed_verify::verify(&signed, &signed.digests, &[]);
        signed_verify::digests_needed(&signed);
    }
    let Ok((header, _)) = enveloped_read::open(bytes) else { return };
    for index in 0..header.recipients.len().min(4) {
        for secret in [vec![0; 16], vec![0; 32]] {
            let Ok(key) = header.content_key(index, &Zeroizing::new(secret)) else { continue };
            let (_, body) = enveloped_read::open(bytes).unwrap();
            if let Ok(Proved::Again(hint)) = body.prove(&header, &key, None) {
                let _ = enveloped_read::open(bytes).unwrap().1.prove(&header, &key, Some(&hint));
            }
        }
    }
}

/// What NSS keeps to test itself against OpenSSL: OAEP hashes and labels, ECDH with every KDF hash and key wrap.
#[test]
fn nss_interoperation_messages_open() {
    let Some(folder) = vectors("nss-interop") else { return };
    let keys = Keys::new();
    for name in ["Fran", "Fran-ec"] {
        keys.write("p12", &fs::read(folder.join(format!("{name}.p12"))).unwrap());
        let out = format!("{name}.key");
        keys.openssl(&[
            "pkcs12", "-legacy", "-in", "p12", "-passin", "pass:nss", "-nodes", "-nocerts", "-out", &out,
        ]);
    }
    let mut files = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "env") {
            continue;
        }
        files += 1;
        let name = if path.display().to_string().contains("fran-ec") { "Fran-ec" } else { "Fran" };
        let sealed = fs::read(&path).unwrap();
        let (header, _) = enveloped_read::open(&sealed[..]).unwrap();
        let secret = keys.answer(name, header.recipients[0].request.as_ref().unwrap());
        match decrypt(&sealed, |header| header.content_key(0, &secret)) {
            Ok(plain) => assert!(plain.starts_with(b"This is a test message to Fran."), "{}", path.display()),
            // Triple DES is named, not read; that OAEP gave its key shows that the parameters were read rightly.
            Err(Error::UnsupportedAlgorithm(oid)) => {
                assert_eq!((&oid[..], secret.len()), ("1.2.840.113549.3.7", 24))
            }
            Err(other) => panic!("{}: {other}", path.display()),
        }
    }
    assert!(files > 5);
}

/// The people of RFC 9216: Alice and Bob have RSA, Carlos and Dana Ed25519 and X25519.
#[test]
fn rfc9216_people_sign_and_read() {
    let Some(folder) = vectors("rfc9216") else { return };
    let keys = Keys::new();
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().replace(".crt", ".pem");
        keys.write(&name, &fs::read(&path).unwrap());
    }
    let people = ["alice", "bob", "carlos", "dana"];
    let certificates: Vec<_> =
        people.iter().map(|name| keys.certificate(&format!("{name}.encrypt"))).collect();
    let mut writer =
        Writer::new(ContentCipher::Aes256Gcm, &Recipients::new(&certificates).unwrap(), None, Vec::new())
            .unwrap();
    writer.write_all(b"Hello").unwrap();
    let sealed = writer.finish().unwrap();
    for (name, certificate) in people.iter().zip(&certificates) {
        let plain = decrypt(&sealed, |header| {
            let index = index(header, certificate);
            let request = header.recipients[index].request.clone().unwrap();
            header.content_key(index, &keys.answer(&format!("{name}.decrypt"), &request))
        });
        assert_eq!(plain.unwrap(), b"Hello", "{name}");
        signs(&keys, name);
    }
}

fn signs(keys: &Keys, name: &str) {
    let (digest, scheme) = match name {
        "alice" | "bob" => (DigestAlgorithm::Sha256, SignatureScheme::RsaPkcs1),
        _ => (DigestAlgorithm::Sha512, SignatureScheme::Ed25519),
    };
    let certificate = keys.certificate(&format!("{name}.sign"));
    signed_write::check_certificate(&certificate, scheme).unwrap();
    let attributes =
        signed_write::signed_attributes(&hash::digest(digest, b"Hello"), UNIX_EPOCH, &certificate).unwrap();
    let made = if scheme == SignatureScheme::Ed25519 {
        keys.write("message", &attributes);
        let key = format!("{name}.sign.key");
        keys.openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", "message"])
    } else {
        keys.sign(&format!("{name}.sign"), &hash::digest(digest, &attributes), "sha256")
    };
    let signature = Signature {
        digest,
        scheme,
        certificate: &certificate,
        chain: &[],
        attributes: &attributes,
        signature: &made,
    };
    signature.check().unwrap();
    let signed = signature.detached().unwrap();
    assert_eq!(outcomes(&signed, Some(b"Hello"), &[]).unwrap(), [Outcome::Good], "{name}");
    assert_eq!(outcomes(&signed, Some(b"hello"), &[]).unwrap(), [Outcome::DigestMismatch], "{name}");
}

/// Bouncy Castle's PSS signatures, in the salt lengths and hashes it writes.
#[test]
fn bouncy_castle_pss_verifies() {
    let Some(folder) = vectors("bouncycastle") else { return };
    let data = fs::read(folder.join("cms/PSSSignData.data")).unwrap();
    for name in ["SHA1", "SHA1Enc", "SHA256", "SHA512", "SHA512Enc"] {
        let signed = fs::read(folder.join(format!("cms/PSSSignData{name}.sig"))).unwrap();
        let detached = (!name.ends_with("Enc")).then_some(&data[..]);
        assert_eq!(outcomes(&signed, detached, &[]).unwrap(), [Outcome::Good], "{name}");
    }
}

/// OpenSSL's own regressions: attributes that must be there, and what once made it crash.
#[test]
fn openssl_regressions() {
    let Some(folder) = vectors("openssl-cms/80-test_cms_data") else { return };
    for name in ["no_ct_attr.cms", "no_md_attr.cms"] {
        let signed = fs::read(folder.join(name)).unwrap();
        let found = outcomes(&signed, None, &[]).unwrap();
        assert!(
            matches!(&found[..], [Outcome::Malformed(why)] if why.contains("lacks a")),
            "{name}: {found:?}"
        );
    }
    for name in ["dh-malformed.der", "ecdh-malformed.der", "rsa-malformed.der"] {
        try_everything(&fs::read(folder.join(name)).unwrap());
    }
}

//! The primitives as we call them, against Project Wycheproof's cases. `WAFER_VECTORS` names the folder.
//!
//! What a token does (RSA decryption, the agreement with a private key) is not ours to test here; of those, the public
//! half is: which points are refused, and that what we encrypt is what it decrypts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use serde_json::Value;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;

use crate::algorithm::{ContentCipher, DigestAlgorithm};
use crate::cms::vector_tests::vectors;
use crate::crypto::cipher::{Cipher, Direction, OUTPUT};
use crate::crypto::ffi::{uncompressed, unwrap_key, wrap_key};
use crate::crypto::kdf::Kdf;
use crate::crypto::signature::{self, Check, Verdict};
use crate::crypto::{ecdh, hash, rsa};

/// Cases that we answer otherwise than the file says.
struct Exception {
    file: &'static str,
    group: fn(&Value) -> bool,
    #[expect(dead_code, reason = "for who reads this")]
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[Exception {
    file: "aes_gcm_test",
    group: |group| group["ivSize"].as_u64().unwrap() > 512,
    reason: "nonces of more than 64 bytes: CMS has 12 (RFC 5084), and a message may not ask for just any",
}];

/// Runs every case of `file`; `good` says whether we accept it. Answers how many were run.
fn run(file: &str, good: impl Fn(&Value, &Value) -> bool) -> usize {
    let Some(folder) = vectors("wycheproof/testvectors_v1") else { return 0 };
    let text = fs::read(folder.join(format!("{file}.json"))).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let mut count = 0;
    for group in all["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            count += 1;
            let expected = match case["result"].as_str().unwrap() {
                "valid" => true,
                "invalid" => false,
                _ => {
                    good(group, case); // either answer will do, a panic will not
                    continue;
                }
            };
            let excepted = EXCEPTIONS.iter().any(|known| known.file == file && (known.group)(group));
            assert_eq!(
                good(group, case),
                expected != excepted,
                "{file} {}: {}",
                case["tcId"],
                case["comment"]
            );
        }
    }
    assert!(count > 0, "{file} is empty");
    count
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn digest(name: &Value) -> DigestAlgorithm {
    let name = name.as_str().unwrap();
    DigestAlgorithm::ALL.into_iter().find(|known| known.name() == name).unwrap()
}

fn verifies(group: &Value, case: &Value, check: Check) -> bool {
    let spki = hex(&group["publicKeyDer"]);
    let spki = SubjectPublicKeyInfoRef::from_der(&spki).unwrap();
    let algorithm = digest(&group["sha"]);
    let digest = hash::digest(algorithm, &hex(&case["msg"]));
    signature::verify(&spki, check, algorithm, &digest, &hex(&case["sig"])) == Verdict::Good
}

#[test]
fn ecdsa() {
    for file in ["secp256r1_sha256", "secp256r1_sha512", "secp384r1_sha256", "secp521r1_sha512"] {
        run(&format!("ecdsa_{file}_test"), |group, case| verifies(group, case, Check::Ecdsa));
    }
}

#[test]
fn rsa_pkcs1_signatures() {
    for file in ["2048_sha256", "2048_sha512", "4096_sha256", "4096_sha512"] {
        run(&format!("rsa_signature_{file}_test"), |group, case| verifies(group, case, Check::RsaPkcs1));
    }
}

#[test]
fn rsa_pss_signatures() {
    let Some(folder) = vectors("wycheproof/testvectors_v1") else { return };
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".json").filter(|name| name.starts_with("rsa_pss_")) else {
            continue;
        };
        files += 1;
        run(name, |group, case| {
            let salt = u16::try_from(group["sLen"].as_u64().unwrap()).unwrap();
            verifies(group, case, Check::RsaPss { mgf: digest(&group["mgfSha"]), salt })
        });
    }
    assert!(files > 10);
}

#[test]
fn ed25519() {
    run("ed25519_test", |group, case| {
        let spki = hex(&group["publicKeyDer"]);
        let spki = SubjectPublicKeyInfoRef::from_der(&spki).unwrap();
        signature::verify_ed25519(&spki, &hex(&case["msg"]), &hex(&case["sig"])) == Verdict::Good
    });
}

/// The originator's and recipient's public points: what is on no curve of ours is refused.
#[test]
fn points_of_the_nist_curves() {
    for (file, curve) in
        [("secp256r1", ecdh::Curve::P256), ("secp384r1", ecdh::Curve::P384), ("secp521r1", ecdh::Curve::P521)]
    {
        run(&format!("ecdh_{file}_test"), |_, case| {
            let spki = hex(&case["public"]);
            let Ok(spki) = SubjectPublicKeyInfoRef::from_der(&spki) else { return false };
            let named = spki.algorithm.parameters.and_then(|any| any.decode_as().ok());
            if named != Some(curve.oid()) {
                return false; // certificates with another curve never come this far
            }
            uncompressed(spki.subject_public_key.raw_bytes())
                .is_some_and(|point| ecdh::agree(curve, &point).is_ok())
        });
    }
}

#[test]
fn x25519_points() {
    run("x25519_test", |_, case| ecdh::agree(ecdh::Curve::X25519, &hex(&case["public"])).is_ok());
}

#[test]
fn aes_cbc() {
    run("aes_cbc_pkcs5_test", |group, case| {
        let cipher = match group["keySize"].as_u64().unwrap() {
            128 => ContentCipher::Aes128Cbc,
            192 => ContentCipher::Aes192Cbc,
            _ => ContentCipher::Aes256Cbc,
        };
        decrypts(cipher, case, None)
    });
}

#[test]
fn aes_gcm() {
    run("aes_gcm_test", |group, case| {
        let cipher = match group["keySize"].as_u64().unwrap() {
            128 => ContentCipher::Aes128Gcm,
            192 => ContentCipher::Aes192Gcm,
            _ => ContentCipher::Aes256Gcm,
        };
        decrypts(cipher, case, Some(hex(&case["tag"])))
    });
}

/// Decrypts the case in pieces, as a stream comes.
fn decrypts(cipher: ContentCipher, case: &Value, tag: Option<Vec<u8>>) -> bool {
    let Ok(mut run) = Cipher::new(cipher, Direction::Decrypt, &hex(&case["key"]), &hex(&case["iv"])) else {
        return false;
    };
    let mut output = [0; OUTPUT];
    let mut plain = Vec::new();
    if let Some(data) = case.get("aad") {
        run.authenticate(&hex(data)).unwrap();
    }
    for piece in hex(&case["ct"]).chunks(7) {
        let length = run.update(piece, &mut output).unwrap();
        plain.extend_from_slice(&output[..length]);
    }
    if tag.is_some_and(|tag| run.expect_tag(&tag).is_err()) {
        return false;
    }
    let Ok(length) = run.finish(&mut output) else { return false };
    plain.extend_from_slice(&output[..length]);
    plain == hex(&case["msg"])
}

#[test]
fn aes_key_wrap() {
    run("aes_wrap_test", |_, case| {
        let (kek, key, wrapped) = (hex(&case["key"]), hex(&case["msg"]), hex(&case["ct"]));
        let opened = unwrap_key(&kek, &wrapped).is_ok_and(|opened| *opened == key);
        opened && wrap_key(&kek, &key).is_ok_and(|made| made == wrapped)
    });
}

/// RFC 8418 uses HKDF without a salt only.
#[test]
fn hkdf_without_salt() {
    let mut used = std::cell::Cell::new(0);
    for (file, kdf) in [("hkdf_sha256_test", Kdf::HkdfSha256), ("hkdf_sha512_test", Kdf::HkdfSha512)] {
        run(file, |_, case| {
            if !hex(&case["salt"]).is_empty() {
                return case["result"] == "valid";
            }
            used.set(used.get() + 1);
            let length = usize::try_from(case["size"].as_u64().unwrap()).unwrap();
            let made = kdf.derive(&hex(&case["ikm"]), &hex(&case["info"]), length);
            made.is_ok_and(|made| case["result"] == "valid" && *made == hex(&case["okm"]))
        });
    }
    assert!(*used.get_mut() > 10 || vectors("wycheproof").is_none());
}

/// Every valid OAEP plaintext of ours to the file's key comes back.
#[test]
fn oaep_comes_back() {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::{self as provider, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    for (name, how) in [
        ("sha1", &provider::OAEP_SHA1_MGF1SHA1),
        ("sha256", &provider::OAEP_SHA256_MGF1SHA256),
        ("sha512", &provider::OAEP_SHA512_MGF1SHA512),
    ] {
        run(&format!("rsa_oaep_2048_{name}_mgf1{name}_test"), |group, case| {
            let key = PrivateDecryptingKey::from_pkcs8(&hex(&group["privateKeyPkcs8"])).unwrap();
            let spki = key.public_key().as_der().unwrap();
            let plain = hex(&case["msg"]);
            let Ok(sealed) = rsa::encrypt_oaep(spki.as_ref(), digest(&group["sha"]), &plain) else {
                return false;
            };
            let key = OaepPrivateDecryptingKey::new(key).unwrap();
            let mut room = vec![0; key.min_output_size()];
            let opened = key.decrypt(how, &sealed, &mut room, None).unwrap();
            // The file's invalid cases are broken ciphertexts, which we do not make.
            opened == plain && case["result"] != "invalid"
        });
    }
}

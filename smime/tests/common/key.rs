//! What a token's private key does, done by the openssl command with the file `key.pem`.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use wafer_smime::algorithm::{DigestAlgorithm, SignatureScheme};
use wafer_smime::{decrypt, sign};
use zeroize::Zeroizing;

use super::{openssl, run, words};

/// A signature; ECDSA's is DER.
pub(crate) fn sign(dir: &Path, request: &sign::Request) -> Vec<u8> {
    let digest = digest_name(request.digest_algorithm);
    let (input, how) = match request.scheme {
        SignatureScheme::RsaPkcs1 => {
            (&request.digest, format!("-pkeyopt rsa_padding_mode:pkcs1 -pkeyopt digest:{digest}"))
        }
        SignatureScheme::RsaPss => (
            &request.digest,
            format!("-pkeyopt digest:{digest} -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest"),
        ),
        SignatureScheme::Ed25519 => (&request.message, "-rawin".to_owned()),
        _ => (&request.digest, format!("-pkeyopt digest:{digest}")),
    };
    let input = scratch(dir, input);
    openssl(dir, &words(&format!("pkeyutl -sign -inkey key.pem -in {input} {how}")))
}

/// A content key, or a shared secret.
pub(crate) fn unwrap(dir: &Path, request: &decrypt::Request) -> Zeroizing<Vec<u8>> {
    let arguments = match request {
        decrypt::Request::RsaPkcs1 { encrypted_key, .. } => {
            let input = scratch(dir, encrypted_key);
            format!("-decrypt -in {input} -pkeyopt rsa_padding_mode:pkcs1")
        }
        decrypt::Request::RsaOaep { encrypted_key, hash, mgf_hash, label, .. } => {
            let input = scratch(dir, encrypted_key);
            let label: String = label.iter().map(|octet| format!("{octet:02x}")).collect();
            let label = if label.is_empty() { label } else { format!("-pkeyopt rsa_oaep_label:{label}") };
            format!(
                "-decrypt -in {input} -pkeyopt rsa_padding_mode:oaep {label} -pkeyopt rsa_oaep_md:{} \
                 -pkeyopt rsa_mgf1_md:{}",
                digest_name(*hash),
                digest_name(*mgf_hash)
            )
        }
        decrypt::Request::Ecdh { peer_point } => {
            format!("-derive -peerkey {} -peerform DER", scratch(dir, &public_key(peer_point)))
        }
    };
    let output = run("openssl", dir, &words(&format!("pkeyutl -inkey key.pem {arguments}")));
    // RFC 3218: a wrong padding is answered with a key that does not fit, and so is all else that fails.
    Zeroizing::new(match (output.status.success(), request) {
        (true, _) => output.stdout,
        (false, decrypt::Request::RsaPkcs1 { key_length, .. }) => vec![0x5a; *key_length],
        (false, _) => Vec::new(),
    })
}

/// Writes a file that no other test writes; answers its name.
fn scratch(dir: &Path, bytes: &[u8]) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("scratch{}", NEXT.fetch_add(1, Ordering::Relaxed));
    fs::write(dir.join(&name), bytes).unwrap();
    name
}

fn digest_name(digest: DigestAlgorithm) -> String {
    match digest {
        DigestAlgorithm::Sha3_256 | DigestAlgorithm::Sha3_384 | DigestAlgorithm::Sha3_512 => {
            digest.name().to_ascii_lowercase()
        }
        _ => digest.name().replace('-', "").to_ascii_lowercase(),
    }
}

/// SubjectPublicKeyInfo of a point (RFC 5480), or of X25519's 32 bytes (RFC 8410).
fn public_key(point: &[u8]) -> Vec<u8> {
    let curve: &[u8] = match point.len() {
        32 => {
            let bits = tlv(3, &[&[0], point].concat());
            return tlv(0x30, &[tlv(0x30, &[6, 3, 0x2b, 0x65, 0x6e]), bits].concat());
        }
        65 => &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        97 => &[6, 5, 0x2b, 0x81, 4, 0, 0x22],
        133 => &[6, 5, 0x2b, 0x81, 4, 0, 0x23],
        other => panic!("a point of {other} bytes"),
    };
    let algorithm = tlv(0x30, &[&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], curve].concat());
    let bits = tlv(3, &[&[0], point].concat());
    tlv(0x30, &[algorithm, bits].concat())
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head, value.to_vec()].concat()
}

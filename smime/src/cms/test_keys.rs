//! Software keys for tests, made and used by the `openssl` command: a foreign judge of what we write.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use zeroize::Zeroizing;

use crate::decrypt::Request;

/// A folder with keys and certificates, gone when dropped.
pub(super) struct Keys(tempfile::TempDir);

impl Keys {
    /// Makes self-signed certificates: `rsa`, `p256`, `p384`, `p521`.
    pub(super) fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        for (name, algorithm) in
            [("rsa", "rsa:2048"), ("p256", "P-256"), ("p384", "P-384"), ("p521", "P-521")]
        {
            let kind = match name {
                "rsa" => vec!["-newkey", algorithm],
                _ => vec!["-newkey", "ec", "-pkeyopt"],
            };
            let curve = format!("ec_paramgen_curve:{algorithm}");
            let mut arguments = vec!["req", "-x509", "-nodes", "-days", "30"];
            arguments.extend(kind);
            if name != "rsa" {
                arguments.push(&curve);
            }
            let (key, cert, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
            arguments.extend(["-keyout", &key, "-out", &cert, "-subj", &subject]);
            keys.openssl(&arguments);
        }
        keys
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The DER of certificate `name`.
    pub(super) fn certificate(&self, name: &str) -> Vec<u8> {
        self.openssl(&["x509", "-in", &format!("{name}.pem"), "-outform", "DER", "-out", "one.der"]);
        self.read("one.der")
    }

    /// Runs openssl in the folder; it must succeed.
    pub(super) fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        let (good, stdout, stderr) = self.try_openssl(arguments);
        assert!(good, "openssl {arguments:?}: {stderr}");
        stdout
    }

    pub(super) fn try_openssl(&self, arguments: &[&str]) -> (bool, Vec<u8>, String) {
        run(self.0.path(), arguments)
    }

    /// What a token would answer to `request` with key `name`.
    pub(super) fn answer(&self, name: &str, request: &Request) -> Zeroizing<Vec<u8>> {
        answer(self.0.path(), &format!("{name}.key"), request)
    }

    /// What a token would sign.
    pub(super) fn sign(&self, name: &str, digest: &[u8], hash: &str) -> Vec<u8> {
        self.write("digest", digest);
        let key = format!("{name}.key");
        let hash = format!("digest:{hash}");
        self.openssl(&[
            "pkeyutl",
            "-sign",
            "-inkey",
            &key,
            "-in",
            "digest",
            "-pkeyopt",
            &hash,
            "-out",
            "signature",
        ]);
        self.read("signature")
    }
}

/// As [`Keys::answer`], in any folder, which must be writable.
pub(super) fn answer(folder: &Path, key: &str, request: &Request) -> Zeroizing<Vec<u8>> {
    let input = folder.join("request");
    let (mode, options) = match request {
        Request::RsaPkcs1 { encrypted_key, .. } => {
            fs::write(&input, encrypted_key).unwrap();
            ("-decrypt", vec!["rsa_padding_mode:pkcs1".to_owned()])
        }
        Request::RsaOaep { encrypted_key, hash, mgf_hash, label, .. } => {
            fs::write(&input, encrypted_key).unwrap();
            let name = |hash: crate::algorithm::DigestAlgorithm| hash.name().replace('-', "");
            (
                "-decrypt",
                vec![
                    "rsa_padding_mode:oaep".to_owned(),
                    format!(
                        "rsa_oaep_label:{}",
                        label.iter().map(|octet| format!("{octet:02x}")).collect::<String>()
                    ),
                    format!("rsa_oaep_md:{}", name(*hash)),
                    format!("rsa_mgf1_md:{}", name(*mgf_hash)),
                ],
            )
        }
        Request::Ecdh { peer_point } => {
            fs::write(&input, public_key(peer_point)).unwrap();
            ("-derive", vec![])
        }
    };
    let mut arguments = vec!["pkeyutl", mode, "-inkey", key, "-out", "answer"];
    let peer = mode == "-derive";
    arguments.extend(if peer {
        ["-peerform", "DER", "-peerkey", "request"].iter()
    } else {
        ["-in", "request"].iter()
    });
    for option in &options {
        arguments.extend(["-pkeyopt", option]);
    }
    let (good, _, stderr) = run(folder, &arguments);
    assert!(good, "{stderr}");
    Zeroizing::new(fs::read(folder.join("answer")).unwrap())
}

fn run(folder: &Path, arguments: &[&str]) -> (bool, Vec<u8>, String) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// SubjectPublicKeyInfo of a bare point.
fn public_key(point: &[u8]) -> Vec<u8> {
    use crate::asn1::{der, oid};
    let algorithm = match point.len() {
        32 => der::algorithm(&oid::X25519, &[]),
        65 => der::algorithm(&oid::EC_PUBLIC_KEY, &der::oid(&oid::P256)),
        97 => der::algorithm(&oid::EC_PUBLIC_KEY, &der::oid(&oid::P384)),
        _ => der::algorithm(&oid::EC_PUBLIC_KEY, &der::oid(&oid::P521)),
    };
    der::sequence(&[&algorithm, &der::element(0x03, &[&[0], point])])
}

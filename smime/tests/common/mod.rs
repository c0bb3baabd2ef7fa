//! What the tests share: people with software keys, made by the openssl command, and
//! short ways through the engine's use cases.
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub(crate) mod key;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wafer_smime::algorithm::{Armor, Container, ContentCipher, DigestAlgorithm, SignatureScheme};
use wafer_smime::error::Result;
use wafer_smime::read::{Next, Reading, Report};
use wafer_smime::{Error, decrypt, encrypt, sign, verify};
use zeroize::Zeroizing;

pub(crate) const MAIL: Container = Container::Mail;
pub(crate) const DER: Container = Container::Cms(Armor::Der);

/// A mail as a mail program would hand it in, with LF; no relay has a reason to change it.
pub(crate) const LETTER: &str = "From: Anna <anna@example.test>\n\
To: Bert <bert@example.test>\n\
Subject: a letter\n\
MIME-Version: 1.0\n\
Content-Type: text/plain; charset=utf-8\n\
Content-Transfer-Encoding: quoted-printable\n\
\n\
Dear Bert,\n\
--b1 is no boundary here, =C3=A4=C3=B6=C3=BC.\n\
\n\
.\n\
=46rom Anna\n";

/// The MIME entity in [`LETTER`], as it is sealed.
pub(crate) fn letter_entity() -> String {
    let (head, body) = LETTER.split_once("\n\n").unwrap();
    let fields: Vec<&str> = head.lines().filter(|line| line.starts_with("Content-")).collect();
    format!("{}\n\n{body}", fields.join("\n")).replace('\n', "\r\n")
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    X25519,
}

pub(crate) const KEYS: [Key; 3] = [Key::Rsa, Key::P256, Key::P384];

/// A person with a certificate from a throw-away CA and its private key, as files.
pub(crate) struct Person {
    pub(crate) dir: TempDir,
    pub(crate) certificate: Vec<u8>,
    pub(crate) scheme: SignatureScheme,
}

impl Person {
    pub(crate) fn new(key: Key) -> Self {
        Self::named(key, "anna")
    }

    /// `name` becomes common name and mail address.
    pub(crate) fn named(key: Key, name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let at = dir.path();
        let usage = match key {
            Key::Rsa => "digitalSignature,nonRepudiation,keyEncipherment",
            Key::P256 | Key::P384 | Key::P521 => "digitalSignature,nonRepudiation,keyAgreement",
            Key::Ed25519 => "digitalSignature,nonRepudiation",
            Key::X25519 => "keyAgreement",
        };
        let extensions = format!(
            "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
             subjectKeyIdentifier=hash\n\
             [user]\nbasicConstraints=critical,CA:FALSE\n\
             keyUsage=critical,{usage}\nextendedKeyUsage=emailProtection\n\
             subjectAltName=email:{name}@example.test\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        );
        fs::write(at.join("extensions"), extensions).unwrap();
        openssl(at, &words("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key"));
        openssl(at, &words("req -new -key ca.key -out ca.csr -subj /O=Test/CN=Root"));
        openssl(
            at,
            &words(
                "x509 -req -in ca.csr -signkey ca.key -days 3650 -extfile extensions -extensions ca -out ca.pem",
            ),
        );
        let generate = match key {
            Key::Rsa => "RSA -pkeyopt rsa_keygen_bits:2048",
            Key::P256 => "EC -pkeyopt ec_paramgen_curve:P-256",
            Key::P384 => "EC -pkeyopt ec_paramgen_curve:P-384",
            Key::P521 => "EC -pkeyopt ec_paramgen_curve:P-521",
            Key::Ed25519 => "ED25519",
            Key::X25519 => "X25519",
        };
        openssl(at, &words(&format!("genpkey -algorithm {generate} -out key.pem")));
        // An X25519 key cannot sign a request, so the authority is simply told the key.
        openssl(at, &words("pkey -in key.pem -pubout -out public.pem"));
        openssl(at, &words(&format!("req -new -key ca.key -out user.csr -subj /O=Test/CN={name}")));
        openssl(
            at,
            &words(
                "x509 -req -in user.csr -force_pubkey public.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
                 -days 1000 -extfile extensions -extensions user -out cert.pem",
            ),
        );
        let certificate = openssl(at, &words("x509 -in cert.pem -outform DER"));
        let scheme = match key {
            Key::Rsa => SignatureScheme::RsaPkcs1,
            Key::Ed25519 => SignatureScheme::Ed25519,
            _ => SignatureScheme::Ecdsa,
        };
        Self { dir, certificate, scheme }
    }

    /// A person whose RSA key and certificate are PEM files already.
    pub(crate) fn from_files(key: &Path, certificate: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        fs::copy(key, dir.path().join("key.pem")).unwrap();
        fs::copy(certificate, dir.path().join("cert.pem")).unwrap();
        let certificate = openssl(dir.path(), &words("x509 -in cert.pem -outform DER"));
        Self { dir, certificate, scheme: SignatureScheme::RsaPkcs1 }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs openssl in this person's folder; it must succeed. Answers its standard output.
    pub(crate) fn openssl(&self, arguments: &str) -> Vec<u8> {
        openssl(self.dir.path(), &words(arguments))
    }

    /// The private operation a token would do for a signature.
    pub(crate) fn private_sign(&self, request: &sign::Request) -> Vec<u8> {
        key::sign(self.dir.path(), request)
    }

    /// The private operation a token would do for a decryption.
    pub(crate) fn private_unwrap(&self, request: &decrypt::Request) -> Zeroizing<Vec<u8>> {
        key::unwrap(self.dir.path(), request)
    }

    pub(crate) fn sign_options(
        &self,
        container: Container,
        form: sign::Form,
        digest: DigestAlgorithm,
    ) -> sign::Options {
        sign::Options {
            container,
            form,
            digest,
            scheme: self.scheme,
            certificate: self.certificate.clone(),
            chain: vec![],
            signing_time: SystemTime::now() - Duration::from_secs(60),
            style: sign::Style::default(),
        }
    }

    pub(crate) fn sign(&self, message: &[u8], container: Container, form: sign::Form) -> Vec<u8> {
        self.sign_with(message, &self.sign_options(container, form, DigestAlgorithm::Sha256)).unwrap()
    }

    pub(crate) fn sign_with(&self, mut message: &[u8], options: &sign::Options) -> Result<Vec<u8>> {
        let prepared = sign::prepare(&mut message, options)?;
        let signature = self.private_sign(prepared.request());
        let mut out = Vec::new();
        prepared.write(&signature, &mut message, &mut out)?;
        Ok(out)
    }

    /// Decrypts with this person's key; `Error::Decryption` if no recipient is this person.
    pub(crate) fn decrypt(
        &self,
        mut message: &[u8],
        container: Container,
    ) -> Result<(decrypt::Opened, Vec<u8>)> {
        let sealed = decrypt::open(&mut message, container)?;
        let mine = sealed.recipients().iter().position(|one| one.id.matches(&self.certificate));
        let index = mine.ok_or(Error::Decryption)?;
        let recipient = &sealed.recipients()[index];
        let request = recipient
            .request
            .as_ref()
            .ok_or_else(|| Error::UnsupportedAlgorithm(recipient.algorithm.clone()))?;
        let mut out = Vec::new();
        let opened = sealed.decrypt(index, self.private_unwrap(request), &mut message, &mut out)?;
        assert_eq!(opened.length, out.len() as u64);
        Ok((opened, out))
    }
}

pub(crate) fn encrypt(
    message: &[u8],
    container: Container,
    cipher: ContentCipher,
    people: &[&Person],
) -> Vec<u8> {
    encrypt_with(message, &encrypt_options(container, cipher, people))
}

pub(crate) fn encrypt_with(mut message: &[u8], options: &encrypt::Options) -> Vec<u8> {
    let mut out = Vec::new();
    encrypt::encrypt(&mut message, options, &mut out).unwrap();
    out
}

pub(crate) fn encrypt_options(
    container: Container,
    cipher: ContentCipher,
    people: &[&Person],
) -> encrypt::Options {
    let recipients = people.iter().map(|person| person.certificate.clone()).collect();
    encrypt::Options { container, cipher, recipients, style: encrypt::Style::default() }
}

/// Reads all layers with these people's keys; answers the innermost entity too.
pub(crate) fn read(mut message: &[u8], people: &[&Person]) -> Result<(Report, Vec<u8>)> {
    let mut reading = Reading::new(vec![]);
    while reading.advance(&mut message)? == Next::Sealed {
        let sealed = reading.sealed().unwrap();
        let served = people.iter().find_map(|person| {
            let mine = sealed.recipients().iter().position(|one| one.id.matches(&person.certificate))?;
            Some((mine, person.private_unwrap(sealed.recipients()[mine].request.as_ref()?)))
        });
        let (index, secret) = served.ok_or(Error::Decryption)?;
        reading.unlock(index, secret, &mut message)?;
    }
    let report = reading.report().unwrap().clone();
    let mut out = Vec::new();
    assert_eq!(reading.write(&mut message, &mut out)?, report.length);
    Ok((report, out))
}

/// Verifies, and answers the signed content too.
pub(crate) fn verify(mut message: &[u8], container: Container) -> Result<(verify::Verified, Vec<u8>)> {
    let mut out = Vec::new();
    let attached = verify::Content::Attached;
    let verified = verify::verify(&mut message, attached, container, &[], Some(&mut out))?;
    assert_eq!(verified.content_length, out.len() as u64);
    // Whether or not somebody wants the content makes no difference.
    let attached = verify::Content::Attached;
    let again = verify::verify(&mut message, attached, container, &[], None)?;
    assert_eq!(outcomes(&again), outcomes(&verified));
    Ok((verified, out))
}

pub(crate) fn verify_detached(mut signature: &[u8], mut content: &[u8]) -> Result<verify::Verified> {
    let detached = verify::Content::Detached(&mut content);
    verify::verify(&mut signature, detached, DER, &[], None)
}

/// Bare CMS in any armor, or mail.
pub(crate) fn container(message: &[u8]) -> Container {
    let beginning = &message[..message.len().min(1000)];
    let armored = beginning.windows(10).any(|part| part == b"-----BEGIN");
    let base64 = message.starts_with(b"MI") && !message.starts_with(b"MIME");
    if armored || base64 || message.starts_with(&[0x30]) { DER } else { MAIL }
}

pub(crate) fn outcomes(verified: &verify::Verified) -> Vec<verify::Outcome> {
    verified.signers.iter().map(|signer| signer.outcome.clone()).collect()
}

/// Runs openssl; it must succeed.
pub(crate) fn openssl(dir: &Path, arguments: &[&str]) -> Vec<u8> {
    must("openssl", dir, arguments)
}

/// Runs a program; it must succeed. Answers its standard output.
pub(crate) fn must(program: &str, dir: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = run(program, dir, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {told}", arguments.join(" "));
    output.stdout
}

pub(crate) fn run(program: &str, dir: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Whether a program is there; where CI is set it must be.
pub(crate) fn has(program: &str) -> bool {
    let there =
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join(program).exists());
    assert!(there || std::env::var_os("CI").is_none(), "{program} is missing");
    if !there {
        eprintln!("skipped: {program} is missing");
    }
    there
}

/// Every file in `folder` and the folders in it.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

/// The folder of public test vectors; `None`, with a word about it, where there is none.
pub(crate) fn vectors(folder: &str) -> Option<PathBuf> {
    let found = std::env::var_os("WAFER_VECTORS").map(|root| PathBuf::from(root).join(folder));
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "WAFER_VECTORS is not set");
    if found.is_none() {
        eprintln!("skipped: WAFER_VECTORS is not set");
    }
    found
}

//! One cell of the matrix: an operation, who writes and who reads.

use std::time::SystemTime;

use wafer_smime::algorithm::{ContentCipher, DigestAlgorithm, KeyTransport, SignatureScheme};
use wafer_smime::sign::{Form, digest_for};
use wafer_smime::verify::Outcome;
use wafer_smime::{decrypt, encrypt, error};

use crate::common::{DER, Key, Person, outcomes, verify, verify_detached};
use crate::peer::Peer;

/// What is signed and encrypted: line ends of all kinds, and bytes that are no text.
pub(crate) const CONTENT: &[u8] = b"bare\nbytes\r\n\0\xff.";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Sign(Form),
    SignPss,
    Encrypt(ContentCipher),
    EncryptOaep,
}

pub(crate) const OPERATIONS: [Operation; 7] = [
    Operation::Sign(Form::Clear),
    Operation::Sign(Form::Opaque),
    Operation::SignPss,
    Operation::Encrypt(ContentCipher::Aes256Cbc),
    Operation::Encrypt(ContentCipher::Aes256Gcm),
    Operation::Encrypt(ContentCipher::ChaCha20Poly1305),
    Operation::EncryptOaep,
];

impl Operation {
    /// As `lacks.txt` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sign(Form::Clear) => "sign-clear",
            Self::Sign(Form::Opaque) => "sign-opaque",
            Self::SignPss => "sign-pss",
            Self::Encrypt(ContentCipher::ChaCha20Poly1305) => "encrypt-chacha",
            Self::Encrypt(cipher) if cipher.is_authenticated() => "encrypt-gcm",
            Self::Encrypt(_) => "encrypt-cbc",
            Self::EncryptOaep => "encrypt-oaep",
        }
    }
}

/// Who reads what the other wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// We write, the peer reads.
    Peer,
    /// The peer writes, we read.
    Ours,
}

impl Reading {
    /// As `lacks.txt` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Peer => "they-read",
            Self::Ours => "we-read",
        }
    }
}

/// What was tried and what came out.
pub(crate) struct Cell {
    pub(crate) peer: &'static str,
    pub(crate) key: Key,
    pub(crate) operation: Operation,
    pub(crate) reading: Reading,
    /// The reason if it does not work.
    pub(crate) outcome: Result<(), String>,
}

impl Cell {
    /// For whoever reads a failure.
    pub(crate) fn name(&self) -> String {
        let (operation, reading) = (self.operation.name(), self.reading.name());
        format!("{} {:?} {operation} {reading}", self.peer, self.key)
    }
}

/// PSS and OAEP are RSA's; an Ed25519 key only signs.
pub(crate) fn applies(key: Key, operation: Operation) -> bool {
    match operation {
        Operation::Sign(_) => true,
        Operation::SignPss | Operation::EncryptOaep => key == Key::Rsa,
        Operation::Encrypt(_) => key != Key::Ed25519,
    }
}

pub(crate) fn try_cell(
    person: &Person,
    peer: &dyn Peer,
    operation: Operation,
    reading: Reading,
) -> Result<(), String> {
    match (operation, reading) {
        (Operation::Sign(form), Reading::Peer) => peer.verify(&signed(person, form, false)?, form),
        (Operation::SignPss, Reading::Peer) => {
            peer.verify(&signed(person, Form::Opaque, true)?, Form::Opaque)
        }
        (Operation::Sign(form), Reading::Ours) => verified(&peer.sign(form, false)?, form, false),
        (Operation::SignPss, Reading::Ours) => verified(&peer.sign(Form::Opaque, true)?, Form::Opaque, true),
        (Operation::Encrypt(cipher), Reading::Peer) => same(&peer.decrypt(&sealed(person, cipher, false)?)?),
        (Operation::EncryptOaep, Reading::Peer) => {
            same(&peer.decrypt(&sealed(person, ContentCipher::Aes256Cbc, true)?)?)
        }
        (Operation::Encrypt(cipher), Reading::Ours) => {
            opened(person, &peer.encrypt(cipher, false)?, cipher, false)
        }
        (Operation::EncryptOaep, Reading::Ours) => {
            let cbc = ContentCipher::Aes256Cbc;
            opened(person, &peer.encrypt(cbc, true)?, cbc, true)
        }
    }
}

/// What the peer found inside must be what was put in.
pub(crate) fn same(content: &[u8]) -> Result<(), String> {
    if content == CONTENT { Ok(()) } else { Err(format!("another content: {}", content.escape_ascii())) }
}

fn signed(person: &Person, form: Form, pss: bool) -> Result<Vec<u8>, String> {
    let mut options = person.sign_options(DER, form, digest_for(&person.certificate));
    options.signing_time = SystemTime::now(); // not in front of the certificate's own time
    if pss {
        options.scheme = SignatureScheme::RsaPss;
    }
    person.sign_with(CONTENT, &options).map_err(ours)
}

fn verified(message: &[u8], form: Form, pss: bool) -> Result<(), String> {
    let verified = match form {
        Form::Clear => verify_detached(message, CONTENT).map_err(ours)?,
        Form::Opaque => {
            let (verified, content) = verify(message, DER).map_err(ours)?;
            same(&content)?;
            verified
        }
    };
    let scheme = verified.signers[0].scheme;
    if (scheme == Some(SignatureScheme::RsaPss)) != pss {
        return Err(format!("signed with {scheme:?}"));
    }
    let outcomes = outcomes(&verified);
    if outcomes == [Outcome::Good] { Ok(()) } else { Err(format!("wafer: {outcomes:?}")) }
}

fn sealed(person: &Person, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String> {
    let mut style = encrypt::Style::default();
    if oaep {
        style.key_transport = KeyTransport::RsaOaep(DigestAlgorithm::Sha256);
    }
    let recipients = vec![person.certificate.clone()];
    let options = encrypt::Options { container: DER, cipher, recipients, style };
    let mut out = Vec::new();
    encrypt::encrypt(&mut &*CONTENT, &options, &mut out).map_err(ours)?;
    Ok(out)
}

/// NSS takes another block cipher than it is asked for, but nobody takes an authenticated one for CBC.
fn opened(person: &Person, mut message: &[u8], cipher: ContentCipher, oaep: bool) -> Result<(), String> {
    let (opened, content) = person.decrypt(message, DER).map_err(ours)?;
    let sealed = decrypt::open(&mut message, DER).map_err(ours)?;
    let by_oaep = matches!(sealed.recipients()[0].request, Some(decrypt::Request::RsaOaep { .. }));
    if (opened.cipher.is_authenticated(), by_oaep) != (cipher.is_authenticated(), oaep) {
        return Err(format!("encrypted with {:?}, OAEP: {by_oaep}", opened.cipher));
    }
    same(&content)
}

fn ours(error: error::Error) -> String {
    format!("wafer: {error}")
}

//! What a program beside us can be asked for.

use std::path::Path;
use std::process::{Command, Output};

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;

use crate::common::{Person, run, words};

/// A program beside us that holds one person's key. All messages are bare CMS in DER or BER, over
/// [`crate::cell::CONTENT`], which stands in the person's folder as `content`. An error is what the peer said.
pub(crate) trait Peer {
    /// Verifies, and holds the content of an opaque message against ours.
    fn verify(&self, message: &[u8], form: Form) -> Result<(), String>;
    /// Signs; `pss` is RSASSA-PSS.
    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String>;
    /// Decrypts.
    fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, String>;
    /// Encrypts; `oaep` is RSAES-OAEP with SHA-256.
    fn encrypt(&self, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String>;
}

/// Runs a peer's program in the person's folder; its output, or what it said.
pub(crate) fn ask(program: &str, person: &Person, arguments: &str) -> Result<Vec<u8>, String> {
    ask_at(program, person.dir.path(), arguments)
}

pub(crate) fn ask_at(program: &str, dir: &Path, arguments: &str) -> Result<Vec<u8>, String> {
    said(program, run(program, dir, &words(arguments)))
}

/// What a program that has ended put out, or said instead.
pub(crate) fn said(program: &str, output: Output) -> Result<Vec<u8>, String> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said).lines().map(str::trim).collect::<Vec<_>>().join(" / ");
    Err(if said.is_empty() { format!("{program}: {}", output.status) } else { said })
}

/// The peer's version as its package has it; `-` if it is not there.
pub(crate) fn version(name: &str) -> String {
    let package = match name {
        "OpenSSL" => "openssl",
        "gpgsm" => "gpgsm",
        "NSS" => "libnss3-tools",
        "GnuTLS" => "gnutls-bin",
        "Bouncy Castle" => "libbcmail-java",
        _ => return crate::pyca::version(),
    };
    let asked = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output();
    let told = asked.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    if told.is_empty() { "-".to_owned() } else { told }
}

/// Why an operation is not even tried.
pub(crate) fn cannot<T>(what: &str) -> Result<T, String> {
    Err(format!("no such operation: {what}"))
}

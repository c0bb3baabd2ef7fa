//! The other side of each message: OpenSSL reads what we write and writes what we read.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::pki::{Identity, Somebody, intermediate, root};
use crate::programs::run;

/// `openssl cms -verify` of an S/MIME message against the test root: gives the content.
/// Fails where OpenSSL does.
pub fn verify(signed: &[u8]) -> Vec<u8> {
    try_verify(signed).unwrap_or_else(|error| panic!("openssl does not verify it: {error}"))
}

/// As [`verify`], with OpenSSL's complaint as an error.
pub fn try_verify(signed: &[u8]) -> Result<Vec<u8>, String> {
    let folder = Folder::with("in", signed);
    let mut command = folder.cms(&["-verify", "-in", "in", "-out", "out", "-purpose", "smimesign"]);
    let output = command.arg("-CAfile").arg(root()).output().unwrap();
    if output.status.success() { Ok(folder.read("out")) } else { Err(complaint(&output)) }
}

/// `openssl cms -verify` of a detached DER signature over `content`.
pub fn verify_detached(signature: &[u8], content: &[u8]) {
    let folder = Folder::with("in", signature);
    std::fs::write(folder.path("content"), content).unwrap();
    let arguments =
        ["-verify", "-binary", "-inform", "DER", "-in", "in", "-content", "content", "-out", "out"];
    run(folder.cms(&arguments).args(["-purpose", "smimesign"]).arg("-CAfile").arg(root()));
    assert_eq!(folder.read("out"), content);
}

/// `openssl cms -verify` of a DER signature with its content inside: gives the content.
pub fn verify_der(signature: &[u8]) -> Vec<u8> {
    let folder = Folder::with("in", signature);
    let arguments =
        ["-verify", "-binary", "-inform", "DER", "-in", "in", "-out", "out", "-purpose", "smimesign"];
    run(folder.cms(&arguments).arg("-CAfile").arg(root()));
    folder.read("out")
}

/// `openssl cms -decrypt` with a key in a file. `inform` is `SMIME` or `DER`.
pub fn decrypt(encrypted: &[u8], inform: &str, identity: Identity) -> Vec<u8> {
    let folder = Folder::with("in", encrypted);
    let mut command = folder.cms(&["-decrypt", "-binary", "-inform", inform, "-in", "in", "-out", "out"]);
    run(command.arg("-recip").arg(identity.certificate()).arg("-inkey").arg(identity.private_key()));
    folder.read("out")
}

/// The same of mail, which may fail: then what openssl says.
pub fn try_decrypt(encrypted: &[u8], identity: Identity) -> Result<Vec<u8>, String> {
    let folder = Folder::with("in", encrypted);
    let mut command = folder.cms(&["-decrypt", "-binary", "-inform", "SMIME", "-in", "in", "-out", "out"]);
    command.arg("-recip").arg(identity.certificate()).arg("-inkey").arg(identity.private_key());
    let output = command.output().unwrap();
    if output.status.success() { Ok(folder.read("out")) } else { Err(complaint(&output)) }
}

/// `openssl cms -encrypt` to `recipients`. `more` are further arguments (`-aes-256-gcm`, `-stream`).
pub fn encrypt(message: &[u8], outform: &str, recipients: &[impl Somebody], more: &[&str]) -> Vec<u8> {
    let folder = Folder::with("in", message);
    let mut command = folder.cms(&["-encrypt", "-binary", "-in", "in", "-out", "out", "-outform", outform]);
    run(command.args(more).args(recipients.iter().map(|recipient| recipient.certificate())));
    folder.read("out")
}

/// `openssl cms -encrypt` to one recipient; `more` may hold `-keyopt`, which belongs to the recipient before it.
pub fn encrypt_for(message: &[u8], recipient: impl Somebody, more: &[&str]) -> Vec<u8> {
    let folder = Folder::with("in", message);
    let mut command = folder.cms(&["-encrypt", "-binary", "-in", "in", "-out", "out"]);
    run(command.arg("-recip").arg(recipient.certificate()).args(more));
    folder.read("out")
}

/// `openssl cms -sign`, with the intermediate certificate included. `more` are further arguments (`-nodetach`).
pub fn sign(message: &[u8], outform: &str, signer: Identity, more: &[&str]) -> Vec<u8> {
    sign_with(message, outform, &signer.certificate(), &signer.private_key(), more)
}

/// The same with a certificate and a key, both PEM, of anybody whom the intermediate certificate has issued.
pub fn sign_with(message: &[u8], outform: &str, certificate: &Path, key: &Path, more: &[&str]) -> Vec<u8> {
    let folder = Folder::with("in", message);
    let mut command = folder.cms(&["-sign", "-in", "in", "-out", "out", "-outform", outform]);
    command.arg("-signer").arg(certificate).arg("-inkey").arg(key);
    run(command.arg("-certfile").arg(intermediate()).args(more));
    folder.read("out")
}

/// A folder for the files of one command.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn with(name: &str, bytes: &[u8]) -> Self {
        let folder = Self(tempfile::Builder::new().prefix("wafer-openssl-").tempdir().unwrap());
        std::fs::write(folder.path(name), bytes).unwrap();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.0.path(), name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn cms(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.arg("cms").args(arguments).current_dir(self.0.path());
        command
    }
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

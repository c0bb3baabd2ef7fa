//! Key files (PKCS#12): made by OpenSSL or by NSS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pki::{self, Identity};
use crate::programs::run;

/// A key with its certificate and the intermediate, made by OpenSSL; `more` are further arguments of its.
pub fn export(who: Identity, password: &str, more: &[&str]) -> Vec<u8> {
    let files =
        Files { key: who.private_key(), certificate: who.certificate(), issuer: Some(pki::intermediate()) };
    files.export(who.name, password, more)
}

/// What goes into a file.
#[derive(Clone, Debug)]
pub struct Files {
    /// The private key, PEM.
    pub key: PathBuf,
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// A further certificate, PEM.
    pub issuer: Option<PathBuf>,
}

impl Files {
    /// Makes the file by OpenSSL; the key's friendly name is `name`.
    pub fn export(&self, name: &str, password: &str, more: &[&str]) -> Vec<u8> {
        let folder = folder();
        let mut command = Command::new("openssl");
        command.args(["pkcs12", "-export", "-out", "out.p12", "-name", name]).args(more);
        command.arg("-inkey").arg(&self.key).arg("-in").arg(&self.certificate);
        if let Some(issuer) = &self.issuer {
            command.arg("-certfile").arg(issuer);
        }
        run(command.arg("-passout").arg(format!("pass:{password}")).current_dir(folder.path()));
        fs::read(folder.path().join("out.p12")).unwrap()
    }
}

/// The same keys as NSS writes them: with indefinite lengths.
pub fn by_nss(file: &[u8], name: &str, password: &str) -> Vec<u8> {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("in.p12"), file).unwrap();
    fs::write(at("password"), password).unwrap();
    fs::write(at("none"), "\n").unwrap();
    let database = format!("sql:{}", folder.path().display());
    let tool = |program: &str, arguments: &[&str]| {
        run(Command::new(program).args(["-d", &database]).args(arguments).current_dir(folder.path()));
    };
    tool("certutil", &["-N", "--empty-password"]);
    tool("pk12util", &["-i", "in.p12", "-w", "password", "-k", "none"]);
    tool("pk12util", &["-o", "out.p12", "-n", name, "-w", "password", "-k", "none"]);
    fs::read(at("out.p12")).unwrap()
}

/// One file with the keys of both, which were made with `-nomac` and one password.
pub fn joined(one: &[u8], two: &[u8]) -> Vec<u8> {
    // PFX, version, ContentInfo, its type, [0], OCTET STRING, AuthenticatedSafe.
    let contents = |file: &[u8]| {
        let pfx = inside(file);
        let content = inside(after(pfx));
        let safe = inside(inside(after(content)));
        inside(safe).to_vec()
    };
    let safe = wrapped(0x30, &[contents(one), contents(two)].concat());
    let data = [&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1][..], &wrapped(0xa0, &wrapped(4, &safe))];
    wrapped(0x30, &[&[2, 1, 3][..], &wrapped(0x30, &data.concat())].concat())
}

/// Header and body lengths of a DER element.
fn measure(der: &[u8]) -> (usize, usize) {
    match der[1] {
        length @ 0..0x80 => (2, length.into()),
        count => {
            let digits = &der[2..2 + usize::from(count & 0x7f)];
            (2 + digits.len(), digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        }
    }
}

fn inside(der: &[u8]) -> &[u8] {
    let (header, body) = measure(der);
    &der[header..header + body]
}

fn after(der: &[u8]) -> &[u8] {
    let (header, body) = measure(der);
    &der[header + body..]
}

/// A DER element.
pub fn wrapped(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, body].concat()
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("wafer-p12-").tempdir().unwrap()
}

/// A self-signed certificate with an address, and its key on `curve`.
pub fn own_certificate(folder: &Path, curve: &str, address: &str) -> Files {
    let (key, certificate) = (folder.join("own.key"), folder.join("own.pem"));
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        &format!("ec_paramgen_curve:{curve}"),
        "-noenc",
    ]);
    command.args(["-subj", "/CN=own", "-addext", &format!("subjectAltName=email:{address}"), "-days", "30"]);
    run(command.arg("-keyout").arg(&key).arg("-out").arg(&certificate));
    Files { key, certificate, issuer: None }
}

//! A SoftHSM token in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::MODULE;

pub(crate) const PIN: &str = "123456";

/// RSA-2048 with id 01 and P-256 with id 02, each with a self-signed certificate.
pub(crate) struct TestToken {
    folder: tempfile::TempDir,
}

impl TestToken {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    fn with(private: &[&str]) -> Self {
        let token = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(token.path("tokens")).unwrap();
        let conf = format!("directories.tokendir = {}\nlog.level = ERROR\n", token.path("tokens").display());
        std::fs::write(token.conf(), conf).unwrap();
        token.run(
            "softhsm2-util",
            &["--init-token", "--free", "--label", "test", "--pin", PIN, "--so-pin", "12345678"],
        );
        token.key(
            "rsa",
            "01",
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            &[&["--usage-sign", "--usage-decrypt"], private].concat(),
        );
        token.key(
            "ec",
            "02",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &[&["--usage-sign", "--usage-derive"], private].concat(),
        );
        token
    }

    /// The same, and both keys want their PIN at every use.
    pub(crate) fn for_each_use() -> Self {
        Self::with(&["--always-auth"])
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.path("softhsm2.conf")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self, name: &str, id: &str, generate: &[&str], usage: &[&str]) {
        let file = |ending: &str| self.path(&format!("{name}.{ending}")).display().to_string();
        self.run("openssl", &[&["genpkey", "-out", &file("key")], generate].concat());
        let subject = format!("/CN=Test {name}");
        self.run(
            "openssl",
            &[
                "req",
                "-x509",
                "-new",
                "-key",
                &file("key"),
                "-subj",
                &subject,
                "-days",
                "30",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-outform",
                "DER",
                "-out",
                &file("der"),
            ],
        );
        self.run("openssl", &["pkey", "-in", &file("key"), "-pubout", "-out", &file("pem")]);
        self.run(
            "openssl",
            &["pkey", "-in", &file("key"), "-pubout", "-outform", "DER", "-out", &file("pub")],
        );
        self.run("openssl", &["pkey", "-in", &file("key"), "-outform", "DER", "-out", &file("p8")]);
        let common = [
            "--module",
            MODULE,
            "--token-label",
            "test",
            "--login",
            "--pin",
            PIN,
            "--id",
            id,
            "--label",
            name,
        ];
        let private = file("key");
        self.run(
            "pkcs11-tool",
            &[&common[..], &["--write-object", &private, "--type", "privkey", "--sensitive"], usage].concat(),
        );
        let public = file("pub");
        self.run("pkcs11-tool", &[&common[..], &["--write-object", &public, "--type", "pubkey"]].concat());
        let certificate = file("der");
        self.run("pkcs11-tool", &[&common[..], &["--write-object", &certificate, "--type", "cert"]].concat());
    }

    /// Runs a tool on this token; its output.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program)
            .args(arguments)
            .env("SOFTHSM2_CONF", self.conf())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

//! A TPM (swtpm) of the test's own, as a token behind tpm2-pkcs11, with keys that were made on it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::pki::{self, Somebody};
use crate::programs::run;
use crate::softhsm::PIN;
use crate::wait;

const SWTPM: &str = "/usr/bin/swtpm";
/// tpm2-pkcs11's module, where Debian puts it.
pub const MODULE: &str = "/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1";
/// The token's label.
pub const LABEL: &str = "chip";

/// Somebody whose key was made on the TPM.
#[derive(Debug)]
pub struct Holder {
    name: &'static str,
    certificate: PathBuf,
}

impl Somebody for &Holder {
    fn address(self) -> String {
        format!("{}@example.test", self.name)
    }

    fn certificate(self) -> PathBuf {
        self.certificate.clone()
    }
}

/// A TPM. It ends with the value.
#[derive(Debug)]
pub struct Tpm {
    child: Child,
    folder: TempDir,
    /// With an RSA-2048 key.
    pub oscar: Holder,
    /// With a P-256 key.
    pub peggy: Holder,
}

impl Default for Tpm {
    fn default() -> Self {
        Self::new()
    }
}

impl Tpm {
    /// Powers it up, and makes the token with its keys and certificates.
    pub fn new() -> Self {
        assert!(
            Path::new(SWTPM).exists() && Path::new(MODULE).exists(),
            "a TPM or its module is missing: install swtpm and libtpm2-pkcs11-1"
        );
        let folder = tempfile::Builder::new().prefix("wafer-tpm-").tempdir().unwrap();
        for part in ["state", "store"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        let mut tpm = Self {
            child: power_up(folder.path()),
            oscar: Holder { name: "oscar", certificate: folder.path().join("oscar.pem") },
            peggy: Holder { name: "peggy", certificate: folder.path().join("peggy.pem") },
            folder,
        };
        // tpm2-tss finds the second by the first one's name.
        for socket in ["socket", "socket.ctrl"] {
            wait::until("the TPM's socket", || UnixStream::connect(tpm.folder.path().join(socket)).ok());
        }
        tpm.personalise();
        tpm
    }

    /// The folder that the module writes in.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The environment variables that the module needs.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let tcti = format!("swtpm:path={}", self.socket().display());
        [("TPM2_PKCS11_STORE", self.state().display().to_string()), ("TPM2_PKCS11_TCTI", tcti)]
    }

    /// How many wrong authorisations the TPM has counted. Nobody else may have it open.
    pub fn failures(&self) -> u32 {
        let mut command = Command::new("tpm2_getcap");
        command.args(["properties-variable", "-T", &self.environment()[1].1]);
        let output = String::from_utf8(run(&mut command).stdout).unwrap();
        let counter = output.lines().find_map(|line| line.strip_prefix("TPM2_PT_LOCKOUT_COUNTER: 0x"));
        u32::from_str_radix(counter.expect("a counter").trim(), 16).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn personalise(&mut self) {
        let officer = ["--so-pin", "12345678"];
        self.tool(&[&["--init-token", "--label", LABEL, "--slot-index", "0"], &officer[..]].concat());
        let token = ["--token-label", LABEL, "--login"];
        self.tool(&[&token[..], &officer, &["--init-pin", "--pin", PIN]].concat());
        for (id, holder, kind, section) in
            [("01", &self.oscar, "rsa:2048", "rsa"), ("02", &self.peggy, "EC:prime256v1", "ec")]
        {
            let file = |ending: &str| {
                self.folder.path().join(format!("{}.{ending}", holder.name)).display().to_string()
            };
            let named = ["--id", id, "--label", holder.name];
            let user = [&token[..], &["--pin", PIN], &named].concat();
            self.tool(&[&user[..], &["--keypairgen", "--key-type", kind]].concat());
            let public = file("pub");
            self.tool(&[&named[..], &["--read-object", "--type", "pubkey", "-o", &public]].concat());
            pki::certify(&public, holder.name, section, &holder.certificate);
            let der = file("der");
            let mut convert = Command::new("openssl");
            run(convert.args(["x509", "-outform", "DER", "-out", &der, "-in"]).arg(&holder.certificate));
            self.tool(&[&user[..], &["--write-object", &der, "--type", "cert"]].concat());
        }
    }

    fn tool(&self, arguments: &[&str]) {
        let mut command = Command::new("pkcs11-tool");
        run(command.args(["--module", MODULE]).args(arguments).envs(self.environment()));
        // A real TPM's resource manager (/dev/tpmrm0) clears away what a program leaves loaded.
        run(Command::new("tpm2_flushcontext").args(["-t", "-T", &self.environment()[1].1]));
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn power_up(folder: &Path) -> Child {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(SWTPM);
    command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
    command.arg("--tpmstate").arg(format!("dir={}", at("state")));
    command.arg("--server").arg(format!("type=unixio,path={}", at("socket")));
    command.arg("--ctrl").arg(format!("type=unixio,path={}", at("socket.ctrl")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

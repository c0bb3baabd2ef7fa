//! A throw-away CA, an intermediate and identities, made by the openssl command once and kept in
//! `target/hw-sim/`, so that hundreds of tests do not each make RSA keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::programs::{made_once, run};
use crate::softhsm;

/// Part of the folder's name: a change of what is made needs a new one.
const VERSION: u32 = 1;

/// The kind of key an identity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// RSA with 2048 bits.
    Rsa2048,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// Somebody with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of their files, and their key's label on a token.
    pub name: &'static str,
    /// What their key is.
    pub key: Key,
}

/// On the token `wafer`.
pub const ALICE: Identity = Identity { name: "alice", key: Key::Rsa2048 };
/// On the token `wafer`.
pub const BOB: Identity = Identity { name: "bob", key: Key::P256 };
/// Has her key in a file, as a program with OpenSSL would.
pub const CAROL: Identity = Identity { name: "carol", key: Key::Rsa2048 };
/// Has his key in a file.
pub const DAVE: Identity = Identity { name: "dave", key: Key::P384 };
/// On the token `second`.
pub const ERIN: Identity = Identity { name: "erin", key: Key::Rsa2048 };
/// Signed her own certificate: nobody has a reason to trust it.
pub const MALLORY: Identity = Identity { name: "mallory", key: Key::Rsa2048 };

/// Everybody whose certificate comes from the CA.
pub const ISSUED: [Identity; 5] = [ALICE, BOB, CAROL, DAVE, ERIN];

/// Whoever has an address and a certificate from the CA, wherever the key is.
pub trait Somebody: Copy {
    /// The address in the certificate.
    fn address(self) -> String;
    /// The certificate, PEM.
    fn certificate(self) -> PathBuf;
}

impl Somebody for Identity {
    fn address(self) -> String {
        Self::address(self)
    }

    fn certificate(self) -> PathBuf {
        Self::certificate(self)
    }
}

impl Identity {
    /// The address in the certificate.
    pub fn address(self) -> String {
        format!("{}@example.test", self.name)
    }

    /// The certificate, PEM.
    pub fn certificate(self) -> PathBuf {
        folder().join(format!("{}.pem", self.name))
    }

    /// The certificate, DER.
    pub fn certificate_der(self) -> Vec<u8> {
        fs::read(folder().join(format!("{}.der", self.name))).unwrap()
    }

    /// The private key, PEM.
    pub fn private_key(self) -> PathBuf {
        folder().join(format!("{}.key", self.name))
    }
}

/// Somebody whose certificate was made for one test.
#[derive(Debug)]
pub struct Guest(tempfile::TempDir);

impl Guest {
    /// `name@example.test` with an EC key, whose certificate from the CA has further `extensions`, as lines of an
    /// OpenSSL file.
    pub fn new(name: &str, extensions: &str) -> Self {
        let guest = Self(tempfile::Builder::new().prefix("wafer-guest-").tempdir().unwrap());
        for file in ["intermediate.pem", "intermediate.key"] {
            fs::copy(folder().join(file), guest.0.path().join(file)).unwrap();
        }
        // The section of EC keys is the last one there.
        fs::write(guest.0.path().join("openssl.cnf"), format!("{EXTENSIONS}{extensions}\n")).unwrap();
        issue(guest.0.path(), name, Key::P256, "intermediate", "ec");
        for file in ["pem", "key"] {
            let made = guest.0.path().join(format!("{name}.{file}"));
            fs::rename(made, guest.0.path().join(format!("guest.{file}"))).unwrap();
        }
        guest
    }

    /// The same with a key of an algorithm that OpenSSL makes without further options: `ED25519`, `X25519`.
    pub fn with_key(name: &str, algorithm: &str) -> Self {
        let guest = Self(tempfile::Builder::new().prefix("wafer-guest-").tempdir().unwrap());
        let file = |name: &str| guest.0.path().join(name).display().to_string();
        let (key, public, certificate) = (file("guest.key"), file("guest.pub"), file("guest.pem"));
        let ca = folder();
        openssl(ca, name, &["genpkey", "-algorithm", algorithm, "-out", &key]);
        openssl(ca, name, &["pkey", "-in", &key, "-pubout", "-out", &public]);
        // X25519 signs no request.
        let subject = format!("/O=Wafer tests/CN={name}");
        let new = ["x509", "-new", "-force_pubkey", &public, "-subj", &subject, "-days", "3600"];
        let issuer = ["-CA", "intermediate.pem", "-CAkey", "intermediate.key"];
        let extend = ["-extfile", "openssl.cnf", "-extensions", "ec", "-out", &certificate];
        openssl(ca, name, &[&new[..], &issuer, &extend].concat());
        guest
    }

    /// The certificate, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.0.path().join("guest.pem")
    }

    /// The private key, PEM.
    pub fn private_key(&self) -> PathBuf {
        self.0.path().join("guest.key")
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> Vec<u8> {
        openssl(self.0.path(), "none", &["x509", "-in", "guest.pem", "-outform", "DER", "-out", "guest.der"]);
        fs::read(self.0.path().join("guest.der")).unwrap()
    }

    /// The CA's revocation list with this certificate on it, DER.
    pub fn revocation_list(&self) -> Vec<u8> {
        let folder = self.0.path();
        let serial =
            run(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(self.certificate()))
                .stdout;
        let serial = String::from_utf8(serial).unwrap().trim().replace("serial=", "");
        let books = format!("R\t350101000000Z\t250101000000Z\t{serial}\tunknown\t/CN=guest\n");
        fs::write(folder.join("index.txt"), books).unwrap();
        fs::write(folder.join("ca.cnf"), "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\n").unwrap();
        let issuer = ["-keyfile", "intermediate.key", "-cert", "intermediate.pem", "-md", "sha256"];
        let list = ["ca", "-gencrl", "-crldays", "7", "-config", "ca.cnf", "-out", "list.pem"];
        openssl(folder, "none", &[&list[..], &issuer[..]].concat());
        openssl(folder, "none", &["crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der"]);
        fs::read(folder.join("list.der")).unwrap()
    }
}

/// A certificate of the CA's for `name` and the public key in the file `public`; `section` is `rsa` or `ec`.
pub fn certify(public: &str, name: &str, section: &str, certificate: &Path) {
    let mut issue = Command::new("openssl");
    let subject = format!("/O=Wafer tests/CN={name}");
    issue.args(["x509", "-new", "-force_pubkey", public, "-subj", &subject, "-days", "3600", "-sha256"]);
    issue.args(["-CA", "intermediate.pem", "-CAkey", "intermediate.key", "-extfile", "openssl.cnf"]);
    issue.args(["-extensions", section, "-out"]).arg(certificate);
    run(issue.env("ADDRESS", format!("{name}@example.test")).current_dir(folder()));
}

/// The root certificate, PEM.
pub fn root() -> PathBuf {
    folder().join("root.pem")
}

/// The intermediate certificate, PEM.
pub fn intermediate() -> PathBuf {
    folder().join("intermediate.pem")
}

/// A folder with nothing but the root: for `trust-folder`.
pub fn trust_folder() -> PathBuf {
    folder().join("trust")
}

/// A folder with everybody's certificate: for `recipients-folder`.
pub fn recipients_folder() -> PathBuf {
    folder().join("recipients")
}

/// The folder of it all; made if it is not there yet.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        made_once(&format!("pki-{VERSION}"), |work| {
            make(work);
            softhsm::stock(work);
        })
    })
}

fn make(folder: &Path) {
    fs::write(folder.join("openssl.cnf"), EXTENSIONS).unwrap();
    key(folder, "root", Key::P256);
    let root =
        ["-x509", "-days", "3650", "-sha256", "-subj", "/O=Wafer tests/CN=Test Root", "-extensions", "root"];
    openssl(
        folder,
        "none",
        &[&["req", "-new", "-config", "openssl.cnf", "-key", "root.key", "-out", "root.pem"], &root[..]]
            .concat(),
    );
    issue(folder, "intermediate", Key::P256, "root", "ca");
    for identity in ISSUED {
        let section = if identity.key == Key::Rsa2048 { "rsa" } else { "ec" };
        issue(folder, identity.name, identity.key, "intermediate", section);
    }
    key(folder, MALLORY.name, MALLORY.key);
    let own = ["-x509", "-days", "3650", "-sha256", "-subj", "/CN=mallory", "-extensions", "rsa"];
    openssl(
        folder,
        MALLORY.name,
        &[&["req", "-new", "-config", "openssl.cnf", "-key", "mallory.key", "-out", "mallory.pem"], &own[..]]
            .concat(),
    );
    openssl(folder, "none", &["x509", "-in", "mallory.pem", "-outform", "DER", "-out", "mallory.der"]);
    fs::create_dir(folder.join("trust")).unwrap();
    fs::copy(folder.join("root.pem"), folder.join("trust/root.pem")).unwrap();
    fs::create_dir(folder.join("recipients")).unwrap();
    for identity in ISSUED {
        let file = format!("{}.pem", identity.name);
        fs::copy(folder.join(&file), folder.join("recipients").join(&file)).unwrap();
    }
}

fn issue(folder: &Path, name: &str, kind: Key, issuer: &str, section: &str) {
    key(folder, name, kind);
    let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
    let (certificate, der) = (format!("{name}.pem"), format!("{name}.der"));
    let subject = format!("/O=Wafer tests/CN={name}");
    openssl(
        folder,
        name,
        &["req", "-new", "-config", "openssl.cnf", "-key", &key, "-subj", &subject, "-out", &request],
    );
    let (ca, ca_key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
    let sign =
        ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "3600"];
    let extend = ["-sha256", "-extfile", "openssl.cnf", "-extensions", section, "-out", &certificate];
    openssl(folder, name, &[&sign[..], &extend[..]].concat());
    openssl(folder, name, &["x509", "-in", &certificate, "-outform", "DER", "-out", &der]);
}

fn key(folder: &Path, name: &str, kind: Key) {
    let file = format!("{name}.key");
    let options: &[&str] = match kind {
        Key::Rsa2048 => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        Key::P256 => &[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-pkeyopt",
            "ec_param_enc:named_curve",
        ],
        Key::P384 => &[
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-pkeyopt",
            "ec_param_enc:named_curve",
        ],
    };
    openssl(folder, name, &[&["genpkey", "-out", &file], options].concat());
}

fn openssl(folder: &Path, name: &str, arguments: &[&str]) {
    let address = format!("{name}@example.test");
    run(Command::new("openssl").args(arguments).current_dir(folder).env("ADDRESS", address));
}

const EXTENSIONS: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[rsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation,keyEncipherment
extendedKeyUsage = emailProtection
subjectAltName = email:${ENV::ADDRESS}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ec]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation,keyAgreement
extendedKeyUsage = emailProtection
subjectAltName = email:${ENV::ADDRESS}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

//! An authority made with OpenSSL, whose certificates say where to ask about them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SETTINGS: &str = "
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
unique_subject = no
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
";

/// The authority's folder.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A person's certificate.
pub struct Person {
    pub der: Vec<u8>,
    pem: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        authority.write("openssl.cnf", SETTINGS);
        authority.write("index.txt", "");
        authority.write("crlnumber", "01");
        authority.key("root.key");
        authority.openssl(
            "req -new -x509 -key root.key -out root.pem -days 3650 -subj /CN=Root -config openssl.cnf -extensions root",
        );
        authority
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn root(&self) -> Vec<u8> {
        self.der("root.pem")
    }

    /// A person's certificate with further extensions, as an OpenSSL file has them.
    pub fn person(&self, serial: u32, extensions: &str) -> Person {
        self.person_of("root", serial, extensions)
    }

    /// An authority below the root, `middle`: its certificate, DER.
    pub fn middle(&self) -> Vec<u8> {
        let extensions = "basicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign\n";
        self.issue("root", "middle", 800, extensions);
        self.der("middle.pem")
    }

    /// The certificate of `middle` and the root's in a PKCS#7 object, DER.
    pub fn bundle(&self) -> Vec<u8> {
        self.openssl("crl2pkcs7 -nocrl -certfile root.pem -certfile middle.pem -outform DER -out bundle.p7c");
        fs::read(self.path().join("bundle.p7c")).unwrap()
    }

    /// As [`Self::person`], issued by `issuer`.
    pub fn person_of(&self, issuer: &str, serial: u32, extensions: &str) -> Person {
        let name = format!("person{serial}");
        let extensions = format!(
            "keyUsage = digitalSignature\nextendedKeyUsage = emailProtection\n\
             subjectAltName = email:a@example.org\n{extensions}\n"
        );
        self.issue(issuer, &name, serial, &extensions);
        let pem = self.path().join(format!("{name}.pem"));
        Person { der: self.der(&format!("{name}.pem")), pem }
    }

    /// Puts a certificate on the books: `V` valid, `R` revoked for `reason`.
    pub fn enter(&self, serial: u32, revoked: Option<&str>) {
        let books = fs::read_to_string(self.path().join("index.txt")).unwrap();
        let (state, date) = match revoked {
            Some(reason) => ("R", format!("250101000000Z,{reason}")),
            None => ("V", String::new()),
        };
        self.write(
            "index.txt",
            &format!("{books}{state}\t350101000000Z\t{date}\t{serial:02X}\tunknown\t/CN=x\n"),
        );
    }

    /// A list in the file `name`, DER, of what is on the books.
    pub fn list(&self, name: &str) {
        self.openssl("ca -gencrl -config openssl.cnf -keyfile root.key -cert root.pem -out list.pem");
        self.openssl(&format!("crl -in list.pem -outform DER -out {name}"));
    }

    /// A responder's certificate: `responder.pem`, `responder.key`.
    pub fn responder(&self) {
        self.issue("root", "responder", 900, "extendedKeyUsage = OCSPSigning\nnoCheck = ignored\n");
    }

    /// An answer about `person` made with the responder's key, without asking anybody.
    pub fn answer(&self, person: &Person) -> Vec<u8> {
        let pem = person.pem.display();
        self.openssl(&format!("ocsp -issuer root.pem -cert {pem} -no_nonce -reqout request"));
        self.openssl(
            "ocsp -index index.txt -CA root.pem -rsigner responder.pem -rkey responder.key -reqin request \
             -respout answer -ndays 7",
        );
        fs::read(self.path().join("answer")).unwrap()
    }

    /// A SignedData of `person` over `content`, DER, with the content inside.
    pub fn signed(&self, person: &Person, content: &[u8]) -> Vec<u8> {
        fs::write(self.path().join("content"), content).unwrap();
        let (pem, key) = (person.pem.display(), person.pem.with_extension("key"));
        let key = key.display();
        self.openssl(&format!(
            "cms -sign -binary -nodetach -in content -signer {pem} -inkey {key} -outform DER -out signed"
        ));
        fs::read(self.path().join("signed")).unwrap()
    }

    fn issue(&self, issuer: &str, name: &str, serial: u32, extensions: &str) {
        self.key(&format!("{name}.key"));
        self.write(&format!("{name}.ext"), extensions);
        self.openssl(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -set_serial {serial} -days 365 \
             -extfile {name}.ext -out {name}.pem"
        ));
    }

    fn key(&self, name: &str) {
        self.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}"));
    }

    fn der(&self, pem: &str) -> Vec<u8> {
        let output = self.openssl(&format!("x509 -in {pem} -outform DER"));
        output.stdout
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn openssl(&self, arguments: &str) -> Output {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {errors}");
        output
    }
}

//! A real LDAP server (OpenLDAP's slapd) of the test's own, unprivileged, with its own folder, TLS and directory.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::pki::{self, Identity};
use crate::programs::run;
use crate::wait::until;

/// Who binds, and with which password.
pub const READER: (&str, &str) = ("cn=reader,dc=example,dc=test", "read me");

/// The server. It ends with the value.
#[derive(Debug)]
pub struct Slapd {
    folder: TempDir,
    port: u16,
    tls_port: u16,
    server: Child,
}

impl Slapd {
    /// Starts it with `people` in it, each with certificates, and a list `team@example.test` of them all.
    pub fn start(people: &[Identity]) -> Self {
        let folder = tempfile::Builder::new().prefix("slapd-").tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("db")).unwrap();
        certificate(at);
        fs::write(at.join("slapd.conf"), configuration(at)).unwrap();
        fs::write(at.join("password"), format!("{}\n", READER.1)).unwrap();
        fs::write(at.join("people.ldif"), entries(people)).unwrap();
        run(Command::new("/usr/sbin/slapadd")
            .arg("-f")
            .arg(at.join("slapd.conf"))
            .arg("-l")
            .arg(at.join("people.ldif")));
        let (port, tls_port) = (free_port(), free_port());
        let urls = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}");
        let log = fs::File::create(at.join("log")).unwrap();
        let server = Command::new("/usr/sbin/slapd")
            .arg("-f")
            .arg(at.join("slapd.conf"))
            .args(["-h", &urls, "-d", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("slapd is missing: install slapd");
        until("slapd", || TcpStream::connect(("127.0.0.1", tls_port)).ok().map(drop));
        Self { folder, port, tls_port, server }
    }

    /// `[[ldap]]` for waferd: TLS, and the password.
    pub fn settings(&self) -> String {
        format!(
            "[[ldap]]\nurl = \"ldaps://localhost:{}\"\nbase = \"dc=example,dc=test\"\nca-file = {:?}\nbind-dn = {:?}\npassword-file = {:?}\n",
            self.tls_port,
            self.path("ca.pem"),
            READER.0,
            self.path("password"),
        )
    }

    /// The same anonymously, by StartTLS.
    pub fn settings_start_tls(&self) -> String {
        let (port, ca) = (self.port, self.path("ca.pem"));
        format!(
            "[[ldap]]\nurl = \"ldap://localhost:{port}\"\nbase = \"dc=example,dc=test\"\nca-file = {ca:?}\n"
        )
    }

    /// The file with its certificate's authority.
    pub fn authority(&self) -> String {
        self.path("ca.pem")
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A port that was free a moment ago: each test has a network of its own to share with the others.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The server's own certificate and its authority.
fn certificate(folder: &Path) {
    let openssl = |arguments: &[&str]| drop(run(Command::new("openssl").args(arguments).current_dir(folder)));
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"];
    openssl(
        &[&["req", "-x509", "-subj", "/CN=LDAP CA", "-keyout", "ca.key", "-out", "ca.pem"], &new_key[..]]
            .concat(),
    );
    openssl(
        &[&["req", "-subj", "/CN=localhost", "-keyout", "ldap.key", "-out", "ldap.csr"], &new_key[..5]]
            .concat(),
    );
    fs::write(folder.join("san"), "subjectAltName = DNS:localhost\n").unwrap();
    let sign = ["x509", "-req", "-in", "ldap.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&[&sign[..], &["-days", "3600", "-extfile", "san", "-out", "ldap.pem"]].concat());
}

fn configuration(folder: &Path) -> String {
    let at = folder.display();
    let (reader, password) = READER;
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {at}/pid\nargsfile {at}/args\n\
         TLSCACertificateFile {at}/ca.pem\nTLSCertificateFile {at}/ldap.pem\nTLSCertificateKeyFile {at}/ldap.key\n\
         database mdb\nsuffix \"dc=example,dc=test\"\ndirectory {at}/db\nmaxsize 16777216\n\
         rootdn \"{reader}\"\nrootpw \"{password}\"\n"
    )
}

fn entries(people: &[Identity]) -> Vec<u8> {
    let mut ldif = Vec::new();
    let mut add = |text: String| ldif.write_all(text.as_bytes()).unwrap();
    add("dn: dc=example,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Test\n\n"
        .into());
    for person in people {
        let (name, address) = (person.name, person.address());
        add(format!(
            "dn: cn={name},dc=example,dc=test\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\nmail: {address}\n"
        ));
        // Half of them as a bare certificate, half as a PKCS#7 with the chain, as Exchange writes it.
        match name.len() % 2 {
            0 => add(format!("userSMIMECertificate:: {}\n\n", base64(&pkcs7(*person)))),
            _ => add(format!("userCertificate;binary:: {}\n\n", base64(&person.certificate_der()))),
        }
    }
    add("dn: cn=team,dc=example,dc=test\nobjectClass: groupOfNames\nobjectClass: extensibleObject\ncn: team\n".into());
    add("mail: team@example.test\n".into());
    for person in people {
        add(format!("member: cn={},dc=example,dc=test\n", person.name));
    }
    add("\n".into());
    ldif
}

fn pkcs7(person: Identity) -> Vec<u8> {
    let output = run(Command::new("openssl")
        .args(["crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile"])
        .arg(person.certificate())
        .arg("-certfile")
        .arg(pki::intermediate()));
    output.stdout
}

fn base64(bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let output = run(Command::new("openssl").args(["base64", "-A", "-in"]).arg(file.path()));
    String::from_utf8(output.stdout).unwrap()
}

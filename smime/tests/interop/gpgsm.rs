//! gpgsm, with a home of its own and an agent that ends with it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use wafer_smime::algorithm::{Armor, Container, ContentCipher};
use wafer_smime::sign::Form;
use wafer_smime::verify::Outcome;

use crate::cell::{CONTENT, same};
use crate::common::{DER, Key, Person, encrypt, has, outcomes, verify, words};
use crate::peer::{Peer, cannot, said};

struct Gpgsm<'a>(&'a Person);

pub(crate) fn open(person: &Person) -> Result<Box<dyn Peer + '_>, String> {
    Ok(Box::new(home(person)?))
}

fn home(person: &Person) -> Result<Gpgsm<'_>, String> {
    let conf = b"disable-crl-checks\ndisable-policy-checks\ndisable-dirmngr\nno-secmem-warning\n";
    person.write("content", CONTENT);
    fs::set_permissions(person.dir.path(), Permissions::from_mode(0o700)).unwrap();
    person.write("gpgsm.conf", conf);
    person.write("gpg-agent.conf", b"allow-loopback-pinentry\ndisable-scdaemon\ns2k-calibration 1\n");
    let told = String::from_utf8(person.openssl("x509 -in ca.pem -noout -fingerprint -sha1")).unwrap();
    let (_, fingerprint) = told.trim().split_once('=').unwrap();
    person.write("trustlist.txt", format!("{fingerprint} S relax\n").as_bytes());
    person.write("passphrase", b"pw\n");
    let home = Gpgsm(person);
    home.gpgsm("--import ca.pem cert.pem")?;
    // Debian 12's gpgsm (2.2) crashes over an EC key in PKCS#12, but has the certificate by now; and one file in ten, by
    // its salt, it cannot decrypt.
    for _ in 0..8 {
        person.openssl("pkcs12 -export -legacy -inkey key.pem -in cert.pem -passout pass:pw -out user.p12");
        if home.gpgsm("--import user.p12").is_ok() {
            break;
        }
    }
    Ok(home)
}

impl Gpgsm<'_> {
    fn gpgsm(&self, arguments: &str) -> Result<Vec<u8>, String> {
        let passphrase = File::open(self.0.path("passphrase")).unwrap();
        let output = Command::new("gpgsm")
            .args(words("--batch --yes --pinentry-mode loopback --passphrase-fd 0"))
            .args(words(arguments))
            .current_dir(self.0.dir.path())
            .env("GNUPGHOME", self.0.dir.path())
            .stdin(Stdio::from(passphrase))
            .output()
            .unwrap();
        said("gpgsm", output)
    }
}

impl Peer for Gpgsm<'_> {
    fn verify(&self, message: &[u8], form: Form) -> Result<(), String> {
        self.0.write("signed", message);
        match form {
            Form::Clear => self.gpgsm("--verify signed content").map(drop),
            Form::Opaque => {
                self.gpgsm("--output opened --verify signed")?;
                same(&self.0.read("opened"))
            }
        }
    }

    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String> {
        match form {
            _ if pss => cannot("gpgsm has no option for RSASSA-PSS"),
            Form::Clear => self.gpgsm("--detach-sign content"),
            Form::Opaque => self.gpgsm("--sign content"),
        }
    }

    fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("sealed", message);
        self.gpgsm("--decrypt sealed")
    }

    fn encrypt(&self, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String> {
        if cipher.is_authenticated() || oaep {
            return cannot("gpgsm has no option for AES-GCM or RSAES-OAEP");
        }
        self.gpgsm("--cipher-algo AES256 -r anna@example.test --encrypt content")
    }
}

impl Drop for Gpgsm<'_> {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.0.dir.path()).status();
    }
}

/// What the matrix has no column for.
#[test]
fn every_armor_and_a_second_recipient() {
    if !has("gpgsm") {
        return;
    }
    let (anna, other) = (Person::new(Key::Rsa), Person::new(Key::P384));
    let home = home(&anna).unwrap();
    for (armor, assume) in [(Armor::Pem, ""), (Armor::Base64, "--assume-base64")] {
        let container = Container::Cms(armor);
        anna.write("signed", &anna.sign(CONTENT, container, Form::Opaque));
        home.gpgsm(&format!("{assume} --verify signed")).unwrap();
        anna.write("sealed", &encrypt(CONTENT, container, ContentCipher::Aes128Cbc, &[&other, &anna]));
        same(&home.gpgsm(&format!("{assume} --decrypt sealed")).unwrap()).unwrap();
    }
    for armor in ["--armor", "--base64"] {
        let (verified, content) =
            verify(&home.gpgsm(&format!("{armor} --sign content")).unwrap(), DER).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good], "{armor}");
        same(&content).unwrap();
        let encrypt = format!("{armor} --cipher-algo AES128 -r anna@example.test --encrypt content");
        same(&anna.decrypt(&home.gpgsm(&encrypt).unwrap(), DER).unwrap().1).unwrap();
    }
}

//! Bouncy Castle, as Debian packages it, through a small program that is compiled into the person's folder.

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;

use crate::cell::{CONTENT, same};
use crate::common::Person;
use crate::peer::{Peer, ask, cannot};

const JARS: &str = "/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar:/usr/share/java/bcpkix.jar";

struct BouncyCastle<'a>(&'a Person);

pub(crate) fn open(person: &Person) -> Result<Box<dyn Peer + '_>, String> {
    person.write("content", CONTENT);
    person.write("BouncyCastle.java", include_bytes!("BouncyCastle.java"));
    ask("javac", person, &format!("-cp {JARS} BouncyCastle.java")).expect("it compiles");
    Ok(Box::new(BouncyCastle(person)))
}

impl BouncyCastle<'_> {
    fn java(&self, arguments: &str) -> Result<Vec<u8>, String> {
        ask("java", self.0, &format!("-XX:TieredStopAtLevel=1 -cp {JARS}:. BouncyCastle {arguments}"))
    }
}

impl Peer for BouncyCastle<'_> {
    fn verify(&self, message: &[u8], form: Form) -> Result<(), String> {
        self.0.write("signed", message);
        same(&self.java(&format!("verify {}", name(form)))?)
    }

    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String> {
        self.java(&format!("sign {} {}", name(form), if pss { "pss" } else { "" }))
    }

    fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("sealed", message);
        self.java("decrypt")
    }

    fn encrypt(&self, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String> {
        let cipher = match cipher {
            ContentCipher::ChaCha20Poly1305 => {
                return cannot("Bouncy Castle makes no AuthEnvelopedData with it");
            }
            cipher if cipher.is_authenticated() => "gcm",
            _ => "cbc",
        };
        self.java(&format!("encrypt {cipher} {}", if oaep { "oaep" } else { "" }))
    }
}

fn name(form: Form) -> &'static str {
    if form == Form::Clear { "clear" } else { "opaque" }
}

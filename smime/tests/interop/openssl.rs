//! `openssl cms`.

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;

use crate::cell::{CONTENT, same};
use crate::common::Person;
use crate::peer::{Peer, ask};

struct OpenSsl<'a>(&'a Person);

pub(crate) fn open(person: &Person) -> Result<Box<dyn Peer + '_>, String> {
    person.write("content", CONTENT);
    Ok(Box::new(OpenSsl(person)))
}

impl OpenSsl<'_> {
    fn cms(&self, arguments: &str) -> Result<Vec<u8>, String> {
        ask("openssl", self.0, &format!("cms -binary {arguments}"))
    }
}

impl Peer for OpenSsl<'_> {
    fn verify(&self, message: &[u8], form: Form) -> Result<(), String> {
        self.0.write("signed", message);
        let content = if form == Form::Clear { "-content content" } else { "" };
        same(&self.cms(&format!("-verify -inform DER -in signed {content} -CAfile ca.pem"))?)
    }

    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String> {
        let form = if form == Form::Opaque { "-nodetach" } else { "" };
        let padding = if pss { "-keyopt rsa_padding_mode:pss" } else { "" };
        self.cms(&format!("-sign -in content -outform DER -signer cert.pem -inkey key.pem {padding} {form}"))
    }

    fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("sealed", message);
        self.cms("-decrypt -inform DER -in sealed -inkey key.pem -recip cert.pem")
    }

    fn encrypt(&self, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String> {
        let cipher = match cipher {
            ContentCipher::ChaCha20Poly1305 => "-chacha20-poly1305",
            cipher if cipher.is_authenticated() => "-aes-256-gcm",
            _ => "-aes-256-cbc",
        };
        let oaep = if oaep { "-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256" } else { "" };
        self.cms(&format!("-encrypt -in content -outform DER {cipher} -recip cert.pem {oaep}"))
    }
}

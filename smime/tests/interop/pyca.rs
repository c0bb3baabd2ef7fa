//! Python's `cryptography`: it signs, and serves RSA recipients in CBC. `WAFER_INTEROP_PYTHON` is a Python that has it.

use std::env;
use std::path::Path;

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;

use crate::cell::CONTENT;
use crate::common::Person;
use crate::peer::{Peer, ask_at, cannot};

struct Pyca<'a>(&'a Person);

pub(crate) fn open(person: &Person) -> Result<Box<dyn Peer + '_>, String> {
    person.write("content", CONTENT);
    Ok(Box::new(Pyca(person)))
}

pub(crate) fn version() -> String {
    python(Path::new("."), "version").map_or_else(|_| "-".to_owned(), |told| String::from_utf8(told).unwrap())
}

fn python(dir: &Path, arguments: &str) -> Result<Vec<u8>, String> {
    let python = env::var("WAFER_INTEROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    ask_at(&python, dir, &format!("{}/tests/interop/pyca.py {arguments}", env!("CARGO_MANIFEST_DIR")))
}

impl Pyca<'_> {
    fn python(&self, arguments: &str) -> Result<Vec<u8>, String> {
        python(self.0.dir.path(), arguments)
    }
}

impl Peer for Pyca<'_> {
    fn verify(&self, _: &[u8], _: Form) -> Result<(), String> {
        cannot("cryptography does not verify PKCS #7")
    }

    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String> {
        let form = if form == Form::Clear { "clear" } else { "opaque" };
        self.python(&format!("sign {form} {}", if pss { "pss" } else { "" }))
    }

    fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("sealed", message);
        self.python("decrypt")
    }

    fn encrypt(&self, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String> {
        if cipher.is_authenticated() || oaep {
            return cannot("cryptography writes neither AES-GCM nor RSAES-OAEP");
        }
        self.python("encrypt")
    }
}

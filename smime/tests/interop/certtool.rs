//! GnuTLS's `certtool`: signatures only.

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;

use crate::cell::{CONTENT, same};
use crate::common::Person;
use crate::peer::{Peer, ask, cannot};

struct Certtool<'a>(&'a Person);

pub(crate) fn open(person: &Person) -> Result<Box<dyn Peer + '_>, String> {
    person.write("content", CONTENT);
    Ok(Box::new(Certtool(person)))
}

impl Peer for Certtool<'_> {
    fn verify(&self, message: &[u8], form: Form) -> Result<(), String> {
        self.0.write("signed", message);
        let verify = "--p7-verify --inder --infile signed --load-ca-certificate ca.pem";
        match form {
            Form::Clear => ask("certtool", self.0, &format!("{verify} --load-data content")).map(drop),
            Form::Opaque => {
                ask("certtool", self.0, verify)?;
                ask("certtool", self.0, "--p7-info --p7-show-data --inder --infile signed --outfile opened")?;
                same(&self.0.read("opened"))
            }
        }
    }

    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String> {
        let form = if form == Form::Clear { "--p7-detached-sign" } else { "--p7-sign" };
        let pss = if pss { "--sign-params RSA-PSS" } else { "" };
        ask(
            "certtool",
            self.0,
            &format!(
                "{form} --p7-time --p7-include-cert {pss} --load-certificate cert.pem --load-privkey key.pem \
                 --infile content --outder --outfile signed"
            ),
        )?;
        Ok(self.0.read("signed"))
    }

    fn decrypt(&self, _: &[u8]) -> Result<Vec<u8>, String> {
        cannot("certtool does not decrypt")
    }

    fn encrypt(&self, _: ContentCipher, _: bool) -> Result<Vec<u8>, String> {
        cannot("certtool does not encrypt")
    }
}

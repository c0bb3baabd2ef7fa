//! NSS's `cmsutil`, with a database beside the person's key.

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;

use crate::cell::{CONTENT, same};
use crate::common::Person;
use crate::peer::{Peer, ask, cannot};

struct Nss<'a>(&'a Person);

pub(crate) fn open(person: &Person) -> Result<Box<dyn Peer + '_>, String> {
    person.write("content", CONTENT);
    person.write("pw", b"nsspw\n");
    ask("certutil", person, "-N -d sql:. -f pw")?;
    ask("certutil", person, "-A -d sql:. -n root -t C,C,C -a -i ca.pem -f pw")?;
    person.openssl(
        "pkcs12 -export -legacy -inkey key.pem -in cert.pem -name anna -passout pass:pw -out user.p12",
    );
    ask("pk12util", person, "-i user.p12 -d sql:. -k pw -W pw")?;
    Ok(Box::new(Nss(person)))
}

impl Nss<'_> {
    /// Answers what was written to `out`.
    fn cmsutil(&self, arguments: &str) -> Result<Vec<u8>, String> {
        ask("cmsutil", self.0, &format!("{arguments} -d sql:. -f pw -o out"))?;
        Ok(self.0.read("out"))
    }
}

impl Peer for Nss<'_> {
    fn verify(&self, message: &[u8], form: Form) -> Result<(), String> {
        self.0.write("signed", message);
        match form {
            Form::Clear => self.cmsutil("-D -u 4 -c content -i signed").map(drop),
            Form::Opaque => same(&self.cmsutil("-D -u 4 -i signed")?),
        }
    }

    fn sign(&self, form: Form, pss: bool) -> Result<Vec<u8>, String> {
        if pss {
            return cannot("cmsutil has no option for RSASSA-PSS");
        }
        let form = if form == Form::Clear { "-T" } else { "" };
        self.cmsutil(&format!("-S {form} -G -P -N anna -H SHA256 -i content"))
    }

    fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write("sealed", message);
        self.cmsutil("-D -i sealed")
    }

    fn encrypt(&self, cipher: ContentCipher, oaep: bool) -> Result<Vec<u8>, String> {
        if cipher.is_authenticated() || oaep {
            return cannot("cmsutil has no option for AES-GCM or RSAES-OAEP");
        }
        self.cmsutil("-E -r anna@example.test -i content")
    }
}

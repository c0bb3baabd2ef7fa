//! The use cases that are measured.

use std::io;
use std::time::{Instant, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use wafer_smime::algorithm::{Armor, Container, ContentCipher, DigestAlgorithm, SignatureScheme};
use wafer_smime::sign::Form;
use wafer_smime::{PrivateKey, decrypt, encrypt, sign, verify};

use crate::cpu_us;
use crate::floor::Primitive::{self, Base64In, Base64Out, CbcIn, CbcOut, Gcm, Hash};
use crate::software_key::SoftwareKey;

const MAIL: Container = Container::Mail;
const DER: Container = Container::Cms(Armor::Der);
const CBC: ContentCipher = ContentCipher::Aes256Cbc;
const GCM: ContentCipher = ContentCipher::Aes256Gcm;

/// A use case and the primitives it cannot do without, each as often as "nothing before proof" asks for it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) floor: &'static [Primitive],
    what: What,
}

impl Case {
    /// Whether it is the one that is asked for, by the first words of its name. What a reading case reads must be
    /// made first, so `verify` asks for `sign` too, and `decrypt` for `encrypt`.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        let maker = wanted.replacen("verify", "sign", 1).replacen("decrypt", "encrypt", 1);
        self.name.starts_with(wanted) || self.name.starts_with(&maker)
    }
}

enum What {
    Sign(Container, Form),
    /// What the last [`What::Sign`] of this kind made.
    Verify(Container),
    Encrypt(Container, ContentCipher),
    /// What the last [`What::Encrypt`] of this kind made.
    Decrypt(Container),
}

const fn case(name: &'static str, what: What, floor: &'static [Primitive]) -> Case {
    Case { name, floor, what }
}

pub(crate) const CASES: [Case; 14] = [
    case("sign clear mail", What::Sign(MAIL, Form::Clear), &[Hash]),
    case("verify clear mail", What::Verify(MAIL), &[Hash]),
    case("sign opaque mail", What::Sign(MAIL, Form::Opaque), &[Hash, Base64Out]),
    case("verify opaque mail", What::Verify(MAIL), &[Base64In, Hash]),
    case("encrypt GCM mail", What::Encrypt(MAIL, GCM), &[Gcm, Base64Out]),
    case("decrypt GCM mail", What::Decrypt(MAIL), &[Base64In, Gcm, Base64In, Gcm]),
    case("encrypt CBC mail", What::Encrypt(MAIL, CBC), &[CbcOut, Base64Out]),
    case("decrypt CBC mail", What::Decrypt(MAIL), &[Base64In, Base64In, CbcIn]),
    case("sign opaque DER", What::Sign(DER, Form::Opaque), &[Hash]),
    case("verify opaque DER", What::Verify(DER), &[Hash]),
    case("encrypt GCM DER", What::Encrypt(DER, GCM), &[Gcm]),
    case("decrypt GCM DER", What::Decrypt(DER), &[Gcm, Gcm]),
    case("encrypt CBC DER", What::Encrypt(DER, CBC), &[CbcOut]),
    case("decrypt CBC DER", What::Decrypt(DER), &[CbcIn]),
];

/// A message, a key, and what was made last.
pub(crate) struct Tool {
    key: SoftwareKey,
    mail: Vec<u8>,
    made: Vec<u8>,
}

impl Tool {
    /// A mail of `bytes` with an attachment in base64.
    pub(crate) fn new(bytes: usize) -> Self {
        let line = b"VGhpcyBpcyBhIGxpbmUgb2YgYmFzZTY0LCBhcyBhdHRhY2htZW50cyBtb3N0bHkgYXJlLiBJdCBoYXM3\r\n";
        let mut mail = b"From: a@example.test\r\nSubject: speed\r\nContent-Type: text/plain\r\n\r\n".to_vec();
        mail.extend(line.iter().copied().cycle().take(bytes.saturating_sub(mail.len() + 2)));
        mail.extend_from_slice(b"\r\n");
        let key = SoftwareKey::generate("a@example.test").unwrap();
        // Room for everything that is made, touched once: page faults are the caller's cost, not the engine's.
        let mut made = vec![1; bytes + bytes / 2 + (64 << 10)];
        made.clear();
        Self { key, mail, made }
    }

    /// CPU time of one run in microseconds, without the private operation.
    pub(crate) fn run(&mut self, case: &Case) -> u64 {
        match case.what {
            What::Sign(container, form) => self.sign(container, form),
            What::Verify(container) => timed(|| self.verify(container)).0,
            What::Encrypt(container, cipher) => self.encrypt(container, cipher),
            What::Decrypt(container) => self.decrypt(container),
        }
    }

    /// The clear-signed mail that was made last.
    pub(crate) fn verify_again(&self) {
        self.verify(MAIL);
    }

    /// The signature check that every verification must do.
    pub(crate) fn bare_check(&mut self) -> impl FnMut() + use<> {
        let content = b"attributes".to_vec();
        let request = sign::Request {
            scheme: SignatureScheme::RsaPkcs1,
            digest_algorithm: DigestAlgorithm::Sha256,
            digest: digest(&SHA256, &content).as_ref().to_vec(),
            message: content.clone(),
        };
        let signature = self.key.sign(&request).unwrap();
        let public = self.key.public_key();
        move || {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
            key.verify(&content, &signature).unwrap();
        }
    }

    fn sign(&mut self, container: Container, form: Form) -> u64 {
        let mut source = self.mail.as_slice();
        let options = sign::Options {
            container,
            form,
            digest: DigestAlgorithm::Sha256,
            scheme: SignatureScheme::RsaPkcs1,
            certificate: self.key.certificate.clone(),
            chain: vec![],
            signing_time: SystemTime::now(),
            style: sign::Style::default(),
        };
        let (first, prepared) = timed(|| sign::prepare(&mut source, &options).unwrap());
        let signature = self.key.sign(prepared.request()).unwrap();
        self.made.clear();
        first + timed(|| prepared.write(&signature, &mut source, &mut self.made).unwrap()).0
    }

    fn verify(&self, container: Container) {
        let attached = verify::Content::Attached;
        let verified = verify::verify(&mut self.made.as_slice(), attached, container, &[], None).unwrap();
        assert_eq!(verified.signers[0].outcome, verify::Outcome::Good);
    }

    fn encrypt(&mut self, container: Container, cipher: ContentCipher) -> u64 {
        let recipients = vec![self.key.certificate.clone()];
        let options = encrypt::Options { container, cipher, recipients, style: encrypt::Style::default() };
        self.made.clear();
        timed(|| encrypt::encrypt(&mut self.mail.as_slice(), &options, &mut self.made).unwrap()).0
    }

    fn decrypt(&mut self, container: Container) -> u64 {
        let mut source = self.made.as_slice();
        let (first, sealed) = timed(|| decrypt::open(&mut source, container).unwrap());
        let request = sealed.recipients()[0].request.as_ref().unwrap();
        let secret = self.key.decrypt(request).unwrap();
        first + timed(|| sealed.decrypt(0, secret, &mut source, &mut io::sink()).unwrap()).0
    }
}

/// CPU time, whose clock ticks in milliseconds; of what is over sooner, elapsed time (callers take the best of many).
fn timed<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let (start, cpu) = (Instant::now(), cpu_us());
    let done = work();
    let elapsed = start.elapsed().as_micros() as u64;
    (if elapsed < 10_000 { elapsed } else { cpu_us() - cpu }, done)
}

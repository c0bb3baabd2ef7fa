//! What signer infos may say about themselves, and what makes a signature bad though its mathematics hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::UNIX_EPOCH;

use super::openssl_tests::outcomes;
use super::signed_write::{self, Signature};
use super::test_keys::Keys;
use super::{signed_read, signed_verify};
use crate::algorithm::{CertificateIdentifier, DigestAlgorithm, SignatureScheme};
use crate::asn1::der::{self, Cursor};
use crate::asn1::oid;
use crate::crypto::hash;
use crate::verify::{Outcome, Signer};

const TEXT: &[u8] = b"text";

/// The signed attributes that we write for `certificate`, each an element.
fn attributes(certificate: &[u8]) -> Vec<Vec<u8>> {
    let digest = hash::digest(DigestAlgorithm::Sha256, TEXT);
    let set = signed_write::signed_attributes(&digest, UNIX_EPOCH, certificate, None).unwrap();
    let mut members = Cursor::new(&set).expect(der::SET).unwrap().inside();
    std::iter::from_fn(|| members.next().unwrap().map(|member| member.whole.to_vec())).collect()
}

/// A detached signature of key `p256` over these attributes, with `certificate` as its own.
fn signed(
    keys: &Keys,
    certificate: &[u8],
    attributes: Vec<Vec<u8>>,
    identifier: CertificateIdentifier,
) -> Vec<u8> {
    let attributes = der::set_of(der::SET, attributes);
    let made = keys.sign("p256", &hash::digest(DigestAlgorithm::Sha256, &attributes), "sha256");
    let signature = Signature {
        digest: DigestAlgorithm::Sha256,
        scheme: SignatureScheme::Ecdsa,
        certificate,
        identifier,
        certificates: &[],
        attributes: &attributes,
        signature: &made,
    };
    signature.detached().unwrap()
}

fn outcome(signed: &[u8], certificate: &[u8]) -> Outcome {
    outcomes(signed, Some(TEXT), &[certificate.to_vec()]).unwrap().remove(0)
}

fn attribute(id: &const_oid::ObjectIdentifier, values: &[&[u8]]) -> Vec<u8> {
    der::sequence(&[&der::oid(id), &der::element(der::SET, values)])
}

/// RFC 5035 section 5: the certificate is signed too, so that another one for the same key does not do.
#[test]
fn another_certificate_for_the_same_key_is_a_bad_signature() {
    let keys = Keys::new();
    let own = keys.certificate("p256");
    keys.openssl(&[
        "req",
        "-x509",
        "-key",
        "p256.key",
        "-days",
        "9",
        "-out",
        "other.pem",
        "-subj",
        "/CN=other",
    ]);
    let other = keys.certificate("other");
    let by_key = CertificateIdentifier::KeyIdentifier;
    let message = signed(&keys, &own, attributes(&own), by_key);
    assert_eq!(outcome(&message, &own), Outcome::Good);
    assert_eq!(outcome(&message, &other), Outcome::BadSignature);
    // Of both, the right one is taken.
    let both = outcomes(&message, Some(TEXT), &[other.clone(), own.clone()]).unwrap();
    assert_eq!(both, [Outcome::Good]);
    // As OpenSSL writes it: SigningCertificate for SHA-1, SigningCertificateV2 for others.
    keys.write("text", TEXT);
    for digest in ["sha1", "sha256", "sha512"] {
        keys.openssl(&[
            "cms", "-sign", "-binary", "-cades", "-keyid", "-nocerts", "-md", digest, "-in", "text",
            "-signer", "p256.pem", "-inkey", "p256.key", "-outform", "DER", "-out", "signed",
        ]);
        let message = keys.read("signed");
        assert_eq!(outcome(&message, &own), Outcome::Good, "{digest}");
        assert_eq!(outcome(&message, &other), Outcome::BadSignature, "{digest}");
    }
    // The hash is right, issuer and serial number are another's.
    let hash = der::element(der::OCTET_STRING, &[&hash::digest(DigestAlgorithm::Sha256, &own)]);
    let issuer = der::sequence(&[&der::element(der::context(4), &[&der::sequence(&[])])]);
    let serial = der::sequence(&[&issuer, &der::integer(1)]);
    let value = der::sequence(&[&der::sequence(&[&der::sequence(&[&hash, &serial])])]);
    let mut all = attributes(&own);
    all.retain(|one| !one.windows(11).any(|part| part == oid::SIGNING_CERTIFICATE_V2.as_bytes()));
    assert_eq!(all.len(), 4);
    all.push(attribute(&oid::SIGNING_CERTIFICATE_V2, &[&value]));
    assert_eq!(outcome(&signed(&keys, &own, all, by_key), &own), Outcome::BadSignature);
}

/// RFC 5652 section 11: once, with one value, and inside the signature.
#[test]
fn attributes_keep_their_rules() {
    let keys = Keys::new();
    let own = keys.certificate("p256");
    let by_issuer = CertificateIdentifier::IssuerAndSerial;
    let digest = der::element(der::OCTET_STRING, &[&hash::digest(DigestAlgorithm::Sha256, TEXT)]);
    let data = der::oid(&oid::ID_DATA);
    let receipt = der::oid(&const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.1"));
    let basic = || vec![attribute(&oid::CONTENT_TYPE, &[&data]), attribute(&oid::MESSAGE_DIGEST, &[&digest])];
    let unknown = const_oid::ObjectIdentifier::new_unwrap("1.2.3.4");
    let twice = |mut all: Vec<Vec<u8>>, index: usize| {
        all.push(all[index].clone());
        all
    };
    let cases = [
        ("as it should be", basic(), None),
        ("an unknown one twice", [basic(), vec![attribute(&unknown, &[&data]); 2]].concat(), None),
        ("a digest twice", twice(basic(), 1), Some("twice")),
        ("a content type twice", twice(basic(), 0), Some("twice")),
        (
            "two digests in one",
            vec![basic().remove(0), attribute(&oid::MESSAGE_DIGEST, &[&digest, &digest])],
            Some("one value"),
        ),
        (
            "a digest of no value",
            vec![basic().remove(0), attribute(&oid::MESSAGE_DIGEST, &[])],
            Some("one value"),
        ),
        ("no digest", vec![basic().remove(0)], Some("messageDigest")),
        ("no content type", vec![basic().remove(1)], Some("contentType")),
        (
            "another content type",
            vec![attribute(&oid::CONTENT_TYPE, &[&receipt]), basic().remove(1)],
            Some("content's"),
        ),
    ];
    for (name, attributes, rule) in cases {
        match (outcome(&signed(&keys, &own, attributes, by_issuer), &own), rule) {
            (Outcome::Good, None) => {}
            (Outcome::Malformed(why), Some(rule)) => assert!(why.contains(rule), "{name}: {why}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

/// A counter-signature is kept, as are time-stamps and whatever else; nothing that must be signed may stand there.
#[test]
fn unsigned_attributes_are_kept() {
    let keys = Keys::new();
    let own = keys.certificate("p256");
    let message = signed(&keys, &own, attributes(&own), CertificateIdentifier::IssuerAndSerial);
    let read = |unsigned: &[&[u8]]| -> Signer {
        let message = with_unsigned(&message, unsigned);
        let read = signed_read::read(&message[..], &mut std::io::sink()).unwrap();
        let mut hashers = hash::Hashers::new(&signed_verify::digests_needed(&read));
        hashers.update(TEXT);
        signed_verify::verify(&read, &hashers.finish(), std::slice::from_ref(&own)).remove(0)
    };
    let counter = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");
    let (one, two) = (der::sequence(&[&der::integer(1)]), der::sequence(&[&der::integer(2)]));
    let signer = read(&[&attribute(&counter, &[&one, &two])]);
    assert_eq!(signer.outcome, Outcome::Good);
    assert_eq!(signer.unsigned_attributes[0].id, counter.to_string());
    assert_eq!(signer.unsigned_attributes[0].values, [one, two]);
    assert_eq!(signer.signed_attributes.len(), 5);
    let time = der::element(der::UTC_TIME, &[b"250101000000Z"]);
    let signer = read(&[&attribute(&oid::SIGNING_TIME, &[&time])]);
    assert!(matches!(signer.outcome, Outcome::Malformed(why) if why.contains("outside the signature")));
}

/// Adds unsigned attributes to the only signer info of a detached signature.
fn with_unsigned(message: &[u8], attributes: &[&[u8]]) -> Vec<u8> {
    let mut info = Cursor::new(message).expect(der::SEQUENCE).unwrap().inside();
    info.expect(der::OID).unwrap();
    let signed = info.expect(der::context(0)).unwrap().inside().expect(der::SEQUENCE).unwrap();
    let mut parts = signed.inside();
    let mut before = Vec::new();
    let signers = loop {
        let part = parts.next().unwrap().unwrap();
        if parts.peek().is_none() {
            break part;
        }
        before.extend_from_slice(part.whole);
    };
    let signer = signers.inside().expect(der::SEQUENCE).unwrap().content;
    let signer = der::sequence(&[signer, &der::element(der::context(1), attributes)]);
    let signed = der::sequence(&[&before, &der::element(der::SET, &[&signer])]);
    der::sequence(&[&der::oid(&oid::ID_SIGNED_DATA), &der::element(der::context(0), &[&signed])])
}

//! Key agreements that no program at hand writes: with a static originator key, with a compressed point, with each
//! identifier, KDF and key wrap.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use const_oid::ObjectIdentifier;

use super::certificate::Certificate;
use super::openssl_tests::{decrypt, index};
use super::recipient_read::shared_info;
use super::test_keys::Keys;
use super::{enveloped_read, identifier};
use crate::algorithm::{ContentCipher, DigestAlgorithm};
use crate::asn1::{der, oid};
use crate::crypto::cipher::{Cipher, Direction, OUTPUT};
use crate::crypto::ffi;
use crate::crypto::kdf::Kdf;
use crate::decrypt::Request;

const KEY: [u8; 16] = [3; 16];

/// How the originator's key is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Originator {
    IssuerAndSerial,
    KeyIdentifier,
    Point,
    CompressedPoint,
}

struct Case {
    originator: Originator,
    kdf: Kdf,
    scheme: ObjectIdentifier,
    ukm: Option<&'static [u8]>,
    /// The certificate of a static originator is in the message.
    certificate: bool,
}

/// An EnvelopedData from the owner of key `p384` to the one of `other`, on the same curve.
fn message(keys: &Keys, case: &Case) -> Vec<u8> {
    let (from, to) = (keys.certificate("p384"), keys.certificate("other"));
    let (from_fields, to_fields) = (Certificate::parse(&from).unwrap(), Certificate::parse(&to).unwrap());
    let point =
        |fields: &Certificate<'_>| fields.public_key().unwrap().subject_public_key.raw_bytes().to_vec();
    let secret = keys.answer("p384", &Request::Ecdh { peer_point: point(&to_fields) });

    let wrap = der::algorithm(&oid::AES128_WRAP, &[]);
    let ukm = case.ukm.map(|ukm| der::element(der::OCTET_STRING, &[ukm]));
    let kek = case.kdf.derive(&secret, &shared_info(&wrap, ukm.as_deref(), 16), 16).unwrap();
    let wrapped = der::element(der::OCTET_STRING, &[&ffi::wrap_key(&kek, &KEY).unwrap()]);
    let key = der::sequence(&[&to_fields.issuer_and_serial(), &wrapped]);
    let ukm = ukm.map_or_else(Vec::new, |ukm| der::element(der::context(1), &[&ukm]));
    let info = der::element(
        der::context(1),
        &[
            &der::integer(3),
            &der::element(
                der::context(0),
                &[&originator(case.originator, &from_fields, &point(&from_fields))],
            ),
            &ukm,
            &der::algorithm(&case.scheme, &wrap),
            &der::sequence(&[&key]),
        ],
    );
    let certificates = der::element(der::context(0), &[&der::element(der::context(0), &[&from])]);
    let enveloped = der::sequence(&[
        &der::integer(2),
        if case.certificate { &certificates } else { &[] },
        &der::element(der::SET, &[&info]),
        &content(),
    ]);
    der::sequence(&[&der::oid(&oid::ID_ENVELOPED_DATA), &der::element(der::context(0), &[&enveloped])])
}

fn originator(how: Originator, from: &Certificate<'_>, point: &[u8]) -> Vec<u8> {
    let mut compressed = point[..=48].to_vec();
    compressed[0] = 2 + (point[96] & 1);
    let key = |point: &[u8]| {
        let bits = der::element(0x03, &[&[0], point]);
        der::element(der::context(1), &[&der::algorithm(&oid::EC_PUBLIC_KEY, &[]), &bits])
    };
    match how {
        Originator::IssuerAndSerial => from.issuer_and_serial(),
        Originator::KeyIdentifier => der::element(0x80, &[&from.key_identifier()]),
        Originator::Point => key(point),
        Originator::CompressedPoint => key(&compressed),
    }
}

fn content() -> Vec<u8> {
    let iv = [4; 16];
    let mut cipher = Cipher::new(ContentCipher::Aes128Cbc, Direction::Encrypt, &KEY, &iv).unwrap();
    let mut sealed = Box::new([0; OUTPUT]);
    let mut all = Vec::new();
    let length = cipher.update(b"agreed", &mut sealed).unwrap();
    all.extend_from_slice(&sealed[..length]);
    let length = cipher.finish(&mut sealed).unwrap();
    all.extend_from_slice(&sealed[..length]);
    let algorithm = identifier::write_content(ContentCipher::Aes128Cbc, &iv).unwrap();
    der::sequence(&[&der::oid(&oid::ID_DATA), &algorithm, &der::element(0x80, &[&all])])
}

/// The keys of all tests, and one more on the curve of `p384`.
fn keys() -> Keys {
    let keys = Keys::new();
    let request = "req -x509 -nodes -days 30 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -subj /CN=other";
    let request: Vec<&str> =
        request.split(' ').chain(["-keyout", "other.key", "-out", "other.pem"]).collect();
    keys.openssl(&request);
    keys
}

#[test]
fn every_originator_and_kdf_opens() {
    let keys = keys();
    let to = keys.certificate("other");
    let kdfs = [
        (Kdf::X963(DigestAlgorithm::Sha1), oid::COFACTOR_DH_SHA1),
        (Kdf::X963(DigestAlgorithm::Sha224), oid::STD_DH_SHA224),
        (Kdf::X963(DigestAlgorithm::Sha256), oid::COFACTOR_DH_SHA256),
        (Kdf::X963(DigestAlgorithm::Sha384), oid::STD_DH_SHA384),
        (Kdf::X963(DigestAlgorithm::Sha512), oid::COFACTOR_DH_SHA512),
        (Kdf::HkdfSha256, oid::STD_DH_HKDF_SHA256),
        (Kdf::HkdfSha384, oid::STD_DH_HKDF_SHA384),
        (Kdf::HkdfSha512, oid::STD_DH_HKDF_SHA512),
    ];
    use Originator::{CompressedPoint, IssuerAndSerial, KeyIdentifier, Point};
    for originator in [IssuerAndSerial, KeyIdentifier, Point, CompressedPoint] {
        for (kdf, scheme) in kdfs {
            let ukm = (originator == Point).then_some(&b"user keying material"[..]);
            let certificate = matches!(originator, IssuerAndSerial | KeyIdentifier);
            let case = Case { originator, kdf, scheme, ukm, certificate };
            let opened = decrypt(&message(&keys, &case), |header| {
                let index = index(header, &to);
                let request = header.recipients[index].request.as_ref().unwrap();
                header.content_key(index, &keys.answer("other", request))
            });
            assert_eq!(opened.unwrap(), b"agreed", "{originator:?} {kdf:?}");
        }
    }
}

#[test]
fn an_originator_nobody_knows_is_named_and_not_served() {
    let keys = keys();
    let case = Case {
        originator: Originator::IssuerAndSerial,
        kdf: Kdf::HkdfSha256,
        scheme: oid::STD_DH_HKDF_SHA256,
        ukm: None,
        certificate: false,
    };
    let (header, _) = enveloped_read::open(&message(&keys, &case)[..]).unwrap();
    assert_eq!((header.recipients.len(), &header.recipients[0].request), (1, &None));
    assert!(header.recipients[0].algorithm.contains("ECDH"));
}

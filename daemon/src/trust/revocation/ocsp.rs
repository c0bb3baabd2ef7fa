//! Asking a responder about one certificate (RFC 6960; RFC 9654 for the nonce).

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use certval::ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    ResponderId, SingleResponse, TbsRequest, Version,
};
use certval::{PkiEnvironment, compare_names};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_CE_EXT_KEY_USAGE, ID_KP_OCSP_SIGNING};
use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256};
use const_oid::db::rfc6960::{ID_PKIX_OCSP_BASIC, ID_PKIX_OCSP_NONCE};
use der::asn1::{AnyRef, OctetString};
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::certificate::Raw;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{CrlReason, ExtendedKeyUsage};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::Standing;
use super::lists::Subject;
use crate::trust::known::Known;
use crate::trust::signature;

/// How far a responder's clock may run ahead.
const SKEW: Duration = Duration::from_secs(300);
/// How long an answer without nextUpdate is taken for new.
const WITHOUT_NEXT_UPDATE: Duration = Duration::from_secs(86_400);
/// Octets of a nonce: what RFC 9654 section 2.1 asks clients to send.
const NONCE: usize = 32;
/// Most certificates of an answer that are looked at.
const CERTIFICATES_MAX: usize = 8;

/// A request about one certificate.
pub(super) struct Query {
    /// The OCSPRequest, DER.
    pub(super) der: Vec<u8>,
    /// Names the certificate, without the nonce: equal queries have equal ids.
    pub(super) id: Vec<u8>,
    /// What the answer must repeat, if it has a nonce at all.
    pub(super) nonce: Vec<u8>,
}

/// The request about `subject`; `None` only if there is no randomness.
pub(super) fn query(subject: Subject<'_>) -> Option<Query> {
    let req_cert = certificate_id(subject)?;
    let id = req_cert.to_der().ok()?;
    let mut nonce = vec![0; NONCE];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let value = OctetString::new(nonce.clone()).ok()?.to_der().ok()?;
    let extension =
        Extension { extn_id: ID_PKIX_OCSP_NONCE, critical: false, extn_value: OctetString::new(value).ok()? };
    let request = OcspRequest {
        tbs_request: TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![Request { req_cert, single_request_extensions: None }],
            request_extensions: Some(vec![extension]),
        },
        optional_signature: None,
    };
    Some(Query { der: request.to_der().ok()?, id, nonce })
}

/// Whether `answer` is a successful one, and for a request with `nonce`: with another nonce it is an old
/// answer played again. Many responders leave the nonce out (RFC 9654 section 2.1 allows it).
pub(super) fn answers(answer: &[u8], nonce: &[u8]) -> bool {
    let Some(Answer { basic, .. }) = Answer::read(answer) else { return false };
    basic.nonce().is_none_or(|repeated| repeated.0.as_bytes() == nonce)
}

/// What `answer` says of `subject` at the time `at`; `None` if it does not speak for it: it is about another
/// certificate, out of date, or not by somebody whom the issuer let answer.
pub(super) fn standing(subject: Subject<'_>, answer: &[u8], at: SystemTime) -> Option<Standing> {
    let answer = Answer::read(answer)?;
    let data = &answer.basic.tbs_response_data;
    let single = data.responses.iter().find(|single| is_about(single, subject) && is_current(single, at))?;
    if !answer.is_authentic(subject.issuer, at) {
        return None;
    }
    match &single.cert_status {
        CertStatus::Good(_) => Some(Standing::Good),
        CertStatus::Revoked(revoked) => Some(Standing::Revoked {
            since: revoked.revocation_time.0.to_system_time(),
            reason: revoked.revocation_reason.unwrap_or(CrlReason::Unspecified),
        }),
        CertStatus::Unknown(_) => None,
    }
}

/// A successful answer, parsed, and the bytes that its signature is over.
struct Answer {
    basic: BasicOcspResponse,
    signed: Vec<u8>,
}

impl Answer {
    fn read(der: &[u8]) -> Option<Self> {
        let response = OcspResponse::from_der(der).ok()?;
        if response.response_status != OcspResponseStatus::Successful {
            return None;
        }
        let bytes = response.response_bytes.filter(|bytes| bytes.response_type == ID_PKIX_OCSP_BASIC)?;
        let bytes = bytes.response.as_bytes();
        let outer = AnyRef::from_der(bytes).ok()?;
        let signed = SliceReader::new(outer.value()).ok()?.tlv_bytes().ok()?.to_vec();
        Some(Self { basic: BasicOcspResponse::from_der(bytes).ok()?, signed })
    }

    /// Whether `issuer` answered, or a responder whom it let answer (RFC 6960 section 4.2.2.2).
    fn is_authentic(&self, issuer: &Known, at: SystemTime) -> bool {
        if self.names(issuer) && self.is_signed_by(issuer.key()) {
            return true;
        }
        let responders = self.basic.certs.iter().flatten().take(CERTIFICATES_MAX);
        responders
            .filter_map(|certificate| Known::read(&certificate.to_der().ok()?))
            .filter(|responder| self.names(responder) && is_delegate(responder, issuer, at))
            .any(|responder| self.is_signed_by(responder.key()))
    }

    fn names(&self, certificate: &Known) -> bool {
        match &self.basic.tbs_response_data.responder_id {
            ResponderId::ByName(name) => compare_names(name, certificate.subject()),
            ResponderId::ByKey(hash) => {
                key_hash(&SHA1_FOR_LEGACY_USE_ONLY, certificate.key()).as_deref() == Some(hash.as_bytes())
            }
        }
    }

    fn is_signed_by(&self, key: &SubjectPublicKeyInfoOwned) -> bool {
        let environment = PkiEnvironment::new();
        let (algorithm, value) = (&self.basic.signature_algorithm, &self.basic.signature);
        signature::verify(&environment, &self.signed, value, algorithm, key).is_ok()
    }
}

/// A delegate's certificate is issued by the authority itself, for this and nothing else is needed: whether
/// it was revoked in turn is not asked (as with id-pkix-ocsp-nocheck), its life is short.
fn is_delegate(responder: &Known, issuer: &Known, at: SystemTime) -> bool {
    let may_answer = responder
        .extension::<ExtendedKeyUsage>(ID_CE_EXT_KEY_USAGE)
        .and_then(Result::ok)
        .is_some_and(|usage| usage.0.contains(&ID_KP_OCSP_SIGNING));
    may_answer
        && responder.facts.is_valid_at(at)
        && issuer.issued(responder)
        && is_issued_by(responder, issuer)
}

fn is_issued_by(certificate: &Known, issuer: &Known) -> bool {
    let parsed = certificate.parsed.decoded();
    let Some(body) = AnyRef::from_der(&certificate.facts.der)
        .ok()
        .and_then(|outer| SliceReader::new(outer.value()).ok()?.tlv_bytes().ok())
    else {
        return false;
    };
    let environment = PkiEnvironment::new();
    signature::verify(&environment, body, parsed.signature(), parsed.signature_algorithm(), issuer.key())
        .is_ok()
}

fn is_about(single: &SingleResponse, subject: Subject<'_>) -> bool {
    let id = &single.cert_id;
    let Some(algorithm) = hash_algorithm(id.hash_algorithm.oid) else { return false };
    id.serial_number.as_bytes() == subject.certificate.serial()
        && name_hash(algorithm, subject).as_deref() == Some(id.issuer_name_hash.as_bytes())
        && key_hash(algorithm, subject.issuer.key()).as_deref() == Some(id.issuer_key_hash.as_bytes())
}

fn is_current(single: &SingleResponse, at: SystemTime) -> bool {
    let from = single.this_update.0.to_system_time();
    let until = single.next_update.map_or(from + WITHOUT_NEXT_UPDATE, |time| time.0.to_system_time());
    from <= at + SKEW && at <= until
}

/// The certificate's name for a responder. SHA-1, which every responder knows; nothing rests on its strength:
/// the serial number and the answer's signature tell certificates apart.
fn certificate_id(subject: Subject<'_>) -> Option<CertId<Raw>> {
    let algorithm = &SHA1_FOR_LEGACY_USE_ONLY;
    Some(CertId {
        hash_algorithm: AlgorithmIdentifierOwned { oid: ID_SHA_1, parameters: Some(der::asn1::Null.into()) },
        issuer_name_hash: OctetString::new(name_hash(algorithm, subject)?).ok()?,
        issuer_key_hash: OctetString::new(key_hash(algorithm, subject.issuer.key())?).ok()?,
        serial_number: subject.certificate.parsed.decoded().tbs_certificate().serial_number().clone(),
    })
}

fn hash_algorithm(oid: ObjectIdentifier) -> Option<&'static Algorithm> {
    match oid {
        ID_SHA_1 => Some(&SHA1_FOR_LEGACY_USE_ONLY),
        ID_SHA_256 => Some(&SHA256),
        _ => None,
    }
}

fn name_hash(algorithm: &'static Algorithm, subject: Subject<'_>) -> Option<Vec<u8>> {
    Some(digest(algorithm, &subject.certificate.issuer().to_der().ok()?).as_ref().to_vec())
}

fn key_hash(algorithm: &'static Algorithm, key: &SubjectPublicKeyInfoOwned) -> Option<Vec<u8>> {
    Some(digest(algorithm, key.subject_public_key.as_bytes()?).as_ref().to_vec())
}

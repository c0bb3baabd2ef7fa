//! A signer's verdict as it crosses the bus. The names and words stand in `dbus/org.waferd.Wafer1.Mail.xml`.

use serde_bytes::ByteBuf;
use wafer_smime::verify::{Outcome, Signer};

use super::answer::unix_seconds;
use super::answer::{self, Answer, Value};
use crate::trust::{Certificate, Revocation, SignerVerdict};

/// Every signer with the verdict on it.
pub(super) fn signers_answer(signers: &[Signer], verdicts: &[SignerVerdict]) -> Value {
    let pairs = signers.iter().zip(verdicts);
    Value::Answers(pairs.map(|(signer, verdict)| signer_answer(signer, verdict)).collect())
}

fn signer_answer(signer: &Signer, verdict: &SignerVerdict) -> Answer {
    let words = verdict.warnings.iter().map(|warning| warning.word().to_owned()).collect();
    let mut answer = Answer::from([
        ("status", Value::Text(verdict.status.to_string())),
        ("sentence", Value::Text(verdict.sentence.clone())),
        ("outcome", verdict.outcome.into()),
        ("hash-matches", Value::Flag(signer.outcome != Outcome::DigestMismatch)),
        ("trusted", Value::Flag(verdict.trusted)),
        ("reason", Value::Text(verdict.reason.clone())),
        ("warnings", Value::Texts(words)),
        ("weaknesses", Value::Texts(signer.weaknesses.iter().map(answer::weakness).collect())),
        ("subject", Value::Text(verdict.subject.clone())),
        ("addresses", Value::Texts(verdict.addresses.clone())),
        ("address-matches", Value::Flag(verdict.address_matches)),
        ("path", Value::ByteArrays(verdict.path.iter().cloned().map(ByteBuf::from).collect())),
    ]);
    if let Some(origin) = verdict.origin {
        answer.insert("anchor", origin.word().into());
    }
    add_signature(&mut answer, signer, verdict.trusted_then);
    add_revocation(&mut answer, &verdict.revocation);
    if let Some(certificate) = &verdict.certificate {
        add_certificate(&mut answer, certificate);
    }
    answer
}

fn add_signature(answer: &mut Answer, signer: &Signer, trusted_then: Option<bool>) {
    if let Some(certificate) = &signer.certificate {
        answer.insert("certificate", Value::Bytes(ByteBuf::from(certificate.clone())));
    }
    if let Some(digest) = signer.digest {
        answer.insert("digest", answer::digest(digest).into());
    }
    if let Some(scheme) = signer.scheme {
        answer.insert("scheme", answer::scheme(scheme).into());
    }
    if let Some(time) = signer.signing_time {
        answer.insert("signing-time", Value::Time(unix_seconds(time)));
    }
    let signed = signer.signed_attributes.iter().map(|attribute| attribute.id.clone());
    answer.insert("signed-attributes", Value::Texts(signed.collect()));
    if let Some(trusted) = trusted_then {
        answer.insert("trusted-then", Value::Flag(trusted));
    }
}

fn add_revocation(answer: &mut Answer, revocation: &Revocation) {
    answer.insert("revocation", revocation.word().into());
    answer.insert("revocation-reason", revocation.reason().into());
    answer.insert("revocation-sentence", Value::Text(revocation.sentence()));
    if let Revocation::Revoked { since, .. } = revocation {
        answer.insert("revoked-since", Value::Time(unix_seconds(*since)));
    }
}

fn add_certificate(answer: &mut Answer, certificate: &Certificate) {
    answer.insert("issuer", Value::Text(certificate.issuer.clone()));
    answer.insert("serial", Value::Text(certificate.serial.clone()));
    answer.insert("not-before", Value::Time(unix_seconds(certificate.not_before)));
    answer.insert("not-after", Value::Time(unix_seconds(certificate.not_after)));
    answer.insert("key-algorithm", Value::Text(certificate.strength.algorithm.clone()));
    answer.insert("key-bits", Value::Number(certificate.strength.bits));
}

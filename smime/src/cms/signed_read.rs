//! Reading SignedData as a stream (RFC 5652 section 5).

use std::io::{Read, Write};

use crate::algorithm::DigestAlgorithm;
use crate::asn1::ber::Reader;
use crate::asn1::der::{self, Cursor};
use crate::asn1::{MAX_MEMBERS, MAX_REVOCATION, MAX_SIGNERS, normal, oid};
use crate::cms::identifier;
use crate::crypto::hash::{Digests, Hashers};
use crate::error::{Error, Result};
use crate::verify::RevocationInfo;

/// A SignedData that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct SignedData {
    /// Dotted OID of the content type (id-data is 1.2.840.113549.1.7.1).
    pub(crate) content_type: String,
    /// Whether the content was inside.
    pub(crate) attached: bool,
    /// Bytes of attached content.
    pub(crate) content_length: u64,
    /// Digests of attached content, by every known algorithm in digestAlgorithms.
    pub(crate) digests: Digests,
    /// Certificates as they came (X.509 only).
    pub(crate) certificates: Vec<Vec<u8>>,
    /// What it brings along about revocation.
    pub(crate) revocation: RevocationInfo,
    /// The signer infos, raw; see [`super::signed_verify::verify`]. Empty: certificates only.
    pub(crate) signers: Vec<SignerInfo>,
}

/// One SignerInfo as it came: BER.
#[derive(Clone, Debug)]
pub(crate) struct SignerInfo(pub(super) Vec<u8>);

/// Reads ContentInfo with SignedData from `input` to its end; attached content goes to `out`
/// (`std::io::sink()` if nobody wants it) while it is hashed.
///
/// # Errors
/// [`Error::Malformed`] (also if this is no SignedData), [`Error::Limit`],
/// [`Error::Input`], [`Error::Output`].
pub(crate) fn read<R: Read, W: Write + ?Sized>(input: R, out: &mut W) -> Result<SignedData> {
    let mut reader = Reader::new(input);
    reader.enter(der::SEQUENCE)?;
    let content_type = reader.der(der::OID)?;
    let content_type = Cursor::new(&content_type).expect(der::OID)?.oid()?;
    if content_type != oid::ID_SIGNED_DATA {
        return Err(Error::Malformed(format!("content type {content_type} is not a signed one")));
    }
    reader.enter(der::context(0))?;
    reader.enter(der::SEQUENCE)?;
    reader.der(der::INTEGER)?;
    let algorithms = digest_algorithms(&mut reader)?;

    reader.enter(der::SEQUENCE)?;
    let content_type = reader.der(der::OID)?;
    let content_type = Cursor::new(&content_type).expect(der::OID)?.oid()?.to_string();
    let attached = reader.peek()?.is_some();
    let (content_length, digests) =
        if attached { content(&mut reader, &algorithms, out)? } else { (0, Digests::default()) };
    reader.leave()?;

    let certificates = certificates(&mut reader)?;
    let revocation = revocation(&mut reader)?;
    reader.enter(der::SET)?;
    let mut signers = Vec::new();
    while reader.peek()?.is_some() {
        if signers.len() == MAX_SIGNERS {
            return Err(Error::Limit("64 signers"));
        }
        signers.push(SignerInfo(reader.raw()?));
    }
    reader.finish()?;
    Ok(SignedData { content_type, attached, content_length, digests, certificates, revocation, signers })
}

fn digest_algorithms<R: Read>(reader: &mut Reader<R>) -> Result<Vec<DigestAlgorithm>> {
    let mut algorithms = Vec::new();
    reader.enter(der::SET)?;
    while reader.peek()?.is_some() {
        let algorithm = reader.der(der::SEQUENCE)?;
        let oid = Cursor::new(&algorithm).expect(der::SEQUENCE)?.inside().expect(der::OID)?.oid()?;
        algorithms.extend(identifier::digest(&oid).filter(|digest| !algorithms.contains(digest)));
    }
    reader.leave()?;
    Ok(algorithms)
}

fn content<R: Read, W: Write + ?Sized>(
    reader: &mut Reader<R>,
    algorithms: &[DigestAlgorithm],
    out: &mut W,
) -> Result<(u64, Digests)> {
    let mut hashers = Hashers::new(algorithms);
    let mut length = 0;
    reader.enter(der::context(0))?;
    let mut octets = reader.octets(der::OCTET_STRING)?;
    while let Some(chunk) = octets.chunk()? {
        hashers.update(chunk);
        out.write_all(chunk).map_err(Error::Output)?;
        length += chunk.len() as u64;
    }
    reader.leave()?;
    Ok((length, hashers.finish()))
}

/// The X.509 certificates of a `[0] IMPLICIT CertificateSet`, if one is there.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Limit`], [`Error::Input`].
pub(super) fn certificates<R: Read>(reader: &mut Reader<R>) -> Result<Vec<Vec<u8>>> {
    let mut certificates = Vec::new();
    if reader.peek()? == Some(der::context(0)) {
        reader.enter(der::context(0))?;
        while let Some(tag) = reader.peek()? {
            if certificates.len() == MAX_MEMBERS {
                return Err(Error::Limit("10000 certificates"));
            }
            if tag == der::SEQUENCE {
                certificates.push(reader.raw()?);
            } else {
                reader.skip()?; // attribute certificates and other forms
            }
        }
        reader.leave()?;
    }
    Ok(certificates)
}

/// The lists and responders' answers of a `[1] IMPLICIT RevocationInfoChoices`, if one is there (RFC 5652 section
/// 10.2.1, RFC 5940). A message must not become unreadable by them: what is too long, or of another form, is passed
/// over.
fn revocation<R: Read>(reader: &mut Reader<R>) -> Result<RevocationInfo> {
    let mut found = RevocationInfo::default();
    if reader.peek()? != Some(der::context(1)) {
        return Ok(found);
    }
    reader.enter(der::context(1))?;
    let mut room = MAX_REVOCATION;
    while let Some(tag) = reader.peek()? {
        if found.crls.len() + found.ocsp_responses.len() == MAX_SIGNERS {
            room = 0;
        }
        let Some(choice) = reader.raw_within(room)? else { continue };
        room -= choice.len();
        if tag == der::SEQUENCE {
            found.crls.push(choice);
        } else if tag == der::context(1) {
            found.ocsp_responses.extend(ocsp_response(&choice));
        }
    }
    reader.leave()?;
    Ok(found)
}

/// The OCSPResponse in an OtherRevocationInfoFormat; `None` if it holds something else.
fn ocsp_response(choice: &[u8]) -> Option<Vec<u8>> {
    let choice = normal::to_der(choice).ok()?;
    let mut inside = Cursor::new(&choice).expect(der::context(1)).ok()?.inside();
    let format = inside.expect(der::OID).ok()?.oid().ok()?;
    let response = inside.next().ok()??;
    (format == oid::ID_RI_OCSP_RESPONSE).then(|| response.whole.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A SignedData without content, certificates and signers that brings these RevocationInfoChoices along.
    fn carrying(choices: &[&[u8]]) -> Result<RevocationInfo> {
        let data = der::sequence(&[&der::oid(&oid::ID_DATA)]);
        let (none, choices) = (der::element(der::SET, &[]), der::element(der::context(1), choices));
        let signed = der::sequence(&[&der::integer(5), &none, &data, &choices, &none]);
        let outer =
            der::sequence(&[&der::oid(&oid::ID_SIGNED_DATA), &der::element(der::context(0), &[&signed])]);
        read(&outer[..], &mut std::io::sink()).map(|signed| signed.revocation)
    }

    fn other(format: &const_oid::ObjectIdentifier, info: &[u8]) -> Vec<u8> {
        der::element(der::context(1), &[&der::oid(format), info])
    }

    #[test]
    fn lists_and_answers_are_handed_over_and_nothing_else_is_in_the_way() {
        let list = |length| der::sequence(&[&vec![0; length]]);
        let (small, large) = (list(100), list(MAX_REVOCATION));
        let answer = der::sequence(&[&der::integer(0)]);
        let indefinite =
            [&[0xa1, 0x80], der::oid(&oid::ID_RI_OCSP_RESPONSE).as_slice(), &answer, &[0, 0]].concat();
        let choices: [&[u8]; 7] = [
            &large,
            &small,
            &other(&oid::ID_DATA, &answer),
            &other(&oid::ID_RI_OCSP_RESPONSE, &answer),
            &other(&oid::ID_RI_OCSP_RESPONSE, &[]),
            &indefinite,
            &der::element(der::context(2), &[]),
        ];
        let found = carrying(&choices).unwrap();
        assert_eq!(found.crls, std::slice::from_ref(&small));
        assert_eq!(found.ocsp_responses, [answer.clone(), answer]);
        let many = carrying(&vec![small.as_slice(); 2 * MAX_SIGNERS]).unwrap();
        assert_eq!(many.crls.len(), MAX_SIGNERS);
        // Together no more than so much.
        let half = list(MAX_REVOCATION / 2);
        assert_eq!(carrying(&[&half, &half, &small]).unwrap().crls, [half.clone(), small]);
        assert!(carrying(&[&half[..half.len() - 1]]).is_err());
    }
}

//! Messages that bring revocation lists and responders' answers along, which `openssl cms` cannot write.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Any, Decode, Encode, Reader, SliceReader, Tag, TagNumber};

/// id-ri-ocsp-response (RFC 5940).
const OCSP_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.16.2");

/// The SignedData `signed` (DER) with `crls` and `responses` as its RevocationInfoChoices.
pub fn carrying(signed: &[u8], crls: &[Vec<u8>], responses: &[Vec<u8>]) -> Vec<u8> {
    let other =
        |response: &Vec<u8>| element(context(1), &[OCSP_RESPONSE.to_der().unwrap(), response.clone()]);
    let choices: Vec<Vec<u8>> = crls.iter().cloned().chain(responses.iter().map(other)).collect();
    let outer = inside(signed);
    let mut fields = inside(&inside(&outer[1])[0]);
    fields.insert(fields.len() - 1, element(context(1), &choices));
    let body = element(Tag::Sequence, &fields);
    element(Tag::Sequence, &[outer[0].clone(), element(context(0), &[body])])
}

fn context(number: u8) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number.into()) }
}

fn element(tag: Tag, parts: &[Vec<u8>]) -> Vec<u8> {
    Any::new(tag, parts.concat()).unwrap().to_der().unwrap()
}

/// The elements in a constructed one.
fn inside(element: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = SliceReader::new(AnyRef::from_der(element).unwrap().value()).unwrap();
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(reader.tlv_bytes().unwrap().to_vec());
    }
    found
}

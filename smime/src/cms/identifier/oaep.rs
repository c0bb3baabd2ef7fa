//! RSAES-OAEP (RFC 3560, RFC 4055 section 4.1).

use super::{Algorithm, tagged_hash, tagged_mgf, write_digest_null, write_mgf};
use crate::algorithm::DigestAlgorithm;
use crate::asn1::der::{self, Cursor};
use crate::asn1::oid;
use crate::error::Result;

/// RSAES-OAEP-params: hash, MGF1 hash, label; `None` if something in them is unknown.
///
/// # Errors
/// [`crate::Error::Malformed`].
pub(crate) fn oaep(algorithm: &Algorithm<'_>) -> Result<Option<(DigestAlgorithm, DigestAlgorithm, Vec<u8>)>> {
    let mut fields = algorithm.fields().unwrap_or(Cursor::new(&[]));
    let hash = tagged_hash(fields.optional(der::context(0))?)?;
    let mgf = tagged_mgf(fields.optional(der::context(1))?)?;
    let label = match fields.optional(der::context(2))? {
        None => Some(Vec::new()),
        Some(source) => {
            let source = Algorithm::parse(&source.inside().expect(der::SEQUENCE)?)?;
            let label = source.parameters.map_or(&[][..], |label| label.content).to_vec();
            (source.oid == oid::P_SPECIFIED).then_some(label)
        }
    };
    Ok(match (hash, mgf, label) {
        (Some(hash), Some(mgf), Some(label)) => Some((hash, mgf, label)),
        _ => None,
    })
}

/// keyEncryptionAlgorithm with `hash` for both, without a label.
pub(crate) fn write_oaep(hash: DigestAlgorithm) -> Vec<u8> {
    let parameters = der::sequence(&[
        &der::element(der::context(0), &[&write_digest_null(hash)]),
        &der::element(der::context(1), &[&write_mgf(hash)]),
    ]);
    der::algorithm(&oid::RSAES_OAEP, &parameters)
}

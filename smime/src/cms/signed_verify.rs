//! Verifying signer infos (RFC 5652 section 5.4 and 5.6).

use spki::SubjectPublicKeyInfoRef;
use spki::der::Encode;

use crate::algorithm::{DigestAlgorithm, SignatureScheme, Weakness};
use crate::asn1::ber::Reader;
use crate::asn1::der::{self, Cursor};
use crate::asn1::{normal, oid};
use crate::cms::attributes_read::{self, Attributes};
use crate::cms::certificate::Certificate;
use crate::cms::identifier::{self, Algorithm, SignedBy};
use crate::cms::recipient_id::certificate_id;
use crate::cms::signed_read::{SignedData, SignerInfo};
use crate::crypto::hash::{self, Digests};
use crate::crypto::signature::{self, Check, Verdict};
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};
use crate::verify::{Outcome, Signer};

/// The digest algorithms that the signers need, to hash detached content with.
pub(crate) fn digests_needed(signed: &SignedData) -> Vec<DigestAlgorithm> {
    let mut needed = Vec::new();
    for info in &signed.signers {
        let digest = normal::to_der(&info.0).and_then(|info| Ok(Fields::parse(&info)?.digest.ok()));
        needed.extend(digest.ok().flatten().filter(|digest| !needed.contains(digest)));
    }
    needed
}

/// Whether a signer made its signature over the content itself, of which no digest will do: Ed25519 without signed
/// attributes (RFC 8419 section 3.2).
pub(crate) fn needs_content(signed: &SignedData) -> bool {
    signed.signers.iter().any(|info| {
        let der = normal::to_der(&info.0);
        let fields = der.as_ref().ok().and_then(|der| Fields::parse(der).ok());
        fields.is_some_and(|fields| {
            fields.attributes.is_none() && fields.by.as_ref().is_ok_and(|by| by.check.is_none())
        })
    })
}

/// What is known of the content that was signed.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// Its digests.
    pub(crate) digests: &'a Digests,
    /// The content itself, where [`needs_content`] and it is not too long.
    pub(crate) content: Option<&'a [u8]>,
}

impl<'a> From<&'a Digests> for Signed<'a> {
    fn from(digests: &'a Digests) -> Self {
        Self { digests, content: None }
    }
}

/// Judges every signer info in the message's order. `over` is the content: that of
/// [`SignedData`] if it was attached, else the caller's detached content. Certificates are sought
/// in the message, then in `further` (DER).
pub(crate) fn verify<'a>(
    signed: &SignedData,
    over: impl Into<Signed<'a>>,
    further: &[Vec<u8>],
) -> Vec<Signer> {
    let over = over.into();
    signed.signers.iter().map(|info| one(info, signed, over, further)).collect()
}

fn one(info: &SignerInfo, signed: &SignedData, over: Signed<'_>, further: &[Vec<u8>]) -> Signer {
    let mut signer = Signer::new(Outcome::Good);
    if let Err(outcome) = judge(info, signed, over, further, &mut signer) {
        signer.outcome = outcome;
    }
    signer
}

/// The fields of a SignerInfo.
struct Fields<'a> {
    id: RecipientId,
    /// `Err` is the name of an unknown one.
    digest: std::result::Result<DigestAlgorithm, String>,
    /// Content of the SET OF signed attributes.
    attributes: Option<&'a [u8]>,
    by: std::result::Result<SignedBy, String>,
    signature: &'a [u8],
    /// Content of the SET OF unsigned attributes.
    unsigned: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(info: &'a [u8]) -> Result<Self> {
        let mut fields = Cursor::new(info).expect(der::SEQUENCE)?.inside();
        fields.expect(der::INTEGER)?;
        let id = certificate_id(fields.next()?)?;
        let digest = Algorithm::parse(&fields.expect(der::SEQUENCE)?)?.oid;
        let attributes = fields.optional(der::context(0))?.map(|attributes| attributes.content);
        let by = identifier::signature(&Algorithm::parse(&fields.expect(der::SEQUENCE)?)?);
        let signature = fields.expect(der::OCTET_STRING)?.content;
        let unsigned = fields.optional(der::context(1))?.map_or(&[][..], |unsigned| unsigned.content);
        let digest = identifier::digest(&digest).ok_or_else(|| oid::name(&digest));
        Ok(Self { id, digest, attributes, by, signature, unsigned })
    }

    /// What the signer info says of itself, whatever comes of it.
    fn tell(&self, signer: &mut Signer) -> Result<Option<Attributes<'a>>> {
        signer.digest = self.digest.clone().ok();
        signer.scheme = self.by.as_ref().ok().map(|by| by.scheme);
        signer.unsigned_attributes = attributes_read::list(Cursor::new(self.unsigned))?;
        attributes_read::check_unsigned(Cursor::new(self.unsigned))?;
        let Some(set) = self.attributes.map(Cursor::new) else { return Ok(None) };
        signer.signed_attributes = attributes_read::list(set)?;
        let attributes = Attributes::parse(set)?;
        signer.signing_time = attributes.signing_time;
        signer.capabilities = attributes.capabilities.clone();
        signer.encryption_key = attributes.encryption_key.clone();
        Ok(Some(attributes))
    }
}

fn judge(
    info: &SignerInfo,
    signed: &SignedData,
    over: Signed<'_>,
    further: &[Vec<u8>],
    signer: &mut Signer,
) -> std::result::Result<(), Outcome> {
    let der = normal::to_der(&info.0).map_err(broken)?;
    let fields = Fields::parse(&der).map_err(broken)?;
    let attributes = fields.tell(signer);
    let named = attributes.as_ref().ok().and_then(Option::as_ref);
    signer.certificate = find(&fields.id, named, signed, further);
    let attributes = attributes.map_err(broken)?;
    let algorithm = fields.digest.clone().map_err(Outcome::UnsupportedAlgorithm)?;
    let by = fields.by.clone().map_err(Outcome::UnsupportedAlgorithm)?;
    let certificate = signer.certificate.as_deref().ok_or(Outcome::NoCertificate)?;
    signer.weaknesses = weaknesses(certificate, &by, algorithm);
    let content = over.digests.of(algorithm).ok_or_else(|| rule("its digest algorithm is not announced"))?;
    let Some(attributes) = attributes else {
        // RFC 5652 section 5.3: only id-data may be signed without attributes.
        if signed.content_type != oid::ID_DATA.to_string() {
            return Err(rule("it lacks signed attributes"));
        }
        let over = match (by.check, over.content) {
            (Some(_), _) => Over::Digest(content),
            (None, Some(content)) if attributes_read::are_whole(content) => {
                return Err(rule("its content is what another signature was made over"));
            }
            (None, Some(content)) => Over::Messages(vec![content.to_vec()]),
            (None, None) => {
                let name = "Ed25519 without signed attributes over so much".to_owned();
                return Err(Outcome::UnsupportedAlgorithm(name));
            }
        };
        return check(certificate, &by, algorithm, &fields, &over);
    };
    rules(&attributes, signed)?;
    let over = Over::Messages(sets(info, fields.attributes.unwrap_or_default()).map_err(broken)?);
    check(certificate, &by, algorithm, &fields, &over)?;
    names(&attributes, certificate)?;
    if attributes.digest == Some(content) { Ok(()) } else { Err(Outcome::DigestMismatch) }
}

/// RFC 5652 section 11.1 and 11.2.
fn rules(attributes: &Attributes<'_>, signed: &SignedData) -> std::result::Result<(), Outcome> {
    match &attributes.content_type {
        Some(content_type) if content_type.to_string() == signed.content_type => {}
        Some(_) => return Err(rule("its contentType is not the content's")),
        None => return Err(rule("it lacks a contentType")),
    }
    if attributes.digest.is_none() {
        return Err(rule("it lacks a messageDigest"));
    }
    Ok(())
}

/// RFC 5035 section 5: a signature whose signingCertificate names another certificate is not valid with this one,
/// though the key be the same.
fn names(attributes: &Attributes<'_>, certificate: &[u8]) -> std::result::Result<(), Outcome> {
    for id in &attributes.certificates {
        match id.names(certificate) {
            Some(true) => {}
            Some(false) => return Err(Outcome::BadSignature),
            None => return Err(Outcome::UnsupportedAlgorithm("the hash in signingCertificateV2".to_owned())),
        }
    }
    Ok(())
}

fn weaknesses(certificate: &[u8], by: &SignedBy, algorithm: DigestAlgorithm) -> Vec<Weakness> {
    let mut found = Vec::new();
    for digest in [Some(algorithm), by.digest].into_iter().flatten() {
        if digest.is_weak() && !found.contains(&Weakness::Digest(digest)) {
            found.push(Weakness::Digest(digest));
        }
    }
    let key = Certificate::parse(certificate).ok().and_then(|certificate| certificate.public_key());
    match key.and_then(|key| signature::rsa_bits(&key)) {
        Some(bits) if bits < 2048 => found.push(Weakness::ShortRsa(bits)),
        _ => {}
    }
    if by.scheme == SignatureScheme::Dsa {
        found.push(Weakness::Dsa);
    }
    found
}

/// What the signature may be over.
enum Over<'a> {
    /// The content, of which there is only the digest.
    Digest(&'a [u8]),
    /// One of these encodings of the signed attributes.
    Messages(Vec<Vec<u8>>),
}

/// The SET OF signed attributes: exactly as it came, as DER with the order it had, as DER with DER's order.
/// RFC 5652 says the last; signers that hash what they sent made the first two.
fn sets(info: &SignerInfo, der_content: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut reader = Reader::new(&info.0[..]);
    reader.enter(der::SEQUENCE)?;
    reader.skip()?;
    reader.skip()?;
    reader.skip()?;
    let mut raw = reader.raw()?;
    raw[0] = der::SET;
    let mut members = Vec::new();
    let mut cursor = Cursor::new(der_content);
    while let Some(member) = cursor.next()? {
        members.push(member.whole.to_vec());
    }
    let mut sets = vec![raw, der::element(der::SET, &[der_content]), der::set_of(der::SET, members)];
    sets.dedup();
    Ok(sets)
}

fn check(
    certificate: &[u8],
    by: &SignedBy,
    algorithm: DigestAlgorithm,
    fields: &Fields<'_>,
    over: &Over<'_>,
) -> std::result::Result<(), Outcome> {
    let key = Certificate::parse(certificate).ok().and_then(|certificate| certificate.public_key());
    let key = key.ok_or_else(|| rule("its certificate's key cannot be read"))?;
    if !key_allows(&key, by) {
        return Err(Outcome::BadSignature);
    }
    let by_digest = |algorithm, digest: &[u8]| match by.check {
        Some(check) => signature::verify(&key, check, algorithm, digest, fields.signature),
        None => Verdict::Unsupported("Ed25519 without signed attributes".to_owned()),
    };
    let verdict = match over {
        Over::Digest(_) if by.digest.is_some_and(|fixed| fixed != algorithm) => {
            return Err(rule("its digest and signature algorithms disagree"));
        }
        Over::Digest(digest) => by_digest(algorithm, digest),
        Over::Messages(messages) => {
            let algorithm = by.digest.unwrap_or(algorithm);
            let mut verdicts = messages.iter().map(|message| match by.check {
                Some(_) => by_digest(algorithm, &hash::digest(algorithm, message)),
                None => signature::verify_ed25519(&key, message, fields.signature),
            });
            verdicts.find(|verdict| *verdict != Verdict::Bad).unwrap_or(Verdict::Bad)
        }
    };
    match verdict {
        Verdict::Good => Ok(()),
        Verdict::Bad => Err(Outcome::BadSignature),
        Verdict::Unsupported(name) => Err(Outcome::UnsupportedAlgorithm(name)),
    }
}

/// A key that is for RSASSA-PSS only may name the one hash and the least salt it is for (RFC 4055 section 3.3).
fn key_allows(key: &SubjectPublicKeyInfoRef<'_>, by: &SignedBy) -> bool {
    let Some(Check::RsaPss { mgf, salt }) = by.check else { return true };
    let parameters = key.algorithm.to_der().ok().filter(|_| key.algorithm.oid == oid::RSASSA_PSS);
    let parameters = parameters.as_deref().and_then(|der| {
        let algorithm = Algorithm::parse(&Cursor::new(der).expect(der::SEQUENCE).ok()?).ok()?;
        identifier::pss(&algorithm).ok()?
    });
    parameters.is_none_or(|key| Some(key.hash) == by.digest && key.mgf == mgf && key.salt <= salt)
}

/// The signer's certificate. Of several that fit (a renewed one may have the same key), the one that the signature
/// names.
fn find(
    id: &RecipientId,
    attributes: Option<&Attributes<'_>>,
    signed: &SignedData,
    further: &[Vec<u8>],
) -> Option<Vec<u8>> {
    let fits = |raw: &&Vec<u8>| Certificate::parse(raw).is_ok_and(|certificate| certificate.is(id));
    let mut fitting = signed.certificates.iter().chain(further).filter(fits).peekable();
    let first = fitting.peek().copied();
    let named = |raw: &&Vec<u8>| attributes.is_none_or(|attributes| names(attributes, raw).is_ok());
    fitting.find(named).or(first).cloned()
}

fn rule(broken: &str) -> Outcome {
    Outcome::Malformed(broken.to_owned())
}

fn broken(error: Error) -> Outcome {
    Outcome::Malformed(error.to_string())
}

//! Verifying (RFC 5652 section 5.6, RFC 8551 section 3.5).

use std::io::{self, Write};
use std::time::SystemTime;

use crate::algorithm::{Container, DigestAlgorithm, SignatureScheme, Weakness};
use crate::capabilities::Capabilities;
use crate::cms::signed_read::{self, SignedData};
use crate::cms::signed_verify::{self, Signed, digests_needed, needs_content};
use crate::crypto::hash::{Digests, Hashers};
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};
use crate::mime::address::senders;
use crate::mime::canonical::Canonical;
use crate::mime::head::Head;
use crate::mime::kind::Kind;
use crate::mime::message::{Message, open_cms, signature};
use crate::mime::multipart::split;
use crate::mime::{input_error, output_error, pump, unwrapped};
use crate::source::Source;

/// Bytes of a content that are kept where a signer did not sign a digest: nobody sends a long one so.
const KEPT: usize = 1 << 20;

/// What the signature itself says; whether the signer is to be trusted is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The signature is over these bytes and by this certificate's key.
    Good,
    /// The content was altered: its digest is another than the signed one.
    DigestMismatch,
    /// The signature does not fit the certificate's key.
    BadSignature,
    /// No certificate for this signer is in the message or was handed in.
    NoCertificate,
    /// The algorithm is not supported: its name or OID.
    UnsupportedAlgorithm(String),
    /// The signer info breaks a rule of RFC 5652 (say, a missing messageDigest): which.
    Malformed(String),
}

/// One signer info.
#[derive(Clone, Debug)]
pub struct Signer {
    /// What the signature says.
    pub outcome: Outcome,
    /// The signer's certificate, DER, if found.
    pub certificate: Option<Vec<u8>>,
    /// Digest algorithm, if known.
    pub digest: Option<DigestAlgorithm>,
    /// Signature scheme, if known.
    pub scheme: Option<SignatureScheme>,
    /// What is weak about the signature even if its outcome is good; empty for all that is written today.
    pub weaknesses: Vec<Weakness>,
    /// signingTime, if signed.
    pub signing_time: Option<SystemTime>,
    /// smimeCapabilities (RFC 8551 section 2.5.2), if signed: what the signer can read.
    pub capabilities: Option<Capabilities>,
    /// smimeEncryptionKeyPreference (RFC 8551 section 2.5.3), if signed: to which certificate of the signer to
    /// encrypt.
    pub encryption_key: Option<RecipientId>,
    /// All signed attributes, as DER.
    pub signed_attributes: Vec<Attribute>,
    /// All unsigned attributes, as DER: counter-signatures and time-stamps are here. Nothing has checked them.
    pub unsigned_attributes: Vec<Attribute>,
}

/// An attribute of a signer info (RFC 5652 section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its type: a dotted OID. A counter-signature is 1.2.840.113549.1.9.6.
    pub id: String,
    /// Its values, each a DER element.
    pub values: Vec<Vec<u8>>,
}

impl Signer {
    /// A signer of whom nothing is known but `outcome`.
    pub fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            certificate: None,
            digest: None,
            scheme: None,
            weaknesses: Vec::new(),
            signing_time: None,
            capabilities: None,
            encryption_key: None,
            signed_attributes: Vec::new(),
            unsigned_attributes: Vec::new(),
        }
    }
}

/// The result of a verification. A bad signature is a result, not a failure.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Every signer info in the message's order; never empty.
    pub signers: Vec<Signer>,
    /// All certificates in the message, DER, as they came.
    pub certificates: Vec<Vec<u8>>,
    /// What the message brings along about revocation. Nothing has checked it.
    pub revocation: RevocationInfo,
    /// For mail: addresses in From and Sender of the outer message, lower case where RFC 5321 allows.
    pub from: Vec<String>,
    /// Bytes of signed content.
    pub content_length: u64,
}

/// What a message brings along about revocation (RFC 5652 section 10.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationInfo {
    /// CertificateLists (RFC 5280), as they came.
    pub crls: Vec<Vec<u8>>,
    /// OCSPResponses (RFC 5940, RFC 6960), DER.
    pub ocsp_responses: Vec<Vec<u8>>,
}

/// A detached signature's content for bare CMS.
pub enum Content<'a> {
    /// Mail, or CMS with the content inside.
    Attached,
    /// The bytes that were signed.
    Detached(&'a mut dyn Source),
}

/// Verifies `source`; further `certificates` (DER) help to find the signer.
/// If `out` is given, the signed content (for mail: the entity exactly as it was signed) is written to
/// it once the structure has been read to its end.
///
/// Clear-signed mail is hashed, and handed out, with every line end as CRLF.
///
/// # Errors
/// [`Error::Malformed`] if this is no signed message; [`Error::Changed`] if the content
/// differs in the reading that writes it.
pub fn verify(
    source: &mut dyn Source,
    content: Content<'_>,
    container: Container,
    certificates: &[Vec<u8>],
    out: Option<&mut dyn Write>,
) -> Result<Verified> {
    verify_with_digests(source, content, container, certificates, out).map(|(verified, _)| verified)
}

/// As [`verify`]; answers the digests of the content, too, by which it can be known again.
pub(crate) fn verify_with_digests(
    source: &mut dyn Source,
    content: Content<'_>,
    container: Container,
    certificates: &[Vec<u8>],
    out: Option<&mut dyn Write>,
) -> Result<(Verified, Digests)> {
    if let Some((head, boundary, micalg)) = clear_signed(source, container)? {
        return Clear { head, boundary }.verify(source, &micalg, certificates, out).map_err(unwrapped);
    }
    let (head, signed) = read_object(source, container, &mut io::sink()).map_err(unwrapped)?;
    let from = head.as_ref().map(senders).unwrap_or_default();
    match content {
        Content::Detached(_) if signed.attached => {
            Err(Error::Malformed("the signed content is inside, and another was given".to_owned()))
        }
        Content::Attached if !signed.attached => {
            Err(Error::Malformed("the signed content is not inside, and none was given".to_owned()))
        }
        Content::Detached(content) => verify_detached(&signed, from, content, certificates, out),
        Content::Attached => {
            if let Some(out) = out {
                write_attached(source, container, head.as_ref(), &signed, out).map_err(unwrapped)?;
            }
            let again = |out: &mut dyn Write| write_attached(source, container, head.as_ref(), &signed, out);
            let content = kept(&signed, again).map_err(unwrapped)?;
            Ok(verdict(&signed, content, (&signed.digests, signed.content_length), from, certificates))
        }
    }
}

/// A `multipart/signed` message.
struct Clear {
    head: Head,
    boundary: String,
}

/// What one reading of a [`Clear`] found.
struct Reading {
    digests: Digests,
    length: u64,
    signature: Vec<u8>,
}

/// Head, boundary and announced digests of mail that is clear-signed.
type ClearSigned = Option<(Head, String, Vec<DigestAlgorithm>)>;

fn clear_signed(source: &mut dyn Source, container: Container) -> Result<ClearSigned> {
    if let Container::Cms(_) = container {
        return Ok(None);
    }
    let message = Message::open(source)?;
    Ok(match Kind::of(&message.head)? {
        Kind::Clear { boundary, micalg } => Some((message.head, boundary, micalg)),
        Kind::Cms(_) | Kind::Plain => None,
    })
}

impl Clear {
    /// Hashes as `micalg` says, and once more if the signers need another digest.
    fn verify(
        &self,
        source: &mut dyn Source,
        micalg: &[DigestAlgorithm],
        certificates: &[Vec<u8>],
        out: Option<&mut dyn Write>,
    ) -> Result<(Verified, Digests)> {
        let guess = if micalg.is_empty() { &[DigestAlgorithm::Sha256] } else { micalg };
        let mut reading = self.read(source, guess, None)?;
        let signed = read_signature(&reading.signature)?;
        let needed = digests_needed(&signed);
        if needed.iter().any(|algorithm| reading.digests.of(*algorithm).is_none()) {
            let all = [guess, &needed].concat();
            let again = self.read(source, &all, None)?;
            reading.expect(&again)?;
            reading = again;
        }
        let content = kept(&signed, |out| reading.expect(&self.read(source, guess, Some(out))?))?;
        if let Some(out) = out {
            // One digest is enough to know the content again; the signers' own, if they have any.
            let algorithms = if needed.is_empty() { guess } else { &needed };
            reading.expect(&self.read(source, algorithms, Some(out))?)?;
        }
        Ok(verdict(&signed, content, (&reading.digests, reading.length), senders(&self.head), certificates))
    }

    /// One reading; the signed entity goes to `out` in canonical form, as it is hashed.
    fn read(
        &self,
        source: &mut dyn Source,
        algorithms: &[DigestAlgorithm],
        mut out: Option<&mut dyn Write>,
    ) -> Result<Reading> {
        let message = Message::open(source)?;
        if message.head != self.head {
            return Err(Error::Changed);
        }
        let mut hashers = Hashers::new(algorithms);
        let mut canonical = Canonical::default();
        let mut length = 0;
        let part = split(&mut message.into_body(), &self.boundary, &mut |bytes| {
            canonical.feed(bytes, &mut |bytes| {
                hashers.update(bytes);
                length += bytes.len() as u64;
                out.as_mut().map_or(Ok(()), |out| out.write_all(bytes)).map_err(output_error)
            })
        })?;
        flush(out)?;
        Ok(Reading { digests: hashers.finish(), length, signature: signature(part)? })
    }
}

impl Reading {
    /// Holds a later reading against this one.
    fn expect(&self, later: &Self) -> Result<()> {
        let same = self.length == later.length && self.signature == later.signature;
        if same && same_digests(&self.digests, &later.digests) { Ok(()) } else { Err(Error::Changed) }
    }
}

/// The SignedData of a detached signature.
fn read_signature(signature: &[u8]) -> Result<SignedData> {
    let signed = signed_read::read(signature, &mut io::sink())?;
    if signed.attached {
        return Err(Error::Malformed(
            "a multipart/signed whose signature has a content of its own".to_owned(),
        ));
    }
    with_signers(signed)
}

/// Reads a bare or mailed CMS object to its end; its content goes to `out`.
fn read_object(
    source: &mut dyn Source,
    container: Container,
    out: &mut dyn Write,
) -> Result<(Option<Head>, SignedData)> {
    let (head, input) = open_cms(source, container, "a signed one")?;
    let mut out = out;
    let signed = signed_read::read(input, &mut out)?;
    Ok((head, with_signers(signed)?))
}

fn with_signers(signed: SignedData) -> Result<SignedData> {
    if signed.signers.is_empty() {
        return Err(Error::Malformed("it holds certificates only, no signature".to_owned()));
    }
    Ok(signed)
}

/// Reads the object again and writes its content.
fn write_attached(
    source: &mut dyn Source,
    container: Container,
    head: Option<&Head>,
    signed: &SignedData,
    out: &mut dyn Write,
) -> Result<()> {
    let (again_head, again) = read_object(source, container, out)?;
    let same = again_head.as_ref() == head && again.content_length == signed.content_length;
    if !same || !same_digests(&signed.digests, &again.digests) {
        return Err(Error::Changed);
    }
    flush(Some(out))
}

fn verify_detached(
    signed: &SignedData,
    from: Vec<String>,
    content: &mut dyn Source,
    certificates: &[Vec<u8>],
    out: Option<&mut dyn Write>,
) -> Result<(Verified, Digests)> {
    let needed = digests_needed(signed);
    let (digests, length) = hash(content, &needed, None)?;
    if out.is_some() {
        let (again, again_length) = hash(content, &needed, out)?;
        if again_length != length || !same_digests(&digests, &again) {
            return Err(Error::Changed);
        }
    }
    let kept = kept(signed, |out| match hash(content, &needed, Some(out))? {
        (again, again_length) if again_length == length && same_digests(&digests, &again) => Ok(()),
        _ => Err(Error::Changed),
    })?;
    Ok(verdict(signed, kept, (&digests, length), from, certificates))
}

/// The content itself, if a signer needs it and it is not too long: `again` reads it once more.
fn kept(signed: &SignedData, again: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Option<Vec<u8>>> {
    if !needs_content(signed) {
        return Ok(None);
    }
    let mut kept = Kept(Some(Vec::new()));
    again(&mut kept)?;
    Ok(kept.0)
}

/// Keeps what is written to it, unless that is more than [`KEPT`].
struct Kept(Option<Vec<u8>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.take().filter(|kept| kept.len() + bytes.len() <= KEPT);
        self.0.iter_mut().for_each(|kept| kept.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes `content` as it stands, and passes it on to `out`.
fn hash(
    content: &mut dyn Source,
    algorithms: &[DigestAlgorithm],
    mut out: Option<&mut dyn Write>,
) -> Result<(Digests, u64)> {
    let mut hashers = Hashers::new(algorithms);
    let mut input = content.open_buffered().map_err(input_error)?;
    let length = pump(&mut input, &mut |bytes| {
        hashers.update(bytes);
        out.as_mut().map_or(Ok(()), |out| out.write_all(bytes)).map_err(output_error)
    })?;
    flush(out)?;
    Ok((hashers.finish(), length))
}

fn verdict(
    signed: &SignedData,
    content: Option<Vec<u8>>,
    (digests, content_length): (&Digests, u64),
    from: Vec<String>,
    certificates: &[Vec<u8>],
) -> (Verified, Digests) {
    let verified = Verified {
        signers: signed_verify::verify(signed, Signed { digests, content: content.as_deref() }, certificates),
        certificates: signed.certificates.clone(),
        revocation: signed.revocation.clone(),
        from,
        content_length,
    };
    (verified, digests.clone())
}

/// Whether no digest that both have differs.
fn same_digests(first: &Digests, second: &Digests) -> bool {
    DigestAlgorithm::ALL.into_iter().all(|algorithm| match (first.of(algorithm), second.of(algorithm)) {
        (Some(first), Some(second)) => first == second,
        _ => true,
    })
}

fn flush(out: Option<&mut dyn Write>) -> Result<()> {
    out.map_or(Ok(()), |out| out.flush()).map_err(output_error)
}

//! Signing (RFC 8551 section 3.5, RFC 5652 section 5).

use std::io::Write;
use std::time::SystemTime;

use crate::algorithm::{Armor, CertificateIdentifier, Container, DigestAlgorithm, SignatureScheme};
use crate::asn1::oid;
use crate::cms::certificate::{self, Certificate};
use crate::cms::signed_write::{self, Signature};
use crate::crypto::ecdh::Curve;
use crate::crypto::hash::{self, Hashers};
use crate::error::{Error, Result};
use crate::headers::HeaderProtection;
use crate::key::PrivateKey;
use crate::mime::address;
use crate::mime::armor::Encoder;
use crate::mime::base64_write::Base64Writer;
use crate::mime::canonical::Canonical;
use crate::mime::head::Head;
use crate::mime::message::Message;
use crate::mime::seven_bit_scan::{Plan, Scan};
use crate::mime::{input_error, output, output_error, pump, unwrapped};
use crate::source::Source;

/// How the signature is joined to what it signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Readable without S/MIME: `multipart/signed`, or a detached signature for bare CMS.
    #[default]
    Clear,
    /// The content inside the CMS object: `application/pkcs7-mime; smime-type=signed-data`.
    Opaque,
}

/// What to sign with and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mail or bare CMS.
    pub container: Container,
    /// Clear or opaque.
    pub form: Form,
    /// Digest of content and signed attributes.
    pub digest: DigestAlgorithm,
    /// Scheme; must fit the certificate's key.
    pub scheme: SignatureScheme,
    /// The signer's certificate, DER.
    pub certificate: Vec<u8>,
    /// Further certificates to include (issuers), DER, in any order.
    pub chain: Vec<Vec<u8>>,
    /// Value of the signingTime attribute (RFC 5652 section 11.3).
    pub signing_time: SystemTime,
    /// What few need to choose.
    pub style: Style,
}

impl Options {
    /// Clear-signed mail with the digest that goes with the key: see [`digest_for`].
    pub fn new(certificate: Vec<u8>, scheme: SignatureScheme, signing_time: SystemTime) -> Self {
        let digest = digest_for(&certificate);
        Self {
            container: Container::Mail,
            form: Form::default(),
            digest,
            scheme,
            certificate,
            chain: Vec::new(),
            signing_time,
            style: Style::default(),
        }
    }
}

/// What few need to choose about a signature; the default is what every program reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// How the signer's certificate is named.
    pub identifier: CertificateIdentifier,
    /// Which of the certificates go along.
    pub include: Include,
    /// The signer's certificate for encryption, DER, if it is another than the one that signs: answers are to be
    /// encrypted to it (smimeEncryptionKeyPreference, RFC 8551 section 2.5.3). Include it in the chain.
    pub encryption_certificate: Option<Vec<u8>>,
    /// Whether the header fields of mail go within.
    pub headers: HeaderProtection,
}

/// Which certificates go along with a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// None: who verifies must have them.
    Nothing,
    /// The signer's.
    Signer,
    /// The signer's and the chain without its root, which who trusts it has already.
    WithoutRoot,
    /// The signer's and the whole chain as it was given.
    #[default]
    All,
}

/// What the private key must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Scheme to sign with.
    pub scheme: SignatureScheme,
    /// Digest algorithm.
    pub digest_algorithm: DigestAlgorithm,
    /// The digest over [`Self::message`]: what all schemes but Ed25519 sign.
    pub digest: Vec<u8>,
    /// The DER of the signed attributes: what Ed25519 signs (PureEdDSA, RFC 8419 section 3.1).
    pub message: Vec<u8>,
}

/// A message that has been read and hashed, and waits for its signature.
#[derive(Debug)]
pub struct Prepared {
    options: Options,
    /// The message's head, for mail.
    head: Option<Head>,
    /// How its parts are written so that relays leave them alone.
    plan: Plan,
    content: Content,
    /// Those that go along.
    certificates: Vec<Vec<u8>>,
    request: Request,
}

/// The scheme that fits the key of `certificate` (DER); an RSA key takes RSASSA-PSS too.
///
/// # Errors
/// [`Error::Certificate`] if it cannot be read, or its key makes no signatures that we write.
pub fn scheme_for(certificate: &[u8]) -> Result<SignatureScheme> {
    use SignatureScheme::{Ecdsa, Ed25519, RsaPkcs1, RsaPss};
    let fits = |scheme: &SignatureScheme| signed_write::check_certificate(certificate, *scheme).is_ok();
    match [RsaPkcs1, RsaPss, Ecdsa, Ed25519].into_iter().find(fits) {
        Some(scheme) => Ok(scheme),
        None => Err(certificate::given(certificate, 1)?.refused("its key makes no signatures")),
    }
}

/// The digest that goes with the key of `certificate` (DER): as strong as the key, for some programs (gpgsm) take no
/// weaker one with a curve. SHA-384 for P-384, SHA-512 for P-521 and Ed25519 (RFC 8419 section 3.1), else SHA-256.
pub fn digest_for(certificate: &[u8]) -> DigestAlgorithm {
    let key = Certificate::parse(certificate).ok().and_then(|certificate| certificate.public_key());
    match key {
        Some(key) if key.algorithm.oid == oid::ED25519 => DigestAlgorithm::Sha512,
        Some(key) => match Curve::of(&key) {
            Some(Curve::P384) => DigestAlgorithm::Sha384,
            Some(Curve::P521) => DigestAlgorithm::Sha512,
            _ => DigestAlgorithm::Sha256,
        },
        None => DigestAlgorithm::Sha256,
    }
}

/// The addresses that a mail's `From` and `Sender` headers name, domains in lower case; none for a bare
/// MIME entity. Reads the head only.
///
/// # Errors
/// [`Error::Input`], [`Error::Malformed`] (not MIME), [`Error::Limit`].
pub fn senders(source: &mut dyn Source) -> Result<Vec<String>> {
    Ok(address::senders(&Message::open(source).map_err(unwrapped)?.head))
}

/// Signs `source` with `key`: [`prepare`], the private operation, [`Prepared::write`].
///
/// # Errors
/// Those of the two, and [`Error::PrivateKey`].
pub fn sign(
    source: &mut dyn Source,
    options: &Options,
    key: &mut dyn PrivateKey,
    out: &mut dyn Write,
) -> Result<()> {
    let prepared = prepare(source, options)?;
    let signature = key.sign(prepared.request()).map_err(Error::PrivateKey)?;
    prepared.write(&signature, source, out)
}

/// Reads `source` once and makes everything ready up to the signature.
///
/// # Errors
/// [`Error::Input`], [`Error::Malformed`] (not MIME), [`Error::Certificate`],
/// [`Error::UnsupportedAlgorithm`] (a digest or scheme that is only read; Ed25519 goes with SHA-512 only).
pub fn prepare(source: &mut dyn Source, options: &Options) -> Result<Prepared> {
    if !options.digest.is_written() {
        return Err(Error::UnsupportedAlgorithm(format!("{} for new signatures", options.digest.name())));
    }
    // RFC 8419 section 3.1.
    if options.scheme == SignatureScheme::Ed25519 && options.digest != DigestAlgorithm::Sha512 {
        return Err(Error::UnsupportedAlgorithm(format!("{} with Ed25519", options.digest.name())));
    }
    signed_write::check_certificate(&options.certificate, options.scheme)?;
    let (head, plan, content) = match options.container {
        Container::Mail => hash_mail(source, options)?,
        Container::Cms(_) => (None, Plan::default(), hash_bytes(source, options.digest)?),
    };
    let attributes = signed_write::signed_attributes(
        &content.digest,
        options.signing_time,
        &options.certificate,
        options.style.encryption_certificate.as_deref(),
    )?;
    let request = Request {
        scheme: options.scheme,
        digest_algorithm: options.digest,
        digest: hash::digest(options.digest, &attributes),
        message: attributes,
    };
    let certificates = included(options)?;
    Ok(Prepared { options: options.clone(), head, plan, content, certificates, request })
}

/// The certificates that go along.
fn included(options: &Options) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    if options.style.include != Include::Nothing {
        all.push(options.certificate.clone());
    }
    for (number, der) in options.chain.iter().enumerate() {
        let wanted = match options.style.include {
            Include::Nothing | Include::Signer => false,
            Include::WithoutRoot => !certificate::given(der, number + 1)?.is_self_issued(),
            Include::All => true,
        };
        all.extend(wanted.then(|| der.clone()));
    }
    Ok(all)
}

impl Prepared {
    /// What the private key is asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Checks `signature` (ECDSA: DER Ecdsa-Sig-Value) against the certificate, then reads `source`
    /// again and writes the signed message. A bare detached signature needs no second reading.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the signature is wrong: nothing was written then.
    /// [`Error::Changed`] if the second reading gave other bytes.
    pub fn write(self, signature: &[u8], source: &mut dyn Source, out: &mut dyn Write) -> Result<()> {
        let signature = Signature {
            digest: self.options.digest,
            scheme: self.options.scheme,
            certificate: &self.options.certificate,
            identifier: self.options.style.identifier,
            certificates: &self.certificates,
            attributes: &self.request.message,
            signature,
        };
        signature.check()?;
        let written = match (self.options.container, self.options.form) {
            (Container::Mail, Form::Clear) => self.write_clear(&signature, source, out),
            (Container::Mail, Form::Opaque) => self.write_opaque(&signature, source, out),
            (Container::Cms(armor), Form::Clear) => write_detached(&signature, armor, out),
            (Container::Cms(armor), Form::Opaque) => self.write_attached(&signature, armor, source, out),
        };
        written.and_then(|()| out.flush().map_err(Error::Output)).map_err(unwrapped)
    }

    fn write_clear(
        &self,
        signature: &Signature<'_>,
        source: &mut dyn Source,
        out: &mut dyn Write,
    ) -> Result<()> {
        let signed = signature.detached()?;
        let boundary = output::boundary()?;
        let message = self.reopen(source)?;
        write(out, &output::clear_head(message.outer(), self.options.digest, &boundary))?;
        let mut sum = Sum::default();
        message.recoded_entity(&self.plan, &mut |bytes| {
            sum.update(bytes);
            write(out, bytes)
        })?;
        self.content.expect(sum)?;
        write(out, output::signature_head(&boundary).as_bytes())?;
        let mut lines = Base64Writer::new(&mut *out, output::COLUMNS);
        write(&mut lines, &signed)?;
        lines.finish()?;
        write(out, output::clear_end(&boundary).as_bytes())
    }

    fn write_opaque(
        &self,
        signature: &Signature<'_>,
        source: &mut dyn Source,
        out: &mut dyn Write,
    ) -> Result<()> {
        let message = self.reopen(source)?;
        write(out, &output::cms_head(message.outer(), "signed-data"))?;
        let lines = Base64Writer::new(out, output::COLUMNS);
        let mut writer = signature.opaque(Some(self.content.sum.length), lines)?;
        let mut sum = Sum::default();
        message.entity(&mut |bytes| {
            sum.update(bytes);
            write(&mut writer, bytes)
        })?;
        let lines = writer.finish()?;
        self.content.expect(sum)?;
        lines.finish().map(drop)
    }

    fn write_attached(
        &self,
        signature: &Signature<'_>,
        armor: Armor,
        source: &mut dyn Source,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut writer = signature.opaque(Some(self.content.sum.length), Encoder::new(armor, out)?)?;
        let mut input = source.open_buffered().map_err(input_error)?;
        let mut sum = Sum::default();
        pump(&mut input, &mut |bytes| {
            sum.update(bytes);
            write(&mut writer, bytes)
        })?;
        let encoder = writer.finish()?;
        self.content.expect(sum)?;
        encoder.finish()
    }

    /// Opens the message for the second reading.
    fn reopen<'a>(&self, source: &'a mut dyn Source) -> Result<Message<'a>> {
        let message = Message::open(source)?.protected(self.options.style.headers);
        if self.head.as_ref() == Some(&message.head) { Ok(message) } else { Err(Error::Changed) }
    }
}

/// What the first reading found.
#[derive(Debug)]
struct Content {
    digest: Vec<u8>,
    sum: Sum,
}

impl Content {
    /// Holds a second reading against the first.
    fn expect(&self, second: Sum) -> Result<()> {
        if second.length == self.sum.length && second.crc.finalize() == self.sum.crc.clone().finalize() {
            Ok(())
        } else {
            Err(Error::Changed)
        }
    }
}

/// Tells two readings apart: length in bytes, and CRC-32. Whoever wants to deceive here deceives but themselves, with
/// a signature that does not hold; a file that was saved meanwhile is noticed, for a tenth of what a digest costs.
#[derive(Debug, Default)]
struct Sum {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Sum {
    fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.length += bytes.len() as u64;
    }
}

/// A first reading.
struct Reading {
    algorithm: DigestAlgorithm,
    hashers: Hashers,
    sum: Sum,
}

impl Reading {
    fn new(algorithm: DigestAlgorithm) -> Self {
        Self { algorithm, hashers: Hashers::new(&[algorithm]), sum: Sum::default() }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hashers.update(bytes);
        self.sum.update(bytes);
    }

    fn finish(self) -> Content {
        let digests = self.hashers.finish();
        let digest = digests.of(self.algorithm).unwrap_or_default().to_vec();
        Content { digest, sum: self.sum }
    }
}

fn hash_mail(source: &mut dyn Source, options: &Options) -> Result<(Option<Head>, Plan, Content)> {
    let plan = match options.form {
        Form::Clear => {
            let (head, plan, content) = scan(source, options)?;
            if !plan.is_needed() {
                return Ok((Some(head), plan, content));
            }
            plan
        }
        Form::Opaque => Plan::default(),
    };
    let message = Message::open(source)?.protected(options.style.headers);
    let head = message.head.clone();
    let mut reading = Reading::new(options.digest);
    message.recoded_entity(&plan, &mut |bytes| {
        reading.update(bytes);
        Ok(())
    })?;
    Ok((Some(head), plan, reading.finish()))
}

/// What a relay could change, and how to keep it from that (RFC 8551 section 3.1.3). In the same reading the entity
/// is hashed as it is: mostly nothing must be changed.
fn scan(source: &mut dyn Source, options: &Options) -> Result<(Head, Plan, Content)> {
    let message = Message::open(source)?.protected(options.style.headers);
    let head = message.head.clone();
    let (mut scan, mut form) = (Scan::default(), Canonical::default());
    let mut reading = Reading::new(options.digest);
    message.raw_entity(&mut |bytes| {
        scan.feed(bytes)?;
        form.feed(bytes, &mut |bytes| {
            reading.update(bytes);
            Ok(())
        })
    })?;
    Ok((head, scan.finish()?, reading.finish()))
}

fn hash_bytes(source: &mut dyn Source, algorithm: DigestAlgorithm) -> Result<Content> {
    let mut reading = Reading::new(algorithm);
    let mut input = source.open_buffered().map_err(input_error)?;
    pump(&mut input, &mut |bytes| {
        reading.update(bytes);
        Ok(())
    })?;
    Ok(reading.finish())
}

fn write_detached(signature: &Signature<'_>, armor: Armor, out: &mut dyn Write) -> Result<()> {
    let mut encoder = Encoder::new(armor, out)?;
    write(&mut encoder, &signature.detached()?)?;
    encoder.finish()
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(output_error)
}

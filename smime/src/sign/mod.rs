//! Signing (RFC 8551 section 3.5, RFC 5652 section 5).

mod options;
mod reading;

use std::io::Write;

use crate::algorithm::{Armor, Container, DigestAlgorithm, SignatureScheme};
use crate::cms::certificate;
use crate::cms::signed_write::{self, Signature};
use crate::crypto::hash;
use crate::error::{Error, Result};
use crate::key::PrivateKey;
use crate::mime::address;
use crate::mime::armor::Encoder;
use crate::mime::base64_write::Base64Writer;
use crate::mime::head::Head;
use crate::mime::message::Message;
use crate::mime::seven_bit_scan::Plan;
use crate::mime::{input_error, output, output_error, pump, unwrapped};
use crate::source::Source;
pub use options::{Form, Include, Options, Style, digest_for, scheme_for};
use reading::{Content, hash_bytes, hash_mail};

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
        self.content.pass_on(out, |sink| message.recoded_entity(&self.plan, sink))?;
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
        let mut writer = signature.opaque(Some(self.content.length()), lines)?;
        self.content.pass_on(&mut writer, |sink| message.entity(sink))?;
        writer.finish()?.finish().map(drop)
    }

    fn write_attached(
        &self,
        signature: &Signature<'_>,
        armor: Armor,
        source: &mut dyn Source,
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut writer = signature.opaque(Some(self.content.length()), Encoder::new(armor, out)?)?;
        let mut input = source.open_buffered().map_err(input_error)?;
        self.content.pass_on(&mut writer, |sink| pump(&mut input, sink))?;
        writer.finish()?.finish()
    }

    /// Opens the message for the second reading.
    fn reopen<'a>(&self, source: &'a mut dyn Source) -> Result<Message<'a>> {
        let message = Message::open(source)?.protected(self.options.style.headers);
        if self.head.as_ref() == Some(&message.head) { Ok(message) } else { Err(Error::Changed) }
    }
}

fn write_detached(signature: &Signature<'_>, armor: Armor, out: &mut dyn Write) -> Result<()> {
    let mut encoder = Encoder::new(armor, out)?;
    write(&mut encoder, &signature.detached()?)?;
    encoder.finish()
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(output_error)
}

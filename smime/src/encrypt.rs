//! Encrypting (RFC 8551 section 3.3 and 3.4, RFC 5652 section 6, RFC 5083, RFC 5753).

use std::io::{self, Write};

use crate::algorithm::{Armor, CertificateIdentifier, Container, ContentCipher, KeyTransport};
use crate::capabilities::Capabilities;
use crate::cms::enveloped_write::{Recipients, Writer};
use crate::error::{Error, Result};
use crate::headers::HeaderProtection;
use crate::mime::armor::Encoder;
use crate::mime::base64_write::Base64Writer;
use crate::mime::message::Message;
use crate::mime::{input_error, output, output_error, pump, unwrapped};
use crate::source::Source;

/// To whom to encrypt and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mail or bare CMS.
    pub container: Container,
    /// Content cipher; an authenticated one makes AuthEnvelopedData.
    pub cipher: ContentCipher,
    /// The recipients' certificates, DER: RSA by key transport, EC by key agreement.
    pub recipients: Vec<Vec<u8>>,
    /// What few need to choose.
    pub style: Style,
}

impl Options {
    /// Mail, encrypted with AES-256-GCM; see [`best_cipher`] for recipients who may not read that.
    pub fn new(recipients: Vec<Vec<u8>>) -> Self {
        Self {
            container: Container::Mail,
            cipher: ContentCipher::Aes256Gcm,
            recipients,
            style: Style::default(),
        }
    }
}

/// What few need to choose about recipient infos; the default is what every program reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// How the content key is encrypted to RSA keys.
    pub key_transport: KeyTransport,
    /// How recipients' certificates are named.
    pub identifier: CertificateIdentifier,
    /// Whether the header fields of mail go within.
    pub headers: HeaderProtection,
}

/// The best cipher that all recipients can read: AES-256-GCM, unless one of them has said what it reads and that is
/// not among it; then the first such one of [`ContentCipher::WRITTEN`]. A recipient whose capabilities are not known (`None`) is taken for a program of
/// today (RFC 8551 section 2.7.1).
pub fn best_cipher(recipients: &[Option<&Capabilities>]) -> ContentCipher {
    let all_read = |cipher: &ContentCipher| recipients.iter().flatten().all(|known| known.reads(*cipher));
    // Who can read none of these is served with the one that is most often left unsaid.
    ContentCipher::WRITTEN.into_iter().find(all_read).unwrap_or(ContentCipher::Aes128Cbc)
}

/// Checks every recipient, makes a fresh content-encryption key, and writes the encrypted message
/// in one pass over `source`.
///
/// # Errors
/// [`crate::Error::Certificate`] names the recipient that cannot be encrypted to; nothing was written then.
pub fn encrypt(source: &mut dyn Source, options: &Options, out: &mut dyn Write) -> Result<()> {
    let recipients = Recipients::new(&options.recipients, options.style)?;
    let written = match options.container {
        Container::Mail => encrypt_mail(source, options.cipher, options.style.headers, &recipients, out),
        Container::Cms(armor) => encrypt_bytes(source, options.cipher, &recipients, armor, out),
    };
    written.and_then(|()| out.flush().map_err(Error::Output)).map_err(unwrapped)
}

fn encrypt_mail(
    source: &mut dyn Source,
    cipher: ContentCipher,
    headers: HeaderProtection,
    recipients: &Recipients,
    out: &mut dyn Write,
) -> Result<()> {
    let message = Message::open(source)?.protected(headers);
    let head = output::cms_head(message.outer(), smime_type(cipher));
    let lines = Base64Writer::new(WithHead { head, out }, output::COLUMNS);
    let mut writer = Writer::new(cipher, recipients, None, lines)?;
    message.entity(&mut |bytes| writer.write_all(bytes).map_err(output_error))?;
    writer.finish()?.finish().map(drop)
}

fn encrypt_bytes(
    source: &mut dyn Source,
    cipher: ContentCipher,
    recipients: &Recipients,
    armor: Armor,
    out: &mut dyn Write,
) -> Result<()> {
    let length = source.length();
    let mut input = source.open_buffered().map_err(input_error)?;
    let mut writer = Writer::new(cipher, recipients, length, Encoder::new(armor, out)?)?;
    pump(&mut input, &mut |bytes| writer.write_all(bytes).map_err(output_error))?;
    writer.finish()?.finish()
}

/// RFC 8551 section 3.2.2.
fn smime_type(cipher: ContentCipher) -> &'static str {
    if cipher.is_authenticated() { "authEnveloped-data" } else { "enveloped-data" }
}

/// Writes a head in front of the first byte: nothing at all is written if the recipients fail.
struct WithHead<'a> {
    head: Vec<u8>,
    out: &'a mut dyn Write,
}

impl Write for WithHead<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let head = std::mem::take(&mut self.head);
        self.out.write_all(&head)?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

//! The few fields of a certificate that CMS needs, read with patience: whether the rest of it is
//! in order is the question of path validation, not of finding a signer.

use std::borrow::Cow;

use ::der::Decode;
use const_oid::ObjectIdentifier;
use spki::SubjectPublicKeyInfoRef;
use x509_cert::name::Name;

use crate::algorithm::{CertificateIdentifier, DigestAlgorithm};
use crate::asn1::der::{self, Cursor};
use crate::crypto::hash;
use crate::decrypt::RecipientId;
use crate::error::{Error, Result};

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// First octet of the KeyUsage bit string (RFC 5280 section 4.2.1.3).
pub(crate) const KEY_ENCIPHERMENT: u8 = 0x20;
/// See [`KEY_ENCIPHERMENT`].
pub(crate) const KEY_AGREEMENT: u8 = 0x08;

/// Borrowed fields of an X.509 certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Certificate<'a> {
    /// Issuer's Name, the whole element.
    pub(crate) issuer: &'a [u8],
    /// Serial number, content octets.
    pub(crate) serial: &'a [u8],
    /// Subject's Name, the whole element.
    subject: &'a [u8],
    /// SubjectPublicKeyInfo, the whole element.
    pub(crate) spki: &'a [u8],
    key_identifier: Option<&'a [u8]>,
    key_usage: Option<u8>,
}

impl<'a> Certificate<'a> {
    /// Reads `certificate` (DER).
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(crate) fn parse(certificate: &'a [u8]) -> Result<Self> {
        let mut fields =
            Cursor::new(certificate).expect(der::SEQUENCE)?.inside().expect(der::SEQUENCE)?.inside();
        fields.optional(der::context(0))?;
        let serial = fields.expect(der::INTEGER)?.content;
        fields.expect(der::SEQUENCE)?;
        let issuer = fields.expect(der::SEQUENCE)?.whole;
        fields.expect(der::SEQUENCE)?;
        let subject = fields.expect(der::SEQUENCE)?.whole;
        let spki = fields.expect(der::SEQUENCE)?.whole;
        let mut this = Self { issuer, serial, subject, spki, key_identifier: None, key_usage: None };
        while let Some(field) = fields.next()? {
            if field.tag == der::context(3) {
                this.extensions(field.inside().expect(der::SEQUENCE)?.inside())?;
            }
        }
        Ok(this)
    }

    /// The public key.
    pub(crate) fn public_key(&self) -> Option<SubjectPublicKeyInfoRef<'a>> {
        SubjectPublicKeyInfoRef::from_der(self.spki).ok()
    }

    /// Whether this is the certificate that `id` names.
    pub(crate) fn is(&self, id: &RecipientId) -> bool {
        match id {
            RecipientId::IssuerAndSerial { issuer, serial } => self.issuer == issuer && self.serial == serial,
            RecipientId::KeyIdentifier(identifier) => *self.key_identifier() == **identifier,
            _ => false,
        }
    }

    /// SubjectKeyIdentifier, or what RFC 5280 section 4.2.1.2 (method 1) would make it.
    pub(crate) fn key_identifier(&self) -> Cow<'a, [u8]> {
        if let Some(identifier) = self.key_identifier {
            return Cow::Borrowed(identifier);
        }
        let key = self.public_key().map_or(&[][..], |key| key.subject_public_key.raw_bytes());
        Cow::Owned(hash::digest(DigestAlgorithm::Sha1, key))
    }

    /// Whether KeyUsage allows `bit`, or is absent.
    pub(crate) fn allows(&self, bit: u8) -> bool {
        self.key_usage.is_none_or(|usage| usage & bit != 0)
    }

    /// IssuerAndSerialNumber (RFC 5652 section 10.2.4).
    pub(crate) fn issuer_and_serial(&self) -> Vec<u8> {
        der::sequence(&[self.issuer, &der::element(der::INTEGER, &[self.serial])])
    }

    /// SignerIdentifier or RecipientIdentifier (RFC 5652 sections 5.3 and 6.2.1). A certificate without a
    /// SubjectKeyIdentifier is named by issuer and serial number.
    pub(crate) fn identifier(&self, how: CertificateIdentifier) -> Identifier<'a> {
        match (how, self.key_identifier) {
            (CertificateIdentifier::KeyIdentifier, Some(identifier)) => Identifier::Key(identifier),
            _ => Identifier::IssuerAndSerial(self.issuer_and_serial()),
        }
    }

    /// Whether issuer and subject are the same: a root, as far as a message is concerned.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// That this certificate cannot be used, and why.
    pub(crate) fn refused(&self, reason: &str) -> Error {
        let subject = Name::from_der(self.subject)
            .map_or_else(|_| "without a readable name".to_owned(), |name| name.to_string());
        Error::Certificate { subject, reason: reason.to_owned() }
    }

    fn extensions(&mut self, mut extensions: Cursor<'a>) -> Result<()> {
        while let Some(extension) = extensions.next()? {
            let mut parts = extension.inside();
            let id = parts.expect(der::OID)?.content;
            parts.optional(0x01)?;
            let mut value = parts.expect(der::OCTET_STRING)?.inside();
            if id == SUBJECT_KEY_IDENTIFIER.as_bytes() {
                self.key_identifier = Some(value.expect(der::OCTET_STRING)?.content);
            } else if id == KEY_USAGE.as_bytes() {
                self.key_usage = Some(value.expect(0x03)?.content.get(1).copied().unwrap_or(0));
            }
        }
        Ok(())
    }
}

/// How a message names a certificate; each place has a tag of its own for a key identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identifier<'a> {
    /// SubjectKeyIdentifier.
    Key(&'a [u8]),
    /// IssuerAndSerialNumber, the element.
    IssuerAndSerial(Vec<u8>),
}

/// Parses a certificate that the caller handed in; `number` tells which if it has no readable name.
///
/// # Errors
/// [`Error::Certificate`].
pub(crate) fn given(certificate: &[u8], number: usize) -> Result<Certificate<'_>> {
    Certificate::parse(certificate).map_err(|_| Error::Certificate {
        subject: format!("number {number}"),
        reason: "it cannot be read".to_owned(),
    })
}

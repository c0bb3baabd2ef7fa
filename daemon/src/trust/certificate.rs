//! What Wafer needs to know of a certificate, read once (RFC 5280).

use std::time::{Duration, SystemTime};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc3280::EMAIL_ADDRESS;
use const_oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
    ID_CE_SUBJECT_ALT_NAME, ID_KP_EMAIL_PROTECTION,
};
use const_oid::db::rfc5912::{ID_EC_PUBLIC_KEY, RSA_ENCRYPTION};
use const_oid::db::rfc8410::{ID_ED_25519, ID_X_25519};
use der::asn1::{AnyRef, Ia5StringRef, UintRef, Utf8StringRef};
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// id-on-SmtpUTF8Mailbox (RFC 9598 section 3).
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// The longest certificate read, in bytes; the largest seen in practice have some 10 KiB.
pub const CERTIFICATE_MAX: usize = 128 * 1024;

/// A certificate that cannot be read: what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub struct Unreadable(String);

/// A certificate, parsed. Its signature has not been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// Subject for people, RFC 4514.
    pub subject: String,
    /// Issuer for people, RFC 4514.
    pub issuer: String,
    /// Serial number, lower-case hex of its content octets.
    pub serial: String,
    /// Mail addresses: those of the SubjectAltName (rfc822Name, SmtpUTF8Mailbox); if it has none, the
    /// subject's emailAddress attributes. Never a common name. Domains in lower case.
    pub addresses: Vec<String>,
    /// First moment of validity.
    pub not_before: SystemTime,
    /// Last moment of validity.
    pub not_after: SystemTime,
    /// What the key may be used for.
    pub usage: Usage,
    /// Kind of the public key.
    pub key: PublicKeyKind,
    /// How strong it is.
    pub strength: Strength,
}

/// How strong a public key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strength {
    /// `rsa`, `ec`, `ed25519`, `x25519`, or the algorithm's OID.
    pub algorithm: String,
    /// Bits of the modulus or of the curve; 0 if not known.
    pub bits: u32,
}

impl Strength {
    fn of(key: &SubjectPublicKeyInfoOwned) -> Self {
        let octets = key.subject_public_key.raw_bytes();
        let (algorithm, bits) = match key.algorithm.oid {
            RSA_ENCRYPTION => ("rsa".to_owned(), modulus_bits(octets).unwrap_or(0)),
            // An uncompressed point: 4 and two coordinates.
            ID_EC_PUBLIC_KEY => (
                "ec".to_owned(),
                match octets.len() {
                    133 => 521,
                    length => u32::try_from(length / 2 * 8).unwrap_or(0),
                },
            ),
            ID_ED_25519 => ("ed25519".to_owned(), 256),
            ID_X_25519 => ("x25519".to_owned(), 256),
            other => (other.to_string(), 0),
        };
        Self { algorithm, bits }
    }

    /// Below what the S/MIME baseline requirements (section 6.1.5) allow.
    pub fn is_weak(&self) -> bool {
        match self.algorithm.as_str() {
            "rsa" => self.bits < 2048,
            "ec" => self.bits < 256,
            _ => false,
        }
    }
}

/// Bits of the modulus in an RSAPublicKey (RFC 8017 appendix A.1.1).
fn modulus_bits(der: &[u8]) -> Option<u32> {
    let modulus = SliceReader::new(AnyRef::from_der(der).ok()?.value()).ok()?.decode::<UintRef<'_>>().ok()?;
    let first = modulus.as_bytes().first()?;
    Some(u32::try_from(modulus.as_bytes().len()).ok()? * 8 - first.leading_zeros())
}

/// What a certificate's key may be used for (RFC 8551 section 4.4, RFC 5280 section 4.2.1.3 and .12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Signing mail: digitalSignature or nonRepudiation, and emailProtection; never X25519.
    pub sign: bool,
    /// Receiving encrypted mail: keyEncipherment (RSA) or keyAgreement (EC, X25519), and emailProtection.
    pub encrypt: bool,
    /// Signing certificates: a CA with keyCertSign (or without key usage).
    pub issue: bool,
    /// The extended key usage is absent or names emailProtection or anyExtendedKeyUsage.
    pub mail: bool,
}

/// The kind of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKeyKind {
    /// rsaEncryption.
    Rsa,
    /// id-ecPublicKey.
    Ec,
    /// Anything else.
    Other,
}

impl Certificate {
    /// Reads `der`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is no certificate, or one of the extensions needed here is malformed.
    pub fn read(der: &[u8]) -> Result<Self, Unreadable> {
        if der.len() > CERTIFICATE_MAX {
            return Err(Unreadable("it is too long".into()));
        }
        let parsed = CertificateInner::<Raw>::from_der(der).map_err(unreadable)?;
        let tbs = parsed.tbs_certificate();
        let extensions = Extensions(tbs.extensions().map_or(&[], |all| all.as_slice()));
        let algorithm = tbs.subject_public_key_info().algorithm.oid;
        let key = match algorithm {
            RSA_ENCRYPTION => PublicKeyKind::Rsa,
            ID_EC_PUBLIC_KEY => PublicKeyKind::Ec,
            _ => PublicKeyKind::Other,
        };
        let mut addresses = extensions.addresses()?;
        if addresses.is_empty() {
            addresses = addresses_of_name(tbs.subject());
        }
        Ok(Self {
            der: der.to_vec(),
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            serial: hex(tbs.serial_number().as_bytes()),
            addresses,
            not_before: time(tbs.validity().not_before.to_unix_duration()),
            not_after: time(tbs.validity().not_after.to_unix_duration()),
            usage: extensions.usage(algorithm, tbs.extensions().is_none())?,
            key,
            strength: Strength::of(tbs.subject_public_key_info()),
        })
    }

    /// Whether the certificate's own dates allow it at the time `at`.
    pub fn is_valid_at(&self, at: SystemTime) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Whether one of the certificate's addresses is `address`.
    pub fn has_address(&self, address: &str) -> bool {
        self.addresses.iter().any(|own| same_address(own, address))
    }

    /// Subject for a sentence: the first address, else the subject's name.
    pub fn display_name(&self) -> &str {
        self.addresses.first().map_or(&self.subject, String::as_str)
    }
}

/// Whether two addresses are one: the local part exactly, the domain without regard to case
/// (RFC 5321 section 2.4).
pub fn same_address(left: &str, right: &str) -> bool {
    match (left.rsplit_once('@'), right.rsplit_once('@')) {
        (Some((local, domain)), Some((other_local, other_domain))) => {
            local == other_local && domain.eq_ignore_ascii_case(other_domain)
        }
        _ => false,
    }
}

struct Extensions<'a>(&'a [Extension]);

impl Extensions<'_> {
    /// The only extension `oid`, decoded. Two of one kind are a fault (RFC 5280 section 4.2).
    fn one<'a, T: Decode<'a, Error = der::Error>>(
        &'a self,
        oid: ObjectIdentifier,
    ) -> Result<Option<T>, Unreadable> {
        let mut found = self.0.iter().filter(|extension| extension.extn_id == oid);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(extension), None) => {
                T::from_der(extension.extn_value.as_bytes()).map(Some).map_err(unreadable)
            }
            (Some(_), Some(_)) => Err(Unreadable(format!("it has the extension {oid} twice"))),
        }
    }

    fn addresses(&self) -> Result<Vec<String>, Unreadable> {
        let names = self.one::<SubjectAltName>(ID_CE_SUBJECT_ALT_NAME)?.map_or(Vec::new(), |names| names.0);
        let address = |name: &GeneralName| match name {
            GeneralName::Rfc822Name(address) => clean_address(address.as_str()),
            GeneralName::OtherName(other) if other.type_id == SMTP_UTF8_MAILBOX => {
                clean_address(Utf8StringRef::try_from(&other.value).ok()?.as_str())
            }
            _ => None,
        };
        Ok(names.iter().filter_map(address).collect())
    }

    fn usage(&self, key: ObjectIdentifier, no_extensions: bool) -> Result<Usage, Unreadable> {
        let key_usage = self.one::<KeyUsage>(ID_CE_KEY_USAGE)?;
        let may = |bit: fn(&KeyUsage) -> bool| key_usage.as_ref().is_none_or(bit);
        let extended = self.one::<ExtendedKeyUsage>(ID_CE_EXT_KEY_USAGE)?;
        if extended.as_ref().is_some_and(|usage| usage.0.is_empty()) {
            return Err(Unreadable("its extended key usage is empty".into()));
        }
        let mail = extended.is_none_or(|usage| {
            usage.0.contains(&ID_KP_EMAIL_PROTECTION) || usage.0.contains(&ANY_EXTENDED_KEY_USAGE)
        });
        let authority = self.one::<BasicConstraints>(ID_CE_BASIC_CONSTRAINTS)?.map(|basic| basic.ca);
        let encrypt = match key {
            RSA_ENCRYPTION => may(KeyUsage::key_encipherment),
            ID_EC_PUBLIC_KEY | ID_X_25519 => may(KeyUsage::key_agreement),
            _ => false,
        };
        Ok(Usage {
            sign: mail
                && key != ID_X_25519
                && (may(KeyUsage::digital_signature) || may(KeyUsage::non_repudiation)),
            encrypt: mail && encrypt,
            // A root of X.509 version 1 has no extensions at all and cannot say that it is a CA.
            issue: authority.unwrap_or(no_extensions) && may(KeyUsage::key_cert_sign),
            mail,
        })
    }
}

fn addresses_of_name(name: &x509_cert::name::Name) -> Vec<String> {
    let attributes = name.iter_rdn().flat_map(|rdn| rdn.iter());
    let address = |attribute: &x509_cert::attr::AttributeTypeAndValue| {
        if attribute.oid != EMAIL_ADDRESS {
            return None;
        }
        // PKCS #9 says IA5String; UTF8String is common all the same.
        let value = &attribute.value;
        let text = Ia5StringRef::try_from(value)
            .map(|text| text.as_str().to_owned())
            .or_else(|_| Utf8StringRef::try_from(value).map(|text| text.as_str().to_owned()));
        clean_address(&text.ok()?)
    };
    attributes.filter_map(address).collect()
}

/// `address` with its domain in lower case; `None` for what could deceive a reader or is no address.
fn clean_address(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';');
    if local.is_empty() || domain.is_empty() || address.len() > 320 || address.contains(odd) {
        return None;
    }
    Some(format!("{local}@{}", domain.to_ascii_lowercase()))
}

fn unreadable(error: impl std::fmt::Display) -> Unreadable {
    Unreadable(error.to_string())
}

fn time(since_epoch: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + since_epoch
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// DER of the SubjectPublicKeyInfo's algorithm parameters, used to tell curves apart.
pub(super) fn curve(spki: &SubjectPublicKeyInfoOwned) -> Option<ObjectIdentifier> {
    let parameters = spki.algorithm.parameters.as_ref()?.to_der().ok()?;
    ObjectIdentifier::from_der(&parameters).ok()
}

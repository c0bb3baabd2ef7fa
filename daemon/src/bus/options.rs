//! Named options: every one known, by name and type, and which call understands which.

use std::collections::HashMap;
use std::time::Duration;

use wafer_client::WaferError;
use wafer_client::keeper::PromptPlace;
use wafer_client::names::IDENTITY_PATH_PREFIX;
use wafer_smime::algorithm::{
    Armor, CertificateIdentifier, ContentCipher, DigestAlgorithm, KeyTransport, SignatureScheme,
};
use wafer_smime::headers::{HeaderConfidentiality, HeaderProtection};
use wafer_smime::sign::{Form, Include};
use zbus::{ObjectPath, OwnedVariant, Variant};

use super::stream::MessageArgument;
use crate::text;

/// Options that every call understands.
const COMMON: &[&str] = &[
    "interactive",
    "deadline-ms",
    "cancellation-id",
    "display",
    "wayland-display",
    "tty",
    "term",
    "lang",
    "origin",
];
/// What `Sign` takes, of mail and of CMS.
pub(super) const SIGN: [&str; 7] = [
    "identity",
    "from",
    "form",
    "digest",
    "signature-scheme",
    "certificate-identifier",
    "include-certificates",
];
/// What `Encrypt` takes, of mail and of CMS.
pub(super) const ENCRYPT: [&str; 7] = [
    "recipients",
    "recipient-certificates",
    "content-cipher",
    "key-transport",
    "certificate-identifier",
    "to-self",
    "from",
];
/// What goes within a mail; bare CMS has no header fields.
pub(super) const HEADER_PROTECTION: &str = "header-protection";
/// Options of single calls.
const OTHERS: &[&str] = &[
    "armor",
    "bcc",
    "bcc-mode",
    "certificate-identifier",
    "certificates",
    "content-cipher",
    "digest",
    "encrypt",
    "form",
    "from",
    HEADER_PROTECTION,
    "identity",
    "include-certificates",
    "key-transport",
    "name",
    "output",
    "recipient-certificates",
    "recipients",
    "refresh",
    "replies-to-signed",
    "sign",
    "signature-scheme",
    "to-self",
    "triple-wrap",
    "when-missing",
];
/// The longest text option, in bytes.
const TEXT_MAX: usize = 4096;
/// The most recipients, or certificates, in one call.
const LIST_MAX: usize = 4096;

/// Every option name known (the property `Features`).
pub(super) fn features() -> Vec<String> {
    let mut names: Vec<String> = COMMON.iter().chain(OTHERS).map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

/// What every call understands.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) interactive: bool,
    pub(super) deadline: Option<Duration>,
    pub(super) cancellation_id: Option<String>,
    /// The web page on whose behalf an adapter calls.
    pub(super) origin: Option<String>,
    pub(super) place: PromptPlace,
}

/// The options of one call; each is taken out once.
pub(super) struct Options(HashMap<String, OwnedVariant>);

impl Options {
    /// Takes a call's options, of which it understands [`COMMON`] and `known`.
    ///
    /// # Errors
    /// `UnknownOption` for the first other one, unless it begins with `x-`.
    pub(super) fn new(options: HashMap<String, OwnedVariant>, known: &[&str]) -> Result<Self, WaferError> {
        let is_known = |name: &str| COMMON.contains(&name) || known.contains(&name) || name.starts_with("x-");
        match options.keys().find(|name| !is_known(name)) {
            Some(name) => Err(text::unknown_option(name)),
            None => Ok(Self(options)),
        }
    }

    /// The common ones.
    ///
    /// # Errors
    /// `InvalidArgument`, here and in all that follow.
    pub(super) fn common(&mut self) -> Result<Common, WaferError> {
        let interactive = self.flag("interactive")?;
        let deadline = self.typed("deadline-ms", "a number (u)", |value| u32::try_from(value).ok())?;
        Ok(Common {
            interactive: interactive.unwrap_or(true),
            deadline: deadline.filter(|time| *time > 0).map(|time| Duration::from_millis(time.into())),
            cancellation_id: self.text("cancellation-id")?,
            origin: self.text("origin")?,
            place: PromptPlace {
                display: self.text("display")?.unwrap_or_default(),
                wayland_display: self.text("wayland-display")?.unwrap_or_default(),
                tty: self.text("tty")?.unwrap_or_default(),
                term: self.text("term")?.unwrap_or_default(),
                lang: self.text("lang")?.unwrap_or_default(),
            },
        })
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, WaferError> {
        let text = self.typed(name, "a string (s)", |value| String::try_from(value).ok())?;
        match text {
            Some(text) if text.len() > TEXT_MAX || text.contains('\0') => {
                Err(text::invalid_argument(name, "the text is too long"))
            }
            text => Ok(text),
        }
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, WaferError> {
        self.typed(name, "a boolean (b)", |value| bool::try_from(value).ok())
    }

    /// The id of an identity.
    pub(super) fn identity(&mut self) -> Result<Option<String>, WaferError> {
        let path = self.typed("identity", "an object path (o)", |value| match value {
            Variant::ObjectPath(path) => Some(path),
            _ => None,
        })?;
        let id = |path: ObjectPath<'_>| {
            let id = path.as_str().strip_prefix(IDENTITY_PATH_PREFIX)?.strip_prefix('/')?;
            (!id.contains('/')).then(|| id.to_owned())
        };
        path.map(|path| {
            id(path).ok_or_else(|| text::invalid_argument("identity", "it is no identity's path"))
        })
        .transpose()
    }

    /// Addresses.
    pub(super) fn addresses(&mut self, name: &str) -> Result<Vec<String>, WaferError> {
        let list = self.typed(name, "a list of strings (as)", |value| Vec::<String>::try_from(value).ok())?;
        bounded(name, list)
    }

    /// Certificates, DER.
    pub(super) fn certificates(&mut self, name: &str) -> Result<Vec<Vec<u8>>, WaferError> {
        let list =
            self.typed(name, "a list of byte arrays (aay)", |value| Vec::<Vec<u8>>::try_from(value).ok())?;
        bounded(name, list)
    }

    /// Where an optional output goes.
    pub(super) fn output(&mut self) -> Result<Option<MessageArgument>, WaferError> {
        self.0.remove("output").map(MessageArgument::from_option).transpose()
    }

    /// Clear or opaque.
    pub(super) fn form(&mut self) -> Result<Form, WaferError> {
        self.given_form().map(Option::unwrap_or_default)
    }

    /// Clear or opaque, if it was said.
    pub(super) fn given_form(&mut self) -> Result<Option<Form>, WaferError> {
        self.named("form", &[("clear", Form::Clear), ("opaque", Form::Opaque)])
    }

    /// The digest of a signature, if it was said.
    pub(super) fn digest(&mut self) -> Result<Option<DigestAlgorithm>, WaferError> {
        let names = [
            ("sha256", DigestAlgorithm::Sha256),
            ("sha384", DigestAlgorithm::Sha384),
            ("sha512", DigestAlgorithm::Sha512),
        ];
        self.named("digest", &names)
    }

    /// The scheme of an RSA signature, if chosen.
    pub(super) fn signature_scheme(&mut self) -> Result<Option<SignatureScheme>, WaferError> {
        let names = [("rsa-pkcs1", SignatureScheme::RsaPkcs1), ("rsa-pss", SignatureScheme::RsaPss)];
        self.named("signature-scheme", &names)
    }

    /// How certificates are named in the message.
    pub(super) fn certificate_identifier(&mut self) -> Result<CertificateIdentifier, WaferError> {
        let names = [
            ("issuer-serial", CertificateIdentifier::IssuerAndSerial),
            ("key-identifier", CertificateIdentifier::KeyIdentifier),
        ];
        self.named("certificate-identifier", &names).map(|how| how.unwrap_or_default())
    }

    /// Which certificates go along with a signature.
    pub(super) fn include_certificates(&mut self) -> Result<Include, WaferError> {
        let names = [
            ("all", Include::All),
            ("without-root", Include::WithoutRoot),
            ("signer", Include::Signer),
            ("none", Include::Nothing),
        ];
        self.named("include-certificates", &names).map(|which| which.unwrap_or_default())
    }

    /// How the content key goes to RSA keys.
    pub(super) fn key_transport(&mut self) -> Result<KeyTransport, WaferError> {
        let names = [
            ("rsa-pkcs1", KeyTransport::RsaPkcs1),
            ("rsa-oaep", KeyTransport::RsaOaep(DigestAlgorithm::Sha256)),
        ];
        self.named("key-transport", &names).map(|how| how.unwrap_or_default())
    }

    /// The cipher of the content, if it was said.
    pub(super) fn content_cipher(&mut self) -> Result<Option<ContentCipher>, WaferError> {
        let names = ContentCipher::WRITTEN.map(|cipher| (cipher.name(), cipher));
        self.named("content-cipher", &names)
    }

    /// Whether header fields go within; a message that only `signs` may leave the same outside.
    pub(super) fn header_protection(&mut self, signs: bool) -> Result<HeaderProtection, WaferError> {
        let all = [
            ("as-written", HeaderProtection::AsWritten),
            ("none", HeaderProtection::Outside),
            ("baseline", HeaderProtection::Cipher(HeaderConfidentiality::Baseline)),
            ("shy", HeaderProtection::Cipher(HeaderConfidentiality::Shy)),
            ("no-confidentiality", HeaderProtection::Cipher(HeaderConfidentiality::Nothing)),
            ("clear", HeaderProtection::Clear),
        ];
        let known = if signs { &all[..] } else { &all[..all.len() - 1] };
        self.named(HEADER_PROTECTION, known).map(|how| how.unwrap_or_default())
    }

    /// How a bare CMS object is written.
    pub(super) fn armor(&mut self) -> Result<Armor, WaferError> {
        let names = [("der", Armor::Der), ("base64", Armor::Base64), ("pem", Armor::Pem)];
        self.named("armor", &names).map(|armor| armor.unwrap_or_default())
    }

    /// One of the words in `values`.
    pub(super) fn named<T: Copy>(
        &mut self,
        name: &str,
        values: &[(&str, T)],
    ) -> Result<Option<T>, WaferError> {
        let Some(given) = self.text(name)? else { return Ok(None) };
        let all: Vec<&str> = values.iter().map(|(known, _)| *known).collect();
        match values.iter().find(|(known, _)| *known == given) {
            Some((_, value)) => Ok(Some(*value)),
            None => Err(text::invalid_argument(name, &format!("it must be one of {}", all.join(", ")))),
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        expected: &str,
        convert: impl Fn(Variant<'static>) -> Option<T>,
    ) -> Result<Option<T>, WaferError> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        match convert(Variant::from(value)) {
            Some(value) => Ok(Some(value)),
            None => Err(text::invalid_argument(name, &format!("it must be {expected}"))),
        }
    }
}

fn bounded<T>(name: &str, list: Option<Vec<T>>) -> Result<Vec<T>, WaferError> {
    match list {
        Some(list) if list.len() > LIST_MAX => Err(text::invalid_argument(name, "the list is too long")),
        list => Ok(list.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use wafer_client::ErrorKind;

    use super::*;

    fn options(pairs: Vec<(&str, Variant<'static>)>) -> HashMap<String, OwnedVariant> {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), OwnedVariant::try_from(value).unwrap()))
            .collect()
    }

    #[test]
    fn an_unknown_option_is_named_and_x_is_ignored() {
        let given = options(vec![("x-color", "red".into()), ("colour", "red".into())]);
        let error = Options::new(given, &[]).err().unwrap();
        assert_eq!(error.kind, ErrorKind::UnknownOption);
        assert_eq!(error.details["option"].downcast_ref::<&str>().unwrap(), "colour");
        assert!(Options::new(options(vec![("x-color", "red".into())]), &[]).is_ok());
    }

    #[test]
    fn another_calls_option_is_unknown_here() {
        assert!(Options::new(options(vec![("armor", "pem".into())]), &["form"]).is_err());
        assert!(Options::new(options(vec![("armor", "pem".into())]), &["armor"]).is_ok());
    }

    #[test]
    fn a_wrong_type_names_the_option() {
        let mut wrong = Options::new(options(vec![("deadline-ms", "soon".into())]), &[]).unwrap();
        let error = wrong.common().unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert_eq!(error.details["argument"].downcast_ref::<&str>().unwrap(), "deadline-ms");
        let mut wrong = Options::new(options(vec![("digest", "md5".into())]), &["digest"]).unwrap();
        assert!(wrong.digest().unwrap_err().message.contains("sha256"));
        let given = options(vec![("key-transport", "rsa".into()), ("include-certificates", "root".into())]);
        let mut wrong = Options::new(given, OTHERS).unwrap();
        assert!(wrong.key_transport().unwrap_err().message.contains("rsa-oaep"));
        assert!(wrong.include_certificates().unwrap_err().message.contains("without-root"));
    }

    #[test]
    fn defaults_and_values_are_read() {
        let mut none = Options::new(HashMap::new(), &[]).unwrap();
        let common = none.common().unwrap();
        assert!(common.interactive && common.deadline.is_none() && common.cancellation_id.is_none());
        let path = ObjectPath::try_from(format!("{IDENTITY_PATH_PREFIX}/00ff")).unwrap();
        let given = options(vec![
            ("identity", path.into()),
            ("recipients", vec!["a@b.example".to_owned()].into()),
            ("certificates", vec![vec![1_u8, 2]].into()),
            ("signature-scheme", "rsa-pss".into()),
            ("certificate-identifier", "key-identifier".into()),
        ]);
        let mut given = Options::new(given, OTHERS).unwrap();
        assert_eq!(given.identity().unwrap().unwrap(), "00ff");
        assert_eq!(given.addresses("recipients").unwrap(), ["a@b.example"]);
        assert_eq!(given.certificates("certificates").unwrap(), [[1, 2]]);
        assert_eq!(given.signature_scheme().unwrap(), Some(SignatureScheme::RsaPss));
        assert_eq!(given.certificate_identifier().unwrap(), CertificateIdentifier::KeyIdentifier);
        assert_eq!(given.key_transport().unwrap(), KeyTransport::RsaPkcs1);
        assert_eq!(given.include_certificates().unwrap(), Include::All);
    }
}

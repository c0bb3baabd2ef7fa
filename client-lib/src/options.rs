//! A call's options, with names and types checked by the compiler.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use crate::proxies::OptionMap;

/// The options of a call; every one has a default. Which call uses which stands in `dbus/*.xml`.
///
/// ```
/// use wafer_client::{Digest, Form, Options};
/// let options = Options::new().from("anna@example.org").form(Form::Opaque).digest(Digest::Sha512);
/// assert_eq!(options.names().len(), 3);
/// ```
#[derive(Debug, Default)]
pub struct Options(OptionMap);

impl Options {
    /// No options: the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Addresses to encrypt to.
    #[must_use]
    pub fn recipients(self, addresses: Vec<String>) -> Self {
        self.set("recipients", addresses)
    }

    /// Certificates (DER) to encrypt to.
    #[must_use]
    pub fn recipient_certificates(self, certificates: Vec<Vec<u8>>) -> Self {
        self.set("recipient-certificates", certificates)
    }

    /// The signer's address; for verifying, the sender's.
    #[must_use]
    pub fn from(self, address: &str) -> Self {
        self.set("from", address.to_owned())
    }

    /// Whether the sender can read what is encrypted, too.
    #[must_use]
    pub fn to_self(self, to_self: bool) -> Self {
        self.set("to-self", to_self)
    }

    /// The identity to use.
    #[must_use]
    pub fn identity(self, identity: OwnedObjectPath) -> Self {
        self.set("identity", identity.into_inner())
    }

    /// Clear or opaque.
    #[must_use]
    pub fn form(self, form: Form) -> Self {
        self.set("form", form.name())
    }

    /// The cipher of the content.
    #[must_use]
    pub fn content_cipher(self, cipher: ContentCipher) -> Self {
        self.set("content-cipher", cipher.name())
    }

    /// The digest of a signature.
    #[must_use]
    pub fn digest(self, digest: Digest) -> Self {
        self.set("digest", digest.name())
    }

    /// Whether the header fields of mail go within what is sealed.
    #[must_use]
    pub fn header_protection(self, how: HeaderProtection) -> Self {
        self.set("header-protection", how.name())
    }

    /// How a bare CMS object is written.
    #[must_use]
    pub fn armor(self, armor: Armor) -> Self {
        self.set("armor", armor.name())
    }

    /// Further certificates (DER) to verify with.
    #[must_use]
    pub fn certificates(self, certificates: Vec<Vec<u8>>) -> Self {
        self.set("certificates", certificates)
    }

    /// False: never show a dialog.
    #[must_use]
    pub fn interactive(self, interactive: bool) -> Self {
        self.set("interactive", interactive)
    }

    /// The call's longest time; rounded up to whole milliseconds.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        let milliseconds = deadline.as_nanos().div_ceil(1_000_000);
        self.set("deadline-ms", u32::try_from(milliseconds).unwrap_or(u32::MAX))
    }

    /// A name for [`crate::Client::cancel`] and [`crate::Client::progress`].
    #[must_use]
    pub fn cancellation_id(self, id: &str) -> Self {
        self.set("cancellation-id", id.to_owned())
    }

    /// Where a PIN dialog may be shown, as this process's environment has it: `DISPLAY`,
    /// `WAYLAND_DISPLAY`, `TERM`, the locale; `tty` is the terminal's path, if there is one.
    #[must_use]
    pub fn prompt_here(self, tty: Option<&str>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let lang = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| variable(name));
        [
            ("display", variable("DISPLAY")),
            ("wayland-display", variable("WAYLAND_DISPLAY")),
            ("tty", tty.map(str::to_owned)),
            ("term", variable("TERM")),
            ("lang", lang),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .fold(self, |options, (name, value)| options.set(name, value))
    }

    /// Any option by its name, for those that this version of the library does not know.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Variant<'static>>) -> Self {
        // Only a value that holds a descriptor can fail here, and no option of this list does.
        if let Ok(value) = OwnedVariant::try_from(value.into()) {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    /// The names that are set.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The options as the typed proxies take them.
    pub fn map(&self) -> &OptionMap {
        &self.0
    }
}

/// Makes an enum whose variants have the names of the D-Bus contract.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$variant_doc])* $variant,)+ }

        impl $enum {
            /// All of them; the default first.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name on the bus.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $enum {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|known| known.name() == name).ok_or(UnknownName)
            }
        }
    };
}

/// A name that is none of the enum's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

named! {
    /// How a signature is joined to what it signs.
    Form {
        /// Readable without S/MIME.
        Clear = "clear",
        /// The content inside the signature.
        Opaque = "opaque",
    }
}

named! {
    /// The cipher of the content.
    ContentCipher {
        /// AES-256-GCM: authenticated.
        Aes256Gcm = "aes256-gcm",
        /// AES-128-GCM: authenticated.
        Aes128Gcm = "aes128-gcm",
        /// ChaCha20-Poly1305: authenticated.
        ChaCha20Poly1305 = "chacha20-poly1305",
        /// AES-256-CBC: for old programs.
        Aes256Cbc = "aes256-cbc",
        /// AES-128-CBC: for old programs.
        Aes128Cbc = "aes128-cbc",
    }
}

named! {
    /// The digest of a signature.
    Digest {
        /// SHA-256.
        Sha256 = "sha256",
        /// SHA-384.
        Sha384 = "sha384",
        /// SHA-512.
        Sha512 = "sha512",
    }
}

named! {
    /// Whether header fields go within what is sealed (RFC 9788).
    HeaderProtection {
        /// As the message's Content-Type says by its parameter `hp`.
        AsWritten = "as-written",
        /// They stay outside.
        Nothing = "none",
        /// Within; outside without Subject, Keywords and Comments.
        Baseline = "baseline",
        /// As the baseline; outside also without people's names and time zones.
        Shy = "shy",
        /// Within, and the same outside.
        NoConfidentiality = "no-confidentiality",
        /// Within, and the same outside, of what is only signed.
        Clear = "clear",
    }
}

named! {
    /// How a bare CMS object is written.
    Armor {
        /// Binary.
        Der = "der",
        /// Base64.
        Base64 = "base64",
        /// RFC 7468.
        Pem = "pem",
    }
}

//! Every setting that a person or an administrator chooses by name: `wafer settings` and
//! `org.waferd.Wafer1.Settings` show this list, `docs/settings.md` explains it beside the names that
//! administrators of Exchange know. (Modules, folders and LDAP servers are in the files only: they are no
//! choices but facts about a machine.)

use wafer_smime::algorithm::ContentCipher;

use super::Settings;
use super::value::{Kind, Value};

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// `table.key`, as the files have it.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is without a file.
    default: Initial,
    /// Where its value is.
    place: Place,
    /// Whether going from one value to another takes protection away: then the person is asked.
    loosens: Loosens,
    /// What it does, for a person.
    pub about: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Initial {
    Flag(bool),
    Number(u32),
    Word(&'static str),
    List(&'static [&'static str]),
}

/// Where an item's value is kept.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In [`Settings::values`].
    Named,
    /// In a field of its own.
    Field(fn(&Settings) -> Value),
}

/// Which changes of a setting take protection away. The list of what protects is this column of [`ITEMS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loosens {
    /// None.
    Never,
    /// To `false`.
    ToFalse,
    /// To `true`.
    ToTrue,
    /// To a greater number, or from 0 to any if 0 is the strictest.
    Upwards,
    /// To a word nearer to the end of the kind's list.
    ToLaterWord,
    /// Every change.
    Always,
}

const CIPHERS: &[&str] = &{
    let mut names = [""; ContentCipher::WRITTEN.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = ContentCipher::WRITTEN[at].name();
        at += 1;
    }
    names
};

const fn item(
    name: &'static str,
    kind: Kind,
    default: Initial,
    loosens: Loosens,
    about: &'static str,
) -> Item {
    Item { name, kind, default, place: Place::Named, loosens, about }
}

/// All of them.
pub const ITEMS: &[Item] = &[
    item("sign.always", Kind::Flag, Initial::Flag(false), Loosens::ToFalse, "Sign every message."),
    item(
        "sign.form",
        Kind::Word(&["clear", "opaque"]),
        Initial::Word("clear"),
        Loosens::Never,
        "Sign so that programs without S/MIME can read the message (clear), or with the content inside (opaque).",
    ),
    item(
        "sign.digest",
        Kind::Word(&["sha512", "sha384", "by-key", "sha256"]),
        Initial::Word("by-key"),
        Loosens::ToLaterWord,
        "The digest of signatures: always one, or as strong as the key (SHA-256 for RSA and P-256, 384 for P-384, 512 for P-521 and Ed25519).",
    ),
    item(
        "sign.include",
        Kind::Word(&["signer", "chain", "chain-and-root"]),
        Initial::Word("chain"),
        Loosens::Never,
        "Which certificates go with a signature: the signer's alone, its issuers too, the root too.",
    ),
    item(
        "sign.reply",
        Kind::Word(&["as-always", "like-original", "never"]),
        Initial::Word("like-original"),
        Loosens::ToLaterWord,
        "Sign replies: as other messages; also where the message that is answered was signed; never by itself.",
    ),
    item("encrypt.always", Kind::Flag, Initial::Flag(false), Loosens::ToFalse, "Encrypt every message."),
    item(
        "encrypt.ciphers",
        Kind::Some(CIPHERS),
        Initial::List(CIPHERS),
        Loosens::Always,
        "Ciphers, the best first: the first that all recipients understand is used.",
    ),
    item(
        "encrypt.triple-wrap",
        Kind::Flag,
        Initial::Flag(false),
        Loosens::ToFalse,
        "Sign what was signed and encrypted once more on the outside (RFC 2634).",
    ),
    item(
        "encrypt.key-identifier",
        Kind::Flag,
        Initial::Flag(false),
        Loosens::Never,
        "Name certificates in a message by their keys' identifiers, instead of by issuer and serial number.",
    ),
    item(
        "encrypt.bcc",
        Kind::Word(&["each", "one-copy", "together"]),
        Initial::Word("each"),
        Loosens::ToLaterWord,
        "Blind-copy recipients: a message for each, one for all of them, or one for everybody, in which they can be seen.",
    ),
    item(
        "encrypt.when-missing",
        Kind::Word(&["refuse", "able", "all"]),
        Initial::Word("refuse"),
        Loosens::ToLaterWord,
        "When some recipients have no certificate: refuse, send to those who have one, or send to all.",
    ),
    item(
        "encrypt.check-revocation",
        Kind::Flag,
        Initial::Flag(false),
        Loosens::ToFalse,
        "Before encrypting, ask the issuers whether recipients' certificates have been revoked.",
    ),
    item(
        "identities.user-may-choose",
        Kind::Flag,
        Initial::Flag(true),
        Loosens::ToTrue,
        "Whether a program may name the certificate; otherwise it is always chosen automatically.",
    ),
    item(
        "identities.smart-card-only",
        Kind::Flag,
        Initial::Flag(false),
        Loosens::ToFalse,
        "Use keys on hardware tokens only, never keys in files.",
    ),
    item(
        "identities.use",
        Kind::Texts,
        Initial::List(&[]),
        Loosens::Always,
        "Certificates chosen by hand: \"ADDRESS=FINGERPRINT\", for signing before all others.",
    ),
    item(
        "recipients.list-timeout-s",
        Kind::Number(1, 600),
        Initial::Number(10),
        Loosens::Never,
        "Seconds that expanding a distribution list may take.",
    ),
    item(
        "recipients.proxy-addresses",
        Kind::Flag,
        Initial::Flag(true),
        Loosens::Never,
        "Whether a directory is also searched for further addresses of people (proxyAddresses).",
    ),
    item(
        "consent.programs",
        Kind::Word(&["forbid", "ask", "allow"]),
        Initial::Word("ask"),
        Loosens::ToLaterWord,
        "Programs that want to sign or decrypt: refuse them, ask for each the first time, or let them.",
    ),
    item(
        "consent.allow",
        Kind::Texts,
        Initial::List(&[]),
        Loosens::Always,
        "Programs that may without a question, by the names that \"wafer permissions\" shows.",
    ),
    item(
        "consent.forbid",
        Kind::Texts,
        Initial::List(&[]),
        Loosens::Always,
        "Programs that may not, by the same names.",
    ),
    item(
        "consent.changes",
        Kind::Word(&["ask", "allow"]),
        Initial::Word("ask"),
        Loosens::ToLaterWord,
        "Programs that want to change recipients' certificates, or a setting so that it protects less.",
    ),
    item(
        "consent.terminal",
        Kind::Flag,
        Initial::Flag(false),
        Loosens::ToTrue,
        "Whether questions may appear at a program's terminal: where people have no screen.",
    ),
    item(
        "web.adapters",
        Kind::Texts,
        Initial::List(&[]),
        Loosens::Always,
        "Programs beside Wafer's own that may speak for web pages, by the names that \"wafer permissions\" shows.",
    ),
    item(
        "web.origins",
        Kind::Texts,
        Initial::List(&[]),
        Loosens::Always,
        "Web pages that may ask, as \"https://mail.example.org\" or \"https://*.example.org\"; if none is named, all may.",
    ),
    Item {
        name: "pin.idle-timeout-s",
        kind: Kind::Number(0, u32::MAX),
        default: Initial::Number(600),
        place: Place::Field(|settings| seconds(settings.pin.idle_timeout)),
        loosens: Loosens::Upwards,
        about: "Seconds without use after which a PIN is forgotten; 0: asked for every time.",
    },
    Item {
        name: "pin.max-timeout-s",
        kind: Kind::Number(0, u32::MAX),
        default: Initial::Number(7200),
        place: Place::Field(|settings| seconds(settings.pin.max_timeout)),
        loosens: Loosens::Upwards,
        about: "Seconds after which a PIN is forgotten in any case; 0: asked for every time.",
    },
];

/// The item called `name`.
pub fn item_called(name: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|item| item.name == name)
}

impl Item {
    /// Its value without a file.
    pub fn default(&self) -> Value {
        match self.default {
            Initial::Flag(flag) => Value::Flag(flag),
            Initial::Number(number) => Value::Number(number),
            Initial::Word(word) => Value::Word(word.to_owned()),
            Initial::List(words) => Value::List(words.iter().map(|word| (*word).to_owned()).collect()),
        }
    }

    /// Its value in `settings`.
    pub fn value(&self, settings: &Settings) -> Value {
        match self.place {
            Place::Field(field) => field(settings),
            Place::Named => settings.values.get(self.name).cloned().unwrap_or_else(|| self.default()),
        }
    }

    /// Whether some change of it takes protection away.
    pub fn protects(&self) -> bool {
        self.loosens != Loosens::Never
    }

    /// Whether going from `old` to `new` takes protection away.
    pub fn is_loosened(&self, old: &Value, new: &Value) -> bool {
        match self.loosens {
            Loosens::Never => false,
            Loosens::ToFalse => *new == Value::Flag(false) && old != new,
            Loosens::ToTrue => *new == Value::Flag(true) && old != new,
            Loosens::Always => old != new,
            Loosens::Upwards => matches!((old, new), (Value::Number(old), Value::Number(new)) if new > old),
            Loosens::ToLaterWord => {
                let Kind::Word(words) = self.kind else { return old != new };
                let place = |value: &Value| {
                    words.iter().position(|word| matches!(value, Value::Word(own) if own == word))
                };
                place(new) > place(old)
            }
        }
    }
}

fn seconds(time: std::time::Duration) -> Value {
    Value::Number(u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_default_fits_and_every_name_is_once() {
        for (at, item) in ITEMS.iter().enumerate() {
            assert!(item.kind.fits(&item.default()), "{}", item.name);
            assert!(ITEMS[..at].iter().all(|other| other.name != item.name), "{}", item.name);
            assert!(item.about.ends_with('.') && item.name.contains('.'), "{}", item.name);
        }
    }

    #[test]
    fn what_takes_protection_away_is_known() {
        let word = |word: &str| Value::Word(word.to_owned());
        let loosens = |name: &str, old: Value, new: Value| item_called(name).unwrap().is_loosened(&old, &new);
        assert!(loosens("sign.always", Value::Flag(true), Value::Flag(false)));
        assert!(!loosens("sign.always", Value::Flag(false), Value::Flag(true)));
        assert!(loosens("encrypt.bcc", word("each"), word("together")));
        assert!(!loosens("encrypt.bcc", word("together"), word("each")));
        assert!(loosens("sign.digest", word("sha512"), word("sha256")));
        assert!(!loosens("sign.form", word("clear"), word("opaque")));
        assert!(loosens("pin.idle-timeout-s", Value::Number(0), Value::Number(1)));
        assert!(!loosens("pin.idle-timeout-s", Value::Number(600), Value::Number(0)));
    }
}

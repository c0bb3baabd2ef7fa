//! Results as they cross the bus: named values, byte arrays as byte arrays.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use serde_bytes::ByteBuf;
use wafer_client::names::IDENTITY_PATH_PREFIX;
use wafer_smime::algorithm::{ContentCipher, DigestAlgorithm, SignatureScheme, Weakness};
use zbus::as_variant::Serialize as AsVariant;
use zbus::{ObjectPath, OwnedObjectPath, Signature, Type};

use super::stream::InlineAnswer;

/// A named list of values, `a{sv}`.
pub(super) type Answer = HashMap<&'static str, Value>;

/// One value of a result.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Texts(Vec<String>),
    Flag(bool),
    Number(u32),
    Long(u64),
    Time(i64),
    Bytes(ByteBuf),
    ByteArrays(Vec<ByteBuf>),
    Path(OwnedObjectPath),
    Paths(Vec<OwnedObjectPath>),
    Answers(Vec<Answer>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(value) => AsVariant(value).serialize(serializer),
            Self::Texts(value) => AsVariant(value).serialize(serializer),
            Self::Flag(value) => AsVariant(value).serialize(serializer),
            Self::Number(value) => AsVariant(value).serialize(serializer),
            Self::Long(value) => AsVariant(value).serialize(serializer),
            Self::Time(value) => AsVariant(value).serialize(serializer),
            Self::Bytes(value) => AsVariant(value).serialize(serializer),
            Self::ByteArrays(value) => AsVariant(value).serialize(serializer),
            Self::Path(value) => AsVariant(value).serialize(serializer),
            Self::Paths(value) => AsVariant(value).serialize(serializer),
            Self::Answers(value) => AsVariant(value).serialize(serializer),
        }
    }
}

impl Type for Value {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl Value {
    /// The object path of an identity.
    pub(super) fn identity(id: &str) -> Self {
        Self::Path(identity_path(id))
    }

    /// A number of things.
    pub(super) fn count(value: usize) -> Self {
        Self::Number(u32::try_from(value).unwrap_or(u32::MAX))
    }
}

/// Adds the inline result, if the call asked for one.
pub(super) fn with_output(mut answer: Answer, inline: &InlineAnswer) -> Answer {
    if let Some(mut bytes) = inline.take() {
        answer.insert("output", Value::Bytes(ByteBuf::from(std::mem::take(&mut *bytes))));
    }
    answer
}

/// The object path of an identity.
pub(super) fn identity_path(id: &str) -> OwnedObjectPath {
    path(IDENTITY_PATH_PREFIX, id)
}

/// `prefix`/`id`; characters that a path cannot hold become `_`.
pub(super) fn path(prefix: &str, id: &str) -> OwnedObjectPath {
    let id: String =
        id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    ObjectPath::from_string_unchecked(format!("{prefix}/{id}")).into()
}

/// Seconds since 1970, negative before.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// A digest's name.
pub(super) fn digest(digest: DigestAlgorithm) -> &'static str {
    digest.id()
}

/// What is weak about a signature, in one word.
pub(super) fn weakness(weakness: &Weakness) -> String {
    match weakness {
        Weakness::Digest(digest) => digest.id().to_owned(),
        Weakness::ShortRsa(bits) => format!("rsa-{bits}"),
        Weakness::Dsa => "dsa".to_owned(),
        _ => "other".to_owned(),
    }
}

/// A scheme's name.
pub(super) fn scheme(scheme: SignatureScheme) -> &'static str {
    match scheme {
        SignatureScheme::RsaPkcs1 => "rsa-pkcs1",
        SignatureScheme::RsaPss => "rsa-pss",
        SignatureScheme::Ecdsa => "ecdsa",
        SignatureScheme::Ed25519 => "ed25519",
        SignatureScheme::Dsa => "dsa",
        _ => "other",
    }
}

/// A cipher's name.
pub(super) fn cipher(cipher: ContentCipher) -> &'static str {
    cipher.name()
}

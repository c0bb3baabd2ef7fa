//! A `v` that holds a descriptor or bytes, read without the detour over an array of numbers.

use std::fmt;
use std::os::fd::OwnedFd;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_bytes::ByteBuf;
use wafer_client::WaferError;
use zbus::{OwnedVariant, Signature, Type, Variant};
use zeroize::Zeroizing;

use crate::text;

/// An input or output as it was handed over.
pub(in crate::bus) enum MessageArgument {
    /// `h`.
    Descriptor(OwnedFd),
    /// `ay`.
    Bytes(Zeroizing<Vec<u8>>),
    /// Anything else.
    Other,
}

impl MessageArgument {
    /// Reads the option `name`, which may be a variant in a variant.
    ///
    /// # Errors
    /// `Failed` if no descriptor is left.
    pub(in crate::bus) fn from_option(value: OwnedVariant) -> Result<Self, WaferError> {
        Self::from_variant(Variant::from(value))
    }

    fn from_variant(value: Variant<'static>) -> Result<Self, WaferError> {
        match value {
            Variant::Variant(inner) => Self::from_variant(*inner),
            Variant::Fd(fd) => {
                let fd = OwnedFd::try_from(fd).map_err(|error| text::internal(&error.to_string()))?;
                Ok(Self::Descriptor(fd))
            }
            value => {
                Ok(Vec::<u8>::try_from(value).map_or(Self::Other, |bytes| Self::Bytes(Zeroizing::new(bytes))))
            }
        }
    }
}

impl Type for MessageArgument {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl<'de> Deserialize<'de> for MessageArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The shape in which zbus hands out a variant: its signature, then its value.
        deserializer.deserialize_struct("Variant", &["signature", "value"], ArgumentVisitor)
    }
}

struct ArgumentVisitor;

impl<'de> Visitor<'de> for ArgumentVisitor {
    type Value = MessageArgument;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a variant")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<MessageArgument, A::Error> {
        let signature: Signature = parts.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let missing = || A::Error::invalid_length(1, &self);
        Ok(match signature.to_string().as_str() {
            "h" => {
                let fd: zbus::OwnedFd = parts.next_element()?.ok_or_else(missing)?;
                MessageArgument::Descriptor(fd.into())
            }
            "ay" => {
                let bytes: ByteBuf = parts.next_element()?.ok_or_else(missing)?;
                MessageArgument::Bytes(Zeroizing::new(bytes.into_vec()))
            }
            _ => {
                let _: IgnoredAny = parts.next_element()?.ok_or_else(missing)?;
                MessageArgument::Other
            }
        })
    }
}

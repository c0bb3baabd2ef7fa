//! Errors by name: what a caller matches on, what a person reads, what a program needs.

use std::collections::HashMap;
use std::fmt;

use zbus::message::{Header, Message};
use zbus::names::ErrorName;
use zbus::{OwnedVariant, Variant};

use crate::names::ERROR_PREFIX;

/// Why a call failed. The variant's name is the last part of the D-Bus error name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The person, or the caller itself, ended the operation.
    Cancelled,
    /// A deadline passed: the caller's, the dialog's, or that of a stream on which no byte moved.
    TimedOut,
    /// A dialog would be needed, but the caller said `interactive = false` (or the screen is locked).
    InteractionRequired,
    /// A dialog is needed and there is no place to show it.
    NoPrompter,
    /// The caller may not do this, or the operation carries no Grant.
    AccessDenied,
    /// The token that holds the key is not present.
    NoToken,
    /// Another token is present than the one that holds the key.
    WrongToken,
    /// Another program holds the card.
    CardBusy,
    /// The PIN was refused. Detail `tries-left` (u) where the token tells.
    PinIncorrect,
    /// The PIN is blocked: a PUK or an administrator is needed.
    PinBlocked,
    /// No identity fits (none with this address, or none whose key opens the message).
    NoIdentity,
    /// A recipient has no certificate. Detail `recipients` (as) names each.
    NoRecipientCertificate,
    /// The message could not be decrypted. One name for every cryptographic reason.
    DecryptionFailed,
    /// The input is not a well-formed message of the kind asked for.
    InvalidMessage,
    /// An algorithm is not supported. Detail `algorithm` (s): name or dotted OID.
    UnsupportedAlgorithm,
    /// The token or its module failed, hung or crashed.
    TokenFailed,
    /// An argument or option has a wrong type or value. Detail `argument` (s).
    InvalidArgument,
    /// An option is not known here. Detail `option` (s). See the `Features` property.
    UnknownOption,
    /// The input descriptor could not be read.
    InputFailed,
    /// The output could not be written (disk full, reader gone).
    OutputFailed,
    /// Too many calls are waiting already.
    LimitsExceeded,
    /// The settings files are wrong. Details `file` (s), `line` (u).
    BadSettings,
    /// A fault of Wafer's own; the log has more.
    Failed,
}

/// Every kind with its name on the bus (without [`ERROR_PREFIX`]).
const NAMES: &[(ErrorKind, &str)] = &[
    (ErrorKind::Cancelled, "Cancelled"),
    (ErrorKind::TimedOut, "TimedOut"),
    (ErrorKind::InteractionRequired, "InteractionRequired"),
    (ErrorKind::NoPrompter, "NoPrompter"),
    (ErrorKind::AccessDenied, "AccessDenied"),
    (ErrorKind::NoToken, "NoToken"),
    (ErrorKind::WrongToken, "WrongToken"),
    (ErrorKind::CardBusy, "CardBusy"),
    (ErrorKind::PinIncorrect, "PinIncorrect"),
    (ErrorKind::PinBlocked, "PinBlocked"),
    (ErrorKind::NoIdentity, "NoIdentity"),
    (ErrorKind::NoRecipientCertificate, "NoRecipientCertificate"),
    (ErrorKind::DecryptionFailed, "DecryptionFailed"),
    (ErrorKind::InvalidMessage, "InvalidMessage"),
    (ErrorKind::UnsupportedAlgorithm, "UnsupportedAlgorithm"),
    (ErrorKind::TokenFailed, "TokenFailed"),
    (ErrorKind::InvalidArgument, "InvalidArgument"),
    (ErrorKind::UnknownOption, "UnknownOption"),
    (ErrorKind::InputFailed, "InputFailed"),
    (ErrorKind::OutputFailed, "OutputFailed"),
    (ErrorKind::LimitsExceeded, "LimitsExceeded"),
    (ErrorKind::BadSettings, "BadSettings"),
    (ErrorKind::Failed, "Failed"),
];

/// What a person reads where nobody owns the bus name and no file says how to start its owner.
const NO_SERVICE: &str = "Wafer's service, waferd, is not running and the bus does not know how to start it.";

impl ErrorKind {
    /// The last part of the D-Bus error name, for example `PinBlocked`.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("Failed", |(_, name)| name)
    }

    /// The kind behind a whole D-Bus error name; `None` if it is not one of ours.
    pub fn from_dbus_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix(ERROR_PREFIX)?;
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// All kinds, in the order of this file.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(kind, _)| *kind)
    }
}

/// An error as it crosses the bus: name, then a sentence for a person, then details for a program.
#[derive(Debug)]
pub struct WaferError {
    /// What kind of failure; becomes the D-Bus error name.
    pub kind: ErrorKind,
    /// What happened, to which card, what to do: one or two sentences.
    pub message: String,
    /// What a program needs to react (`tries-left`, `recipients`, `algorithm`, `token`, ...).
    pub details: HashMap<String, OwnedVariant>,
    dbus_name: String,
}

impl WaferError {
    /// An error of `kind` with a sentence and no details.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let dbus_name = format!("{ERROR_PREFIX}{}", kind.name());
        Self { kind, message: message.into(), details: HashMap::new(), dbus_name }
    }

    /// Adds one detail. Values that hold a descriptor cannot be copied and are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Variant<'static>>) -> Self {
        if let Ok(value) = OwnedVariant::try_from(value.into()) {
            self.details.insert(name.to_owned(), value);
        }
        self
    }
}

impl fmt::Display for WaferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WaferError {}

impl zbus::DBusError for WaferError {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&(&self.message, &self.details))
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_str_unchecked(&self.dbus_name)
    }

    fn description(&self) -> Option<&str> {
        Some(&self.message)
    }
}

/// Reads an error reply back into its parts. A broken connection, or an error
/// that is not ours, becomes [`ErrorKind::Failed`] with the original text.
impl From<zbus::Error> for WaferError {
    fn from(error: zbus::Error) -> Self {
        let zbus::Error::MethodError(name, description, reply) = &error else {
            return Self::new(ErrorKind::Failed, error.to_string());
        };
        let Some(kind) = ErrorKind::from_dbus_name(name.as_str()) else {
            let message = match name.as_str() {
                "org.freedesktop.DBus.Error.ServiceUnknown" => NO_SERVICE.to_owned(),
                _ => error.to_string(),
            };
            return Self::new(ErrorKind::Failed, message);
        };
        let body = reply.body();
        match body.deserialize::<(String, HashMap<String, OwnedVariant>)>() {
            Ok((message, details)) => Self { details, ..Self::new(kind, message) },
            Err(_) => Self::new(kind, description.clone().unwrap_or_default()),
        }
    }
}

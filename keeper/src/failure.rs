//! Why a request failed, and the sentence a person reads about it.

use wafer_client::{ErrorKind, WaferError};

use crate::card::CardError;
use crate::prompt::text::{self, Text};

/// Why a request was not fulfilled. Copied to every request that waited for the same dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The person said no, or the request was withdrawn.
    Cancelled,
    /// The dialog or the grant's deadline ended.
    TimedOut,
    /// The same, while the card was waited for.
    NotInserted,
    /// A dialog would be needed and is not wanted.
    InteractionRequired,
    /// A dialog would be needed and the screen is locked.
    ScreenLocked,
    /// There is no place for a dialog, or pinentry does not work.
    NoPrompter,
    /// No grant covers this.
    NotGranted,
    /// Too many requests.
    TooMany,
    /// The token is not there.
    NoToken,
    /// An argument is not what it should be.
    Argument(&'static str),
    /// The card's own answer.
    Card(CardError),
    /// A fault of ours or of waferd's; for the log.
    Internal(String),
}

impl From<CardError> for Failure {
    fn from(error: CardError) -> Self {
        match error {
            CardError::Gone => Self::NoToken,
            CardError::PinPadCancelled => Self::Cancelled,
            CardError::Argument(what) => Self::Argument(what),
            error => Self::Card(error),
        }
    }
}

impl Failure {
    /// The kind of the error on the bus.
    pub fn kind(&self) -> ErrorKind {
        self.row().0
    }

    /// The error as it crosses the link; `token` is the label of the token concerned, or empty.
    pub fn into_error(self, token: &str) -> WaferError {
        let (kind, message) = self.row();
        let sentence = text::say(message, &[("token", token)]);
        let error = WaferError::new(kind, sentence);
        let error = if token.is_empty() { error } else { error.with("token", token.to_owned()) };
        match self {
            Self::Card(CardError::Unsupported(algorithm)) => error.with("algorithm", algorithm),
            Self::Card(CardError::Busy(holder)) if !holder.is_empty() => error.with("holder", holder),
            Self::Argument(what) => error.with("argument", what.to_owned()),
            _ => error,
        }
    }

    fn row(&self) -> (ErrorKind, Text) {
        match self {
            Self::Cancelled => (ErrorKind::Cancelled, Text::ErrorCancelled),
            Self::TimedOut => (ErrorKind::TimedOut, Text::ErrorTimedOut),
            Self::NotInserted => (ErrorKind::TimedOut, Text::ErrorNotInserted),
            Self::InteractionRequired => (ErrorKind::InteractionRequired, Text::ErrorInteractionRequired),
            Self::ScreenLocked => (ErrorKind::InteractionRequired, Text::ErrorScreenLocked),
            Self::NoPrompter => (ErrorKind::NoPrompter, Text::ErrorNoPrompter),
            Self::NotGranted => (ErrorKind::AccessDenied, Text::ErrorNotGranted),
            Self::TooMany => (ErrorKind::LimitsExceeded, Text::ErrorTooMany),
            Self::NoToken => (ErrorKind::NoToken, Text::ErrorNoToken),
            Self::Argument(_) => (ErrorKind::InvalidArgument, Text::ErrorArgument),
            Self::Internal(_) => (ErrorKind::Failed, Text::ErrorInternal),
            Self::Card(error) => match error {
                CardError::PinIncorrect => (ErrorKind::PinIncorrect, Text::ErrorPinIncorrect),
                CardError::PinBlocked => (ErrorKind::PinBlocked, Text::ErrorPinBlocked),
                CardError::PukBlocked => (ErrorKind::PinBlocked, Text::ErrorPukBlocked),
                CardError::NoKey => (ErrorKind::NoIdentity, Text::ErrorNoKey),
                CardError::EveryUse => (ErrorKind::UnsupportedAlgorithm, Text::ErrorEveryUse),
                CardError::Unsupported(_) => (ErrorKind::UnsupportedAlgorithm, Text::ErrorUnsupported),
                CardError::Decryption => (ErrorKind::DecryptionFailed, Text::ErrorDecryption),
                CardError::PinForm => (ErrorKind::PinIncorrect, Text::ErrorPinForm),
                CardError::Busy(_) => (ErrorKind::CardBusy, Text::ErrorBusy),
                CardError::FileForm => (ErrorKind::InvalidMessage, Text::ErrorFileForm),
                CardError::FileKeyless => (ErrorKind::NoIdentity, Text::ErrorFileKeyless),
                CardError::FileCost => (ErrorKind::LimitsExceeded, Text::ErrorFileCost),
                CardError::NotKept(_) => (ErrorKind::Failed, Text::ErrorNotKept),
                CardError::Hung => (ErrorKind::TokenFailed, Text::ErrorHung),
                _ => (ErrorKind::TokenFailed, Text::ErrorTokenFailed),
            },
        }
    }
}

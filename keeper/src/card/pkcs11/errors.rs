//! What a module's return codes mean to us. Each table belongs to one kind of call: the same code
//! says different things after C_Login and after C_Decrypt.

use cryptoki::error::{Error, RvError};

use crate::card::CardError;

/// The code of an error, if it came from the module.
fn code(error: &Error) -> Option<&RvError> {
    if let Error::Pkcs11(code, _) = error { Some(code) } else { None }
}

/// The token or the session on it is no more: removal, reset, another card.
fn is_gone(code: &RvError) -> bool {
    matches!(
        code,
        RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::DeviceRemoved
            | RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::SlotIdInvalid
    )
}

/// Whether C_Login found the process logged in already.
pub(super) fn already_logged_in(error: &Error) -> bool {
    matches!(
        code(error),
        Some(RvError::UserAlreadyLoggedIn | RvError::UserAnotherAlreadyLoggedIn | RvError::UserTooManyTypes)
    )
}

/// What went wrong in an operation that may have a login in its middle.
pub(super) enum Failed {
    /// In the login, with what that means.
    Login(CardError),
    /// Before or after it.
    Module(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Module(error)
    }
}

impl Failed {
    /// In the login.
    pub(super) fn login(error: Error) -> Self {
        Self::Login(login(error))
    }

    /// See [`operation`].
    pub(super) fn operation(self) -> CardError {
        match self {
            Self::Login(error) => error,
            Self::Module(error) => operation(error),
        }
    }

    /// See [`decryption`].
    pub(super) fn decryption(self) -> CardError {
        match self {
            Self::Login(error) => error,
            Self::Module(error) => decryption(error),
        }
    }
}

/// Errors of calls that only look.
pub(super) fn read(error: Error) -> CardError {
    match code(&error) {
        Some(code) if is_gone(code) => CardError::Gone,
        _ => CardError::Failed(error.to_string()),
    }
}

/// Errors of C_Login.
pub(super) fn login(error: Error) -> CardError {
    match code(&error) {
        Some(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange) => CardError::PinIncorrect,
        Some(RvError::PinLocked) => CardError::PinBlocked,
        Some(RvError::FunctionCanceled | RvError::Cancel) => CardError::PinPadCancelled,
        _ => read(error),
    }
}

/// Errors of C_SetPIN and C_InitPIN with a new PIN; those of the old one are C_Login's.
pub(super) fn new_pin(error: Error) -> CardError {
    match code(&error) {
        Some(RvError::PinInvalid | RvError::PinLenRange) => CardError::PinForm,
        Some(RvError::FunctionNotSupported) => CardError::Unsupported("changing the PIN".to_owned()),
        _ => login(error),
    }
}

/// Errors of private-key operations (and C_Logout).
pub(super) fn operation(error: Error) -> CardError {
    match code(&error) {
        // A key handle dies with the login that showed it: look again after the next one.
        Some(RvError::UserNotLoggedIn | RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid) => {
            CardError::NeedsLogin
        }
        Some(
            RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::KeyTypeInconsistent
            | RvError::KeyFunctionNotPermitted
            | RvError::FunctionNotSupported,
        ) => CardError::Unsupported(error.to_string()),
        _ => read(error),
    }
}

/// Whether C_DecryptInit refused the mechanism's parameters (SoftHSM: OAEP with any hash but SHA-1).
pub(super) fn parameters_refused(error: &Error) -> bool {
    matches!(
        code(error),
        Some(
            RvError::ArgumentsBad
                | RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::FunctionNotSupported
        )
    )
}

/// Errors of C_Decrypt. All that the ciphertext can cause looks alike; only a token that is gone
/// or shut is told apart, since no ciphertext can cause that.
pub(super) fn decryption(error: Error) -> CardError {
    match operation(error) {
        error @ (CardError::NeedsLogin | CardError::Gone) => error,
        _ => CardError::Decryption,
    }
}

/// Errors of C_DeriveKey with a point that was looked at before. Whether the token has ECDH at all no ciphertext decides:
/// that is said.
pub(super) fn derivation(error: Error) -> CardError {
    match code(&error) {
        Some(RvError::FunctionNotSupported | RvError::MechanismInvalid) => {
            CardError::Unsupported("ECDH".to_owned())
        }
        _ => decryption(error),
    }
}

//! The few PKCS#11 calls for which cryptoki has no door: C_Sign and C_Decrypt apart from their Init calls, since
//! a context-specific login belongs between the two (PKCS#11 section 5.6), and logins and PIN changes with the
//! PIN straight from guarded memory, or with none at a PIN pad.
#![expect(unsafe_code, reason = "FFI into the module's function list")]

use std::path::Path;
use std::ptr;

use cryptoki::context::Function;
use cryptoki::error::{Error, Rv};
use cryptoki::session::Session;
use cryptoki_sys::{
    CK_BYTE, CK_FUNCTION_LIST, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CK_USER_TYPE, CKU_CONTEXT_SPECIFIC,
    CKU_SO, CKU_USER,
};
use secrecy::ExposeSecret;

use crate::pin::secret::Secret;

/// The longest signature or plaintext: RSA with 16384 bits.
const LONGEST: usize = 2048;

/// As whom to log in.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// The token's user.
    User,
    /// The security officer.
    Officer,
    /// The user once more, for the operation that was just begun.
    Context,
}

/// The module's own functions.
pub(super) struct Raw {
    list: CK_FUNCTION_LIST,
    /// Keeps the library loaded: the list points into it.
    _library: cryptoki_sys::Pkcs11,
}

type OneShot =
    unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV;

impl Raw {
    /// The functions of a library that is loaded already.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        // SAFETY: runs no code that loading it the first time has not run.
        let library = unsafe { cryptoki_sys::Pkcs11::new(path) }.map_err(Error::LibraryLoading)?;
        if library.C_GetFunctionList.is_err() {
            return Err(Error::MissingSymbol("C_GetFunctionList"));
        }
        let mut list = ptr::null_mut();
        // SAFETY: the symbol is there (just tested); it takes a place for a pointer.
        let code = unsafe { library.C_GetFunctionList(&raw mut list) };
        Rv::from(code).into_result(Function::GetFunctionList)?;
        if list.is_null() {
            return Err(Error::NullFunctionPointer);
        }
        // SAFETY: not null, and points to the module's list for as long as the library is loaded; it is copied
        // with unaligned reads since the structure is packed on some systems.
        let list = unsafe { ptr::read_unaligned(list) };
        Ok(Self { list, _library: library })
    }

    /// C_Initialize for a caller that makes one call at a time: the module makes no locks.
    pub(super) fn initialize_without_locks(&self) -> Result<(), Error> {
        let call = self.list.C_Initialize.ok_or(Error::NullFunctionPointer)?;
        // SAFETY: null is allowed, and means just that (PKCS#11 section 5.4).
        Rv::from(unsafe { call(ptr::null_mut()) }).into_result(Function::Initialize)
    }

    /// C_Login; without a PIN at the reader's PIN pad.
    pub(super) fn login(&self, session: &Session, role: Role, pin: Option<&Secret>) -> Result<(), Error> {
        let user: CK_USER_TYPE = match role {
            Role::User => CKU_USER,
            Role::Officer => CKU_SO,
            Role::Context => CKU_CONTEXT_SPECIFIC,
        };
        let call = self.list.C_Login.ok_or(Error::NullFunctionPointer)?;
        let (pin, length) = pointer(pin);
        // SAFETY: the session is open; the module reads `length` octets at `pin`, or asks at the reader for null.
        Rv::from(unsafe { call(session.handle(), user, pin, length) }).into_result(Function::Login)
    }

    /// C_SetPIN.
    pub(super) fn set_pin(&self, session: &Session, old: &Secret, new: &Secret) -> Result<(), Error> {
        let call = self.list.C_SetPIN.ok_or(Error::NullFunctionPointer)?;
        let ((old, old_length), (new, new_length)) = (pointer(Some(old)), pointer(Some(new)));
        // SAFETY: the session is open; the module reads the two PINs with their lengths.
        let code = unsafe { call(session.handle(), old, old_length, new, new_length) };
        Rv::from(code).into_result(Function::SetPIN)
    }

    /// C_InitPIN, logged in as the security officer.
    pub(super) fn init_pin(&self, session: &Session, new: &Secret) -> Result<(), Error> {
        let call = self.list.C_InitPIN.ok_or(Error::NullFunctionPointer)?;
        let (new, length) = pointer(Some(new));
        // SAFETY: the session is open; the module reads `length` octets.
        Rv::from(unsafe { call(session.handle(), new, length) }).into_result(Function::InitPIN)
    }

    /// C_Sign, after C_SignInit.
    pub(super) fn sign(&self, session: &Session, data: &[u8]) -> Result<Vec<u8>, Error> {
        self.one_shot(self.list.C_Sign, session, data, Function::Sign)
    }

    /// C_Decrypt, after C_DecryptInit.
    pub(super) fn decrypt(&self, session: &Session, data: &[u8]) -> Result<Vec<u8>, Error> {
        self.one_shot(self.list.C_Decrypt, session, data, Function::Decrypt)
    }

    /// One call with room for the longest answer: asking for the length first would be a call in between.
    fn one_shot(
        &self,
        call: Option<OneShot>,
        session: &Session,
        data: &[u8],
        function: Function,
    ) -> Result<Vec<u8>, Error> {
        let call = call.ok_or(Error::NullFunctionPointer)?;
        let mut answer = vec![0; LONGEST];
        let mut length = CK_ULONG::try_from(LONGEST).map_err(Error::TryFromInt)?;
        let input = CK_ULONG::try_from(data.len()).map_err(Error::TryFromInt)?;
        // SAFETY: the session is open, the module reads `input` octets of `data` (it does not write there, the
        // C type just lacks const) and writes at most `length` to `answer`.
        let code = unsafe {
            call(session.handle(), data.as_ptr().cast_mut(), input, answer.as_mut_ptr(), &raw mut length)
        };
        Rv::from(code).into_result(function)?;
        answer.truncate(usize::try_from(length).map_err(Error::TryFromInt)?);
        Ok(answer)
    }
}

/// Address and length of a PIN; null for none.
fn pointer(pin: Option<&Secret>) -> (*mut CK_BYTE, CK_ULONG) {
    let Some(pin) = pin.map(ExposeSecret::expose_secret) else { return (ptr::null_mut(), 0) };
    // A PIN is far shorter than any integer type's end.
    (pin.as_ptr().cast_mut(), CK_ULONG::try_from(pin.len()).unwrap_or(0))
}

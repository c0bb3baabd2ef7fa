//! The functions that are watched; all others go straight to the inner module.

use std::sync::Mutex;

use cryptoki_sys::*;

use crate::control::{Fault, begin, fault, note, pin_at_the_reader, suffer};
use crate::inner::inner;

/// Copies the inner list and puts the watched functions in.
pub(crate) fn list(inner: &CK_FUNCTION_LIST) -> CK_FUNCTION_LIST {
    CK_FUNCTION_LIST {
        C_GetFunctionList: Some(crate::C_GetFunctionList),
        C_GetSlotList: Some(get_slot_list),
        C_GetSlotInfo: Some(get_slot_info),
        C_GetTokenInfo: Some(get_token_info),
        C_OpenSession: Some(open_session),
        C_GetSessionInfo: Some(get_session_info),
        C_FindObjectsInit: Some(find_objects_init),
        C_Login: Some(login),
        C_Logout: Some(logout),
        C_SignInit: Some(sign_init),
        C_Sign: Some(sign),
        C_DecryptInit: Some(decrypt_init),
        C_Decrypt: Some(decrypt),
        C_DeriveKey: Some(derive_key),
        ..*inner
    }
}

/// The last private key that signed: session, mechanism, key, and whether its signature was made.
static LAST: Mutex<Option<(CK_SESSION_HANDLE, CK_MECHANISM_TYPE, CK_OBJECT_HANDLE)>> = Mutex::new(None);

/// Calls a function of the inner module.
macro_rules! inner {
    ($name:ident($($argument:expr),*)) => {
        match inner().and_then(|inner| inner.functions.$name) {
            // SAFETY: the arguments are the caller's, passed on unchanged.
            Some(function) => unsafe { function($($argument),*) },
            None => CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}

/// True while the token is gone. The first time it is noticed, all its sessions end, as a real removal does.
fn removed() -> bool {
    if fault() != Fault::Removed {
        return false;
    }
    let mut slots: [CK_SLOT_ID; 16] = [0; 16];
    let mut count: CK_ULONG = 16;
    if inner!(C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &raw mut count)) == CKR_OK {
        for slot in &slots[..usize::try_from(count).unwrap_or(0).min(16)] {
            inner!(C_CloseAllSessions(*slot));
        }
    }
    true
}

unsafe extern "C" fn get_slot_list(present: CK_BBOOL, slots: CK_SLOT_ID_PTR, count: CK_ULONG_PTR) -> CK_RV {
    if present == CK_TRUE && !count.is_null() && removed() {
        // SAFETY: `count` is not null and the caller's to be written.
        unsafe { *count = 0 };
        return CKR_OK;
    }
    inner!(C_GetSlotList(present, slots, count))
}

unsafe extern "C" fn get_slot_info(slot: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    let result = inner!(C_GetSlotInfo(slot, info));
    if result == CKR_OK && removed() {
        // SAFETY: the inner call has just filled it.
        unsafe { (*info).flags &= !CKF_TOKEN_PRESENT };
    }
    result
}

unsafe extern "C" fn get_token_info(slot: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    if removed() {
        return CKR_TOKEN_NOT_PRESENT;
    }
    let result = inner!(C_GetTokenInfo(slot, info));
    if result == CKR_OK && matches!(fault(), Fault::PinPad(_)) {
        // SAFETY: the inner call has just filled it.
        unsafe { (*info).flags |= CKF_PROTECTED_AUTHENTICATION_PATH };
    }
    result
}

unsafe extern "C" fn open_session(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: CK_VOID_PTR,
    notify: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    if removed() {
        return CKR_TOKEN_NOT_PRESENT;
    }
    inner!(C_OpenSession(slot, flags, application, notify, session))
}

unsafe extern "C" fn get_session_info(session: CK_SESSION_HANDLE, info: CK_SESSION_INFO_PTR) -> CK_RV {
    if removed() { CKR_DEVICE_REMOVED } else { inner!(C_GetSessionInfo(session, info)) }
}

unsafe extern "C" fn find_objects_init(
    session: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    if removed() { CKR_DEVICE_REMOVED } else { inner!(C_FindObjectsInit(session, template, count)) }
}

unsafe extern "C" fn login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: CK_UTF8CHAR_PTR,
    length: CK_ULONG,
) -> CK_RV {
    let result = if removed() {
        CKR_DEVICE_REMOVED
    } else if pin.is_null() {
        login_at_the_reader(session, user)
    } else {
        inner!(C_Login(session, user, pin, length))
    };
    note("C_Login", result);
    result
}

/// No PIN means: the reader asks for it (PKCS#11 section 5.6.8).
fn login_at_the_reader(session: CK_SESSION_HANDLE, user: CK_USER_TYPE) -> CK_RV {
    begin("C_Login");
    let Some(mut pin) = pin_at_the_reader() else { return CKR_ARGUMENTS_BAD };
    let length = CK_ULONG::try_from(pin.len()).unwrap_or(0);
    inner!(C_Login(session, user, pin.as_mut_ptr(), length))
}

unsafe extern "C" fn logout(session: CK_SESSION_HANDLE) -> CK_RV {
    let result = if removed() { CKR_DEVICE_REMOVED } else { inner!(C_Logout(session)) };
    note("C_Logout", result);
    if result == CKR_OK {
        probe();
    }
    result
}

/// Tries the last key without a login and writes down what the token says.
fn probe() {
    let Ok(last) = LAST.lock().map(|last| *last) else { return };
    let Some((session, mechanism, key)) = last else { return };
    let mut mechanism = CK_MECHANISM { mechanism, pParameter: std::ptr::null_mut(), ulParameterLen: 0 };
    let mut result = inner!(C_SignInit(session, &raw mut mechanism, key));
    if result == CKR_OK {
        let mut digest = [0_u8; 32];
        let mut signature = [0_u8; 1024];
        let mut length: CK_ULONG = 1024;
        result = inner!(C_Sign(session, digest.as_mut_ptr(), 32, signature.as_mut_ptr(), &raw mut length));
    }
    note("probe", result);
}

unsafe extern "C" fn sign_init(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    let result = if removed() { CKR_DEVICE_REMOVED } else { inner!(C_SignInit(session, mechanism, key)) };
    note("C_SignInit", result);
    if result == CKR_OK && !mechanism.is_null() {
        // SAFETY: not null, and the inner module has just read it.
        let kind = unsafe { (*mechanism).mechanism };
        if let Ok(mut last) = LAST.lock() {
            *last = Some((session, kind, key));
        }
    }
    result
}

unsafe extern "C" fn sign(
    session: CK_SESSION_HANDLE,
    data: CK_BYTE_PTR,
    length: CK_ULONG,
    signature: CK_BYTE_PTR,
    signature_length: CK_ULONG_PTR,
) -> CK_RV {
    if signature.is_null() {
        return inner!(C_Sign(session, data, length, signature, signature_length)); // asks for the length only
    }
    begin("C_Sign");
    suffer();
    let result = if removed() {
        CKR_DEVICE_REMOVED
    } else {
        inner!(C_Sign(session, data, length, signature, signature_length))
    };
    note("C_Sign", result);
    result
}

unsafe extern "C" fn decrypt_init(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    if removed() { CKR_DEVICE_REMOVED } else { inner!(C_DecryptInit(session, mechanism, key)) }
}

unsafe extern "C" fn decrypt(
    session: CK_SESSION_HANDLE,
    encrypted: CK_BYTE_PTR,
    encrypted_length: CK_ULONG,
    data: CK_BYTE_PTR,
    data_length: CK_ULONG_PTR,
) -> CK_RV {
    let result = inner!(C_Decrypt(session, encrypted, encrypted_length, data, data_length));
    if !data.is_null() {
        note("C_Decrypt", result);
    }
    result
}

unsafe extern "C" fn derive_key(
    session: CK_SESSION_HANDLE,
    mechanism: CK_MECHANISM_PTR,
    base: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
    key: CK_OBJECT_HANDLE_PTR,
) -> CK_RV {
    let result = if removed() {
        CKR_DEVICE_REMOVED
    } else {
        inner!(C_DeriveKey(session, mechanism, base, template, count, key))
    };
    note("C_DeriveKey", result);
    result
}

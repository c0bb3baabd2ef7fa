//! A PKCS#11 module for tests: SoftHSM with a diary, and with faults on demand.
//!
//! It loads the module named by `WAFER_TEST_INNER` and forwards every call. Of the calls that matter for a
//! PIN and for private keys it writes one line each to the file `WAFER_TEST_LOG`
//! (`<pid> <function> <return code in hex>`, never an argument), and before each it reads the file
//! `WAFER_TEST_CONTROL`:
//!
//! | control file | effect |
//! |---|---|
//! | empty, absent, `normal` | none |
//! | `hang` | `C_Sign` never returns |
//! | `abort` | `C_Sign` ends the process as a failed assertion would |
//! | `gate:PATH` | `C_Sign` waits until somebody opens the FIFO at PATH for writing |
//! | `removed` | the token is gone: its slots are empty, its sessions are closed |
//!
//! After a successful `C_Logout` it tries `C_SignInit` and `C_Sign` with the last session and key that
//! signed, and writes down as `probe` what the token said: whether the PIN is forgotten is the token's word,
//! not Wafer's.
#![expect(unsafe_code, reason = "a PKCS#11 module is a C interface")]

mod control;
mod forward;
mod inner;

use cryptoki_sys::{
    CK_FUNCTION_LIST, CK_FUNCTION_LIST_PTR_PTR, CK_RV, CKR_ARGUMENTS_BAD, CKR_GENERAL_ERROR, CKR_OK,
};

/// Gives the function list: the inner module's, with the functions of `forward.rs` in place.
///
/// # Safety
/// `list` must be null or point to room for a pointer, as PKCS#11 section 5.4 has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    let Some(inner) = inner::inner() else {
        return CKR_GENERAL_ERROR;
    };
    let ours: &'static CK_FUNCTION_LIST = inner.ours();
    // SAFETY: `list` is not null; the caller provides room for one pointer. The list is never written to.
    unsafe { *list = std::ptr::from_ref(ours).cast_mut() };
    CKR_OK
}

//! The module behind this one.

use std::sync::OnceLock;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_FUNCTION_LIST_PTR, CK_RV, CKR_OK};
use libloading::{Library, Symbol};

use crate::forward;

/// The inner module's functions, and the list we hand out. Never unloaded.
pub(crate) struct Inner {
    pub(crate) functions: &'static CK_FUNCTION_LIST,
    ours: CK_FUNCTION_LIST,
}

impl Inner {
    pub(crate) fn ours(&self) -> &CK_FUNCTION_LIST {
        &self.ours
    }
}

/// Loads the inner module once; `None` if it cannot be loaded (the reason goes to stderr).
pub(crate) fn inner() -> Option<&'static Inner> {
    static INNER: OnceLock<Option<Inner>> = OnceLock::new();
    INNER.get_or_init(|| load().inspect_err(|error| eprintln!("wafer-test-module: {error}")).ok()).as_ref()
}

fn load() -> Result<Inner, String> {
    let path = std::env::var("WAFER_TEST_INNER").map_err(|_| "WAFER_TEST_INNER is not set")?;
    // SAFETY: loading runs the inner module's initialisers: that is what a test asks for.
    let library = unsafe { Library::new(&path) }.map_err(|error| format!("{path}: {error}"))?;
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: every PKCS#11 module exports C_GetFunctionList with this signature.
    let list: Symbol<'static, unsafe extern "C" fn(*mut CK_FUNCTION_LIST_PTR) -> CK_RV> =
        unsafe { library.get(b"C_GetFunctionList\0") }.map_err(|error| format!("{path}: {error}"))?;
    let mut pointer: CK_FUNCTION_LIST_PTR = std::ptr::null_mut();
    // SAFETY: `pointer` is room for one pointer.
    let result = unsafe { list(&raw mut pointer) };
    if result != CKR_OK || pointer.is_null() {
        return Err(format!("{path}: C_GetFunctionList gave {result:#x}"));
    }
    // SAFETY: the list lives as long as the module, which is never unloaded.
    let functions: &'static CK_FUNCTION_LIST = unsafe { &*pointer };
    Ok(Inner { functions, ours: forward::list(functions) })
}

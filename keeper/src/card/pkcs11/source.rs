//! Loading a module and listing its slots.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::slot::{Slot, TokenInfo};

use super::raw::Raw;
use super::{Token, errors};
use crate::card::{Card, CardError, Identity, Source};

/// A loaded and initialised module.
pub struct Module {
    pkcs11: Pkcs11,
    raw: Arc<Raw>,
    name: String,
    slots: Vec<(Identity, Slot)>,
}

impl Module {
    /// Loads the library and calls C_Initialize. May run any code of the vendor's and take any time.
    pub fn load(path: &Path, name: &str) -> Result<Self, CardError> {
        let module = Self::loaded(path, name)?;
        let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        module.pkcs11.initialize(threads).map_err(errors::read)?;
        Ok(module)
    }

    /// The same where the keeper makes one call at a time.
    pub(super) fn load_without_locks(path: &Path, name: &str) -> Result<Self, CardError> {
        let module = Self::loaded(path, name)?;
        module.raw.initialize_without_locks().map_err(errors::read)?;
        Ok(module)
    }

    fn loaded(path: &Path, name: &str) -> Result<Self, CardError> {
        let pkcs11 = Pkcs11::new(path).map_err(errors::read)?;
        let raw = Arc::new(Raw::of(path).map_err(errors::read)?);
        Ok(Self { pkcs11, raw, name: name.to_owned(), slots: Vec::new() })
    }

    /// Calls C_Finalize: all that it has opened must be closed before.
    pub(super) fn end(self) -> Result<(), CardError> {
        self.pkcs11.finalize().map_err(errors::read)
    }
}

impl Source for Module {
    fn present(&mut self) -> Result<Vec<(Identity, String)>, CardError> {
        let mut found: Vec<(Identity, String)> = Vec::new();
        let mut slots = Vec::new();
        for slot in self.pkcs11.get_slots_with_token().map_err(errors::read)? {
            // A slot may lose its token between the two calls; that is not worth an error.
            let Ok(info) = self.pkcs11.get_token_info(slot) else { continue };
            if !info.token_initialized() {
                continue;
            }
            let identity = identity(&self.name, &info);
            if found.iter().any(|(known, _)| known.id == identity.id) {
                tracing::warn!(
                    token = identity.label,
                    "two tokens with the same serial number and model: the second is left out"
                );
                continue;
            }
            let reader = self.pkcs11.get_slot_info(slot).map(|info| info.slot_description().to_owned());
            slots.push((identity.clone(), slot));
            found.push((identity, reader.unwrap_or_default()));
        }
        self.slots = slots;
        Ok(found)
    }

    fn is_removable(&self) -> bool {
        let slots = self.pkcs11.get_all_slots().unwrap_or_default();
        slots
            .into_iter()
            .any(|slot| self.pkcs11.get_slot_info(slot).is_ok_and(|info| info.removable_device()))
    }

    fn open(&mut self, identity: &Identity) -> Result<Box<dyn Card>, CardError> {
        let (identity, slot) =
            self.slots.iter().find(|(known, _)| known.id == identity.id).ok_or(CardError::Gone)?;
        let (pkcs11, raw) = (self.pkcs11.clone(), Arc::clone(&self.raw));
        Ok(Box::new(Token::new(pkcs11, raw, *slot, identity.clone(), self.name.clone())))
    }
}

/// A token's identity: serial and model within this module, never the slot, which changes.
pub(super) fn identity(module: &str, info: &TokenInfo) -> Identity {
    // Some tokens have no serial number, or zeros (tpm2-pkcs11): their label then is all that tells them apart.
    let serial = info.serial_number().trim();
    let is_serial = serial.chars().any(|digit| digit != '0' && !digit.is_control());
    let distinct = if is_serial { serial } else { info.label() };
    let mut context = digest::Context::new(&digest::SHA256);
    for part in ["pkcs11", module, info.model().trim(), distinct] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let id = context.finish().as_ref()[..10].iter().map(|byte| format!("{byte:02x}")).collect();
    Identity {
        id,
        label: info.label().trim().to_owned(),
        serial: serial.to_owned(),
        model: info.model().trim().to_owned(),
        manufacturer: info.manufacturer_id().trim().to_owned(),
    }
}

//! Tokens behind a vendor's PKCS#11 module.

mod errors;
mod keys;
mod objects;
mod source;

use std::collections::HashMap;

use cryptoki::context::Pkcs11;
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;
use secrecy::ExposeSecret;
use wafer_client::keeper::{Digest, KeyInfo, KeyTransport, SignScheme, TriesLeft};
use zeroize::Zeroizing;

pub use source::Module;

use super::{Alphabet, Authentication, Card, CardError, Contents, Identity, PinFlags, PinFormat};
use crate::pin::secret::Secret;

/// One token of a module. Its session stays open: the login belongs to it, and opening one per
/// signature would halve the rate.
struct Token {
    pkcs11: Pkcs11,
    slot: Slot,
    identity: Identity,
    module: String,
    session: Option<Session>,
    /// Handles of private keys by CKA_ID in hex; valid until logout.
    handles: HashMap<String, ObjectHandle>,
}

impl Token {
    fn new(pkcs11: Pkcs11, slot: Slot, identity: Identity, module: String) -> Self {
        Self { pkcs11, slot, identity, module, session: None, handles: HashMap::new() }
    }

    /// Opens the session if there is none, after a look at whether this is still the same token.
    fn open(&mut self) -> Result<(), CardError> {
        if self.session.is_none() {
            self.same_token()?;
            self.handles.clear();
            self.session = Some(self.pkcs11.open_ro_session(self.slot).map_err(errors::read)?);
        }
        Ok(())
    }

    fn session(&self) -> Result<&Session, CardError> {
        self.session.as_ref().ok_or(CardError::NeedsLogin)
    }

    /// The token in the slot, if it is the one this object stands for.
    fn same_token(&self) -> Result<cryptoki::slot::TokenInfo, CardError> {
        let info = self.pkcs11.get_token_info(self.slot).map_err(errors::read)?;
        if source::identity(&self.module, &info).id == self.identity.id {
            Ok(info)
        } else {
            Err(CardError::Gone)
        }
    }

    /// Lets go of a session that a removal or reset has made worthless.
    fn after<T>(&mut self, result: Result<T, CardError>) -> Result<T, CardError> {
        match &result {
            Err(CardError::Gone) => {
                self.session = None;
                self.handles.clear();
            }
            Err(CardError::NeedsLogin) => self.handles.clear(),
            _ => {}
        }
        result
    }

    fn private_key(&mut self, key: &KeyInfo) -> Result<ObjectHandle, CardError> {
        self.open()?;
        let id = objects::id_of(key);
        if let Some(handle) = self.handles.get(id) {
            return Ok(*handle);
        }
        let handle = objects::private_key(self.session()?, id)?;
        self.handles.insert(id.to_owned(), handle);
        Ok(handle)
    }
}

impl Card for Token {
    fn pin_flags(&mut self) -> Result<PinFlags, CardError> {
        let info = self.same_token();
        let info = self.after(info)?;
        let tries = if info.user_pin_locked() {
            TriesLeft::None
        } else if info.user_pin_final_try() {
            TriesLeft::Last
        } else if info.user_pin_count_low() {
            TriesLeft::Low
        } else {
            TriesLeft::Full
        };
        Ok(PinFlags {
            login_required: info.login_required(),
            pin_pad: info.protected_authentication_path(),
            tries,
            format: format(&info),
        })
    }

    fn contents(&mut self) -> Result<Contents, CardError> {
        let opened = self.open();
        self.after(opened)?;
        let contents = objects::contents(self.session()?, &self.identity.id);
        self.after(contents)
    }

    fn login(&mut self, pin: Option<&Secret>) -> Result<(), CardError> {
        let opened = self.open();
        self.after(opened)?;
        let session = self.session()?;
        // One copy on the heap for the length of the call, wiped by its type.
        let pin = pin.map(|pin| RawAuthPin::new(Box::new(pin.expose_secret().to_vec())));
        let attempt = || match &pin {
            Some(pin) => session.login_with_raw(UserType::User, pin),
            None => session.login(UserType::User, None),
        };
        let result = match attempt() {
            // Somebody in this process logged in without us: that verified nothing. Shut and try once.
            Err(error) if errors::already_logged_in(&error) => {
                session.logout().map_err(errors::read)?;
                attempt()
            }
            result => result,
        };
        let result = result.map_err(errors::login);
        self.handles.clear();
        self.after(result)
    }

    fn logout(&mut self) -> Result<(), CardError> {
        self.handles.clear();
        let Some(session) = &self.session else { return Ok(()) };
        match session.logout().map_err(errors::operation) {
            Ok(()) | Err(CardError::NeedsLogin) => Ok(()),
            Err(error) => {
                // Closing the last session logs out as well (PKCS#11 section 5.6.7).
                self.session = None;
                if error == CardError::Gone { Ok(()) } else { Err(error) }
            }
        }
    }

    fn sign(
        &mut self,
        key: &KeyInfo,
        _: Authentication<'_>,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let handle = self.private_key(key);
        let handle = self.after(handle)?;
        let signature = keys::sign(self.session()?, handle, key, scheme, algorithm, digest);
        self.after(signature)
    }

    fn unwrap_key(
        &mut self,
        key: &KeyInfo,
        _: Authentication<'_>,
        transport: &KeyTransport,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let handle = self.private_key(key);
        let handle = self.after(handle)?;
        let content_key = keys::unwrap_key(self.session()?, handle, transport, encrypted);
        self.after(content_key)
    }

    fn derive(
        &mut self,
        key: &KeyInfo,
        _: Authentication<'_>,
        peer_point: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let handle = self.private_key(key);
        let handle = self.after(handle)?;
        let shared = keys::derive(self.session()?, handle, key, peer_point);
        self.after(shared)
    }
}

/// The lengths that the token states; nonsense in them must not shut a person out.
fn format(info: &cryptoki::slot::TokenInfo) -> PinFormat {
    let (shortest, longest) = (info.min_pin_length().max(1), info.max_pin_length());
    if shortest > longest {
        return PinFormat::ANY;
    }
    PinFormat { shortest, longest, alphabet: Alphabet::Any }
}

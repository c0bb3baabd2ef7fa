//! Tokens behind a vendor's PKCS#11 module.

mod beside;
mod errors;
mod keys;
mod objects;
mod opensc;
mod raw;
mod source;

use std::collections::HashMap;
use std::sync::Arc;

use cryptoki::context::Pkcs11;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use wafer_client::keeper::{Digest, KeyInfo, KeyTransport, SignScheme, TriesLeft};
use zeroize::Zeroizing;

pub use beside::BesidePiv;
use keys::{EachUse, Opened};
pub use opensc::Configuration;
use raw::{Raw, Role};
pub use source::Module;

use super::{Alphabet, Authentication, Card, CardError, Contents, Identity, PinFlags, PinFormat};
use crate::pin::secret::Secret;

/// One token of a module. Its session stays open: the login belongs to it, and opening one per
/// signature would halve the rate.
struct Token {
    pkcs11: Pkcs11,
    raw: Arc<Raw>,
    slot: Slot,
    identity: Identity,
    module: String,
    session: Option<Session>,
    /// Handles of private keys by CKA_ID in hex, and whether they want a login per use; valid until logout.
    handles: HashMap<String, (ObjectHandle, bool)>,
    /// The module began anew, or is about to.
    closed: bool,
}

impl Token {
    fn new(pkcs11: Pkcs11, raw: Arc<Raw>, slot: Slot, identity: Identity, module: String) -> Self {
        Self { pkcs11, raw, slot, identity, module, session: None, handles: HashMap::new(), closed: false }
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
        if self.closed {
            return Err(CardError::Gone);
        }
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
            // A wrong PIN inside an operation leaves it half done: with the session it ends, and the login too.
            Err(CardError::Gone | CardError::PinIncorrect | CardError::PinBlocked) => {
                self.session = None;
                self.handles.clear();
            }
            Err(CardError::NeedsLogin) => self.handles.clear(),
            _ => {}
        }
        result
    }

    /// The key's handle, and whether a login belongs to this use of it.
    fn private_key<'p>(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'p>,
    ) -> Result<(ObjectHandle, EachUse<'p>), CardError> {
        let (handle, wants_login) = self.handle(key)?;
        let each_use = match authentication {
            _ if !wants_login => EachUse::No,
            Authentication::Session => return Err(CardError::EveryUse),
            Authentication::Kept(pin) | Authentication::Confirmed(pin) | Authentication::Entered(pin) => {
                EachUse::With(Some(pin))
            }
            Authentication::PinPad => EachUse::With(None),
        };
        Ok((handle, each_use))
    }

    fn handle(&mut self, key: &KeyInfo) -> Result<(ObjectHandle, bool), CardError> {
        self.open()?;
        let id = objects::id_of(key);
        if let Some(known) = self.handles.get(id) {
            return Ok(*known);
        }
        let found = objects::private_key(self.session()?, id)?;
        self.handles.insert(id.to_owned(), found);
        Ok(found)
    }

    /// Does `work` with the key opened.
    fn with_key<R>(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        work: impl FnOnce(&Opened<'_>, ObjectHandle) -> Result<R, CardError>,
    ) -> Result<R, CardError> {
        let found = self.private_key(key, authentication);
        let (handle, each_use) = self.after(found)?;
        let opened = Opened { session: self.session()?, raw: &self.raw, each_use };
        let result = work(&opened, handle);
        self.after(result)
    }
}

impl Card for Token {
    fn pin_flags(&mut self) -> Result<PinFlags, CardError> {
        let info = self.same_token();
        let info = self.after(info)?;
        let tries = tries(info.user_pin_locked(), info.user_pin_final_try(), info.user_pin_count_low());
        Ok(PinFlags {
            login_required: info.login_required(),
            pin_pad: info.protected_authentication_path(),
            global: false,
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
        let attempt = || self.raw.login(session, Role::User, pin);
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

    fn each_use(&mut self) -> Result<Vec<String>, CardError> {
        let ids = objects::each_use(self.session()?);
        Ok(self.after(ids)?.into_iter().map(|id| format!("{}/{id}", self.identity.id)).collect())
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

    fn close(&mut self) {
        self.handles.clear();
        self.session = None;
        self.closed = true;
    }

    fn sign(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        self.with_key(key, authentication, |opened, handle| {
            keys::sign(opened, handle, key, scheme, algorithm, digest)
        })
    }

    fn unwrap_key(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        transport: &KeyTransport,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        self.with_key(key, authentication, |opened, handle| {
            keys::unwrap_key(opened, handle, transport, encrypted)
        })
    }

    fn change_pin(&mut self, old: &Secret, new: &Secret) -> Result<(), CardError> {
        self.same_token()?;
        let session = self.pkcs11.open_rw_session(self.slot).map_err(errors::read)?;
        self.raw.set_pin(&session, old, new).map_err(errors::new_pin)
    }

    fn puk_flags(&mut self) -> Result<PinFlags, CardError> {
        let info = self.same_token()?;
        let tries = tries(info.so_pin_locked(), info.so_pin_final_try(), info.so_pin_count_low());
        let pin_pad = info.protected_authentication_path();
        Ok(PinFlags { login_required: true, pin_pad, global: false, tries, format: PinFormat::ANY })
    }

    /// The security officer's PIN takes the PUK's place (PKCS#11 section 5.5: C_InitPIN).
    fn unblock(&mut self, puk: &Secret, new: &Secret) -> Result<(), CardError> {
        self.same_token()?;
        self.logout()?;
        // An officer cannot log in while a read-only session is open.
        self.session = None;
        let session = self.pkcs11.open_rw_session(self.slot).map_err(errors::read)?;
        let login = self.raw.login(&session, Role::Officer, Some(puk)).map_err(errors::login);
        login.map_err(|error| match error {
            CardError::PinBlocked => CardError::PukBlocked,
            error => error,
        })?;
        let set = self.raw.init_pin(&session, new).map_err(errors::new_pin);
        session.logout().map_err(errors::operation)?;
        set
    }

    fn derive(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        peer_point: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let found = self.private_key(key, authentication);
        // C_DeriveKey has no Init to put a login behind: a fresh login of the user takes its place.
        if let (_, EachUse::With(pin)) = self.after(found)? {
            self.login(pin)?;
        }
        let derived =
            self.handle(key).and_then(|(handle, _)| keys::derive(self.session()?, handle, key, peer_point));
        self.after(derived)
    }
}

/// CKF_*_PIN_LOCKED, CKF_*_PIN_FINAL_TRY, CKF_*_PIN_COUNT_LOW: all that PKCS#11 tells.
fn tries(locked: bool, final_try: bool, count_low: bool) -> TriesLeft {
    match (locked, final_try, count_low) {
        (true, ..) => TriesLeft::None,
        (_, true, _) => TriesLeft::Last,
        (.., true) => TriesLeft::Low,
        _ => TriesLeft::Full,
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

//! A card, as the token's thread sees it: blocking, one call at a time.
//!
//! [`Card`] is one token that is present; [`Source`] is where tokens come from
//! (a PKCS#11 module, the readers of PC/SC, or a folder of files).

pub mod digest_info;
pub mod ecdsa;
pub mod file;
pub mod kind;
pub mod oaep;
mod padding;
pub mod pin;
pub mod piv;
pub mod pkcs11;
mod readers;
pub mod substitute;

use wafer_client::keeper::{Digest, KeyInfo, KeyTransport, ReaderInfo, SignScheme};
use zeroize::Zeroizing;

use crate::pin::secret::Secret;

pub use pin::{Alphabet, Authentication, PinFlags, PinFormat, PinUse};

/// Why a card did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The operation needs a login first (none yet, or the card was reset).
    #[error("not logged in")]
    NeedsLogin,
    /// The PIN was wrong, or has a form the card does not take.
    #[error("PIN refused")]
    PinIncorrect,
    /// No tries are left.
    #[error("PIN blocked")]
    PinBlocked,
    /// What unblocks the PIN is blocked itself.
    #[error("PUK blocked")]
    PukBlocked,
    /// The person pressed the cancel key of a reader's own PIN pad, or let it time out.
    #[error("cancelled at the reader")]
    PinPadCancelled,
    /// The token was removed.
    #[error("token removed")]
    Gone,
    /// The token has no such private key.
    #[error("no such key")]
    NoKey,
    /// The key wants its PIN at every use, and none came with the operation.
    #[error("the key asks for its PIN at every use")]
    EveryUse,
    /// A new PIN has a form that the card does not take.
    #[error("the card does not take such a PIN")]
    PinForm,
    /// Another program holds the card; names it where that can be known, else empty.
    #[error("the card is busy {0}")]
    Busy(String),
    /// The key or token cannot do this; names the algorithm.
    #[error("{0} is not supported by the token")]
    Unsupported(String),
    /// A content key could not be decrypted, for whatever cryptographic reason.
    #[error("decryption failed")]
    Decryption,
    /// An argument is not what the operation takes.
    #[error("{0}")]
    Argument(&'static str),
    /// What was to be imported is no PKCS#12 file, or a broken one.
    #[error("no PKCS#12 file that can be read")]
    FileForm,
    /// A file has no private key with its certificate, or of no kind that is used.
    #[error("no private key in the file that can be used")]
    FileKeyless,
    /// A file demands an absurd amount of work.
    #[error("the file's password is derived in too many iterations")]
    FileCost,
    /// A file could not be kept or removed; says why.
    #[error("the folder of key files: {0}")]
    NotKept(String),
    /// A call into the module ran past its deadline: the process ends.
    #[error("the module hangs")]
    Hung,
    /// Anything else; names function and code for the log.
    #[error("{0}")]
    Failed(String),
}

/// A token's name cards: what makes it the same token again after a re-insertion.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// [`wafer_client::keeper::TokenInfo::id`].
    pub id: String,
    /// Label, for people.
    pub label: String,
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Manufacturer.
    pub manufacturer: String,
}

impl Identity {
    /// With texts that people can be shown, and that the link takes.
    pub fn plain(self) -> Self {
        Self {
            id: self.id,
            label: plain(&self.label),
            serial: plain(&self.serial),
            model: plain(&self.model),
            manufacturer: plain(&self.manufacturer),
        }
    }
}

/// A card's or a module's text without control characters: tpm2-pkcs11 fills up with NUL, which D-Bus does not take.
pub fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    text.trim().to_owned()
}

/// Certificates of a token.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Certificates with a private key.
    pub keys: Vec<KeyInfo>,
    /// Other certificates (DER).
    pub others: Vec<Vec<u8>>,
}

/// One token that is present. Every call may block; none is made on the async thread.
pub trait Card: Send {
    /// The PIN's state, read afresh; costs no try. Fails with [`CardError::Gone`] when the token
    /// in this place is another one.
    fn pin_flags(&mut self) -> Result<PinFlags, CardError>;
    /// How long an accepted PIN opens the card; asked once, before anything else.
    fn pin_use(&self) -> PinUse {
        PinUse::Session
    }
    /// Certificates, without login.
    fn contents(&mut self) -> Result<Contents, CardError>;
    /// Verifies a PIN, once; `None` where the reader has a PIN pad.
    fn login(&mut self, pin: Option<&Secret>) -> Result<(), CardError>;
    /// Names of the keys that want their PIN at every use: asked after a login, since keys may hide before. Keys
    /// that [`Self::contents`] shows as such need not be in it.
    fn each_use(&mut self) -> Result<Vec<String>, CardError> {
        Ok(Vec::new())
    }
    /// Whether the card wants no PIN for this key (PIV: card authentication).
    fn is_open(&self, key: &KeyInfo) -> bool {
        let _ = key;
        false
    }
    /// Shuts the card again. Logged out already is no error.
    fn logout(&mut self) -> Result<(), CardError>;
    /// Signs a digest with the key of this id; with [`SignScheme::Ed25519`] the message itself.
    fn sign(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Vec<u8>, CardError>;
    /// Decrypts a content key.
    fn unwrap_key(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        transport: &KeyTransport,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError>;
    /// ECDH with an uncompressed point, or X25519 with 32 octets; the answer is the shared x-coordinate.
    fn derive(
        &mut self,
        key: &KeyInfo,
        authentication: Authentication<'_>,
        peer_point: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError>;
    /// Sets another PIN. [`CardError::PinIncorrect`] and [`CardError::PinBlocked`] are about `old`.
    fn change_pin(&mut self, old: &Secret, new: &Secret) -> Result<(), CardError> {
        let _ = (old, new);
        Err(CardError::Unsupported("changing the PIN".to_owned()))
    }
    /// The state and form of what [`Self::unblock`] takes (PUK, SO PIN); costs no try.
    fn puk_flags(&mut self) -> Result<PinFlags, CardError> {
        Err(CardError::Unsupported("unblocking the PIN".to_owned()))
    }
    /// Sets a new PIN where the old one is blocked or forgotten. [`CardError::PinIncorrect`] and
    /// [`CardError::PinBlocked`] are about `puk`.
    fn unblock(&mut self, puk: &Secret, new: &Secret) -> Result<(), CardError> {
        let _ = (puk, new);
        Err(CardError::Unsupported("unblocking the PIN".to_owned()))
    }
    /// Its source is about to begin anew: gives back all that it has of it. Every later call fails with
    /// [`CardError::Gone`].
    fn close(&mut self) {}
    /// Nothing more waits for the card at the moment: the place to end a transaction that was kept for the
    /// next operation. Must not wait for a person.
    fn rest(&mut self) {}
    /// A person is asked now, who takes their time: until the next call another program may have the card,
    /// for itself alone too.
    fn step_aside(&mut self) {}
}

/// Whether a source has to begin anew. Its tokens are locked when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginAnew {
    /// It has not.
    No,
    /// Once no token of it is unlocked or works: until then it lists what it had.
    Unused,
    /// At once, since there is something to list that it cannot see.
    AtOnce,
}

/// Where tokens come from.
pub trait Source: Send {
    /// The tokens that are present, each with the name of its slot or reader.
    fn present(&mut self) -> Result<Vec<(Identity, String)>, CardError>;
    /// Whether tokens can come and go (readers, not software): then pcscd is asked to tell when.
    fn is_removable(&self) -> bool {
        false
    }
    /// Whether it must begin anew before it can list what is there now.
    fn wants_to_begin_anew(&mut self) -> Result<BeginAnew, CardError> {
        Ok(BeginAnew::No)
    }
    /// Begins anew; every card that it had opened was closed before.
    fn begin_anew(&mut self) -> Result<(), CardError> {
        Ok(())
    }
    /// The readers whose card was looked at.
    fn readers(&self) -> Vec<ReaderInfo> {
        Vec::new()
    }
    /// Learns which cards are used directly by another keeper.
    fn settle(&mut self, readers: Vec<ReaderInfo>) {
        drop(readers);
    }
    /// Opens a token that [`Self::present`] just listed.
    fn open(&mut self, identity: &Identity) -> Result<Box<dyn Card>, CardError>;
    /// Keeps a file as a token from now on, called `name`, if `password` opens it. A file that is kept already is
    /// the same token.
    fn import(&mut self, file: &[u8], name: &str, password: &Secret) -> Result<Identity, CardError> {
        let _ = (file, name, password);
        Err(CardError::Unsupported("key files".to_owned()))
    }
    /// Removes a token that was imported.
    fn remove(&mut self, identity: &Identity) -> Result<(), CardError> {
        let _ = identity;
        Err(CardError::Unsupported("removing a token".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_filled_up_is_plain() {
        assert_eq!(plain("chip\0\0\0"), "chip");
        assert_eq!(plain(" J\u{f6}rg's\tcard\u{85}  "), "J\u{f6}rg'scard");
        assert_eq!(plain("\0"), "");
    }
}

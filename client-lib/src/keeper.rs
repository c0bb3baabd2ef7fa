//! The link between `waferd` and a `wafer-keeper`: D-Bus peer-to-peer over an
//! inherited socketpair, fixed signatures, messages up to [`LINK_MESSAGE_MAX`].
//!
//! `waferd` calls [`KeeperProxy`] (served by the keeper); the keeper calls
//! [`DeskProxy`] (served by `waferd`) before it shows a dialog. Secrets (content
//! keys, shared secrets) never travel in a message body: `waferd` hands over the
//! writing end of a pipe and reads them there.

use serde::{Deserialize, Serialize};
use serde_repr::{Deserialize_repr, Serialize_repr};
use zbus::{OwnedFd, Type};

/// Object path of the keeper on the link.
pub const KEEPER_PATH: &str = "/org/waferd/Keeper1";
/// Object path of the desk (waferd's side of the link).
pub const DESK_PATH: &str = "/org/waferd/Desk1";
/// Longest message either side accepts on the link, in bytes.
pub const LINK_MESSAGE_MAX: usize = 64 * 1024;
/// Number of the descriptor on which a keeper finds its link.
pub const LINK_FD: i32 = 3;

/// What a private key may be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum Operation {
    /// One signature per use.
    Sign = 1,
    /// One content key unwrapped (RSA key transport) or one shared secret derived (ECDH) per use.
    Decrypt = 2,
    /// Log in without a private-key operation (`Token.Unlock`); the key field names the token.
    Unlock = 3,
    /// Set another PIN (`Token.ChangePin`); the key field names the token.
    ChangePin = 4,
    /// Set a new PIN with the PUK (`Token.UnblockPin`); the key field names the token.
    UnblockPin = 5,
    /// Keep a PKCS#12 file as a token; the key field is empty.
    ImportFile = 6,
}

impl Operation {
    /// Whether the key field of its grant names a token instead of a key.
    pub fn is_about_token(self) -> bool {
        matches!(self, Self::Unlock | Self::ChangePin | Self::UnblockPin)
    }
}

/// How a requester's name came to be known; the dialog says so in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum Certainty {
    /// Nothing better than a process number.
    Unknown = 0,
    /// The executable of a process of the same user: protection against accident only.
    Executable = 1,
    /// A sandbox's identity from the cgroup (Flatpak, Snap).
    Sandbox = 2,
    /// A web page, as a program that may speak for pages says; the browser is the program that started that one.
    Page = 3,
}

/// Who asks, as waferd found out; shown in the dialog and kept in the keeper's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Requester {
    /// Stable name of the caller's connection: calls of one program share a dialog's quiet time by it.
    pub caller: String,
    /// Program to show: the executable's path, or a sandbox's application id; empty if unknown.
    pub program: String,
    /// Process number, 0 if unknown.
    pub pid: u32,
    /// How surely `program` is known.
    pub certainty: Certainty,
}

/// Where the caller asked for the PIN dialog to appear. Empty strings mean "not said".
/// Used for PIN entry only, never for consent (pin-rules 10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PromptPlace {
    /// X11 display, for example `:0`.
    pub display: String,
    /// Wayland display, for example `wayland-0`.
    pub wayland_display: String,
    /// Path of a terminal; the keeper checks that it is one and that the user owns it.
    pub tty: String,
    /// Terminal type (`TERM`).
    pub term: String,
    /// Locale of the person (`LANG`, `LC_CTYPE`).
    pub lang: String,
}

/// What waferd asks the keeper to allow: one key, one operation, one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct GrantRequest {
    /// [`KeyInfo::id`], or [`TokenInfo::id`] where [`Operation::is_about_token`].
    pub key: String,
    /// What may be done with it.
    pub operation: Operation,
    /// How often: 1 for a signature, the number of matching recipients for a message.
    pub uses: u32,
    /// On whose behalf.
    pub requester: Requester,
    /// False: never show a dialog, answer `InteractionRequired`.
    pub interactive: bool,
    /// Milliseconds from now after which the grant ends; 0 = the keeper's own limit.
    pub deadline_ms: u32,
    /// Where a PIN dialog may appear.
    pub place: PromptPlace,
    /// The token's label as waferd remembers it, for a keeper that never saw the token: the person is
    /// asked to insert it by this name. Empty: not known.
    pub token_label: String,
}

/// What a person is asked to allow a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum Question {
    /// Sign with a key.
    Sign = 1,
    /// Decrypt with a key.
    Decrypt = 2,
    /// Import, accept or remove a recipient's certificate.
    Recipient = 3,
    /// Change a setting so that it protects less.
    Setting = 4,
    /// Trust or distrust a certificate, or forget that.
    Trust = 5,
    /// Remove a key file that was imported, or a card that is remembered.
    Removal = 6,
}

/// A question of consent. It appears in the person's own session only (pin-rules 10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ConsentRequest {
    /// Who asks.
    pub requester: Requester,
    /// What for.
    pub question: Question,
    /// The key's label, the recipient, or the setting with its new value.
    pub object: String,
    /// The token's label; empty where no key is concerned.
    pub token: String,
    /// Whether "always" and "never" are offered: not for what is done once, nor for programs that are not surely
    /// known again.
    pub lasting: bool,
    /// The caller's terminal, which is used only where the administrator allowed it; else empty.
    pub place: PromptPlace,
}

/// What the person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum Consent {
    /// Yes, this time.
    Once = 1,
    /// Yes, as long as waferd runs.
    Session = 2,
    /// Yes, always.
    Always = 3,
    /// Not now.
    No = 4,
    /// Never.
    Never = 5,
}

/// A grant's name: 64 random bits chosen by the keeper.
pub type GrantId = u64;

/// How to sign a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum SignScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2). The keeper builds the DigestInfo.
    RsaPkcs1 = 1,
    /// RSASSA-PSS, MGF1 with the same digest, salt as long as the digest (RFC 4056).
    RsaPss = 2,
    /// ECDSA; the answer is a DER `Ecdsa-Sig-Value` (RFC 5753 section 2.1.1).
    Ecdsa = 3,
    /// Ed25519 (RFC 8419): what is handed over for signing is the message itself, not a digest of it.
    Ed25519 = 4,
}

/// A digest algorithm on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum Digest {
    /// SHA-1, only as an OAEP hash of old mail.
    Sha1 = 1,
    /// SHA-256.
    Sha256 = 2,
    /// SHA-384.
    Sha384 = 3,
    /// SHA-512.
    Sha512 = 4,
    /// SHA-224, only as an OAEP hash of old mail.
    Sha224 = 5,
}

/// How a content key was encrypted to an RSA key (RFC 3370 section 4.2, RFC 3560).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct KeyTransport {
    /// False: RSAES-PKCS1-v1_5. True: RSAES-OAEP with the two digests and the label below.
    pub oaep: bool,
    /// OAEP's hash (ignored for v1.5).
    pub hash: Digest,
    /// MGF1's hash (ignored for v1.5).
    pub mgf_hash: Digest,
    /// OAEP's label (pSourceFunc), usually empty.
    #[serde(with = "serde_bytes")]
    pub label: Vec<u8>,
    /// Bytes the content key must have. With v1.5 a failed or odd decryption answers a random key
    /// of this length, so that no padding oracle exists (RFC 3218).
    pub key_length: u32,
}

/// What is known of a token's PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum PinState {
    /// No PIN is cached: the next private operation asks.
    Locked = 0,
    /// Logged in: private operations need no dialog.
    Unlocked = 1,
    /// The PIN is blocked.
    Blocked = 2,
    /// The token needs no login, or has a PIN pad of its own.
    NotNeeded = 3,
}

/// How many tries remain before the PIN blocks. On the link one number: what each means stands at [`u32::from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
#[serde(into = "u32", from = "u32")]
#[zbus(signature = "u")]
pub enum TriesLeft {
    /// The token does not say.
    Unknown,
    /// Some were used up (CKF_USER_PIN_COUNT_LOW).
    Low,
    /// One is left (CKF_USER_PIN_FINAL_TRY, or counted).
    Last,
    /// None (CKF_USER_PIN_LOCKED, or counted).
    None,
    /// None were used up, as far as the token says.
    Full,
    /// So many, two or more, counted by the token; made by [`Self::exactly`].
    Exactly(u32),
}

/// Counts start here on the link; smaller numbers are the other variants.
const EXACTLY: u32 = 16;

impl TriesLeft {
    /// What a counter says.
    pub fn exactly(count: u32) -> Self {
        match count {
            0 => Self::None,
            1 => Self::Last,
            count => Self::Exactly(count),
        }
    }

    /// The number, where it is known.
    pub fn count(self) -> Option<u32> {
        match self {
            Self::None => Some(0),
            Self::Last => Some(1),
            Self::Exactly(count) => Some(count),
            Self::Unknown | Self::Low | Self::Full => None,
        }
    }
}

impl From<TriesLeft> for u32 {
    fn from(tries: TriesLeft) -> Self {
        match tries {
            TriesLeft::Unknown => 0,
            TriesLeft::Low => 1,
            TriesLeft::Last => 2,
            TriesLeft::None => 3,
            TriesLeft::Full => 4,
            TriesLeft::Exactly(count) => count.saturating_add(EXACTLY),
        }
    }
}

impl From<u32> for TriesLeft {
    fn from(number: u32) -> Self {
        match number {
            1 => Self::Low,
            2 => Self::Last,
            3 => Self::None,
            4 => Self::Full,
            EXACTLY.. => Self::exactly(number - EXACTLY),
            _ => Self::Unknown,
        }
    }
}

/// The kind of a private key and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize_repr, Deserialize_repr, Type)]
#[repr(u32)]
pub enum KeyKind {
    /// RSA; the size is the certificate's to tell.
    Rsa = 1,
    /// Elliptic curve on P-256, P-384 or P-521; the curve is the certificate's to tell.
    Ec = 2,
    /// Ed25519 (RFC 8410): signs only.
    Ed25519 = 3,
    /// X25519 (RFC 8410): decrypts only.
    X25519 = 4,
}

/// A certificate on a token with the private key that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct KeyInfo {
    /// Stable name of the key: `<token id>/<CKA_ID in hex>`.
    pub id: String,
    /// CKA_LABEL, for people.
    pub label: String,
    /// What kind of key it is.
    pub kind: KeyKind,
    /// The certificate, DER (RFC 5280).
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// The key wants its PIN for every single operation (CKA_ALWAYS_AUTHENTICATE, PIV 9C).
    pub always_authenticate: bool,
}

/// A token that is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TokenInfo {
    /// Stable name across re-insertion, slots and processes: hex of a hash over source, model and serial.
    pub id: String,
    /// CKA label of the token.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Its model.
    pub model: String,
    /// Its manufacturer.
    pub manufacturer: String,
    /// The slot or reader it sits in.
    pub reader: String,
    /// Whether a PIN is cached.
    pub pin_state: PinState,
    /// What the token says about tries.
    pub tries_left: TriesLeft,
    /// Keys with a certificate.
    pub keys: Vec<KeyInfo>,
    /// How many further certificates (CAs, for building chains) [`KeeperProxy::certificates`] will give.
    pub other_certificates: u32,
}

/// A reader with a card in it that the keeper of PIV cards has looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ReaderInfo {
    /// Its name, as pcscd has it.
    pub name: String,
    /// pcscd's count of insertions and removals at that time: with another count it is another card's.
    pub count: u32,
    /// Its card is used directly: other keepers leave it alone.
    pub taken: bool,
}

/// One line of the keeper's log, as `wafer log` shows it. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LogEntry {
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Token label.
    pub token: String,
    /// Key label; empty where no key was concerned.
    pub key: String,
    /// What was done: `sign`, `decrypt`, `login`, `lock`, `forget`, ...
    pub event: String,
    /// Program that asked.
    pub program: String,
    /// `ok`, or the error's kind.
    pub outcome: String,
}

/// Served by `wafer-keeper`, called by `waferd`.
///
/// Every error is one of [`crate::ErrorKind`], with its sentence and details.
#[zbus::proxy(
    interface = "org.waferd.Keeper1",
    default_service = "org.waferd.Keeper1",
    default_path = "/org/waferd/Keeper1"
)]
pub trait Keeper {
    /// Lists the tokens that are present, afresh. The first call waits for the module to load.
    async fn tokens(&self) -> zbus::Result<Vec<TokenInfo>>;

    /// The readers with a card in them, as this keeper found them at its last listing: none, if it does not look at
    /// cards itself.
    async fn readers(&self) -> zbus::Result<Vec<ReaderInfo>>;

    /// Tells a keeper that stays beside the one of PIV cards what that has found: of other readers' cards it knows
    /// nothing yet, and leaves them alone too.
    async fn settle_readers(&self, readers: &[ReaderInfo]) -> zbus::Result<()>;

    /// Certificates of a token that belong to no key of it: at most 64, DER.
    async fn certificates(&self, token: &str) -> zbus::Result<Vec<Vec<u8>>>;

    /// Opens a grant. Refused with `LimitsExceeded` past the keeper's rate limit.
    async fn grant(&self, request: &GrantRequest) -> zbus::Result<GrantId>;

    /// Ends a grant. An operation that waits under it (for a PIN, for its turn) ends as `Cancelled`.
    /// Unknown grants are no error: the last use may just have ended it.
    async fn revoke(&self, grant: GrantId) -> zbus::Result<()>;

    /// Signs `digest` with the granted key ([`SignScheme::Ed25519`]: the whole message). Returns the signature as
    /// CMS wants it.
    async fn sign(
        &self,
        grant: GrantId,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &serde_bytes::Bytes,
    ) -> zbus::Result<serde_bytes::ByteBuf>;

    /// Decrypts a content key with the granted RSA key and writes it to `secret` (a pipe), then closes it.
    async fn unwrap_key(
        &self,
        grant: GrantId,
        transport: &KeyTransport,
        encrypted_key: &serde_bytes::Bytes,
        secret: OwnedFd,
    ) -> zbus::Result<()>;

    /// ECDH (SP 800-56A, no KDF, no cofactor) of the granted key with the uncompressed point
    /// `peer_point` (SEC 1 section 2.3.3), or X25519 with the 32 bytes `peer_point` (RFC 7748); writes the shared
    /// x-coordinate to `secret`.
    async fn derive(
        &self,
        grant: GrantId,
        peer_point: &serde_bytes::Bytes,
        secret: OwnedFd,
    ) -> zbus::Result<()>;

    /// Logs in under a grant for [`Operation::Unlock`].
    async fn unlock(&self, grant: GrantId) -> zbus::Result<()>;

    /// Asks for the old PIN and a new one and sets it, under a grant for [`Operation::ChangePin`]; asks for the
    /// PUK in place of the old PIN under one for [`Operation::UnblockPin`].
    async fn change_pin(&self, grant: GrantId, unblock: bool) -> zbus::Result<()>;

    /// Keeps the PKCS#12 file that `file` can be read from (a memfd) as a token called `name`, under a grant for
    /// [`Operation::ImportFile`]: asks for its password. Gives the token's id.
    async fn import_file(&self, grant: GrantId, name: &str, file: OwnedFd) -> zbus::Result<String>;

    /// Removes a token that was imported.
    async fn remove(&self, token: &str) -> zbus::Result<()>;

    /// Forgets the PIN of a token and logs out; the empty name means every token.
    /// Answers only when it is forgotten; never waits for the card.
    async fn lock(&self, token: &str) -> zbus::Result<()>;

    /// The screen is locked, or is no longer: while it is, dialogs close and none opens, and what would need
    /// one fails with `InteractionRequired`.
    async fn screen(&self, locked: bool) -> zbus::Result<()>;

    /// Asks the person. `NoPrompter` where there is no place to ask, `TimedOut` if nobody answers.
    async fn consent(&self, request: &ConsentRequest) -> zbus::Result<Consent>;

    /// The last entries of the log, oldest first, at most 256.
    async fn log(&self) -> zbus::Result<Vec<LogEntry>>;

    /// The list of tokens, their keys or their PIN states changed: call `tokens` again.
    #[zbus(signal)]
    async fn tokens_changed(&self) -> zbus::Result<()>;
}

/// Served by `waferd`, called by a keeper: whose turn it is to show a dialog.
#[zbus::proxy(
    interface = "org.waferd.Desk1",
    default_service = "org.waferd.Desk1",
    default_path = "/org/waferd/Desk1"
)]
pub trait Desk {
    /// Waits until no other keeper shows a dialog, then lends the screen for `lease_ms`. The keeper counts its turns:
    /// `turn` is the number of this one. The lease ends with [`Self::return_turn`], with the keeper, or with its time.
    async fn take_turn(&self, turn: u64, lease_ms: u32) -> zbus::Result<()>;

    /// Gives the screen back, or the wait for it up.
    async fn return_turn(&self, turn: u64) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_cross_the_link_as_one_number() {
        let counted = (0..20).map(TriesLeft::exactly);
        for tries in [TriesLeft::Unknown, TriesLeft::Low, TriesLeft::Full].into_iter().chain(counted) {
            assert_eq!(TriesLeft::from(u32::from(tries)), tries);
        }
        assert_eq!(TriesLeft::exactly(1), TriesLeft::Last);
        assert_eq!(TriesLeft::exactly(0).count(), Some(0));
        assert_eq!(TriesLeft::from(7), TriesLeft::Unknown, "a number of a later version");
    }
}

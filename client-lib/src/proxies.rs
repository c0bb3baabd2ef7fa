//! Typed proxies for the public interfaces. `dbus/*.xml` documents every option, result and error.
//!
//! zbus sets no time-out of its own, which is right: a call may wait for a person.

use std::collections::HashMap;

use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

/// Named options of a call.
pub type OptionMap = HashMap<String, OwnedVariant>;
/// Named results of a call.
pub type ResultMap = HashMap<String, OwnedVariant>;
/// One line of the log: time in ms, token, key, event, program, outcome.
pub type LogLine = (u64, String, String, String, String, String);

/// `org.waferd.Wafer1.Mail`: whole S/MIME messages.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Mail",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Mail {
    /// Signs a message.
    async fn sign(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Encrypts a message.
    async fn encrypt(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Opens the outermost encrypted layer.
    async fn decrypt(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Checks the outermost signature. The option `output` says where the signed content goes.
    async fn verify(
        &self,
        input: &Variant<'_>,
        options: &HashMap<String, Variant<'_>>,
    ) -> zbus::Result<ResultMap>;

    /// Opens and judges every layer.
    async fn read(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Looks at the outermost layer.
    async fn inspect(&self, input: &Variant<'_>, options: &OptionMap) -> zbus::Result<ResultMap>;

    /// Signs and encrypts an outgoing message as the settings say, with copies for blind-copy recipients.
    async fn protect(
        &self,
        input: &Variant<'_>,
        outputs: &[Variant<'_>],
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Ends the caller's own call with this cancellation id.
    async fn cancel(&self, cancellation_id: &str) -> zbus::Result<()>;

    /// Bytes read so far, for calls with a cancellation id; a total of 0 is unknown.
    ///
    /// A typed stream of it passes over signals on the private socket, where messages have no sender:
    /// use [`crate::Client::progress`].
    #[zbus(signal)]
    async fn progress(&self, cancellation_id: String, done: u64, total: u64) -> zbus::Result<()>;

    /// Every option's name that the service knows.
    #[zbus(property(emits_changed_signal = "const"))]
    fn features(&self) -> zbus::Result<Vec<String>>;

    /// The service's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> zbus::Result<String>;
}

/// `org.waferd.Wafer1.Cms`: bare CMS over exactly the bytes given.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Cms",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Cms {
    /// Makes a SignedData.
    async fn sign(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Makes an AuthEnvelopedData or EnvelopedData.
    async fn encrypt(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Opens an EnvelopedData or AuthEnvelopedData.
    async fn decrypt(
        &self,
        input: &Variant<'_>,
        output: &Variant<'_>,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Checks a SignedData; an empty `content` says that the content is inside.
    async fn verify(
        &self,
        signature: &Variant<'_>,
        content: &Variant<'_>,
        options: &HashMap<String, Variant<'_>>,
    ) -> zbus::Result<ResultMap>;
}

/// `org.waferd.Wafer1.Service`: log, state, locking everything.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Service",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Service {
    /// What was done with the private keys, oldest first.
    async fn log(&self) -> zbus::Result<Vec<LogLine>>;

    /// Keeps a PKCS#12 file as a token; gives its path.
    async fn import_file(&self, file: &Variant<'_>, options: &OptionMap) -> zbus::Result<OwnedObjectPath>;

    /// Forgets every PIN.
    async fn lock_all(&self) -> zbus::Result<()>;

    /// How the service is.
    async fn status(&self) -> zbus::Result<ResultMap>;

    /// The person's identities as candidates for an address, the best first. `purpose`: `sign`, `decrypt`.
    async fn candidates(&self, address: &str, purpose: &str) -> zbus::Result<Vec<ResultMap>>;
}

/// `org.waferd.Wafer1.Recipients`: who can be encrypted to.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Recipients",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Recipients {
    /// What is known of each address.
    async fn check(&self, addresses: &[String], options: &OptionMap) -> zbus::Result<Vec<ResultMap>>;

    /// Keeps certificates as imported by hand.
    async fn import(&self, input: &Variant<'_>, options: &OptionMap) -> zbus::Result<Vec<ResultMap>>;

    /// Every certificate that is kept.
    async fn list(&self) -> zbus::Result<Vec<ResultMap>>;

    /// Uses a certificate from now on.
    async fn accept(&self, fingerprint: &str, options: &OptionMap) -> zbus::Result<()>;

    /// Forgets a certificate.
    async fn remove(&self, fingerprint: &str, options: &OptionMap) -> zbus::Result<()>;
}

/// `org.waferd.Wafer1.Permissions`: what the person decided about programs.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Permissions",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Permissions {
    /// Everything decided that still holds.
    async fn list(&self) -> zbus::Result<Vec<ResultMap>>;

    /// Forgets what was decided of a program.
    async fn revoke(&self, program: &str, key: &str, options: &OptionMap) -> zbus::Result<()>;
}

/// `org.waferd.Wafer1.Settings`: choices, and which of them an administrator has made.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Settings",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Settings {
    /// Every setting.
    async fn list(&self) -> zbus::Result<Vec<ResultMap>>;

    /// One setting.
    async fn get(&self, name: &str) -> zbus::Result<ResultMap>;

    /// Sets one in the person's own file.
    async fn set(&self, name: &str, value: &Variant<'_>, options: &OptionMap) -> zbus::Result<()>;

    /// Takes one out of the person's own file.
    async fn reset(&self, name: &str, options: &OptionMap) -> zbus::Result<()>;

    /// These settings have other values than before.
    #[zbus(signal)]
    async fn changed(&self, names: Vec<String>) -> zbus::Result<()>;

    /// What is wrong in which file and line now; empty if nothing is.
    #[zbus(property)]
    fn problem(&self) -> zbus::Result<String>;
}

/// `org.waferd.Wafer1.Trust`: what the person decided about certificates.
#[zbus::proxy(
    interface = "org.waferd.Wafer1.Trust",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait Trust {
    /// Every decision, oldest first.
    async fn list(&self) -> zbus::Result<Vec<ResultMap>>;

    /// Trusts or distrusts a certificate.
    async fn decide(
        &self,
        certificate: &serde_bytes::Bytes,
        choice: &str,
        options: &OptionMap,
    ) -> zbus::Result<ResultMap>;

    /// Takes back what holds about a certificate.
    async fn revoke(&self, fingerprint: &str, options: &OptionMap) -> zbus::Result<ResultMap>;
}

/// `org.waferd.Wafer1.Token`: a token that is present, or a card that was seen before.
#[zbus::proxy(interface = "org.waferd.Wafer1.Token", default_service = "org.waferd.Wafer1")]
pub trait Token {
    /// Asks for the PIN now.
    async fn unlock(&self, options: &OptionMap) -> zbus::Result<()>;

    /// Asks for the PIN and a new one.
    async fn change_pin(&self, options: &OptionMap) -> zbus::Result<()>;

    /// Asks for the PUK and a new PIN.
    async fn unblock_pin(&self, options: &OptionMap) -> zbus::Result<()>;

    /// Removes a key file that was imported.
    async fn remove(&self, options: &OptionMap) -> zbus::Result<()>;

    /// Forgets the PIN.
    async fn lock(&self) -> zbus::Result<()>;

    /// The token's label.
    #[zbus(property)]
    fn label(&self) -> zbus::Result<String>;
    /// Its serial number.
    #[zbus(property)]
    fn serial(&self) -> zbus::Result<String>;
    /// Its model.
    #[zbus(property)]
    fn model(&self) -> zbus::Result<String>;
    /// Who made it.
    #[zbus(property)]
    fn manufacturer(&self) -> zbus::Result<String>;
    /// The reader or slot it sits in.
    #[zbus(property)]
    fn reader(&self) -> zbus::Result<String>;
    /// Where the service found it.
    #[zbus(property)]
    fn source(&self) -> zbus::Result<String>;
    /// `locked`, `unlocked`, `blocked`, `not-needed`.
    #[zbus(property)]
    fn pin_state(&self) -> zbus::Result<String>;
    /// `unknown`, `low`, `last`, `none`, `full`.
    #[zbus(property)]
    fn tries_left(&self) -> zbus::Result<String>;
    /// The number of tries left; -1 where the token does not count them.
    #[zbus(property)]
    fn tries_count(&self) -> zbus::Result<i32>;
    /// Whether it is there.
    #[zbus(property)]
    fn present(&self) -> zbus::Result<bool>;
}

/// `org.waferd.Wafer1.Identity`: a certificate with a private key on a token.
#[zbus::proxy(interface = "org.waferd.Wafer1.Identity", default_service = "org.waferd.Wafer1")]
pub trait Identity {
    /// The certificate, DER.
    #[zbus(property)]
    fn certificate(&self) -> zbus::Result<Vec<u8>>;
    /// Its subject.
    #[zbus(property)]
    fn subject(&self) -> zbus::Result<String>;
    /// Its issuer.
    #[zbus(property)]
    fn issuer(&self) -> zbus::Result<String>;
    /// Its serial number, hex.
    #[zbus(property)]
    fn serial_number(&self) -> zbus::Result<String>;
    /// SHA-256 of the certificate, hex.
    #[zbus(property)]
    fn fingerprint(&self) -> zbus::Result<String>;
    /// Its mail addresses.
    #[zbus(property)]
    fn addresses(&self) -> zbus::Result<Vec<String>>;
    /// `sign`, `encrypt`.
    #[zbus(property)]
    fn usages(&self) -> zbus::Result<Vec<String>>;
    /// Begin of validity, Unix seconds.
    #[zbus(property)]
    fn not_before(&self) -> zbus::Result<i64>;
    /// End of validity, Unix seconds.
    #[zbus(property)]
    fn not_after(&self) -> zbus::Result<i64>;
    /// Whether its token is there.
    #[zbus(property)]
    fn present(&self) -> zbus::Result<bool>;
    /// The token that holds the key.
    #[zbus(property)]
    fn token(&self) -> zbus::Result<OwnedObjectPath>;
    /// `rsa` or `ec`.
    #[zbus(property)]
    fn key_kind(&self) -> zbus::Result<String>;
    /// The key's label on the token.
    #[zbus(property)]
    fn label(&self) -> zbus::Result<String>;
}

/// `org.freedesktop.DBus.ObjectManager` on the root: tokens and identities as they come and go.
#[zbus::proxy(
    interface = "org.freedesktop.DBus.ObjectManager",
    default_service = "org.waferd.Wafer1",
    default_path = "/org/waferd/Wafer1"
)]
pub trait ObjectManager {
    /// Every object with its interfaces and their properties.
    async fn get_managed_objects(&self) -> zbus::Result<zbus::fdo::ManagedObjects>;

    /// An object came.
    #[zbus(signal)]
    async fn interfaces_added(
        &self,
        object_path: ObjectPath<'_>,
        interfaces_and_properties: HashMap<String, HashMap<String, OwnedVariant>>,
    ) -> zbus::Result<()>;

    /// An object went.
    #[zbus(signal)]
    async fn interfaces_removed(
        &self,
        object_path: ObjectPath<'_>,
        interfaces: Vec<String>,
    ) -> zbus::Result<()>;
}

//! PIV cards: who is on which, and the copy of it that each test plugs in (`card_stock` makes them).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use wafer_test_card::{Card, GlobalPin};

use crate::card_stock::Stock;
use crate::pcscd::Pcscd;
use crate::pki::Somebody;

/// The PIN of every card here.
pub const PIN: &str = "123456";
/// Another PIN.
pub const WRONG_PIN: &str = "654321";
/// The PUK of every card here.
pub const PUK: &str = "12345678";

/// Somebody whose key was generated on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Their name, and that of their files.
    pub name: &'static str,
    /// The slot of their key, as `yubico-piv-tool` calls it.
    pub slot: &'static str,
    /// The key's algorithm, as `yubico-piv-tool` calls it.
    pub algorithm: &'static str,
    /// The section of the CA's settings for their certificate.
    pub(crate) section: &'static str,
    /// The cards that theirs is made with.
    stock: Stock,
}

impl Holder {
    const fn new(
        name: &'static str,
        slot: &'static str,
        algorithm: &'static str,
        section: &'static str,
    ) -> Self {
        Self { name, slot, algorithm, section, stock: Stock::Usual }
    }

    const fn of(self, stock: Stock) -> Self {
        Self { stock, ..self }
    }
}

/// PIV authentication key: RSA-2048.
pub const GRACE: Holder = Holder::new("grace", "9a", "RSA2048", "rsa");
/// Digital signature key, which wants its PIN at every use: P-256.
pub const HEIDI: Holder = Holder::new("heidi", "9c", "ECCP256", "ec");
/// Key management key: RSA-2048.
pub const IVAN: Holder = Holder::new("ivan", "9d", "RSA2048", "rsa");
/// First retired key management key: P-256.
pub const JUDY: Holder = Holder::new("judy", "82", "ECCP256", "ec");
/// A retired key whose certificate is compressed, in a slot after an empty one: RSA-2048.
pub const KARL: Holder = Holder::new("karl", "84", "RSA2048", "rsa");

/// Everybody on the card `first`.
pub const HOLDERS: [Holder; 5] = [GRACE, HEIDI, IVAN, JUDY, KARL];
/// On the card `second`, in its slot 9A: P-256.
pub const LAURA: Holder = Holder::new("laura", "9a", "ECCP256", "ec");

/// On the card `second`, its card authentication key, which wants no PIN: P-256.
pub const NINA: Holder = Holder::new("nina", "9e", "ECCP256", "ec");

/// On the card `strong`, its PIV authentication key: RSA-4096.
pub const OSCAR: Holder = Holder::new("oscar", "9a", "RSA4096", "rsa").of(Stock::Strong);
/// On the card `strong`, its digital signature key: P-384.
pub const PEGGY: Holder = Holder::new("peggy", "9c", "ECCP384", "ec").of(Stock::Strong);
/// On the card `strong`, its key management key: RSA-3072.
pub const QUENTIN: Holder = Holder::new("quentin", "9d", "RSA3072", "rsa").of(Stock::Strong);
/// On the card `strong`, a retired key: P-384.
pub const RUTH: Holder = Holder::new("ruth", "82", "ECCP384", "ec").of(Stock::Strong);
/// Everybody on the card `strong`.
pub const STRONG: [Holder; 4] = [OSCAR, PEGGY, QUENTIN, RUTH];

/// On the card `twisted`, its PIV authentication key: Ed25519.
pub const SYBIL: Holder = Holder::new("sybil", "9a", "ED25519", "ec").of(Stock::Twisted);
/// On the card `twisted`, its digital signature key: Ed25519.
pub const TRENT: Holder = Holder::new("trent", "9c", "ED25519", "ec").of(Stock::Twisted);
/// On the card `twisted`, its key management key: X25519.
pub const URSULA: Holder = Holder::new("ursula", "9d", "X25519", "ec").of(Stock::Twisted);
/// Everybody on the card `twisted`.
pub const TWISTED: [Holder; 3] = [SYBIL, TRENT, URSULA];

impl Somebody for Holder {
    fn address(self) -> String {
        format!("{}@example.test", self.name)
    }

    fn certificate(self) -> PathBuf {
        self.stock.folder().join(format!("{}.pem", self.name))
    }
}

/// A card of the test's own, and the folder of its flash.
#[derive(Debug)]
pub struct PivCard {
    /// The card.
    pub card: Card,
    _folder: TempDir,
}

impl PivCard {
    /// The card `first`: the keys of [`HOLDERS`].
    pub fn first() -> Self {
        Self::copy_of(Stock::Usual, "first", Card::new)
    }

    /// The card `first` with a global PIN beside its own.
    pub fn with_global_pin(global: GlobalPin) -> Self {
        Self::copy_of(Stock::Usual, "first", |folder| Card::with_global_pin(folder, global))
    }

    /// The card `second`: the keys of [`LAURA`] and [`NINA`].
    pub fn second() -> Self {
        Self::copy_of(Stock::Usual, "second", Card::new)
    }

    /// The card `strong`: the keys of [`STRONG`].
    pub fn strong() -> Self {
        Self::copy_of(Stock::Strong, "strong", Card::new)
    }

    /// The card `twisted`: the keys of [`TWISTED`].
    pub fn twisted() -> Self {
        Self::copy_of(Stock::Twisted, "twisted", Card::new)
    }

    fn copy_of(stock: Stock, name: &str, card: impl FnOnce(&Path) -> Card) -> Self {
        let folder = tempfile::Builder::new().prefix("wafer-card-").tempdir().unwrap();
        for file in fs::read_dir(stock.folder().join(name)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        Self { card: card(folder.path()), _folder: folder }
    }
}

/// A folder with the holders' certificates, for `recipients-folder`.
pub fn recipients_folder() -> PathBuf {
    Stock::Usual.folder().join("recipients")
}

/// A folder with the root and the intermediate, which is on no card here: for `trust-folder`.
pub fn trust_folder() -> PathBuf {
    Stock::Usual.folder().join("trust")
}

/// `yubico-piv-tool` with the only card of `pcscd`.
pub fn yubico_piv_tool(pcscd: &Pcscd, arguments: &[&str]) -> Command {
    let mut command = pcscd.client("yubico-piv-tool");
    command.args(["--reader", "Virtual"]).args(arguments);
    command
}

/// Another program that tries an operation with the key of `holder`, without a PIN.
pub async fn another_program_signs(pcscd: &Pcscd, holder: Holder) -> Output {
    let certificate = holder.certificate().display().to_string();
    let arguments = ["-a", "test-signature", "-s", holder.slot, "-i", &certificate];
    let mut tool = yubico_piv_tool(pcscd, &arguments);
    tokio::task::spawn_blocking(move || tool.output().unwrap()).await.unwrap()
}

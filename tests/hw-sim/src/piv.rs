//! PIV cards: a stock that is made once (keys generated on the card, certificates from the test CA, put there
//! by `yubico-piv-tool`), and the copy of it that each test plugs in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wafer_test_card::Card;

use crate::pcscd::Pcscd;
use crate::pki::{self, Somebody};
use crate::programs::{made_once, run};

/// The PIN of every card here.
pub const PIN: &str = "123456";
/// Another PIN.
pub const WRONG_PIN: &str = "654321";
/// The PUK of every card here.
pub const PUK: &str = "12345678";

/// Part of the folder's name: a change of what is made needs a new one.
const VERSION: u32 = 3;

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
    section: &'static str,
}

/// PIV authentication key: RSA-2048.
pub const GRACE: Holder = Holder { name: "grace", slot: "9a", algorithm: "RSA2048", section: "rsa" };
/// Digital signature key, which wants its PIN at every use: P-256.
pub const HEIDI: Holder = Holder { name: "heidi", slot: "9c", algorithm: "ECCP256", section: "ec" };
/// Key management key: RSA-2048.
pub const IVAN: Holder = Holder { name: "ivan", slot: "9d", algorithm: "RSA2048", section: "rsa" };
/// First retired key management key: P-256.
pub const JUDY: Holder = Holder { name: "judy", slot: "82", algorithm: "ECCP256", section: "ec" };
/// A retired key whose certificate is compressed, in a slot after an empty one: RSA-2048.
pub const KARL: Holder = Holder { name: "karl", slot: "84", algorithm: "RSA2048", section: "rsa" };

/// Everybody on the card `first`.
pub const HOLDERS: [Holder; 5] = [GRACE, HEIDI, IVAN, JUDY, KARL];
/// On the card `second`, in its slot 9A: P-256.
pub const LAURA: Holder = Holder { name: "laura", slot: "9a", algorithm: "ECCP256", section: "ec" };

/// On the card `second`, its card authentication key, which wants no PIN: P-256.
pub const NINA: Holder = Holder { name: "nina", slot: "9e", algorithm: "ECCP256", section: "ec" };

impl Somebody for Holder {
    fn address(self) -> String {
        format!("{}@example.test", self.name)
    }

    fn certificate(self) -> PathBuf {
        stock().join(format!("{}.pem", self.name))
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
        Self::copy_of("first")
    }

    /// The card `second`: the keys of [`LAURA`] and [`NINA`].
    pub fn second() -> Self {
        Self::copy_of("second")
    }

    fn copy_of(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("wafer-card-").tempdir().unwrap();
        for file in fs::read_dir(stock().join(name)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        Self { card: Card::new(folder.path()), _folder: folder }
    }
}

/// A folder with the holders' certificates, for `recipients-folder`.
pub fn recipients_folder() -> PathBuf {
    stock().join("recipients")
}

/// A folder with the root and the intermediate, which is on no card here: for `trust-folder`.
pub fn trust_folder() -> PathBuf {
    stock().join("trust")
}

/// `yubico-piv-tool` with the only card of `pcscd`.
pub fn yubico_piv_tool(pcscd: &Pcscd, arguments: &[&str]) -> Command {
    let mut command = pcscd.client("yubico-piv-tool");
    command.args(["--reader", "Virtual"]).args(arguments);
    command
}

fn stock() -> PathBuf {
    let pki = pki::folder();
    made_once(&format!("cards-{VERSION}"), |folder| make(folder, pki))
}

fn make(folder: &Path, pki: &Path) {
    fs::create_dir(folder.join("recipients")).unwrap();
    fs::create_dir(folder.join("trust")).unwrap();
    for file in ["root.pem", "intermediate.pem"] {
        fs::copy(pki.join(file), folder.join("trust").join(file)).unwrap();
    }
    personalise(folder, pki, "first", &HOLDERS);
    personalise(folder, pki, "second", &[LAURA, NINA]);
}

fn personalise(folder: &Path, pki: &Path, name: &str, holders: &[Holder]) {
    let flash = folder.join(name);
    fs::create_dir(&flash).unwrap();
    let (pcscd, card) = (Pcscd::start(), Card::new(&flash));
    pcscd.insert(&card, 0);
    for object in ["set-chuid", "set-ccc"] {
        run(&mut yubico_piv_tool(&pcscd, &["-a", object]));
    }
    for holder in holders {
        key(folder, pki, &pcscd, *holder);
    }
}

/// A key made on the card, its certificate from the CA, and that onto the card.
fn key(folder: &Path, pki: &Path, pcscd: &Pcscd, holder: Holder) {
    let file = |ending: &str| folder.join(format!("{}.{ending}", holder.name)).display().to_string();
    let (public, certificate) = (file("pub"), file("pem"));
    let generate = ["-a", "generate", "-s", holder.slot, "-A", holder.algorithm, "-o", &public];
    run(&mut yubico_piv_tool(pcscd, &generate));
    let subject = format!("/O=Wafer tests/CN={}", holder.name);
    let mut issue = Command::new("openssl");
    issue.args(["x509", "-new", "-force_pubkey", &public, "-subj", &subject, "-days", "3600", "-sha256"]);
    issue.args(["-CA", "intermediate.pem", "-CAkey", "intermediate.key", "-extfile", "openssl.cnf"]);
    issue.args(["-extensions", holder.section, "-out", &certificate]);
    run(issue.env("ADDRESS", holder.address()).current_dir(pki));
    let mut import = vec!["-a", "import-certificate", "-s", holder.slot];
    let compressed = file("der.gz");
    if holder == KARL {
        let script = format!("openssl x509 -in {certificate} -outform DER | gzip -9 >{compressed}");
        run(Command::new("sh").args(["-c", &script]));
        import.extend(["-K", "GZIP", "-i", &compressed]);
    } else {
        import.extend(["-i", &certificate]);
    }
    run(&mut yubico_piv_tool(pcscd, &import));
    fs::copy(&certificate, folder.join("recipients").join(format!("{}.pem", holder.name))).unwrap();
}

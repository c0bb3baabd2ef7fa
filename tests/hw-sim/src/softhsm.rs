//! SoftHSM tokens, and the watched module in front of one.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::pki::{ALICE, BOB, ERIN, Guest, Identity, Key, folder};
use crate::programs::{beside_the_test, run, softhsm};
use crate::wait;

/// The PIN of every token here.
pub const PIN: &str = "123456";
/// Another PIN.
pub const WRONG_PIN: &str = "654321";

const TOKENS: [(&str, &[Identity]); 2] = [("wafer", &[ALICE, BOB]), ("second", &[ERIN])];

/// A token of the test's own.
#[derive(Debug)]
pub struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// A token `wafer` with alice's and bob's keys, their certificates and the intermediate's.
    pub fn wafer() -> Self {
        Self::copy_of("wafer")
    }

    /// A token `second` with erin's key and certificate.
    pub fn second() -> Self {
        Self::copy_of("second")
    }

    /// A token `wafer` with a key of `guest`'s besides, which may be on Curve25519.
    pub fn with_guest(guest: &Guest) -> Self {
        let token = Self::wafer();
        let (conf, key) = (token.configuration(), guest.private_key());
        let mut import = Command::new("softhsm2-util");
        import.args(["--token", "wafer", "--pin", PIN, "--id", "99", "--label", "guest", "--import"]);
        run(import.arg(key).env("SOFTHSM2_CONF", &conf));
        let der = token.folder.path().join("guest.der");
        let mut convert = Command::new("openssl");
        convert.args(["x509", "-outform", "DER", "-in"]).arg(guest.certificate());
        run(convert.arg("-out").arg(&der));
        let der = der.display().to_string();
        let object = ["--write-object", &der, "--type", "cert", "--id", "99", "--label", "guest"];
        write_object(&conf, "wafer", &object);
        token
    }

    fn copy_of(label: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("wafer-token-").tempdir().unwrap();
        copy(&folder_of_stock(label), &folder.path().join("tokens"));
        configure(folder.path());
        Self { folder }
    }

    /// The settings file, for `SOFTHSM2_CONF`.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    /// The folder that SoftHSM writes in (it locks its files).
    pub fn state(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// The test module's two files, and where it leads.
#[derive(Debug)]
pub struct TestModule {
    folder: TempDir,
}

impl Default for TestModule {
    fn default() -> Self {
        Self::new()
    }
}

impl TestModule {
    /// With an empty diary, and nothing asked of it.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("wafer-module-").tempdir().unwrap();
        fs::write(folder.path().join("log"), "").unwrap();
        fs::write(folder.path().join("control"), "normal").unwrap();
        Self { folder }
    }

    /// Its library.
    pub fn library() -> PathBuf {
        let library = beside_the_test().join("libwafer_test_module.so");
        assert!(library.is_file(), "{} is missing: run `cargo build --workspace` first", library.display());
        library
    }

    /// The environment variables it needs.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("WAFER_TEST_INNER", softhsm().display().to_string()),
            ("WAFER_TEST_LOG", self.folder.path().join("log").display().to_string()),
            ("WAFER_TEST_CONTROL", self.folder.path().join("control").display().to_string()),
        ]
    }

    /// The folder it writes in.
    pub fn state(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Asks for a fault (see the module's own page), or for `normal`.
    pub fn control(&self, what: &str) {
        // Whole or not at all: the module reads the file at any time.
        let new = self.folder.path().join("control.new");
        fs::write(&new, what).unwrap();
        fs::rename(new, self.folder.path().join("control")).unwrap();
    }

    /// From now on `C_Sign` waits for [`Gate::open`].
    pub fn close_gate(&self) -> Gate {
        let path = self.folder.path().join("gate");
        if !path.exists() {
            run(Command::new("mkfifo").arg(&path));
        }
        self.control(&format!("gate:{}", path.display()));
        Gate { path }
    }

    /// From now on the reader has keys of its own, and a login waits until [`PinPad::enter`].
    pub fn grow_pin_pad(&self) -> PinPad {
        let path = self.folder.path().join("pin-pad");
        run(Command::new("mkfifo").arg(&path));
        self.control(&format!("pin-pad:{}", path.display()));
        PinPad { path }
    }

    /// The diary: for each line the process, the function and what it gave.
    pub fn diary(&self) -> Vec<Line> {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap();
        text.lines().filter_map(Line::read).collect()
    }

    /// How often `function` gave `result` (`0x0` is success).
    pub fn count(&self, function: &str, result: &str) -> usize {
        self.diary().iter().filter(|line| line.function == function && line.result == result).count()
    }

    /// Waits until `function` has given `result` `times` times.
    pub fn waits_for(&self, function: &str, result: &str, times: usize) {
        wait::until(&format!("{function} {result} in the module's diary, {times} times"), || {
            (self.count(function, result) >= times).then_some(())
        });
    }
}

/// Holds every `C_Sign` of a module up.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// Lets those through that wait now. Say `control("normal")` before, or the next ones wait again.
    pub fn open(&self) {
        // Without readers there is nobody to let through.
        let _ = fs::OpenOptions::new().write(true).custom_flags(libc_nonblock()).open(&self.path);
    }
}

fn libc_nonblock() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap()
}

/// The keys of a reader.
#[derive(Debug)]
pub struct PinPad {
    path: PathBuf,
}

impl PinPad {
    /// Enters a PIN. Waits for the login that wants it.
    pub fn enter(&self, pin: &str) {
        fs::write(&self.path, pin).unwrap();
    }
}

/// One line of the diary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The keeper's process number.
    pub process: u32,
    /// The PKCS#11 function, or `probe`.
    pub function: String,
    /// Its return code in hex, or `begin`.
    pub result: String,
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (process, function, result) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        Some(Self { process, function: function.to_owned(), result: result.to_owned() })
    }
}

fn folder_of_stock(label: &str) -> PathBuf {
    folder().join("tokens").join(label)
}

/// Makes the tokens that tests copy. `pki` holds the keys.
pub(crate) fn stock(pki: &Path) {
    for (label, identities) in TOKENS {
        let work = pki.join("tokens").join(format!("{label}.making"));
        fs::create_dir_all(work.join("tokens")).unwrap();
        let conf = configure(&work);
        let init = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678"];
        run(Command::new("softhsm2-util").args(init).env("SOFTHSM2_CONF", &conf));
        for (number, identity) in identities.iter().enumerate() {
            import(pki, &conf, label, *identity, number + 1);
        }
        let ca = pki.join("intermediate.der").display().to_string();
        write_object(
            &conf,
            label,
            &["--write-object", &ca, "--type", "cert", "--id", "ca", "--label", "intermediate"],
        );
        fs::rename(work.join("tokens"), pki.join("tokens").join(label)).unwrap();
        fs::remove_dir_all(&work).unwrap();
    }
}

fn import(pki: &Path, conf: &Path, token: &str, identity: Identity, number: usize) {
    let id = format!("{number:02}");
    let key = pki.join(format!("{}.key", identity.name)).display().to_string();
    let certificate = pki.join(format!("{}.der", identity.name)).display().to_string();
    // softhsm2-util --import would leave CKA_DERIVE false: ECDH could not work then.
    let usage = if identity.key == Key::Rsa2048 { "--usage-decrypt" } else { "--usage-derive" };
    let named = ["--id", &id, "--label", identity.name];
    let private = ["--write-object", &key, "--type", "privkey", "--usage-sign", usage, "--sensitive"];
    write_object(conf, token, &[&private[..], &named[..]].concat());
    write_object(conf, token, &[&["--write-object", &certificate, "--type", "cert"], &named[..]].concat());
}

fn write_object(conf: &Path, token: &str, arguments: &[&str]) {
    let mut command = Command::new("pkcs11-tool");
    command.arg("--module").arg(softhsm()).args(["--token-label", token, "--login", "--pin", PIN]);
    run(command.args(arguments).env("SOFTHSM2_CONF", conf));
}

fn configure(folder: &Path) -> PathBuf {
    let conf = folder.join("softhsm2.conf");
    let tokens = folder.join("tokens").display().to_string();
    fs::write(
        &conf,
        format!("directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"),
    )
    .unwrap();
    conf
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

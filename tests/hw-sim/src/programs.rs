//! Where the programs lie that a test starts, and how to run one to its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use rustix::fs::{FlockOperation, flock};

/// SoftHSM's module.
const SOFTHSM: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
];

/// The folder of the built programs: `WAFER_BIN_DIR`, or the one above the test's own (`target/debug/deps`).
pub fn folder() -> PathBuf {
    if let Some(folder) = CHOSEN.get() {
        return folder.clone();
    }
    if let Some(folder) = std::env::var_os("WAFER_BIN_DIR") {
        let folder = PathBuf::from(folder);
        // nextest runs a test in its package's folder; a relative path is meant from the workspace's.
        return if folder.is_absolute() { folder } else { workspace().join(folder) };
    }
    beside_the_test()
}

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// Takes the programs of this test process from `folder`, whatever the environment says. Once per process.
pub fn take_from(folder: PathBuf) {
    CHOSEN.set(folder).expect("chosen before");
}

/// `target/debug`, or wherever cargo has put the test.
pub fn beside_the_test() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().and_then(Path::parent).expect("target/debug/deps/TEST").to_owned()
}

/// The checkout's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/hw-sim").to_owned()
}

/// A folder below `target/` for what tests make once and keep.
pub fn made_folder() -> PathBuf {
    let all = made_folder_of(rustix::process::geteuid().as_raw());
    fs::create_dir_all(&all).unwrap();
    all
}

/// That of the user `uid`: what a story of [`NOBODY`](crate::onlooker::NOBODY) makes is not in root's folder.
pub(crate) fn made_folder_of(uid: u32) -> PathBuf {
    let name = if uid == crate::onlooker::NOBODY { "hw-sim-nobody" } else { "hw-sim" };
    target().join(name)
}

pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The folder `name` in [`made_folder`], filled by `make` if it is not there yet.
///
/// Tests are processes of their own: the first makes it, the others wait.
pub fn made_once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let all = made_folder();
    let made = all.join(name);
    let lock = File::create(all.join(format!("{name}.lock"))).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    if !made.is_dir() {
        let work = tempfile::Builder::new().prefix("making-").tempdir_in(&all).unwrap();
        make(work.path());
        fs::rename(work.keep(), &made).unwrap();
    }
    made
}

/// The path of a built program or library; fails with what to do if it is missing.
pub fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// SoftHSM's library.
pub fn softhsm() -> PathBuf {
    let found = SOFTHSM.iter().map(PathBuf::from).find(|path| path.is_file());
    found.expect("SoftHSM is missing: install softhsm2")
}

/// Runs a command to its end and gives what it printed; fails if the command does.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

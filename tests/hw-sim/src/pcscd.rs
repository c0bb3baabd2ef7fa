//! A pcscd of the test's own, with two virtual readers (vsmartcard's vpcd).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;
use wafer_test_card::Card;

use crate::programs::target;
use crate::wait;

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const PCSCD: &str = "/usr/sbin/pcscd";
/// Below the ports that the kernel hands out by itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A running pcscd. It ends with the value.
#[derive(Debug)]
pub struct Pcscd {
    child: Child,
    folder: TempDir,
    port: u16,
    /// While it is locked, no other test takes the same ports.
    _ports: File,
}

impl Default for Pcscd {
    fn default() -> Self {
        Self::start()
    }
}

impl Pcscd {
    /// Starts it. Its readers are empty.
    pub fn start() -> Self {
        assert!(
            Path::new(DRIVER).exists() && Path::new(PCSCD).exists(),
            "pcscd or its virtual reader is missing: install pcscd and vsmartcard-vpcd"
        );
        let folder = tempfile::Builder::new().prefix("wafer-pcscd-").tempdir().unwrap();
        let (port, ports) = reserve();
        let reader = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{port:#06x}\nLIBPATH {DRIVER}\n\
             CHANNELID {port:#06x}\n"
        );
        std::fs::create_dir(folder.path().join("conf")).unwrap();
        std::fs::write(folder.path().join("conf/vpcd"), reader).unwrap();
        let child = spawn(folder.path());
        Self { child, folder, port, _ports: ports }
    }

    /// Its socket, for `PCSCLITE_CSOCK_NAME`.
    pub fn socket(&self) -> PathBuf {
        socket_in(self.folder.path())
    }

    /// Where a card is plugged into reader `number` (0 or 1), without waiting for pcscd to see it.
    pub fn port(&self, number: u16) -> u16 {
        self.port + number
    }

    /// Puts `card` into reader `number`, and waits until pcscd says so to everybody.
    pub fn insert(&self, card: &Card, number: u16) {
        card.plug(self.port(number));
        wait::until("the card in its reader", || self.has_card(number)?.then_some(()));
    }

    /// Waits until pcscd has seen that reader `number` is empty. It looks a few times a second: a card that is
    /// back before was never away.
    pub fn is_empty(&self, number: u16) {
        wait::until("the reader without a card", || (!self.has_card(number)?).then_some(()));
    }

    /// `None` while the tool sees no such reader.
    fn has_card(&self, number: u16) -> Option<bool> {
        let output = self.client("opensc-tool").arg("--list-readers").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{number} ")))?;
        Some(line.contains("Yes"))
    }

    /// A program that speaks with this pcscd.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PCSCLITE_CSOCK_NAME", self.socket()).stdin(Stdio::null());
        command
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same socket and ports.
    pub fn start_again(&mut self) {
        self.child = spawn(self.folder.path());
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("pcscd.comm")
}

/// The path of pcscd's socket is compiled in; handed a listening one (sd_listen_fds(3)) it takes that instead.
fn spawn(folder: &Path) -> Child {
    let socket = socket_in(folder);
    // One that was killed has left its own.
    let _ = std::fs::remove_file(&socket);
    let listener: OwnedFd = UnixListener::bind(&socket).unwrap().into();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" -f -c \"$1\" 3<&0 0</dev/null", PCSCD]);
    command.arg(folder.join("conf")).stdin(listener).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The locks on ports, of every user's tests.
pub(crate) fn folder_of_ports() -> PathBuf {
    let folder = target().join("hw-sim-ports");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Two ports in a row that no other test's readers have.
fn reserve() -> (u16, File) {
    let folder = folder_of_ports();
    for port in PORTS.step_by(2) {
        let path = folder.join(port.to_string());
        // A lock needs no right to write: the file may be another user's.
        let file = File::open(&path).or_else(|_| File::create(&path)).unwrap();
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && is_free(port) {
            return (port, file);
        }
    }
    panic!("no free ports for a virtual reader")
}

/// Another program may listen there.
fn is_free(port: u16) -> bool {
    (port..=port + 1).all(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
}

//! A card that comes and goes in a virtual reader is noticed without asking. Needs pcscd and the vpcd
//! driver (Debian: vsmartcard-vpcd); without them it says so, and fails where `CI` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use wafer_keeper::token::hotplug::Hotplug;

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const PCSCD: &str = "/usr/sbin/pcscd";

struct Pcscd(Child);

impl Pcscd {
    /// A pcscd of this test's own, socket-activated, with one virtual reader on `port`.
    fn start(folder: &Path, port: u16) -> Self {
        let socket = folder.join("pcscd.comm");
        let listener = UnixListener::bind(&socket).unwrap();
        let reader = format!(
            "FRIENDLYNAME \"Virtual\"\nDEVICENAME /dev/null:{port:#06x}\nLIBPATH {DRIVER}\nCHANNELID {port:#06x}\n"
        );
        std::fs::create_dir(folder.join("conf")).unwrap();
        std::fs::write(folder.join("conf/vpcd"), reader).unwrap();
        let child = Command::new("sh")
            .args(["-c", r#"export LISTEN_PID=$$; exec "$0" -f -c "$1" 3<&0 0</dev/null"#, PCSCD])
            .arg(folder.join("conf"))
            .env("LISTEN_FDS", "1")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let variable = ("PCSCLITE_CSOCK_NAME".to_owned(), socket.display().to_string());
        wafer_keeper::sys::set_environment(&[variable]);
        Self(child)
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A card that has an ATR and no commands; out of the reader when dropped.
struct Card(TcpStream);

impl Card {
    fn insert(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut theirs = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut length = [0; 2];
            while theirs.read_exact(&mut length).is_ok() {
                let mut command = vec![0; usize::from(u16::from_be_bytes(length))];
                theirs.read_exact(&mut command).unwrap();
                let answer: &[u8] = match command[..] {
                    [4] => &[0x3b, 0x80, 0x80, 0x01, 0x01],
                    [_] => continue,
                    _ => &[0x6d, 0x00],
                };
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                theirs.write_all(&[&length[..], answer].concat()).unwrap();
            }
        });
        Self(stream)
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        drop(self.0.shutdown(std::net::Shutdown::Both));
    }
}

#[tokio::test]
async fn insertion_and_removal_are_told() {
    if !Path::new(DRIVER).exists() || !Path::new(PCSCD).exists() {
        assert!(std::env::var_os("CI").is_none(), "pcscd or its vpcd driver is missing");
        eprintln!("pcscd or its vpcd driver is missing: not tested");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _pcscd = Pcscd::start(folder.path(), port);
    // The first client makes pcscd load the driver: then its port answers.
    let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
    assert!(!context.list_readers_owned().unwrap().is_empty());
    let hotplug = Hotplug::default();
    hotplug.ensure();
    hotplug.ensure();
    let told = async || {
        tokio::time::timeout(Duration::from_secs(10), hotplug.happened.notified())
            .await
            .expect("nothing was told");
    };
    told().await;
    let card = Card::insert(port);
    told().await;
    drop(card);
    told().await;
}

//! The command as a process, against a service of the test's own on a private socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};
use wafer_client::names::ROOT_PATH;
use wafer_client::{ErrorKind, WaferError};
use zbus::{Fd, ObjectPath, OwnedVariant, Variant};

type Map = HashMap<String, OwnedVariant>;

/// A service that copies, fails on demand, and tells the test what it was asked.
#[derive(Clone)]
struct FakeMail {
    failure: Option<ErrorKind>,
    status: &'static str,
    begun: mpsc::UnboundedSender<Map>,
    cancelled: Arc<Notify>,
}

#[zbus::interface(name = "org.waferd.Wafer1.Mail")]
impl FakeMail {
    async fn sign(&self, input: OwnedVariant, output: OwnedVariant, options: Map) -> Result<Map, WaferError> {
        self.begun.send(options).unwrap();
        copy(input, output).await;
        if let Some(kind) = self.failure {
            return Err(WaferError::new(kind, "It did not work.").with("tries-left", 0_u32));
        }
        Ok(Map::from([
            ("identity".into(), value(ObjectPath::from_static_str_unchecked("/a/b"))),
            ("digest".into(), value("sha256")),
            ("scheme".into(), value("ecdsa")),
        ]))
    }

    async fn encrypt(
        &self,
        input: OwnedVariant,
        output: OwnedVariant,
        options: Map,
    ) -> Result<Map, WaferError> {
        copy(input, output).await;
        self.begun.send(options).unwrap();
        self.cancelled.notified().await;
        Err(WaferError::new(ErrorKind::Cancelled, "Cancelled."))
    }

    async fn verify(&self, _input: OwnedVariant, options: Map) -> Result<Map, WaferError> {
        self.begun.send(options).unwrap();
        let signer = HashMap::from([
            ("outcome".to_owned(), Variant::from("good")),
            ("trusted".to_owned(), Variant::from(true)),
            ("certificate".to_owned(), Variant::from(vec![1_u8, 2, 3])),
        ]);
        Ok(Map::from([
            ("status".into(), value(self.status)),
            ("sentence".into(), value("So it is.")),
            ("signers".into(), value(vec![signer])),
        ]))
    }

    async fn cancel(&self, cancellation_id: String) {
        assert!(cancellation_id.starts_with("wafer-"));
        self.cancelled.notify_one();
    }
}

fn value(value: impl Into<Variant<'static>>) -> OwnedVariant {
    value.into().try_into().unwrap()
}

async fn copy(input: OwnedVariant, output: OwnedVariant) {
    let file = |descriptor: OwnedVariant| {
        let descriptor = Fd::try_from(Variant::from(descriptor)).unwrap();
        File::from(OwnedFd::try_from(descriptor).unwrap())
    };
    let copy = move || {
        let mut bytes = Vec::new();
        file(input).read_to_end(&mut bytes).unwrap();
        file(output).write_all(&bytes).unwrap();
    };
    tokio::task::spawn_blocking(copy).await.unwrap();
}

/// A runtime folder with the service's socket in it, and a folder for files.
struct Desk {
    folder: TempDir,
    begun: mpsc::UnboundedReceiver<Map>,
}

impl Desk {
    fn new(failure: Option<ErrorKind>, status: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("waferd")).unwrap();
        let (sender, begun) = mpsc::unbounded_channel();
        let mail = FakeMail { failure, status, begun: sender, cancelled: Arc::new(Notify::new()) };
        let listener = UnixListener::bind(folder.path().join("waferd/bus")).unwrap();
        tokio::spawn(serve(listener, mail));
        Self { folder, begun }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wafer"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("XDG_RUNTIME_DIR", self.folder.path()).env("LANG", "xx_XX.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let run = move || {
            let mut child = command.spawn().unwrap();
            // A command line that is refused ends the program before it reads.
            let _ = child.stdin.take().unwrap().write_all(b"message");
            child.wait_with_output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// The files beside the service's folder.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "waferd").collect()
    }
}

async fn serve(listener: UnixListener, mail: FakeMail) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = stream.into_std().unwrap();
        let builder = zbus::connection::Builder::unix_stream(stream).server(zbus::Guid::generate()).p2p();
        let connection = builder.serve_at(ROOT_PATH, mail.clone()).build().await.unwrap();
        // It lives as long as its peer.
        tokio::spawn(async move { connection.closed().await });
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_result_goes_to_the_file_and_the_report_to_standard_output() {
    let mut desk = Desk::new(None, "valid");
    let output =
        desk.run(&["sign", "--digest", "sha512", "--opaque", "--non-interactive", "-o", "out"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(fs::read(desk.path("out")).unwrap(), b"message");
    assert_eq!(text(&output.stdout), "Signed (ecdsa, sha256).\n");
    let options = desk.begun.recv().await.unwrap();
    assert_eq!(options["digest"].downcast_ref::<&str>().unwrap(), "sha512");
    assert_eq!(options["form"].downcast_ref::<&str>().unwrap(), "opaque");
    assert!(!options["interactive"].downcast_ref::<bool>().unwrap());
    assert_eq!(options["lang"].downcast_ref::<&str>().unwrap(), "xx_XX.UTF-8");
}

#[tokio::test]
async fn a_message_on_standard_output_is_alone_there() {
    let desk = Desk::new(None, "valid");
    let output = desk.run(&["--json", "sign"]).await;
    assert_eq!(text(&output.stdout), "message");
    assert_eq!(text(&output.stderr), "{\"digest\":\"sha256\",\"identity\":\"/a/b\",\"scheme\":\"ecdsa\"}\n");
}

#[tokio::test]
async fn a_failure_has_its_code_and_leaves_files_alone() {
    let desk = Desk::new(Some(ErrorKind::PinBlocked), "valid");
    fs::write(desk.path("old"), "old").unwrap();
    for name in ["old", "new"] {
        let output = desk.run(&["sign", "-o", name]).await;
        assert_eq!(output.status.code(), Some(14));
        assert_eq!(text(&output.stderr), "wafer: It did not work.\n");
    }
    assert_eq!(desk.files(), ["old"]);
    assert_eq!(fs::read(desk.path("old")).unwrap(), b"old");
    let output = desk.run(&["sign", "--json", "-o", "new"]).await;
    let error = text(&output.stderr);
    assert!(error.contains("\"error\":\"PinBlocked\"") && error.contains("\"tries-left\":0"), "{error}");
}

#[tokio::test]
async fn verdicts_have_codes_of_their_own() {
    for (status, code) in [("valid", 0), ("valid-with-warnings", 32), ("invalid", 30), ("unknown", 31)] {
        let desk = Desk::new(None, status);
        let output = desk.run(&["verify"]).await;
        assert_eq!(output.status.code(), Some(code), "{status}");
        assert!(text(&output.stdout).starts_with("So it is.\n"));
        let output = desk.run(&["verify", "--json"]).await;
        assert!(text(&output.stdout).contains("\"certificate\":\"AQID\""));
    }
}

#[tokio::test]
async fn an_interrupt_cancels_the_call_and_leaves_nothing() {
    let mut desk = Desk::new(None, "valid");
    for interrupt in ["-INT", "-TERM"] {
        let mut child = desk.command(&["encrypt", "--to", "a@example.org", "-o", "out"]).spawn().unwrap();
        drop(child.stdin.take());
        desk.begun.recv().await.unwrap();
        let kill = Command::new("kill").args([interrupt, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let wait = move || child.wait_with_output().unwrap();
        let output = tokio::task::spawn_blocking(wait).await.unwrap();
        assert_eq!(output.status.code(), Some(130));
        assert_eq!(text(&output.stderr), "wafer: Cancelled.\n");
        assert!(desk.files().is_empty(), "{:?}", desk.files());
    }
}

#[tokio::test]
async fn wrong_arguments_and_a_missing_service_are_told_apart() {
    let desk = Desk::new(None, "valid");
    assert_eq!(desk.run(&["encrypt"]).await.status.code(), Some(2));
    assert_eq!(desk.run(&["sign", "no-such-file", "-o", "out"]).await.status.code(), Some(3));
    assert_eq!(desk.run(&["sign", "-o", "no/such/folder"]).await.status.code(), Some(4));
    fs::remove_file(desk.path("waferd/bus")).unwrap();
    assert_eq!(desk.run(&["sign", "-o", "out"]).await.status.code(), Some(1));
    assert!(desk.files().is_empty());
}

//! What the keeper's tests share: a SoftHSM token of their own, the real binary on a socketpair,
//! a person at a terminal.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses a part of this, and a test fails by panicking"
)]

pub(crate) mod person;
pub(crate) mod token;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use serde_bytes::{ByteBuf, Bytes};
use wafer_client::keeper::{
    Certainty, DESK_PATH, Digest, GrantId, GrantRequest, KeeperProxy, KeyInfo, KeyKind, Operation,
    PromptPlace, Requester, SignScheme, TokenInfo,
};
use wafer_client::{ErrorKind, WaferError};

use person::Person;
use token::TestToken;

pub(crate) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
pub(crate) const PINENTRY: &str = "/usr/bin/pinentry-curses";

/// waferd's desk: counts turns, and that never two are out at once.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) turns: Arc<AtomicU32>,
    pub(crate) out: Arc<AtomicI32>,
}

#[zbus::interface(name = "org.waferd.Desk1")]
impl Desk {
    async fn take_turn(&self, turn: u64, lease_ms: u32) {
        assert!(turn > 0);
        assert!(lease_ms > 0);
        self.turns.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.out.fetch_add(1, Ordering::SeqCst), 0, "two dialogs at once");
    }

    async fn return_turn(&self, _turn: u64) {
        self.out.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Settings of one test's keeper.
pub(crate) struct Options {
    pub(crate) module: PathBuf,
    pub(crate) idle_ms: u64,
    pub(crate) max_ms: u64,
    pub(crate) dialog_ms: u64,
    pub(crate) deadline_ms: u64,
    pub(crate) pinentry: PathBuf,
    /// A click may stand for the PIN of keys that want it at every use.
    pub(crate) confirm_each_use: bool,
    /// More variables of the keeper's environment, and of its module's.
    pub(crate) environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            module: MODULE.into(),
            idle_ms: 600_000,
            max_ms: 7_200_000,
            dialog_ms: 60_000,
            deadline_ms: 30_000,
            pinentry: PINENTRY.into(),
            confirm_each_use: false,
            environment: Vec::new(),
        }
    }
}

/// A keeper that runs.
pub(crate) struct Keeper {
    pub(crate) child: Child,
    pub(crate) connection: zbus::Connection,
    pub(crate) link: KeeperProxy<'static>,
    pub(crate) desk: Desk,
}

impl Keeper {
    pub(crate) async fn start(token: &TestToken, options: Options) -> Self {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let child = Command::new("/bin/sh")
            // The link is descriptor 3, as waferd hands it over.
            .args(["-c", r#"exec "$0" "$@" 3<&0 0</dev/null"#, env!("CARGO_BIN_EXE_wafer-keeper"), "pkcs11"])
            .arg("--module")
            .arg(&options.module)
            .args(["--name", "soft", "--pinentry"])
            .arg(&options.pinentry)
            .arg("--state")
            .arg(token.folder())
            .arg("--env")
            .arg(format!("SOFTHSM2_CONF={}", token.conf().display()))
            .args(["--idle-timeout-ms", &options.idle_ms.to_string()])
            .args(["--max-timeout-ms", &options.max_ms.to_string()])
            .args(["--dialog-timeout-ms", &options.dialog_ms.to_string()])
            .args(["--module-deadline-ms", &options.deadline_ms.to_string()])
            .args(options.confirm_each_use.then_some("--confirm-each-use"))
            .env_clear()
            .env("WAFER_KEEPER", "1")
            .envs(options.environment)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        let desk = Desk::default();
        let connection = zbus::connection::Builder::unix_stream(ours)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at(DESK_PATH, desk.clone())
            .build()
            .await
            .unwrap();
        let link = KeeperProxy::new(&connection).await.unwrap();
        Self { child, connection, link, desk }
    }

    pub(crate) async fn token(&self) -> TokenInfo {
        let mut tokens = self.link.tokens().await.unwrap();
        assert_eq!(tokens.len(), 1);
        tokens.remove(0)
    }

    pub(crate) async fn key(&self, kind: KeyKind) -> KeyInfo {
        self.token().await.keys.into_iter().find(|key| key.kind == kind).unwrap()
    }

    /// A grant and a signature under it.
    pub(crate) async fn sign(&self, request: &GrantRequest) -> Result<Vec<u8>, ErrorKind> {
        let grant = self.link.grant(request).await.map_err(kind)?;
        self.sign_under(grant).await
    }

    /// Signs once, with the person entering the PIN.
    pub(crate) async fn unlock_by_signing(&self, request: &GrantRequest, person: &Person) {
        let grant = self.link.grant(request).await.unwrap();
        let sign = self.sign_under(grant);
        let mut sign = std::pin::pin!(sign);
        // The call is on its way before this thread waits for the dialog.
        tokio::select! { biased; _ = &mut sign => panic!("no dialog"), () = std::future::ready(()) => {} }
        tokio::task::block_in_place(|| person.enters(token::PIN));
        sign.await.unwrap();
    }

    pub(crate) async fn sign_under(&self, grant: GrantId) -> Result<Vec<u8>, ErrorKind> {
        let digest = [7; 32];
        let signature: Result<ByteBuf, _> =
            self.link.sign(grant, SignScheme::RsaPkcs1, Digest::Sha256, Bytes::new(&digest)).await;
        signature.map(ByteBuf::into_vec).map_err(kind)
    }

    pub(crate) fn turns(&self) -> u32 {
        self.desk.turns.load(Ordering::SeqCst)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A signing request at the person's terminal.
pub(crate) fn request(key: &str, operation: Operation, person: &Person) -> GrantRequest {
    GrantRequest {
        key: key.to_owned(),
        operation,
        uses: 1,
        requester: Requester {
            caller: ":1.7".to_owned(),
            program: "/usr/bin/mailer".to_owned(),
            pid: 4242,
            certainty: Certainty::Executable,
        },
        interactive: true,
        deadline_ms: 0,
        place: PromptPlace {
            tty: person.tty().to_owned(),
            term: "xterm".to_owned(),
            lang: "C.UTF-8".to_owned(),
            ..PromptPlace::default()
        },
        token_label: String::new(),
    }
}

/// The kind of an error that came over the link.
pub(crate) fn kind(error: zbus::Error) -> ErrorKind {
    WaferError::from(error).kind
}

/// A pipe's writing end as it crosses the link, and the end to read the secret from.
pub(crate) fn secret_pipe() -> (zbus::OwnedFd, std::fs::File) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (zbus::OwnedFd::from(write), std::fs::File::from(read))
}

/// The next item of a stream that does not end.
pub(crate) async fn next<S: zbus::export::futures_core::Stream + Unpin>(stream: &mut S) -> S::Item {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context))
        .await
        .expect("a stream that goes on")
}

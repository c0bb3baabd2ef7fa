//! A known card that is absent is asked for, on the person's own screen, and the operation goes on when it
//! is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::person::Person;
use common::token::TestToken;
use common::{Keeper, MODULE, Options, request};
use serde_bytes::Bytes;
use wafer_client::keeper::{Digest, GrantRequest, KeyKind, Operation, SignScheme};
use wafer_client::{ErrorKind, WaferError};

const OK: &str = "OK\n";
const CANCEL: &str = "ERR 83886179 cancelled\n";
const ENTER_PIN: &str = "D 123456\nOK\n";

/// A pinentry that tells each question through one FIFO and takes its answer from another.
const PINENTRY: &str = r#"#!/bin/sh
folder=${0%/*}
echo OK
while read -r line; do
    case $line in
        OPTION\ ttyname=*) tty=${line#*=} ;;
        SETDESC*) text=${line#SETDESC } ;;
        CONFIRM*|GETPIN*)
            echo "$line display=$DISPLAY tty=$tty $text" > "$folder/shown"
            while read -r reply; do echo "$reply"; done < "$folder/answer"
            continue ;;
    esac
    echo OK
done
"#;

/// The user manager, as far as the keeper asks it.
struct Manager;

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    #[zbus(property)]
    async fn environment(&self) -> Vec<String> {
        vec!["DISPLAY=:77".to_owned(), "SECRET=1".to_owned()]
    }
}

/// A bus of the test's own with a user manager on it.
struct Session {
    bus: Child,
    address: String,
    _manager: zbus::Connection,
}

impl Session {
    async fn start(folder: &Path) -> Self {
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address"])
            .arg(format!("--address=unix:path={}", folder.join("bus").display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let manager = zbus::connection::Builder::address(address.as_str())
            .serve_at("/org/freedesktop/systemd1", Manager)
            .name("org.freedesktop.systemd1")
            .build()
            .await
            .unwrap();
        Self { bus, address, _manager: manager }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.bus.kill());
        drop(self.bus.wait());
    }
}

/// A token in a reader, a keeper that has seen it, and a request to sign with its key.
struct Scene {
    token: TestToken,
    session: Session,
    person: Person,
    keeper: Arc<Keeper>,
    request: GrantRequest,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let (token, person) = (TestToken::new(), Person::new());
        let define = format!("-DSOFTHSM=\"{MODULE}\"");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/slot.c");
        let module = token.path("slot.so").display().to_string();
        token.run("cc", &["-shared", "-fPIC", &define, "-o", &module, source, "-ldl"]);
        let fifos = ["shown", "answer"].map(|name| token.path(name).display().to_string());
        token.run("mkfifo", &[&fifos[0], &fifos[1]]);
        let pinentry = token.path("pinentry");
        std::fs::write(&pinentry, PINENTRY).unwrap();
        std::fs::set_permissions(&pinentry, std::fs::Permissions::from_mode(0o700)).unwrap();
        let session = Session::start(token.folder()).await;
        let keeper = start(&token, &session.address, options).await;
        let request = request(&keeper.key(KeyKind::Rsa).await.id, Operation::Sign, &person);
        Self { token, session, person, keeper: Arc::new(keeper), request }
    }

    /// Pulls the card; the keeper notices at its next look.
    fn pull(&self) {
        std::fs::write(self.token.path("absent"), "").unwrap();
    }

    /// Puts the card back, without a word to the keeper.
    fn put_back(&self) {
        std::fs::remove_file(self.token.path("absent")).unwrap();
    }

    /// Pulls the card, and has the keeper notice.
    async fn remove(&self) {
        self.pull();
        assert!(self.keeper.link.tokens().await.unwrap().is_empty());
    }

    fn signs(&self, request: &GrantRequest) -> tokio::task::JoinHandle<Result<Vec<u8>, WaferError>> {
        let (keeper, request) = (Arc::clone(&self.keeper), request.clone());
        tokio::spawn(async move {
            let grant = keeper.link.grant(&request).await?;
            let digest = [7; 32];
            let digest = Bytes::new(&digest);
            let signed = keeper.link.sign(grant, SignScheme::RsaPkcs1, Digest::Sha256, digest).await?;
            Ok(signed.into_vec())
        })
    }

    /// The next question on the screen.
    async fn shown(&self) -> String {
        let path = self.token.path("shown");
        within(move || std::fs::read_to_string(path).unwrap()).await
    }

    async fn answers(&self, answer: &'static str) {
        let path = self.token.path("answer");
        within(move || std::fs::write(path, answer).unwrap()).await;
    }

    /// The next question asks for the card, at the person's own display.
    async fn is_asked_for_the_card(&self) {
        let shown = self.shown().await;
        assert!(shown.starts_with("CONFIRM display=:77 tty= "), "{shown}");
        assert!(shown.contains("“test”") && shown.contains("/usr/bin/mailer"), "{shown}");
    }

    /// The next question asks for the PIN, where the caller wants it.
    async fn enters_the_pin(&self) {
        let shown = self.shown().await;
        assert!(shown.starts_with(&format!("GETPIN display= tty={} ", self.person.tty())), "{shown}");
        self.answers(ENTER_PIN).await;
    }
}

async fn start(token: &TestToken, bus: &str, options: Options) -> Keeper {
    let environment = vec![
        ("DBUS_SESSION_BUS_ADDRESS".to_owned(), bus.to_owned()),
        ("WAFER_TEST_ABSENT".to_owned(), token.path("absent").display().to_string()),
    ];
    let (module, pinentry) = (token.path("slot.so"), token.path("pinentry"));
    Keeper::start(token, Options { module, pinentry, environment, ..options }).await
}

/// Does what blocks in a thread that nobody waits for longer than patience lasts.
async fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || drop(answer.send(work())));
    tokio::time::timeout(Duration::from_secs(20), answered).await.expect("nothing happened").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_dialog_asks_for_the_card_and_closes_when_it_appears() {
    let scene = Scene::new().await;
    scene.remove().await;
    let mut other = scene.request.clone();
    other.requester.caller = ":1.8".to_owned();
    let calls = [scene.signs(&scene.request), scene.signs(&other)];
    scene.is_asked_for_the_card().await;
    scene.put_back();
    // As the watch over the readers does: the tokens are listed.
    assert_eq!(scene.keeper.link.tokens().await.unwrap().len(), 1);
    scene.enters_the_pin().await;
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().len(), 256);
    }
    assert_eq!(scene.keeper.turns(), 2, "one dialog for the card, one for the PIN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ok_looks_for_the_card() {
    let scene = Scene::new().await;
    scene.remove().await;
    let call = scene.signs(&scene.request);
    scene.is_asked_for_the_card().await;
    scene.answers(OK).await;
    scene.is_asked_for_the_card().await;
    scene.put_back();
    scene.answers(OK).await;
    scene.enters_the_pin().await;
    assert_eq!(call.await.unwrap().unwrap().len(), 256);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_is_cancel_and_silence_is_no_token() {
    let scene = Scene::new().await;
    scene.remove().await;
    let silent = GrantRequest { interactive: false, ..scene.request.clone() };
    let error = scene.signs(&silent).await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoToken);
    assert!(error.message.contains("test"), "{}", error.message);
    let call = scene.signs(&scene.request);
    scene.is_asked_for_the_card().await;
    scene.answers(CANCEL).await;
    assert_eq!(call.await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_ends_the_waiting() {
    let scene = Scene::with(Options { dialog_ms: 8000, ..Options::default() }).await;
    scene.remove().await;
    let hurried = GrantRequest { deadline_ms: 4000, ..scene.request.clone() };
    for request in [&hurried, &scene.request] {
        let call = scene.signs(request);
        scene.is_asked_for_the_card().await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
        assert!(error.message.contains("inserted") && error.message.contains("test"), "{}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_never_saw_the_card_asks_for_it_by_waferd_s_word() {
    let mut scene = Scene::new().await;
    scene.pull();
    let keeper = start(&scene.token, &scene.session.address, Options::default()).await;
    scene.keeper = Arc::new(keeper);
    let unheard = scene.signs(&scene.request).await.unwrap().unwrap_err();
    assert_eq!(unheard.kind, ErrorKind::NoToken);
    scene.request.token_label = "test".to_owned();
    let call = scene.signs(&scene.request);
    scene.is_asked_for_the_card().await;
    scene.put_back();
    scene.answers(OK).await;
    scene.enters_the_pin().await;
    call.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_screen_of_the_person_s_own_it_is_no_token() {
    let mut scene = Scene::new().await;
    let keeper = start(&scene.token, "unix:path=/nonexistent", Options::default()).await;
    scene.keeper = Arc::new(keeper);
    scene.keeper.token().await;
    scene.remove().await;
    let error = scene.signs(&scene.request).await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoToken);
    assert!(error.message.contains("test"), "{}", error.message);
}

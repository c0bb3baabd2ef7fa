//! The process itself: confined, closed to debuggers, gone with its link, its dialogs gone with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::person::Person;
use common::token::TestToken;
use common::{Keeper, Options, request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wafer_client::keeper::{KeyKind, Operation};

fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned()
}

fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// A process to wait for, whosever child it is.
struct Watched(OwnedFd);

impl Watched {
    fn new(pid: u32) -> Self {
        Self(pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap())
    }

    fn ends(&self) {
        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ended, 1, "the process still runs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_confined_before_the_module_loads() {
    let token = TestToken::new();
    let keeper = Keeper::start(&token, Options::default()).await;
    let pid = keeper.child.id();
    let maps = || std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    keeper.link.log().await.unwrap();
    assert_eq!((status(pid, "Seccomp:"), status(pid, "NoNewPrivs:")), ("2".to_owned(), "1".to_owned()));
    assert!(!maps().contains("softhsm"), "not loaded before the first listing");
    keeper.token().await;
    assert!(maps().contains("softhsm"));
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(
        limits.lines().any(|line| line.starts_with("Max core file size") && line.contains(" 0 ")),
        "{limits}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_its_link_and_takes_the_helper_along() {
    let token = TestToken::new();
    let mut keeper = Keeper::start(&token, Options::default()).await;
    keeper.token().await;
    let helper = Watched::new(children(keeper.child.id())[0]);
    keeper.connection.clone().close().await.unwrap();
    tokio::task::block_in_place(|| {
        assert!(keeper.child.wait().unwrap().success());
        helper.ends();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_in_order() {
    let token = TestToken::new();
    let mut keeper = Keeper::start(&token, Options::default()).await;
    keeper.token().await;
    let pid = Pid::from_raw(keeper.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(tokio::task::block_in_place(|| keeper.child.wait().unwrap()).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_keeper_leaves_no_dialog_and_a_sane_terminal() {
    let (token, person) = (TestToken::new(), Person::new());
    let mut keeper = Keeper::start(&token, Options::default()).await;
    let request = request(&keeper.key(KeyKind::Rsa).await.id, Operation::Sign, &person);
    let grant = keeper.link.grant(&request).await.unwrap();
    let link = keeper.link.clone();
    let call = tokio::spawn(async move {
        use wafer_client::keeper::{Digest, SignScheme};
        link.sign(grant, SignScheme::RsaPkcs1, Digest::Sha256, serde_bytes::Bytes::new(&[7; 32])).await
    });
    tokio::task::block_in_place(|| person.reads("<Cancel>"));
    let helper = children(keeper.child.id())[0];
    let (pinentry, helper) = (Watched::new(children(helper)[0]), Watched::new(helper));
    keeper.child.kill().unwrap();
    assert!(call.await.unwrap().is_err());
    tokio::task::block_in_place(|| {
        pinentry.ends();
        helper.ends();
    });
    assert!(person.has_echo());
}

/// A process of the same user cannot look into it. Run as root, the test takes another uid for both,
/// since root may look anywhere.
#[test]
fn another_process_of_the_user_cannot_read_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("wafer-keeper");
    std::fs::copy(env!("CARGO_BIN_EXE_wafer-keeper"), &program).unwrap();
    let as_user = |script: &str| {
        let mut command = if rustix::process::getuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        command.current_dir("/");
        command
    };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let script = format!("exec {} pkcs11 --module /none.so --name x 3<&0 0</dev/null", program.display());
    let mut keeper = as_user(&script).stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
    // Its first words on the link come after it closed itself.
    let mut byte = [0];
    std::io::Read::read_exact(&mut &ours, &mut byte).unwrap();
    let look = format!("exec 3</proc/{}/mem", keeper.id());
    let seen = as_user(&look).stderr(Stdio::piped()).output().unwrap();
    assert!(!seen.status.success());
    assert!(String::from_utf8_lossy(&seen.stderr).contains("ermission denied"), "{seen:?}");
    drop(ours);
    keeper.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_keeper_does_not_wake() {
    let (token, person) = (TestToken::new(), Person::new());
    let keeper = Keeper::start(&token, Options::default()).await;
    let request = request(&keeper.key(KeyKind::Rsa).await.id, Operation::Sign, &person);
    keeper.unlock_by_signing(&request, &person).await;
    keeper.link.lock("").await.unwrap();
    let switches = || {
        let pid = keeper.child.id();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let count = tasks.map(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            lines.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum::<u64>()
        });
        count.sum::<u64>()
    };
    // It has settled when it did nothing for a while; then it must go on doing nothing.
    let pause = || tokio::time::sleep(std::time::Duration::from_millis(500));
    let mut before = switches();
    for _ in 0..10 {
        pause().await;
        if std::mem::replace(&mut before, switches()) == before {
            break;
        }
    }
    for _ in 0..4 {
        pause().await;
    }
    assert_eq!(switches(), before);
}

//! A captured waferd: whatever it sends, the keeper answers with an error or ends in order, and keeps its PIN to itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::token::TestToken;
use common::{Keeper, Options, PINENTRY};
use wafer_client::keeper::{
    Certainty, Digest, GrantRequest, KEEPER_PATH, KeyTransport, Operation, PromptPlace, Requester, SignScheme,
};
use zbus::export::serde::Serialize;
use zbus::wire::DynamicType;

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `member` with `body`; any answer will do, none will not.
async fn call(keeper: &Keeper, member: &str, body: &(impl Serialize + DynamicType)) {
    let call =
        keeper.connection.call_method(None::<&str>, KEEPER_PATH, Some("org.waferd.Keeper1"), member, body);
    let answer = tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| panic!("{member} hangs"));
    match answer {
        Ok(_) | Err(zbus::Error::FDO(_)) => {}
        Err(zbus::Error::MethodError(name, ..)) => {
            assert!(!name.as_str().ends_with(".Failed"), "{member}: {name}")
        }
        Err(error) => panic!("{member} ended the link: {error:?}"),
    }
}

fn absurd(operation: Operation, key: &str) -> GrantRequest {
    GrantRequest {
        key: key.to_owned(),
        operation,
        uses: u32::MAX,
        requester: Requester {
            caller: "\u{202e}x\n".repeat(1000),
            program: "/bin/\u{1b}[2J\0".to_owned().replace('\0', "\u{7f}"),
            pid: u32::MAX,
            certainty: Certainty::Sandbox,
        },
        interactive: false,
        deadline_ms: u32::MAX,
        place: PromptPlace {
            display: "../../etc/passwd".to_owned(),
            tty: "/dev/mem".to_owned(),
            lang: "x".repeat(10_000),
            ..PromptPlace::default()
        },
        token_label: "%n%s".repeat(1000),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_answered_with_an_error() {
    let token = TestToken::new();
    let keeper = Keeper::start(&token, Options::default()).await;
    let before = keeper.token().await;
    let key = &before.keys[0].id;
    let (long, name) = (vec![0xff_u8; 50_000], "n".repeat(50_000));
    let members = [
        "Tokens",
        "Certificates",
        "Grant",
        "Revoke",
        "Sign",
        "UnwrapKey",
        "Derive",
        "Unlock",
        "ChangePin",
        "Lock",
        "Consent",
        "Log",
        "Nothing",
    ];
    for member in members {
        call(&keeper, member, &()).await;
        call(&keeper, member, &(u64::MAX,)).await;
        call(&keeper, member, &(long.as_slice(),)).await;
        call(&keeper, member, &(name.as_str(), true)).await;
        call(&keeper, member, &(u64::MAX, u32::MAX, u32::MAX, long.as_slice())).await;
    }
    for operation in [Operation::Sign, Operation::Decrypt, Operation::Unlock, Operation::ChangePin] {
        for key in [key.as_str(), "", "/", "../..", &name] {
            call(&keeper, "Grant", &(absurd(operation, key),)).await;
        }
    }
    let transport = |label: usize, key_length| KeyTransport {
        oaep: true,
        hash: Digest::Sha1,
        mgf_hash: Digest::Sha512,
        label: vec![1; label],
        key_length,
    };
    for (label, length, encrypted) in
        [(0, 0, 10), (0, u32::MAX, 10), (60_000, 32, 10), (0, 32, 0), (0, 32, 60_000)]
    {
        let (pipe, _reader) = common::secret_pipe();
        let body = (1_u64, transport(label, length), vec![7_u8; encrypted], pipe);
        call(&keeper, "UnwrapKey", &body).await;
    }
    for grant in [0, 1, u64::MAX] {
        call(&keeper, "Sign", &(grant, SignScheme::Ed25519, Digest::Sha224, long.as_slice())).await;
    }
    // It is as it was: nobody was asked, nothing is unlocked.
    assert_eq!(keeper.token().await, before);
    assert_eq!(keeper.turns(), 0);
}

/// Bytes that are no messages end the link, and with it the keeper, in order.
#[test]
fn what_is_no_message_ends_it_in_order() {
    let good = b"l\x01\x00\x01";
    let huge = [&good[..], &[0xff; 4], &[1, 0, 0, 0], &[0xff; 4]].concat();
    let noise: Vec<u8> = (0..5000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for nonsense in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 4096], vec![0xff; 4096], noise, huge] {
        let token = TestToken::new();
        let (mut link, theirs) = UnixStream::pair().unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 0</dev/null"#, env!("CARGO_BIN_EXE_wafer-keeper"), "pkcs11"])
            .args(["--module", common::MODULE, "--name", "soft", "--pinentry", PINENTRY, "--state"])
            .arg(token.folder())
            .env_clear()
            .env("WAFER_KEEPER", "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        link.set_read_timeout(Some(PATIENCE)).unwrap();
        shake_hands(&mut link);
        link.write_all(&nonsense).unwrap();
        // It may answer before it gives up; its end closes the link.
        let mut rest = Vec::new();
        drop(link.read_to_end(&mut rest));
        let status = child.wait().unwrap();
        assert!(status.signal().is_none() && status.code() != Some(101), "{status:?} after {nonsense:?}");
    }
}

/// The server's side of the handshake (D-Bus specification, "Authentication Protocol").
fn shake_hands(link: &mut UnixStream) {
    let mut lines = BufReader::new(link.try_clone().unwrap());
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the keeper hung up");
        let answer: &[u8] = match line.trim_matches(['\0', '\r', '\n']) {
            "BEGIN" => return,
            "NEGOTIATE_UNIX_FD" => b"AGREE_UNIX_FD\r\n",
            _ => b"OK 0123456789abcdef0123456789abcdef\r\n",
        };
        link.write_all(answer).unwrap();
    }
}

//! The command as a person uses it, with the real service behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Output;

use hw_sim::pki::{ALICE, BOB, CAROL};
use hw_sim::softhsm::PIN;
use hw_sim::wait::within;
use hw_sim::{World, mail, openssl};

/// Runs `wafer` beside the test's other tasks.
async fn wafer(world: &World, arguments: &[&str]) -> Output {
    let mut command = world.wafer(arguments);
    within("wafer", tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Succeeds, and gives what it said.
#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(code(output), 0, "{}{}", said(output), complained(output));
    said(output)
}

fn write(world: &World, name: &str, bytes: &[u8]) {
    std::fs::write(world.folder().join(name), bytes).unwrap();
}

fn read(world: &World, name: &str) -> Vec<u8> {
    std::fs::read(world.folder().join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_seals_opens_and_verifies_a_file() {
    let world = World::new().await;
    write(&world, "letter", &mail::long(ALICE, 200_000));
    done(&world.with_pin(wafer(&world, &["sign", "letter", "-o", "signed"])).await);
    openssl::verify(&read(&world, "signed"));
    done(
        &wafer(
            &world,
            &["encrypt", "signed", "-o", "sealed", "--to", &BOB.address(), "--to", &CAROL.address()],
        )
        .await,
    );
    openssl::decrypt(&read(&world, "sealed"), "SMIME", CAROL);
    let seen = done(&wafer(&world, &["inspect", "sealed"]).await);
    assert!(seen.contains("auth-enveloped"), "{seen}");
    done(&wafer(&world, &["decrypt", "sealed", "-o", "opened"]).await);
    let verdict = done(&wafer(&world, &["verify", "opened", "-o", "content"]).await);
    assert!(verdict.contains("alice"), "{verdict}");
    assert!(!read(&world, "content").is_empty());
    assert_eq!(world.person.dialogs(), 1);
    // To a recipient by certificate file, with an old cipher, as bare CMS.
    let certificate = CAROL.certificate().display().to_string();
    let more = ["encrypt", "letter", "-o", "old", "--to", &certificate, "--cipher", "aes128-cbc", "--cms"];
    done(&wafer(&world, &more).await);
    assert_eq!(openssl::decrypt(&read(&world, "old"), "DER", CAROL), read(&world, "letter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_carry_a_message_through() {
    let world = World::new().await;
    world.log_in().await;
    let mut command = world.wafer(&["sign"]);
    command.stdin(mail::file(&mail::message(BOB, "By pipe.")));
    let output =
        within("wafer", tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap();
    assert_eq!(code(&output), 0, "{}", complained(&output));
    openssl::verify(&output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_listed() {
    let world = World::new().await;
    let tokens = done(&wafer(&world, &["tokens"]).await);
    assert!(tokens.contains("wafer") && tokens.contains("locked"), "{tokens}");
    let identities = done(&wafer(&world, &["identities"]).await);
    for identity in [ALICE, BOB] {
        assert!(identities.contains(&identity.address()), "{identities}");
    }
    done(&world.with_pin(wafer(&world, &["unlock", "wafer"])).await);
    let tokens = done(&wafer(&world, &["tokens"]).await);
    assert!(tokens.contains("unlocked"), "{tokens}");
    done(&wafer(&world, &["lock"]).await);
    assert_eq!(world.module.count("C_Logout", "0x0"), 1);
    let tokens = done(&wafer(&world, &["tokens"]).await);
    assert!(tokens.contains("locked") && !tokens.contains("unlocked"), "{tokens}");
    let log = done(&wafer(&world, &["log"]).await);
    assert!(log.contains("login") && log.contains("lock") && !log.contains(PIN), "{log}");
    let status = done(&wafer(&world, &["status"]).await);
    assert!(!status.is_empty());
    for command in ["tokens", "identities", "status", "log"] {
        let json = done(&wafer(&world, &["--json", command]).await);
        serde_json::from_str::<serde_json::Value>(&json)
            .unwrap_or_else(|error| panic!("{command}: {error}: {json}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_has_its_code_and_leaves_files_alone() {
    let world = World::new().await;
    write(&world, "letter", &mail::message(ALICE, "Hello."));
    write(&world, "noise", b"\xff\xfe not a message");
    write(&world, "kept", b"kept");
    let to_others = openssl::encrypt(&mail::entity("Not for us."), "SMIME", &[CAROL], &["-aes-256-gcm"]);
    write(&world, "others", &to_others);
    let cases: &[(&[&str], i32)] = &[
        (&["decrypt", "noise", "-o", "kept"], 5),
        (&["decrypt", "others", "-o", "kept"], 8),
        (&["encrypt", "letter", "-o", "kept", "--to", "nobody@example.test"], 9),
        (&["--non-interactive", "sign", "letter", "-o", "kept"], 16),
        (&["sign", "absent", "-o", "kept"], 3),
        (&["sign", "letter", "-o", "no/such/folder/out"], 4),
        (&["sign", "letter", "--digest", "md5", "-o", "kept"], 2),
        (&["sign", "letter", "--from", "nobody@example.test", "-o", "kept"], 8),
    ];
    for (arguments, expected) in cases {
        let output = wafer(&world, arguments).await;
        assert_eq!(code(&output), *expected, "{arguments:?}: {}", complained(&output));
        assert!(complained(&output).len() > 10, "{arguments:?} says nothing");
        assert_eq!(read(&world, "kept"), b"kept", "{arguments:?}");
    }
    let mut names: Vec<String> = std::fs::read_dir(world.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !["run", "log", "waferd.toml", "config", "data", ".cache"].contains(&name.as_str()));
    names.sort();
    assert_eq!(names, ["kept", "letter", "noise", "others"], "no partial output anywhere");
    // A person who says no.
    let cancelling = async {
        hw_sim::wait::until_async("the dialog", || world.person.dialog(1)).await;
        let person = world.person.clone();
        tokio::task::spawn_blocking(move || person.cancels()).await.unwrap();
    };
    let (output, ()) = tokio::join!(wafer(&world, &["sign", "letter", "-o", "kept"]), cancelling);
    assert_eq!(code(&output), 130, "{}", complained(&output));
    assert_eq!(read(&world, "kept"), b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_have_codes_and_json() {
    let world = World::new().await;
    let message = [b"From: carol@example.test\n".to_vec(), mail::entity("Pay 100.")].concat();
    let signed = openssl::sign(&mail::entity("Pay 100."), "SMIME", CAROL, &[]);
    let signed = [b"From: carol@example.test\n".to_vec(), signed].concat();
    write(&world, "good", &signed);
    write(&world, "forged", String::from_utf8(signed).unwrap().replace("Pay 100.", "Pay 900.").as_bytes());
    write(&world, "plain", &message);
    assert_eq!(code(&wafer(&world, &["verify", "good"]).await), 0);
    assert_eq!(code(&wafer(&world, &["verify", "forged"]).await), 30);
    assert_eq!(code(&wafer(&world, &["verify", "plain"]).await), 5);
    // Signed by carol, sent by somebody else: good, but look.
    let output = wafer(&world, &["verify", "good", "--from", "dave@example.test"]).await;
    assert_eq!(code(&output), 32, "{}", said(&output));
    let json = said(&wafer(&world, &["--json", "verify", "forged"]).await);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["status"], "invalid", "{json}");
}

//! Whom a person trusts: Mozilla's authorities, and decisions by hand, with the real service and the command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Output;

use hw_sim::pki::{self, ALICE};
use hw_sim::wait::within;
use hw_sim::{World, mail, openssl};

/// Runs `wafer` beside the test's other tasks.
async fn wafer(world: &World, arguments: &[&str]) -> Output {
    let mut command = world.wafer(arguments);
    within("wafer", tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `wafer verify` says of the file `mail`, with its exit code.
async fn verdict(world: &World) -> (i32, String) {
    // OpenSSL puts no From header outside what it signs.
    let output = wafer(world, &["verify", "mail", "--from", &ALICE.address()]).await;
    (output.status.code().unwrap(), said(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_whom_to_trust_and_takes_it_back() {
    let world = World::new().await;
    let signed = openssl::sign(&mail::message(ALICE, "Trust me."), "SMIME", ALICE, &[]);
    std::fs::write(world.folder().join("mail"), signed).unwrap();
    assert_eq!(verdict(&world).await.0, 0);
    // Distrusting the authority is stronger than its file in the trust folder.
    let root = pki::root().display().to_string();
    let distrusted = said(&wafer(&world, &["trust", "distrust", &root]).await);
    assert!(distrusted.contains("distrusted") && distrusted.contains("wafer"), "{distrusted}");
    let (code, sentence) = verdict(&world).await;
    assert_eq!(code, 30, "{sentence}");
    assert!(sentence.contains("distrust"), "{sentence}");
    let fingerprint = distrusted.split(' ').next().unwrap().to_owned();
    let revoked = wafer(&world, &["trust", "revoke", &fingerprint]).await;
    assert!(revoked.status.success(), "{}", said(&revoked));
    assert_eq!(verdict(&world).await.0, 0);
    let again = wafer(&world, &["trust", "revoke", &fingerprint]).await;
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    let list = said(&wafer(&world, &["trust", "list"]).await);
    assert!(list.contains("was distrusted") && list.contains("revoked what was decided"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mozillas_authorities_are_read_by_a_keeper_and_kept() {
    let world = World::new().await;
    let signed = openssl::sign(&mail::message(ALICE, "Whom do you know?"), "SMIME", ALICE, &[]);
    std::fs::write(world.folder().join("mail"), signed).unwrap();
    assert_eq!(verdict(&world).await.0, 0);
    let kept = world.waferd.folder().join(".cache/waferd/mozilla-roots.pem");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.starts_with("wafer roots 2\nmodule: /usr/lib"), "{}", &text[..80]);
    assert!(text.matches("-----BEGIN CERTIFICATE-----").count() > 50);
}

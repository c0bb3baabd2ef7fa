//! Another PIN by the command, and the list of tokens that follows what happens. The token itself is the witness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use hw_sim::World;
use hw_sim::programs::softhsm;
use hw_sim::softhsm::{PIN, WRONG_PIN};
use hw_sim::wait::within;

/// The new PIN.
const NEW_PIN: &str = "98765432";
/// The security officer's.
const OFFICER: &str = "12345678";

#[track_caller]
fn code(output: &Output, expected: i32) {
    assert_eq!(output.status.code(), Some(expected), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the token takes `pin`.
fn takes(world: &World, pin: &str) -> bool {
    let mut command = Command::new("pkcs11-tool");
    command.arg("--module").arg(softhsm()).args(["--token-label", "wafer", "--login", "--pin", pin]);
    command.args(["--list-objects", "--type", "privkey"]).env("SOFTHSM2_CONF", world.hsm.configuration());
    command.stdin(Stdio::null()).output().unwrap().status.success()
}

async fn events(world: &World, event: &str) -> Vec<String> {
    let log = wafer_client::Client::over(world.caller.connection().clone()).log().await.unwrap();
    log.into_iter().filter(|entry| entry.3 == event).map(|entry| entry.5).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_changed_and_the_old_one_is_forgotten() {
    let world = World::new().await;
    world.log_in().await;
    let (texts, output) = world.wafer_with_entries(&["pin", "change"], &[PIN, NEW_PIN, NEW_PIN]).await;
    code(&output, 0);
    assert!(texts[0].contains("old PIN") && texts[1].contains("new PIN"), "{texts:?}");
    assert!(takes(&world, NEW_PIN) && !takes(&world, PIN));
    assert_eq!(events(&world, "change-pin").await, ["ok"]);
    // The next use asks, and takes the new one.
    let silent = hw_sim::options([("interactive", zbus::Variant::from(false))]);
    let message = hw_sim::mail::message(hw_sim::pki::ALICE, "hello");
    hw_sim::caller::refused(
        world.caller.sign(&message, silent).await,
        wafer_client::ErrorKind::InteractionRequired,
    );
    let caller = world.caller.clone();
    let place = world.place();
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    world.answers(world.person.dialogs() + 1, NEW_PIN).await;
    within("the signature", call).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_said_and_asked_again() {
    let world = World::new().await;
    let entries = [
        // The two new ones differ; the new one is too short for the token; the old one is wrong; at last.
        [PIN, NEW_PIN, "98765433"].as_slice(),
        &[PIN, "123"],
        &[WRONG_PIN, NEW_PIN, NEW_PIN],
        &[PIN, NEW_PIN, NEW_PIN],
    ];
    let (texts, output) = world.wafer_with_entries(&["pin", "change", "wafer"], &entries.concat()).await;
    code(&output, 0);
    assert!(texts[3].contains("differ"), "{}", texts[3]);
    assert!(texts[5].contains("4 to 255"), "{}", texts[5]);
    assert!(texts[8].contains("wrong"), "{}", texts[8]);
    assert!(takes(&world, NEW_PIN));
    assert_eq!(events(&world, "change-pin").await, ["PinIncorrect", "ok"], "each complete entry went once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_pin_is_set_by_the_security_officer_s() {
    let world = World::new().await;
    world.log_in().await;
    let (texts, output) = world.wafer_with_entries(&["pin", "unblock"], &[OFFICER, NEW_PIN, NEW_PIN]).await;
    code(&output, 0);
    assert!(texts[0].contains("PUK"), "{texts:?}");
    assert!(takes(&world, NEW_PIN) && !takes(&world, PIN));
    assert_eq!(events(&world, "unblock-pin").await, ["ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dialog_no_pin_is_changed_and_a_no_changes_none() {
    let world = World::new().await;
    code(&world.run_wafer(&["--non-interactive", "pin", "change"]), 16);
    code(&world.run_wafer(&["pin", "change", "nothing"]), 10);
    let mut command = world.wafer(&["pin", "change"]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    world.cancels(1).await;
    code(&within("wafer", running).await.unwrap(), 130);
    assert!(takes(&world, PIN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watched_list_follows_the_token() {
    let world = World::new().await;
    let mut watch = world.wafer(&["tokens", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = move || lines.next().unwrap().unwrap();
    let (first, mut next) = tokio::task::spawn_blocking(move || (next(), next)).await.unwrap();
    assert!(first.contains("wafer") && first.contains(": locked"), "{first}");
    world.log_in().await;
    let (second, _lines) =
        within("the news", tokio::task::spawn_blocking(move || (next(), next))).await.unwrap();
    assert!(second.contains(": unlocked"), "{second}");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

//! The PIN through the whole house: asked once, never repeated, shown where the caller sits, and provably
//! forgotten. What counts is the module's diary, not Wafer's own words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::refused;
use hw_sim::pki::{ALICE, BOB};
use hw_sim::process::Process;
use hw_sim::softhsm::{PIN, WRONG_PIN};
use hw_sim::wait::{until_async, within};
use hw_sim::{Caller, Options, Person, World, mail, options, world};
use wafer_client::ErrorKind;
use zbus::Variant;

fn message() -> Vec<u8> {
    mail::message(ALICE, "The PIN, please.")
}

/// A call that signs, on its way.
fn signing(
    caller: &Caller,
    options: Options,
) -> tokio::task::JoinHandle<Result<Vec<u8>, wafer_client::WaferError>> {
    let caller = caller.clone();
    tokio::spawn(async move { caller.sign(&message(), options).await })
}

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

/// Waits until the module has been logged out, then shows that the token itself refuses, that Wafer would
/// have to ask, and that a new login is what opens it.
async fn is_forgotten(world: &World) {
    until_async("C_Logout", || (world.module.count("C_Logout", "0x0") > 0).then_some(())).await;
    let probe = until_async("the token's answer to C_Sign", || {
        world.module.diary().into_iter().find(|line| line.function == "probe")
    });
    assert_ne!(probe.await.result, "0x0", "the token still signs");
    asks_anew(world).await;
}

/// No signature without a dialog; then one with it, and the token saw a new login before it.
async fn asks_anew(world: &World) {
    let (logins, signatures) = (world.module.count("C_Login", "0x0"), world.module.count("C_Sign", "0x0"));
    refused(world.caller.sign(&message(), silent()).await, ErrorKind::InteractionRequired);
    assert_eq!(world.module.count("C_Sign", "0x0"), signatures);
    world.log_in().await;
    assert_eq!(world.module.count("C_Login", "0x0"), logins + 1);
    let last = |function: &str| {
        world
            .module
            .diary()
            .iter()
            .rposition(|line| line.function == function && line.result == "0x0")
            .unwrap()
    };
    assert!(last("C_Login") < last("C_Sign"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_of_eight_clients_make_one_dialog_and_one_login() {
    let world = World::new().await;
    let mut calls = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(world.another_caller().await);
    }
    for number in 0..50 {
        calls.push(signing(&clients[number % 8], world.place()));
    }
    world.answers(1, PIN).await;
    for call in calls {
        within("a signature", call).await.unwrap().unwrap();
    }
    assert_eq!(world.person.dialogs(), 1);
    assert_eq!(world.module.count("C_Login", "0x0"), 1);
    assert_eq!(world.module.diary().iter().filter(|line| line.function == "C_Login").count(), 1);
    assert_eq!(world.module.count("C_Sign", "0x0"), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_said_and_asked_again_and_never_repeated() {
    let world = World::new().await;
    let call = signing(&world.caller, world.place());
    world.answers(1, WRONG_PIN).await;
    let person = world.person.clone();
    let text = tokio::task::spawn_blocking(move || person.reads_dialog(2)).await.unwrap();
    assert!(text.contains("wrong"), "{text}");
    assert_eq!(world.module.count("C_Login", "0xa0"), 1, "tried once, with what was typed");
    world.answers(2, PIN).await;
    within("the signature", call).await.unwrap().unwrap();
    assert_eq!((world.module.count("C_Login", "0xa0"), world.module.count("C_Login", "0x0")), (1, 1));
    assert_eq!(world.person.dialogs(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialog_says_who_asks_for_what_and_which_key() {
    let world = World::new().await;
    let call = signing(&world.caller, world.place());
    let person = world.person.clone();
    let text = tokio::task::spawn_blocking(move || person.reads_dialog(1)).await.unwrap();
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap().to_owned();
    let joined = text.replace(' ', "");
    for word in [program.as_str(), "sign", "alice", "wafer", &std::process::id().to_string()] {
        assert!(joined.contains(word), "{word} is not in: {text}");
    }
    assert!(!joined.contains(PIN));
    world.answers(1, PIN).await;
    within("the signature", call).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_every_call_that_waits() {
    let world = World::new().await;
    let calls: Vec<_> = (0..8).map(|_| signing(&world.caller, world.place())).collect();
    world.cancels(1).await;
    for call in calls {
        refused(within("the call's end", call).await.unwrap(), ErrorKind::Cancelled);
    }
    assert_eq!(world.person.dialogs(), 1);
    assert!(world.module.diary().is_empty(), "nothing reached the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialog_goes_with_its_last_caller() {
    let world = World::new().await;
    let leaver = world.another_caller().await;
    let call = signing(&leaver, world.place());
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.reads_dialog(1)).await.unwrap();
    leaver.connection().clone().close().await.unwrap();
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.sees_it_close()).await.unwrap();
    call.abort();
    until_async("pinentry's end", || world.waferd.pinentries().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_that_nobody_answers_times_out() {
    let world = World::with(|settings| settings.set_pin("dialog-timeout-s", 1)).await;
    refused(within("the time-out", world.caller.sign(&message(), world.place())).await, ErrorKind::TimedOut);
    until_async("the dialog's end", || (!world.person.sees_dialog()).then_some(())).await;
    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_dialog_gets_none() {
    let world = World::new().await;
    refused(world.caller.sign(&message(), silent()).await, ErrorKind::InteractionRequired);
    assert_eq!(world.person.dialogs(), 0);
    world.log_in().await;
    world.caller.sign(&message(), silent()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_to_ask_there_is_no_prompter() {
    let world = World::new().await;
    refused(world.caller.sign(&message(), Options::new()).await, ErrorKind::NoPrompter);
    // A terminal that is none is no place either.
    let nowhere = options([("tty", Variant::from("/dev/null")), ("term", Variant::from("xterm"))]);
    refused(world.caller.sign(&message(), nowhere).await, ErrorKind::NoPrompter);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_terminal_is_used_and_no_other() {
    let world = World::new().await;
    let other = Person::new();
    world.log_in().await;
    assert_eq!((world.person.dialogs(), other.dialogs()), (1, 0));

    world.caller.lock_all().await.unwrap();
    let call = signing(&world.caller, world::place(&other));
    let typing = other.clone();
    tokio::task::spawn_blocking(move || {
        typing.reads_dialog(1);
        typing.types(PIN);
    })
    .await
    .unwrap();
    within("the signature", call).await.unwrap().unwrap();
    assert_eq!((world.person.dialogs(), other.dialogs()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_keys_of_its_own_asks_for_the_pin_itself() {
    let world = World::new().await;
    let pad = world.module.grow_pin_pad();
    let call = signing(&world.caller, world.place());
    let text = until_async("the dialog", || world.person.dialog(1)).await;
    assert!(text.contains("enter the PIN of wafer on the card reader"), "{text}");
    assert!(!text.contains("PIN:"), "nothing can be entered in the dialog: {text}");
    tokio::task::spawn_blocking(move || pad.enter(PIN)).await.unwrap();
    within("the signature", call).await.unwrap().unwrap();
    until_async("the dialog's end", || (!world.person.sees_dialog()).then_some(())).await;
    assert_eq!((world.person.dialogs(), world.module.count("C_Login", "0x0")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_at_the_reader_is_said_and_asked_for_again() {
    let world = World::new().await;
    let pad = world.module.grow_pin_pad();
    let call = signing(&world.caller, world.place());
    until_async("the dialog", || world.person.dialog(1)).await;
    let pad = tokio::task::spawn_blocking(move || {
        pad.enter(WRONG_PIN);
        pad
    });
    let pad = pad.await.unwrap();
    let text = until_async("the second dialog", || world.person.dialog(2)).await;
    assert!(text.contains("wrong"), "{text}");
    tokio::task::spawn_blocking(move || pad.enter(PIN)).await.unwrap();
    within("the signature", call).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_serves_both_keys() {
    let world = World::new().await;
    world.log_in().await;
    world.caller.sign(&mail::message(BOB, "With the other key."), silent()).await.unwrap();
    assert_eq!((world.person.dialogs(), world.module.count("C_Login", "0x0")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_pin_is_forgotten() {
    let world = World::with(|settings| settings.set_pin("idle-timeout-s", 1)).await;
    world.log_in().await;
    is_forgotten(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_pin_is_forgotten_although_it_is_used() {
    let world = World::with(|settings| settings.set_pin("max-timeout-s", 2)).await;
    world.log_in().await;
    let end = std::time::Instant::now() + hw_sim::wait::LONG;
    while world.caller.sign(&message(), silent()).await.is_ok() {
        assert!(std::time::Instant::now() < end, "never forgotten");
    }
    is_forgotten(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_never_cache_each_request_asks() {
    let world = World::with(|settings| settings.set_pin("idle-timeout-s", 0)).await;
    world.log_in().await;
    is_forgotten(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_forgets() {
    let world = World::new().await;
    world.log_in().await;
    world.caller.lock_all().await.unwrap();
    assert_eq!(world.module.count("C_Logout", "0x0"), 1, "Lock answers when it is done");
    is_forgotten(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_token_can_be_locked_and_unlocked() {
    let world = World::new().await;
    let token = world.caller.token().await;
    let interface = "org.waferd.Wafer1.Token";
    world.with_pin(world.caller.call(&token, interface, "Unlock", &world.place())).await.unwrap();
    world.caller.sign(&message(), silent()).await.unwrap();
    world.caller.call(&token, interface, "Lock", &()).await.unwrap();
    is_forgotten(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_token_is_forgotten() {
    let world = World::new().await;
    world.log_in().await;
    world.module.control("removed");
    let error = refused(world.caller.sign(&message(), world.place()).await, ErrorKind::NoToken);
    assert!(error.message.contains("wafer"), "the card is named: {error}");
    world.module.control("normal");
    asks_anew(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_ends_has_forgotten() {
    let world = World::new().await;
    world.log_in().await;
    let [keeper] = world.waferd.keepers()[..] else { panic!("one keeper") };
    keeper.kill();
    until_async("the keeper's end", || (!keeper.runs()).then_some(())).await;
    asks_anew(&world).await;
    assert_ne!(world.waferd.keepers(), [keeper]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stops_leaves_nobody_behind() {
    let mut world = World::new().await;
    world.log_in().await;
    let below: Vec<Process> = world.waferd.process().descendants();
    assert!(!below.is_empty());
    assert!(world.waferd.stop().success());
    until_async("the keepers' end", || below.iter().all(|process| !process.runs()).then_some(())).await;
    assert!(world.module.count("C_Logout", "0x0") == 1, "the keeper logs out before it ends");
}

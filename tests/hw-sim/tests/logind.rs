//! Screen lock, sleep and the session's end, as logind tells them: every PIN is forgotten, sleep waits for that,
//! and no dialog opens on a locked screen (pin-rules 4). The module's diary is the witness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::refused;
use hw_sim::pki::ALICE;
use hw_sim::softhsm::PIN;
use hw_sim::wait::{until_async, within};
use hw_sim::{Logind, World, mail};
use wafer_client::ErrorKind;

fn message() -> Vec<u8> {
    mail::message(ALICE, "Signed before the break.")
}

/// A world in which waferd holds sleep up: it has heard all that logind knows.
async fn world() -> (Logind, World) {
    let logind = Logind::start().await;
    let world = World::with_logind(&logind, |_| {}).await;
    logind.has_inhibitors(1).await;
    (logind, world)
}

/// Waits for a logout after all that was done: a lock while nobody was logged in may have made another before.
async fn is_logged_out(world: &World) {
    let forgotten = || {
        let diary = world.module.diary();
        let mut after =
            diary.iter().rev().take_while(|line| !matches!(&*line.function, "C_Login" | "C_Sign"));
        after.any(|line| line.function == "C_Logout" && line.result == "0x0").then_some(())
    };
    until_async("C_Logout", forgotten).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_lock_forgets_the_pin() {
    let (logind, world) = world().await;
    world.log_in().await;
    logind.lock().await;
    is_logged_out(&world).await;
    let silent = hw_sim::options([("interactive", zbus::Variant::from(false))]);
    refused(world.caller.sign(&message(), silent).await, ErrorKind::InteractionRequired);
    // The screen itself is not covered: the person is asked again.
    world.log_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_locked_screen_no_dialog_opens_and_open_ones_close() {
    let (logind, world) = world().await;
    let caller = world.caller.clone();
    let place = world.place();
    let call = tokio::spawn(async move { caller.sign(&message(), place).await });
    until_async("the dialog", || world.person.dialog(1)).await;
    logind.set_screen_locked(true).await;
    let error = refused(within("the call's end", call).await.unwrap(), ErrorKind::InteractionRequired);
    assert!(error.message.contains("screen is locked"), "{}", error.message);
    until_async("the dialog's end", || (!world.person.sees_dialog()).then_some(())).await;
    refused(world.caller.sign(&message(), world.place()).await, ErrorKind::InteractionRequired);
    assert_eq!(world.person.dialogs(), 1);
    logind.set_screen_locked(false).await;
    // The news travels as fast as the call: ask until it is there.
    let caller = world.caller.clone();
    let place = world.place();
    let call = tokio::spawn(async move {
        loop {
            match caller.sign(&message(), place.clone()).await {
                Err(error) if error.kind == ErrorKind::InteractionRequired => {}
                answer => return answer,
            }
        }
    });
    world.answers(2, PIN).await;
    within("the signature", call).await.unwrap().unwrap();
    logind.set_screen_locked(true).await;
    is_logged_out(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sleep_waits_until_the_pin_is_forgotten_and_is_held_up_anew_after() {
    let (logind, world) = world().await;
    world.log_in().await;
    let gate = world.module.close_gate();
    let caller = world.caller.clone();
    let place = world.place();
    let call = tokio::spawn(async move { caller.sign(&message(), place).await });
    until_async("C_Sign's begin", || (world.module.count("C_Sign", "begin") >= 2).then_some(())).await;
    logind.prepare_for_sleep(true).await;
    // The card is busy: it is not forgotten yet, and sleep still waits.
    assert_eq!((logind.inhibitors().await, world.module.count("C_Logout", "0x0")), (1, 0));
    world.module.control("normal");
    gate.open();
    logind.has_inhibitors(0).await;
    assert_eq!(world.module.count("C_Logout", "0x0"), 1, "forgotten before sleep may begin");
    drop(within("the call's end", call).await.unwrap());
    logind.prepare_for_sleep(false).await;
    logind.has_inhibitors(1).await;
    world.log_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_hangs_does_not_hold_sleep_up() {
    let (logind, world) = world().await;
    world.log_in().await;
    let keeper = world.waferd.keepers()[0];
    let _gate = world.module.close_gate();
    let caller = world.caller.clone();
    let place = world.place();
    let call = tokio::spawn(async move { caller.sign(&message(), place).await });
    until_async("C_Sign's begin", || (world.module.count("C_Sign", "begin") >= 2).then_some(())).await;
    logind.prepare_for_sleep(true).await;
    logind.has_inhibitors(0).await;
    assert!(!keeper.runs(), "with its process ends the login");
    refused(within("the call's end", call).await.unwrap(), ErrorKind::TokenFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_s_end_forgets_the_pin() {
    let (logind, world) = world().await;
    world.log_in().await;
    logind.end_session().await;
    is_logged_out(&world).await;
}

//! Proof of forgetting: root reads the memory of waferd and of every process below it, and looks for the PIN.
//! That the scanner finds a PIN that is kept, and only in its guarded page, shows that it would find it elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::memory::{self, Hit};
use hw_sim::pki::ALICE;
use hw_sim::softhsm::PIN;
use hw_sim::waferd::Settings;
use hw_sim::wait::{until_async, within};
use hw_sim::{World, mail};

/// 32 characters that stand nowhere else: made anew in each run, so that they are in no file either.
fn unusual() -> String {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap();
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A world whose token has `pin`; `None` where nobody may look into memory.
async fn world(pin: &str, change: impl FnOnce(&mut Settings)) -> Option<World> {
    if !memory::may_look() {
        assert!(std::env::var_os("CI").is_none(), "in CI this test runs as root");
        eprintln!("skipped: only root may look into the memory of other processes");
        return None;
    }
    let world = World::with(change).await;
    // Set by Wafer itself: what that leaves behind would be found too.
    let mut command = world.wafer(&["pin", "change"]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    for (number, entry) in (1..).zip([PIN, pin, pin]) {
        world.answers(number, entry).await;
    }
    assert!(within("wafer pin change", running).await.unwrap().status.success());
    Some(world)
}

async fn log_in(world: &World, pin: &str) {
    let caller = world.caller.clone();
    let place = world.place();
    let message = mail::message(ALICE, "hello");
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    world.answers(world.person.dialogs() + 1, pin).await;
    within("the signature", call).await.unwrap().unwrap();
    until_async("pinentry's end", || world.waferd.pinentries().is_empty().then_some(())).await;
}

/// Where the PIN is: in waferd itself, and in all the processes below it.
fn places(world: &World, pin: &str) -> (Vec<Hit>, Vec<Hit>) {
    let daemon = memory::find(world.waferd.process(), pin.as_bytes());
    let below = world.waferd.process().descendants().into_iter();
    (daemon, below.flat_map(|process| memory::find(process, pin.as_bytes())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_session_is_the_cache_the_pin_is_nowhere_while_the_token_is_open() {
    let pin = unusual();
    let Some(world) = world(&pin, |_| {}).await else { return };
    log_in(&world, &pin).await;
    assert_eq!(places(&world, &pin), (vec![], vec![]));
    world.caller.lock_all().await.unwrap();
    assert_eq!(places(&world, &pin), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_pin_is_in_its_guarded_page_only_and_nowhere_after_a_lock() {
    let pin = unusual();
    let Some(world) = world(&pin, Settings::keep_pins).await else { return };
    log_in(&world, &pin).await;
    let (daemon, keeper) = places(&world, &pin);
    assert_eq!(daemon, []);
    assert_eq!(keeper.iter().map(|hit| hit.guarded).collect::<Vec<_>>(), [true], "{keeper:?}");
    world.caller.lock_all().await.unwrap();
    assert_eq!(places(&world, &pin), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_pin_is_nowhere_after_its_time() {
    let pin = unusual();
    let short = |settings: &mut Settings| {
        settings.keep_pins();
        settings.set_pin("idle-timeout-s", 1);
    };
    let Some(world) = world(&pin, short).await else { return };
    log_in(&world, &pin).await;
    // Not any logout: the keeper also logs out before the first login.
    let logged_out = || {
        let diary = world.module.diary();
        let mut after = diary.iter().rev().take_while(|line| line.function != "C_Sign");
        after.any(|line| line.function == "C_Logout").then_some(())
    };
    until_async("the C_Logout after the signature", logged_out).await;
    assert_eq!(places(&world, &pin), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_and_a_cancelled_dialog_leave_nothing_behind() {
    let (pin, wrong) = (unusual(), unusual());
    let Some(world) = world(&pin, |_| {}).await else { return };
    let first = world.person.dialogs() + 1;
    let caller = world.caller.clone();
    let place = world.place();
    let message = mail::message(ALICE, "hello");
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    world.answers(first, &wrong).await;
    world.cancels(first + 1).await;
    assert!(within("the call's end", call).await.unwrap().is_err());
    until_async("pinentry's end", || world.waferd.pinentries().is_empty().then_some(())).await;
    assert_eq!(places(&world, &wrong), (vec![], vec![]));
}

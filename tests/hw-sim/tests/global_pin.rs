//! PIV cards with a global PIN beside the application's: the discovery object says which one is to be asked for
//! (SP 800-73-5 part 1, section 3.3.2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::refused;
use hw_sim::piv::{GRACE, HEIDI, Holder, PIN, PUK, PivCard, WRONG_PIN, yubico_piv_tool};
use hw_sim::pki::Somebody;
use hw_sim::wait::{until_async, within};
use hw_sim::{Options, PivWorld, mail, openssl, options};
use wafer_client::ErrorKind;
use wafer_test_card::{Exchange, GlobalPin};
use zbus::Variant;

const GLOBAL_PIN: &str = "24681357";
const NEW_PIN: &str = "97531864";
const VERIFY: u8 = 0x20;
const APPLICATION: u8 = 0x80;
const GLOBAL: u8 = 0;

async fn world(primary: bool) -> PivWorld {
    let card = PivCard::with_global_pin(GlobalPin { pin: GLOBAL_PIN.to_owned(), primary });
    let world = PivWorld::with_card(card, |_| {}).await;
    world.lists(1).await;
    world
}

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

fn asked(holder: Holder) -> Vec<u8> {
    mail::message(holder, "Which PIN?")
}

/// VERIFYs of this PIN: those that ask or take back, and those with a PIN.
fn verifies(world: &PivWorld, pin: u8) -> (usize, usize) {
    let diary = world.card.card.diary();
    let of_pin = |one: &Exchange| one.instruction() == VERIFY && one.parameters().1 == pin;
    (diary.count(|one| of_pin(one) && !one.is_pin_try()), diary.count(|one| of_pin(one) && one.is_pin_try()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_whose_global_pin_is_the_primary_one_is_opened_by_it_and_shut_again() {
    let world = world(true).await;
    let call = world.caller.signing(asked(GRACE), world.place());
    let said = until_async("the dialog", || world.person.dialog(1)).await;
    assert!(said.contains("global PIN"), "{said}");
    world.answers(1, GLOBAL_PIN).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    openssl::verify(&world.caller.sign(&mail::message(GRACE, "Kept."), silent()).await.unwrap());
    assert_eq!(world.person.dialogs(), 1);
    let taken_back = |one: &Exchange| (one.instruction(), one.parameters()) == (VERIFY, (0xff, GLOBAL));
    world.card.card.diary().waits_for("the end of the visit", taken_back);
    assert_eq!(verifies(&world, APPLICATION), (0, 0), "{}", world.card.card.diary().text());

    let certificate = GRACE.certificate().display().to_string();
    let arguments = ["-a", "test-signature", "-s", GRACE.slot, "-i", &certificate];
    let mut tool = yubico_piv_tool(&world.pcscd, &arguments);
    let output = tokio::task::spawn_blocking(move || tool.output().unwrap()).await.unwrap();
    assert!(!output.status.success(), "the card was left open");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_key_takes_the_global_pin_right_before() {
    let world = world(true).await;
    for number in 1..3 {
        let call = world.caller.signing(asked(HEIDI), world.place());
        world.answers(number, GLOBAL_PIN).await;
        openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tries_are_those_of_the_pin_that_is_asked_for() {
    let world = world(true).await;
    let call = world.caller.signing(asked(GRACE), world.place());
    // What opens other cards is a wrong PIN here.
    world.answers(1, PIN).await;
    let said = until_async("the second dialog", || world.person.dialog(2)).await;
    assert!(said.contains("2 tries are left"), "{said}");
    world.answers(2, WRONG_PIN).await;
    // The warning before the last try.
    until_async("the warning", || world.person.dialog(3)).await;
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.press("\r")).await.unwrap();
    world.answers(4, WRONG_PIN).await;
    refused(within("the call's end", call).await.unwrap(), ErrorKind::PinBlocked);
    assert_eq!((verifies(&world, GLOBAL).1, verifies(&world, APPLICATION).1), (3, 0));
    // The application's PIN was never touched.
    let mut tool = yubico_piv_tool(&world.pcscd, &["-a", "verify-pin", "-P", PIN]);
    assert!(tool.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_global_pin_is_changed_and_the_puk_is_not_asked_for_it() {
    let world = world(true).await;
    let entries = [GLOBAL_PIN, NEW_PIN, NEW_PIN];
    let (said, done) = world.wafer_with_entries(&["pin", "change"], &entries).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(said[0].contains("global PIN"), "{said:?}");
    let call = world.caller.signing(asked(GRACE), world.place());
    world.answers(4, NEW_PIN).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());

    let mut command = world.wafer(&["pin", "unblock"]);
    let refused = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(!refused.status.success());
    assert_eq!(world.person.dialogs(), 4, "no dialog asks for a PUK that would set another PIN");
    assert_eq!(world.card.card.diary().count(|one| one.instruction() == 0x2c), 0);
    // It still serves the application's PIN, elsewhere.
    let mut tool = yubico_piv_tool(&world.pcscd, &["-a", "unblock-pin", "-P", PUK, "-N", PIN]);
    assert!(tool.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_whose_application_pin_is_the_primary_one_is_asked_for_that() {
    let world = world(false).await;
    let call = world.caller.signing(asked(GRACE), world.place());
    let said = until_async("the dialog", || world.person.dialog(1)).await;
    assert!(!said.contains("global PIN"), "{said}");
    world.answers(1, PIN).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    assert_eq!(verifies(&world, GLOBAL), (0, 0));
}

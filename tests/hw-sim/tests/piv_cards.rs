//! PIV cards beside each other and through other ways: two cards, a key without a PIN, the PUK, and the same card
//! through OpenSC's module alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::{MAIL, answer_inline, inline, output, refused};
use hw_sim::piv::{GRACE, Holder, IVAN, JUDY, LAURA, NINA, PUK, PivCard};
use hw_sim::wait::within;
use hw_sim::{Options, PivWorld, mail, openssl, options};
use wafer_client::{ErrorKind, WaferError};
use wafer_test_card::Exchange;
use zbus::Variant;

const NEW_PIN: &str = "24681357";

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

fn sealed(holders: &[Holder]) -> Vec<u8> {
    openssl::encrypt(&mail::message(holders[0], "From years ago."), "SMIME", holders, &["-aes-256-cbc"])
}

async fn opens(world: &PivWorld, sealed: &[u8], options: Options) -> Result<(), WaferError> {
    let reply = world.caller.run(MAIL, "Decrypt", inline(sealed), answer_inline(), options).await?;
    assert!(String::from_utf8_lossy(&output(&reply)).contains("From years ago."));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_mail_is_opened_by_the_card_that_is_there_and_else_names_the_one_that_is_not() {
    let world = PivWorld::new().await;
    let second = PivCard::second();
    second.card.plug(world.pcscd.port(1));
    world.lists(2).await;
    // In a retired slot of the first card; in the second's; the first recipient's key is on the first card.
    world.with_pin(opens(&world, &sealed(&[JUDY]), world.place())).await.unwrap();
    world.with_pin(opens(&world, &sealed(&[LAURA]), world.place())).await.unwrap();
    world.pull();
    world.lists(1).await;
    opens(&world, &sealed(&[JUDY, LAURA]), silent()).await.unwrap();
    let error = refused(opens(&world, &sealed(&[JUDY]), world.place()).await, ErrorKind::NoToken);
    assert!(error.message.contains(GRACE.name), "the absent card is named: {error}");
    world.plug();
    world.lists(2).await;
    world.with_pin(opens(&world, &sealed(&[JUDY]), world.place())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_authentication_key_asks_for_no_pin() {
    let world = PivWorld::new().await;
    let second = PivCard::second();
    second.card.plug(world.pcscd.port(1));
    world.lists(2).await;
    let signed = world.caller.sign(&mail::message(NINA, "At the door."), silent()).await.unwrap();
    openssl::verify(&signed);
    assert_eq!((world.person.dialogs(), second.card.diary().count(Exchange::is_pin_try)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_puk_sets_a_new_pin_and_the_kept_one_is_forgotten() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    let mut command = world.wafer(&["pin", "unblock"]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    for (number, entry) in (2..).zip([PUK, NEW_PIN, NEW_PIN]) {
        world.answers(number, entry).await;
    }
    let done = within("wafer pin unblock", running).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let message = mail::message(GRACE, "With another PIN.");
    refused(world.caller.sign(&message, silent()).await, ErrorKind::InteractionRequired);
    let (caller, place) = (world.caller.clone(), world.place());
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    world.answers(5, NEW_PIN).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn opensc_s_module_alone_signs_and_opens_with_the_same_card() {
    let world = PivWorld::with(|settings| {
        settings.set_piv(false);
        settings.add_opensc("opensc");
    })
    .await;
    world.lists(1).await;
    let message = mail::message(GRACE, "Through OpenSC.");
    let signed = world.with_pin(world.caller.sign(&message, world.place())).await.unwrap();
    openssl::verify(&signed);
    opens(&world, &sealed(&[IVAN]), silent()).await.unwrap();
    assert_eq!(world.person.dialogs(), 1);
    assert!(world.card.card.diary().count(|one| one.is_operation() && one.succeeded()) >= 2);
}

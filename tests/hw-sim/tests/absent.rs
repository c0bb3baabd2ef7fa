//! Cards that were seen once: listed while they are absent, over restarts too, and asked for by their name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Output;

use hw_sim::caller::{MAIL, Reply, answer_inline, flag, inline, output, refused, text};
use hw_sim::piv::{GRACE, HOLDERS, LAURA, PivCard};
use hw_sim::session::Screen;
use hw_sim::wait::within;
use hw_sim::{Options, PivWorld, mail, openssl, options};
use wafer_client::ErrorKind;
use wafer_test_card::{Effect, Fault};
use zbus::Variant;

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The properties of all objects with this interface.
async fn objects(world: &PivWorld, interface: &str) -> Vec<Reply> {
    let interface = format!("org.waferd.Wafer1.{interface}");
    let objects = world.caller.objects().await.into_values();
    objects.filter_map(|mut one| one.remove(interface.as_str())).collect()
}

/// Waits until every identity of the card says that it is present, or absent.
async fn identities_are(world: &PivWorld, present: bool) {
    let end = std::time::Instant::now() + hw_sim::wait::LONG;
    loop {
        let all = objects(world, "Identity").await;
        if all.len() == HOLDERS.len() && all.iter().all(|one| flag(one, "Present") == present) {
            return;
        }
        assert!(std::time::Instant::now() < end, "they never became present = {present}: {all:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_pulled_stays_listed_and_so_it_does_over_a_restart() {
    let mut world = PivWorld::new().await;
    world.lists(1).await;
    identities_are(&world, true).await;
    let client = wafer_client::Client::over(world.caller.connection().clone());
    let mut changes = client.changes().await.unwrap();
    world.pull();
    within("the signal", changes.next()).await.unwrap();
    identities_are(&world, false).await;

    world.waferd.restart().await;
    identities_are(&world, false).await;
    let tokens = objects(&world, "Token").await;
    assert_eq!(tokens.len(), 1);
    assert_eq!((text(&tokens[0], "Label").as_str(), flag(&tokens[0], "Present")), (GRACE.name, false));
    let tokens = said(&world.run_wafer(&["tokens"]));
    assert!(tokens.contains(": absent"), "{tokens}");
    let identities = said(&world.run_wafer(&["identities"]));
    assert_eq!(identities.matches("CARD ABSENT").count(), HOLDERS.len(), "{identities}");
    // A client can tell whose card would open a message, without a dialog.
    let sealed = openssl::encrypt(&mail::entity("hello"), "SMIME", &[GRACE], &["-aes-256-cbc"]);
    let seen = world.caller.inspect(&sealed).await.unwrap();
    assert!(!flag(&seen, "token-present"));
    assert_eq!(
        Vec::<zbus::OwnedObjectPath>::try_from(seen["identities"].try_clone().unwrap()).unwrap().len(),
        1
    );
    let message = mail::message(GRACE, "hello");
    let error = refused(world.caller.sign(&message, silent()).await, ErrorKind::NoToken);
    assert!(error.message.contains(GRACE.name), "{error:?}");

    world.plug();
    world.lists(1).await;
    identities_are(&world, true).await;
    openssl::verify(&world.with_pin(world.caller.sign(&message, world.place())).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_person_is_asked_for_the_card_by_its_name_and_the_mail_opens() {
    let screen = Screen::new();
    let mut world = PivWorld::with(|settings| settings.set("pinentry", &screen.pinentry())).await;
    let _manager = Screen::announce(&world.bus).await;
    world.lists(1).await;
    world.pull();
    world.lists(0).await;
    world.waferd.restart().await;

    let sealed = openssl::encrypt(&mail::entity("To a drawer."), "SMIME", &[GRACE], &["-aes-256-cbc"]);
    let caller = world.caller.clone();
    let open = tokio::spawn(async move {
        caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), Options::new()).await
    });
    let asked = screen.shows(1).await;
    assert!(
        asked.starts_with("question :77 ") && asked.contains(GRACE.name) && asked.contains("insert"),
        "{asked}"
    );
    world.plug();
    let opened = output(&within("the mail", open).await.unwrap().unwrap());
    assert!(String::from_utf8_lossy(&opened).contains("To a drawer."));
}

/// OpenSC's keeper asks for its card, and learns from the keeper of PIV cards that it came, in the place of another.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_opensc_s_is_asked_for_and_taken_when_it_comes() {
    let screen = Screen::new();
    let mut world = PivWorld::with(|settings| {
        settings.set("pinentry", &screen.pinentry());
        settings.add_opensc("opensc");
    })
    .await;
    let _manager = Screen::announce(&world.bus).await;
    let (other, message) = (PivCard::second(), mail::message(LAURA, "From another card."));
    // The keeper of PIV cards is told that this is none.
    let leave = || other.card.inject(Fault::once(0xa4, Effect::Status(0x6a82)));
    leave();
    other.card.plug(world.pcscd.port(1));
    world.lists(2).await;
    other.card.pull();
    world.lists(1).await;
    world.waferd.restart().await;

    let caller = world.caller.clone();
    let sign = tokio::spawn(async move { caller.sign(&message, Options::new()).await });
    let asked = screen.shows(1).await;
    assert!(asked.contains(LAURA.name) && asked.contains("insert"), "{asked}");
    leave();
    world.pull();
    world.pcscd.is_empty(0);
    other.card.plug(world.pcscd.port(0));
    openssl::verify(&within("the signature", sign).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_gone_for_good_can_be_forgotten() {
    let mut world = PivWorld::new().await;
    world.lists(1).await;
    assert_eq!(world.run_wafer(&["forget", GRACE.name]).status.code(), Some(2), "not while it is there");
    world.pull();
    world.lists(0).await;
    said(&world.run_wafer(&["forget", GRACE.name]));
    assert!(objects(&world, "Token").await.is_empty() && objects(&world, "Identity").await.is_empty());
    world.waferd.restart().await;
    assert!(objects(&world, "Token").await.is_empty());
    world.plug();
    world.lists(1).await;
    identities_are(&world, true).await;
}

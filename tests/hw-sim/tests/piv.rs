//! PIV cards without a PKCS#11 module, through the real daemon, keeper, pcscd and PIN dialog. What counts is
//! the card's own diary, and what others' tools say of the same card.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use hw_sim::caller::{MAIL, answer_inline, flag, inline, output, refused, text};
use hw_sim::piv::{
    GRACE, HEIDI, HOLDERS, Holder, IVAN, JUDY, KARL, PIN, PivCard, WRONG_PIN, another_program_signs,
    yubico_piv_tool,
};
use hw_sim::pki::Somebody;
use hw_sim::wait::{until_async, within};
use hw_sim::{Options, PivWorld, mail, openssl, options};
use wafer_client::ErrorKind;
use wafer_test_card::{Effect, Exchange, Fault};
use zbus::Variant;

const SELECT: u8 = 0xa4;
const VERIFY: u8 = 0x20;
const GENERAL_AUTHENTICATE: u8 = 0x87;

fn message(holder: Holder) -> Vec<u8> {
    mail::message(holder, "On the card itself.")
}

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

fn pin_tries(world: &PivWorld) -> usize {
    world.card.card.diary().count(Exchange::is_pin_try)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_s_identities_come_and_go_with_it() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let objects = world.caller.objects().await;
    let identities = objects.values().filter(|one| one.contains_key("org.waferd.Wafer1.Identity")).count();
    assert_eq!(identities, HOLDERS.len(), "with the compressed one and those in retired slots: {objects:?}");
    let token = &objects[&world.caller.token().await]["org.waferd.Wafer1.Token"];
    assert_eq!(text(token, "Label"), GRACE.name);

    world.pull();
    world.lists(0).await;
    world.plug();
    world.lists(1).await;
}

/// Insertions are told by pcscd, not looked for. Quiet for longer than anything that ends by itself: a closed handle
/// (1.5 s), a thread of a pool (10 s).
#[tokio::test(flavor = "multi_thread")]
async fn with_a_card_in_the_reader_an_idle_waferd_and_its_keeper_do_not_wake() {
    const QUIET: Duration = Duration::from_secs(12);
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    world.caller.lock_all().await.unwrap();
    let ours = world.waferd.descendants_and_itself();
    let sleeps = || ours.iter().map(|process| process.sleeps()).sum::<u64>();
    let (mut before, mut since) = (sleeps(), Instant::now());
    until_async("twelve seconds without a wake-up", || {
        let now = sleeps();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        (since.elapsed() > QUIET).then_some(())
    })
    .await;
    assert!(ours.iter().all(|process| process.runs()), "waferd, keeper and helper: {ours:?}");
    world.pull();
    world.lists(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_signed_and_opened_with_one_pin() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let signed = world.with_pin(world.caller.sign(&message(GRACE), world.place())).await.unwrap();
    openssl::verify(&signed);

    for holder in [GRACE, IVAN, JUDY, KARL] {
        let sealed = openssl::encrypt(&message(holder), "SMIME", &[holder], &["-aes-256-cbc"]);
        let open = world.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), silent());
        let reply = open.await.unwrap_or_else(|error| panic!("{}: {error}", holder.name));
        let opened = String::from_utf8_lossy(&output(&reply)).into_owned();
        assert!(opened.contains("On the card itself."), "{}: {opened}", holder.name);
    }
    for hash in ["rsa_oaep_md:sha256", "rsa_oaep_md:sha224"] {
        let oaep = ["-aes-256-gcm", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", hash];
        let sealed = openssl::encrypt_for(&message(IVAN), IVAN, &oaep);
        let open = world.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), silent());
        assert!(flag(&open.await.unwrap(), "authenticated"), "{hash}");
    }

    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_make_one_dialog() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let mut calls = Vec::new();
    for _ in 0..8 {
        let client = world.another_caller().await;
        calls.extend((0..3).map(|_| client.signing(message(GRACE), world.place())));
    }
    world.answers(1, PIN).await;
    for call in calls {
        openssl::verify(&within("a signature", call).await.unwrap().unwrap());
    }
    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_takes_as_few_commands_as_can_be() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    for (extended, expected) in [
        // SELECT, the tries, the PIN, the operation, shut.
        (true, &[SELECT, VERIFY, VERIFY, GENERAL_AUTHENTICATE, VERIFY][..]),
        // The operation in two parts and its answer in two.
        (false, &[SELECT, VERIFY, VERIFY, GENERAL_AUTHENTICATE, GENERAL_AUTHENTICATE, 0xc0, VERIFY]),
    ] {
        let dialogue = world.signature_dialogue(extended).await;
        let sent: Vec<u8> = dialogue.iter().map(Exchange::instruction).collect();
        assert_eq!(sent, expected, "{dialogue:02x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_operations_another_program_is_refused() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    let output = another_program_signs(&world.pcscd, GRACE).await;
    assert!(!output.status.success(), "another program signed without a PIN");
    let refused = world.card.card.diary().all().into_iter().rfind(Exchange::is_operation).unwrap();
    assert_eq!(refused.status(), 0x6982);
    // The tool has reset the card or not: the kept PIN still serves, after a look at which card it is.
    world.caller.sign(&message(GRACE), silent()).await.unwrap();
    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_cannot_be_shut_is_reset() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.card.card.inject(Fault::no_deverify());
    world.log_in(GRACE).await;
    let output = another_program_signs(&world.pcscd, GRACE).await;
    assert!(!output.status.success(), "another program signed without a PIN");
    world.caller.sign(&message(GRACE), silent()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_said_with_the_tries_that_are_left_until_it_is_blocked() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let call = world.caller.signing(message(GRACE), world.place());
    world.answers(1, WRONG_PIN).await;
    let person = world.person.clone();
    let said = tokio::task::spawn_blocking(move || person.reads_dialog(2)).await.unwrap();
    assert!(said.contains("wrong") && said.contains('2'), "{said}");
    assert_eq!(pin_tries(&world), 1, "tried once, with what was typed");

    world.answers(2, WRONG_PIN).await;
    // The last try is warned of before, in a dialog of its own that wants a yes.
    let person = world.person.clone();
    let warned = tokio::task::spawn_blocking(move || {
        let warned = person.reads_dialog(3);
        person.press("\r");
        warned
    });
    let warned = warned.await.unwrap();
    assert!(warned.contains("Only one try is left"), "{warned}");
    world.answers(4, WRONG_PIN).await;
    refused(within("the call's end", call).await.unwrap(), ErrorKind::PinBlocked);
    assert_eq!(pin_tries(&world), 3);

    refused(world.caller.sign(&message(GRACE), world.place()).await, ErrorKind::PinBlocked);
    assert_eq!(pin_tries(&world), 3, "a blocked card is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_no_card_takes_costs_no_try() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let call = world.caller.signing(message(GRACE), world.place());
    world.answers(1, "1234").await;
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.reads_dialog(2)).await.unwrap();
    assert_eq!(pin_tries(&world), 0);
    world.answers(2, PIN).await;
    within("the signature", call).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_changed_elsewhere_costs_one_try_and_is_asked_for() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    let mut change = yubico_piv_tool(&world.pcscd, &["-a", "change-pin", "-P", PIN, "-N", "98765432"]);
    assert!(change.status().unwrap().success());
    world.card.card.diary().take();
    let call = world.caller.signing(message(GRACE), world.place());
    world.answers(2, "98765432").await;
    within("the signature", call).await.unwrap().unwrap();
    let tries: Vec<_> = world.card.card.diary().all().into_iter().filter(Exchange::is_pin_try).collect();
    assert_eq!(
        tries.iter().filter(|one| one.status() == 0x63c2).count(),
        1,
        "the kept PIN, once: {tries:x?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_pin_is_not_risked_when_few_tries_are_left() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    let mut wrong = yubico_piv_tool(&world.pcscd, &["-a", "verify-pin", "-P", WRONG_PIN]);
    assert!(!wrong.status().unwrap().success());
    world.card.card.diary().take();
    refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::InteractionRequired);
    assert_eq!(pin_tries(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_in_the_same_reader_never_sees_the_first_one_s_pin() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    let second = PivCard::second();
    world.pull();
    second.card.plug(world.pcscd.port(0));
    refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::NoToken);
    assert_eq!(second.card.diary().count(Exchange::is_pin_try), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_somebody_else_has_opened_grants_nothing() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    // As if another program had verified the PIN just before each of our operations.
    let verify = [&[0, VERIFY, 0, 0x80, 8][..], PIN.as_bytes(), &[0xff, 0xff]].concat();
    let asks_for_tries = |command: &wafer_test_card::Command| {
        (command.instruction, command.p1, command.data.len()) == (VERIFY, 0, 0)
    };
    world.card.card.inject(Fault::when(asks_for_tries, Effect::Before(verify), Some(1)));
    refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::InteractionRequired);
    let signed = world.with_pin(world.caller.sign(&message(GRACE), world.place())).await.unwrap();
    openssl::verify(&signed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_key_asks_every_time_and_nothing_comes_between() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    for number in 2..4 {
        world.card.card.diary().take();
        let call = world.caller.signing(message(HEIDI), world.place());
        world.answers(number, PIN).await;
        openssl::verify(&within("the signature", call).await.unwrap().unwrap());
        let dialogue = world.card.card.diary().all();
        let operation = dialogue.iter().rposition(Exchange::is_operation).unwrap();
        assert!(dialogue[operation - 1].is_pin_try(), "{}", world.card.card.diary().text());
    }
    refused(world.caller.sign(&message(HEIDI), silent()).await, ErrorKind::InteractionRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_loses_its_power_unnoticed_costs_one_call() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    world.card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Restart));
    let error = refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::TokenFailed);
    assert!(error.message.contains(GRACE.name), "{error}");
    openssl::verify(&world.caller.sign(&message(GRACE), silent()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_card_costs_one_call_and_nothing_else() {
    let world = PivWorld::with(|settings| settings.set_number("module-deadline-ms", 4000)).await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    let keepers = world.waferd.keepers();
    world.card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Silence));
    refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::TokenFailed);
    world.pull();
    world.lists(0).await;
    world.plug();
    world.lists(1).await;
    world.log_in(GRACE).await;
    assert_eq!(world.waferd.keepers(), keepers, "the same keeper goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_pulled_in_the_middle_is_named_and_asked_for_anew() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    world.card.card.diary().take();
    world.card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Silence));
    let call = world.caller.signing(message(GRACE), silent());
    world.card.card.diary().waits_for("the operation", Exchange::is_operation);
    world.pull();
    let error = refused(within("the call's end", call).await.unwrap(), ErrorKind::NoToken);
    assert!(error.message.contains(GRACE.name), "{error}");
    // Into the other reader: what the virtual one makes of a card that went in the middle of a command and came
    // back is its own affair, and a card is the same in any reader.
    world.lists(0).await;
    world.card.card.plug(world.pcscd.port(1));
    world.lists(1).await;
    refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::InteractionRequired);
    world.with_pin(world.caller.sign(&message(GRACE), world.place())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pcscd_that_is_killed_comes_back_with_its_cards() {
    let mut world = PivWorld::new().await;
    world.lists(1).await;
    world.log_in(GRACE).await;
    world.pcscd.kill();
    world.lists(0).await;
    world.pcscd.start_again();
    world.plug();
    world.lists(1).await;
    refused(world.caller.sign(&message(GRACE), silent()).await, ErrorKind::InteractionRequired);
    world.with_pin(world.caller.sign(&message(GRACE), world.place())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn others_have_the_card_while_a_dialog_is_open_and_when_nothing_is_done() {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let call = world.caller.signing(message(GRACE), world.place());
    until_async("the dialog", || world.person.dialog(1)).await;
    let certificate = GRACE.certificate().display().to_string();
    let arguments = ["-a", "verify-pin", "-P", PIN, "-a", "test-signature", "-s", "9a", "-i", &certificate];
    let mut tool = yubico_piv_tool(&world.pcscd, &arguments);
    let output = tokio::task::spawn_blocking(move || tool.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.answers(1, PIN).await;
    within("the signature", call).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_card_through_piv_and_opensc_is_one_token() {
    let world = PivWorld::with(|settings| settings.add_opensc("opensc")).await;
    world.lists(1).await;
    let objects = world.caller.objects().await;
    let token = &objects[&world.caller.token().await]["org.waferd.Wafer1.Token"];
    assert_eq!(text(token, "Label"), GRACE.name, "the direct way wins");
    world.log_in(GRACE).await;
    world.lists(1).await;
}

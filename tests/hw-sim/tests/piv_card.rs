//! The simulated PIV card itself: what the stories rely on, without Wafer. Others' tools are its judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Output;

use hw_sim::pcscd::Pcscd;
use hw_sim::piv::{GRACE, HEIDI, HOLDERS, Holder, PIN, PUK, PivCard, WRONG_PIN, yubico_piv_tool};
use hw_sim::pki::Somebody;
use hw_sim::programs::run;
use hw_sim::wait::until;
use wafer_test_card::{Command, Effect, Fault};

const VERIFY: u8 = 0x20;
const GENERAL_AUTHENTICATE: u8 = 0x87;

fn plugged() -> (Pcscd, PivCard) {
    let (pcscd, card) = (Pcscd::start(), PivCard::first());
    pcscd.insert(&card.card, 0);
    (pcscd, card)
}

/// Verifies `pin` and signs, in one go of the tool's; checked by the tool itself with the certificate's key.
fn test_signature(pcscd: &Pcscd, holder: Holder, pin: &str) -> Output {
    let certificate = holder.certificate().display().to_string();
    let arguments =
        ["-a", "verify-pin", "-P", pin, "-a", "test-signature", "-s", holder.slot, "-i", &certificate];
    yubico_piv_tool(pcscd, &arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn yubico_s_tool_signs_with_it_and_is_refused_without_a_pin() {
    let (pcscd, card) = plugged();
    for holder in [GRACE, HEIDI] {
        let output = test_signature(&pcscd, holder, PIN);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(card.card.diary().count(|exchange| exchange.is_operation() && exchange.succeeded()), 2);

    let certificate = GRACE.certificate().display().to_string();
    let bare = ["-a", "test-signature", "-s", GRACE.slot, "-i", &certificate];
    let output = yubico_piv_tool(&pcscd, &bare).output().unwrap();
    assert!(!output.status.success(), "signed without a PIN: {}", said(&output));
    let refused = card.card.diary().all().into_iter().rfind(|exchange| exchange.is_operation()).unwrap();
    assert_eq!(refused.status(), 0x6982);
}

#[test]
fn it_counts_wrong_pins_and_the_puk_helps() {
    let (pcscd, card) = plugged();
    for left in [0x63c2, 0x63c1, 0x6983] {
        assert!(!test_signature(&pcscd, GRACE, WRONG_PIN).status.success());
        let tries: Vec<_> = card.card.diary().take().into_iter().filter(|one| one.is_pin_try()).collect();
        assert_eq!(tries.iter().map(|one| one.status()).collect::<Vec<_>>(), [left]);
    }
    assert!(!test_signature(&pcscd, GRACE, PIN).status.success(), "blocked is blocked");
    run(&mut yubico_piv_tool(&pcscd, &["-a", "unblock-pin", "-P", PUK, "-N", PIN]));
    assert!(test_signature(&pcscd, GRACE, PIN).status.success());
}

#[test]
fn opensc_sees_the_same_certificates() {
    let (pcscd, _card) = plugged();
    let listed = said(&run(pcscd.client("pkcs15-tool").args(["--list-certificates"])));
    // It takes the key history's count for the first so many slots: karl's, after an empty one, it never finds.
    assert_eq!(listed.matches("X.509 Certificate").count(), HOLDERS.len() - 1, "{listed}");
}

#[test]
fn it_comes_and_goes_and_two_fit() {
    let (pcscd, card) = plugged();
    let second = PivCard::second();
    let readers = || said(&pcscd.client("opensc-tool").arg("--list-readers").output().unwrap());
    until("one card", || (readers().matches("Yes").count() == 1).then_some(()));
    second.card.plug(pcscd.port(1));
    until("two cards", || (readers().matches("Yes").count() == 2).then_some(()));
    card.card.pull();
    second.card.pull();
    until("no card", || (readers().matches("Yes").count() == 0).then_some(()));
}

#[test]
fn faults_strike_where_they_are_wanted() {
    let (pcscd, card) = plugged();
    card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Status(0x6f00)));
    assert!(!test_signature(&pcscd, GRACE, PIN).status.success());
    assert!(test_signature(&pcscd, GRACE, PIN).status.success(), "once is once");

    // 9C wants its PIN immediately before: any other command between spoils it.
    let get_data = vec![0, 0xcb, 0x3f, 0xff, 5, 0x5c, 3, 0x5f, 0xc1, 2, 0];
    card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Before(get_data)));
    assert!(!test_signature(&pcscd, HEIDI, PIN).status.success());
    assert!(test_signature(&pcscd, HEIDI, PIN).status.success());

    card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Restart));
    assert!(!test_signature(&pcscd, GRACE, PIN).status.success());

    let with_a_pin = |command: &Command| command.instruction == VERIFY && !command.data.is_empty();
    card.card.inject(Fault::when(with_a_pin, Effect::Silence, Some(1)));
    let certificate = GRACE.certificate().display().to_string();
    let arguments = ["-a", "verify-pin", "-P", PIN, "-a", "test-signature", "-s", "9a", "-i", &certificate];
    card.card.diary().take();
    let mut waiting = yubico_piv_tool(&pcscd, &arguments).spawn().unwrap();
    card.card.diary().waits_for("VERIFY", |exchange| exchange.is_pin_try());
    assert!(waiting.try_wait().unwrap().is_none());
    card.card.pull();
    assert!(!waiting.wait().unwrap().success());
}

#[test]
fn a_pcscd_that_is_killed_comes_back() {
    let (mut pcscd, card) = plugged();
    assert!(test_signature(&pcscd, GRACE, PIN).status.success());
    pcscd.kill();
    assert!(!test_signature(&pcscd, GRACE, PIN).status.success());
    pcscd.start_again();
    pcscd.insert(&card.card, 0);
    assert!(test_signature(&pcscd, GRACE, PIN).status.success());
}

#[test]
fn a_key_of_our_own_layer_wants_the_pin_like_the_applet_s() {
    let (pcscd, card) = (Pcscd::start(), PivCard::twisted());
    pcscd.insert(&card.card, 0);
    let select = ["-s", "00A4040009A00000030800001000"];
    let sign = |slot: &str| format!("0087E0{slot}077C0582008101{slot}00");
    let (nine_a, nine_c) = (sign("9A"), sign("9C"));
    let verify = format!("0020008008{}", hex(b"123456\xff\xff"));
    for (commands, expected) in [
        (&[nine_a.as_str()][..], &[0x6982][..]),
        (&[&verify, &nine_a, &nine_a], &[0x9000, 0x9000]),
        // Right before, and once.
        (&[&verify, &nine_c, &nine_c], &[0x9000, 0x6982]),
        (&[&verify, &nine_a, &nine_c], &[0x9000, 0x6982]),
        (&[&verify, "0020FF80", &nine_a], &[0x6982]),
        (&[&verify, &nine_a.replace("87E0", "87E1")], &[0x6a86]),
    ] {
        card.card.diary().take();
        let mut tool = pcscd.client("opensc-tool");
        tool.args(["--card-driver", "default"]).args(select);
        run(tool.args(commands.iter().flat_map(|command| ["-s", command])));
        let operations = card.card.diary().take().into_iter().filter(|one| one.is_operation());
        assert_eq!(operations.map(|one| one.status()).collect::<Vec<_>>(), expected, "{commands:?}");
        // Shut for the next round.
        card.card.pull();
        pcscd.is_empty(0);
        pcscd.insert(&card.card, 0);
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn its_dialogue_is_data() {
    let (pcscd, card) = plugged();
    card.card.extended(false);
    card.card.diary().take();
    assert!(test_signature(&pcscd, GRACE, PIN).status.success());
    let text = card.card.diary().text();
    assert!(text.contains("> 0020008008313233343536ffff\n< 9000\n"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("> 10870")), "chained without extended length: {text}");
}

//! Proof of forgetting: waferd and its keepers are an unprivileged user's, and root reads the memory of every one of
//! these processes and looks for the PIN, in any form. That the scanner finds a PIN that is kept, and only in its
//! guarded page, shows that it would find it elsewhere. The token itself says whether it would still serve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::refused;
use hw_sim::memory::Hit;
use hw_sim::onlooker::{Onlooker, told};
use hw_sim::piv::{GRACE, another_program_signs};
use hw_sim::pki::{ALICE, Somebody};
use hw_sim::softhsm::PIN;
use hw_sim::waferd::Settings;
use hw_sim::wait::{until_async, within};
use hw_sim::{Logind, PivWorld, Scene, World, mail, options, piv};
use wafer_client::ErrorKind;
use wafer_test_card::Exchange;
use zbus::Variant;

/// So many characters that stand nowhere else, made anew in each run; one of them is escaped on its way from pinentry.
fn unusual(length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap();
    let mut pin: String = bytes.iter().map(|byte| char::from(b'!' + byte % 94)).collect();
    pin.replace_range(1..2, "%");
    pin
}

/// Eight digits, made anew in each run: the simulated card takes no other characters, as the standard has it.
fn unusual_digits() -> String {
    unusual(8).bytes().map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// Sets the PIN by Wafer itself: what that leaves behind would be found too.
async fn set_pin(scene: &Scene, old: &str, new: &str) {
    let (_, output) = scene.wafer_with_entries(&["pin", "change"], &[old, new, new]).await;
    assert!(output.status.success(), "{output:?}");
}

async fn log_in(scene: &Scene, somebody: impl Somebody, pin: &str) {
    let caller = scene.caller.clone();
    let place = scene.place();
    let message = mail::message(somebody, "hello");
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    scene.answers(scene.person.dialogs() + 1, pin).await;
    within("the signature", call).await.unwrap().unwrap();
    until_async("pinentry's end", || scene.waferd.pinentries().is_empty().then_some(())).await;
}

/// Where the PIN is: in waferd itself, and in all the processes below it.
fn places(root: &Onlooker, scene: &Scene, pin: &str) -> (Vec<Hit>, Vec<Hit>) {
    let below = scene.waferd.process().descendants();
    assert!(!scene.waferd.keepers().is_empty(), "no keeper to look into");
    let found = below.into_iter().flat_map(|process| root.find(process, pin.as_bytes())).collect();
    (root.find(scene.waferd.process(), pin.as_bytes()), found)
}

fn is_nowhere(root: &Onlooker, scene: &Scene, pin: &str, when: &str) {
    assert_eq!(places(root, scene, pin), (vec![], vec![]), "{when}");
}

fn is_in_its_guarded_page_only(root: &Onlooker, scene: &Scene, pin: &str) {
    let (daemon, keeper) = places(root, scene, pin);
    assert_eq!(daemon, []);
    let found: Vec<_> = keeper.iter().map(|hit| (hit.form, hit.guarded)).collect();
    assert_eq!(found, [("as it is", true)], "{keeper:?}");
}

/// In memory of memfd_secret not even root sees it; where the kernel has none it is in its guarded page.
fn is_where_root_cannot_see(root: &Onlooker, scene: &Scene, pin: &str) {
    if scene.waferd.keepers().into_iter().any(|keeper| root.sees_secret_memory(keeper)) {
        is_nowhere(root, scene, pin, "while it is cached");
    } else {
        assert!(scene.waferd.log().contains("memfd_secret"), "the log says that the kernel has none");
        is_in_its_guarded_page_only(root, scene, pin);
    }
}

async fn signs_silently(scene: &Scene, somebody: impl Somebody) -> Result<Vec<u8>, wafer_client::WaferError> {
    let silent = options([("interactive", Variant::from(false))]);
    scene.caller.sign(&mail::message(somebody, "hello"), silent).await
}

/// Sleep begins, and ends when it was let in: everything is forgotten then.
async fn sleep(logind: &Logind, asleep: impl FnOnce()) {
    logind.prepare_for_sleep(true).await;
    logind.has_inhibitors(0).await;
    asleep();
    logind.prepare_for_sleep(false).await;
    logind.has_inhibitors(1).await;
}

/// The token refused a private operation when it was last tried, right after a logout.
async fn token_refuses(world: &World) {
    let refusal = || {
        let diary = world.module.diary();
        let after = diary.iter().rev().take_while(|line| line.function != "C_Sign");
        after.into_iter().find(|line| line.function == "probe").cloned()
    };
    assert_ne!(until_async("the token's answer to C_Sign", refusal).await.result, "0x0");
}

/// The card refuses another program, which brings no PIN.
async fn card_refuses(world: &PivWorld) {
    let output = another_program_signs(&world.pcscd, GRACE).await;
    assert!(!output.status.success(), "another program signed without a PIN");
    let asked = world.card.card.diary().all().into_iter().rfind(Exchange::is_operation).unwrap();
    assert_eq!(asked.status(), 0x6982);
}

#[test]
fn where_the_session_is_the_cache_the_pin_is_nowhere_while_the_token_is_open() {
    told(async |root| {
        let (pin, world) = (unusual(32), World::new().await);
        set_pin(&world, PIN, &pin).await;
        log_in(&world, ALICE, &pin).await;
        is_nowhere(&root, &world, &pin, "while the token is open");
        signs_silently(&world, ALICE).await.unwrap();
        world.caller.lock_all().await.unwrap();
        is_nowhere(&root, &world, &pin, "after Lock");
        token_refuses(&world).await;
    });
}

#[test]
fn a_kept_pin_is_in_its_guarded_page_only_and_nowhere_once_it_is_forgotten() {
    told(async |root| {
        let (pin, logind) = (unusual(32), Logind::start().await);
        let world = World::with_logind(&logind, Settings::keep_pins).await;
        logind.has_inhibitors(1).await;
        set_pin(&world, PIN, &pin).await;

        log_in(&world, ALICE, &pin).await;
        is_in_its_guarded_page_only(&root, &world, &pin);
        world.caller.lock_all().await.unwrap();
        is_nowhere(&root, &world, &pin, "after Lock");
        token_refuses(&world).await;

        log_in(&world, ALICE, &pin).await;
        is_in_its_guarded_page_only(&root, &world, &pin);
        sleep(&logind, || is_nowhere(&root, &world, &pin, "in sleep")).await;
        token_refuses(&world).await;

        log_in(&world, ALICE, &pin).await;
        is_in_its_guarded_page_only(&root, &world, &pin);
        world.module.control("removed");
        refused(signs_silently(&world, ALICE).await, ErrorKind::NoToken);
        is_nowhere(&root, &world, &pin, "after the removal");
        world.module.control("normal");
        refused(signs_silently(&world, ALICE).await, ErrorKind::InteractionRequired);
    });
}

#[test]
fn a_kept_pin_is_nowhere_after_its_time() {
    told(async |root| {
        let pin = unusual(32);
        let world = World::with(|settings| {
            settings.keep_pins();
            settings.set_pin("idle-timeout-s", 1);
        })
        .await;
        set_pin(&world, PIN, &pin).await;
        log_in(&world, ALICE, &pin).await;
        // Not any logout: the keeper also logs out before the first login.
        let logged_out = || {
            let diary = world.module.diary();
            let mut after = diary.iter().rev().take_while(|line| line.function != "C_Sign");
            after.any(|line| line.function == "C_Logout").then_some(())
        };
        until_async("the C_Logout after the signature", logged_out).await;
        is_nowhere(&root, &world, &pin, "after its time");
        token_refuses(&world).await;
    });
}

#[test]
fn a_kept_pin_can_be_where_not_even_root_sees_it() {
    told(async |root| {
        let pin = unusual(32);
        let world = World::with(|settings| {
            settings.keep_pins();
            settings.keep_pins_in_secret_memory();
        })
        .await;
        set_pin(&world, PIN, &pin).await;
        log_in(&world, ALICE, &pin).await;
        is_where_root_cannot_see(&root, &world, &pin);
        world.caller.lock_all().await.unwrap();
        is_nowhere(&root, &world, &pin, "after Lock");
    });
}

#[test]
fn a_wrong_pin_and_a_cancelled_dialog_leave_nothing_behind() {
    told(async |root| {
        let (wrong, world) = (unusual(32), World::new().await);
        let (caller, place) = (world.caller.clone(), world.place());
        let call = tokio::spawn(async move { caller.sign(&mail::message(ALICE, "hello"), place).await });
        world.answers(1, &wrong).await;
        until_async("the next question", || world.person.dialog(2)).await;
        is_nowhere(&root, &world, &wrong, "while the next question is open, in its pinentry too");
        world.cancels(2).await;
        assert!(within("the call's end", call).await.unwrap().is_err());
        until_async("pinentry's end", || world.waferd.pinentries().is_empty().then_some(())).await;
        is_nowhere(&root, &world, &wrong, "after the dialog");
    });
}

#[test]
fn the_pin_of_a_piv_card_is_in_its_guarded_page_only_and_nowhere_once_it_is_forgotten() {
    told(async |root| {
        let (pin, logind) = (unusual_digits(), Logind::start().await);
        let world = PivWorld::with_logind(&logind, |_| {}).await;
        logind.has_inhibitors(1).await;
        world.lists(1).await;
        set_pin(&world, piv::PIN, &pin).await;

        log_in(&world, GRACE, &pin).await;
        is_in_its_guarded_page_only(&root, &world, &pin);
        card_refuses(&world).await;
        signs_silently(&world, GRACE).await.unwrap();
        is_in_its_guarded_page_only(&root, &world, &pin);
        world.caller.lock_all().await.unwrap();
        is_nowhere(&root, &world, &pin, "after Lock");
        card_refuses(&world).await;

        log_in(&world, GRACE, &pin).await;
        is_in_its_guarded_page_only(&root, &world, &pin);
        sleep(&logind, || is_nowhere(&root, &world, &pin, "in sleep")).await;
        card_refuses(&world).await;

        log_in(&world, GRACE, &pin).await;
        is_in_its_guarded_page_only(&root, &world, &pin);
        world.pull();
        world.lists(0).await;
        is_nowhere(&root, &world, &pin, "after the removal");
        world.plug();
        world.lists(1).await;
        card_refuses(&world).await;
        refused(signs_silently(&world, GRACE).await, ErrorKind::InteractionRequired);
    });
}

#[test]
fn the_pin_of_a_piv_card_is_nowhere_after_its_time() {
    told(async |root| {
        let pin = unusual_digits();
        let world = PivWorld::with(|settings| settings.set_pin("idle-timeout-s", 1)).await;
        world.lists(1).await;
        set_pin(&world, piv::PIN, &pin).await;
        log_in(&world, GRACE, &pin).await;
        world.pin_is("locked").await;
        is_nowhere(&root, &world, &pin, "after its time");
        card_refuses(&world).await;
    });
}

#[test]
fn the_pin_of_a_piv_card_can_be_where_not_even_root_sees_it() {
    told(async |root| {
        let pin = unusual_digits();
        let world = PivWorld::with(Settings::keep_pins_in_secret_memory).await;
        world.lists(1).await;
        set_pin(&world, piv::PIN, &pin).await;
        log_in(&world, GRACE, &pin).await;
        is_where_root_cannot_see(&root, &world, &pin);
        signs_silently(&world, GRACE).await.unwrap();
        is_where_root_cannot_see(&root, &world, &pin);
        world.caller.lock_all().await.unwrap();
        is_nowhere(&root, &world, &pin, "after Lock");
    });
}

#[test]
fn a_wrong_pin_of_a_piv_card_leaves_nothing_behind() {
    told(async |root| {
        let (wrong, world) = (unusual_digits(), PivWorld::new().await);
        world.lists(1).await;
        let (caller, place) = (world.caller.clone(), world.place());
        let call = tokio::spawn(async move { caller.sign(&mail::message(GRACE, "hello"), place).await });
        world.answers(1, &wrong).await;
        until_async("the next question", || world.person.dialog(2)).await;
        assert_eq!(world.card.card.diary().count(Exchange::is_pin_try), 1, "it was at the card");
        is_nowhere(&root, &world, &wrong, "while the next question is open, in its pinentry too");
        world.cancels(2).await;
        assert!(within("the call's end", call).await.unwrap().is_err());
        is_nowhere(&root, &world, &wrong, "after the dialog");
    });
}

//! The digital signature key (9C) where the administrator lets a click stand for its PIN (pin-rules 6): the kept PIN
//! goes to the card for one use, right before it, and only as the rules for kept PINs allow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::refused;
use hw_sim::piv::{GRACE, HEIDI, Holder, PIN, WRONG_PIN, yubico_piv_tool};
use hw_sim::session::Screen;
use hw_sim::wait::within;
use hw_sim::{Options, PivWorld, mail, openssl, options};
use tokio::task::JoinHandle;
use wafer_client::{ErrorKind, WaferError};
use wafer_test_card::Exchange;
use zbus::Variant;

/// A card, unlocked at the person's own screen, with the setting.
struct Desk {
    world: PivWorld,
    screen: Screen,
    _manager: zbus::Connection,
}

impl Desk {
    async fn new() -> Self {
        let screen = Screen::new();
        let world = PivWorld::with(|settings| {
            settings.set("pinentry", &screen.pinentry());
            settings.keep_pins();
        })
        .await;
        let manager = Screen::announce(&world.bus).await;
        world.lists(1).await;
        let desk = Self { world, screen, _manager: manager };
        openssl::verify(&within("the first signature", desk.signs(GRACE)).await.unwrap().unwrap());
        assert!(desk.screen.shows(1).await.starts_with("pin :77"));
        desk.world.card.card.diary().take();
        desk
    }

    /// A call that offers its own terminal, where no question may appear.
    fn signs(&self, holder: Holder) -> JoinHandle<Result<Vec<u8>, WaferError>> {
        let place = if holder == HEIDI { self.world.place() } else { Options::new() };
        self.signs_with(holder, place)
    }

    fn signs_with(&self, holder: Holder, options: Options) -> JoinHandle<Result<Vec<u8>, WaferError>> {
        self.world.caller.signing(mail::message(holder, "By 9C."), options)
    }

    fn pin_tries(&self) -> usize {
        self.world.card.card.diary().count(Exchange::is_pin_try)
    }

    /// Each operation of 9C comes right after a VERIFY.
    fn nothing_came_between(&self) {
        let dialogue = self.world.card.card.diary().all();
        let of_key = |one: &Exchange| one.is_operation() && one.parameters().1 == 0x9c;
        let places: Vec<_> = (0..dialogue.len()).filter(|at| of_key(&dialogue[*at])).collect();
        assert!(!places.is_empty());
        let text = self.world.card.card.diary().text();
        assert!(places.iter().all(|at| dialogue[at - 1].is_pin_try()), "{text}");
    }
}

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_stands_for_the_kept_pin_once() {
    let desk = Desk::new().await;
    for number in 2..4 {
        let call = desk.signs(HEIDI);
        let asked = desk.screen.shows(number).await;
        assert!(asked.starts_with("question :77") && asked.contains("Digital Signature"), "{asked}");
        assert_eq!(desk.pin_tries(), number - 2, "before the click the card is left alone");
        desk.screen.says(true).await;
        openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    }
    desk.nothing_came_between();
    assert_eq!(desk.world.person.dialogs(), 0, "nothing at the caller's terminal");
    let without = within("the answer", desk.signs_with(HEIDI, silent())).await.unwrap();
    refused(without, ErrorKind::InteractionRequired);
    assert_eq!((desk.pin_tries(), desk.screen.shown().len()), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_no_and_costs_no_try() {
    let desk = Desk::new().await;
    let call = desk.signs(HEIDI);
    desk.screen.shows(2).await;
    desk.screen.says(false).await;
    refused(within("the call's end", call).await.unwrap(), ErrorKind::Cancelled);
    assert_eq!(desk.pin_tries(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_visit_that_others_have_opened_it_is_verified_anew() {
    let desk = Desk::new().await;
    let call = desk.signs(HEIDI);
    desk.screen.shows(2).await;
    let others: Vec<_> = (0..8).map(|_| desk.signs_with(GRACE, silent())).collect();
    desk.screen.says(true).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    for other in others {
        within("another signature", other).await.unwrap().unwrap();
    }
    desk.nothing_came_between();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_tries_left_the_pin_is_asked_for_instead() {
    let desk = Desk::new().await;
    let mut wrong = yubico_piv_tool(&desk.world.pcscd, &["-a", "verify-pin", "-P", WRONG_PIN]);
    assert!(!wrong.status().unwrap().success());
    let call = desk.signs_with(HEIDI, Options::new());
    let asked = desk.screen.shows(2).await;
    assert!(asked.starts_with("pin :77") && asked.contains("2 tries are left"), "{asked}");
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_pin_that_was_changed_elsewhere_costs_one_try() {
    let desk = Desk::new().await;
    let mut change = yubico_piv_tool(&desk.world.pcscd, &["-a", "change-pin", "-P", PIN, "-N", "98765432"]);
    assert!(change.status().unwrap().success());
    desk.world.card.card.diary().take();
    desk.screen.knows("98765432");
    let call = desk.signs_with(HEIDI, Options::new());
    desk.screen.shows(2).await;
    desk.screen.says(true).await;
    let asked = desk.screen.shows(3).await;
    assert!(asked.starts_with("pin :77") && asked.contains("2 tries are left"), "{asked}");
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    let tries: Vec<_> = desk.world.card.card.diary().all().into_iter().filter(Exchange::is_pin_try).collect();
    assert_eq!(tries.iter().map(Exchange::status).collect::<Vec<_>>(), [0x63c2, 0x9000]);
}

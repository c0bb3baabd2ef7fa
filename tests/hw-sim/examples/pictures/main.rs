//! Pictures of the dialogs, for people who read the docs: `make pictures`. Real dialogs of the real keeper, in
//! pinentry-gtk-2 on a display of their own, before a simulated PIV card (and, for the reader with keys, a PKCS#11 token).
//! The program that asks is `busctl`.
//!
//! ```text
//! pictures FOLDER
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a maker fails by panicking")]

mod png;
mod studio;

use std::path::PathBuf;

use hw_sim::piv::{GRACE, PIN, WRONG_PIN};
use hw_sim::pki::ALICE;
use hw_sim::softhsm::PIN as TOKEN_PIN;
use hw_sim::waferd::Settings;
use hw_sim::{PivWorld, World};
use studio::Studio;

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("the folder for the pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    pins(&folder).await;
    absent_card(&folder).await;
    consent(&folder).await;
    pin_pad(&folder).await;
}

fn on_a_display(settings: &mut Settings) {
    settings.set("pinentry", "/usr/bin/pinentry-gtk-2");
}

/// The PIN, a wrong one, the last try.
async fn pins(folder: &std::path::Path) {
    let world = PivWorld::with(on_a_display).await;
    world.lists(1).await;
    let studio = Studio::open(&world.scene, folder).await;
    let call = studio.program_signs(GRACE);
    let first = studio.picture("pin", None).await;
    studio.desktop.types(first, WRONG_PIN);
    let second = studio.picture("pin-wrong", Some(first)).await;
    studio.desktop.types(second, WRONG_PIN);
    let warning = studio.picture("pin-last-try", Some(second)).await;
    studio.desktop.presses(warning, &["Escape"]);
    call.ends();
}

/// "Insert your card."
async fn absent_card(folder: &std::path::Path) {
    let world = PivWorld::with(on_a_display).await;
    world.lists(1).await;
    world.pull();
    world.lists(0).await;
    let studio = Studio::open(&world.scene, folder).await;
    let call = studio.program_signs(GRACE);
    let dialog = studio.picture("insert-card", None).await;
    world.plug();
    let pin = studio.desktop.next_dialog(Some(dialog)).await;
    studio.desktop.types(pin, PIN);
    call.ends();
}

/// "Do you allow this?"
async fn consent(folder: &std::path::Path) {
    let world = PivWorld::with(|settings| {
        on_a_display(settings);
        settings.ask_for_consent();
    })
    .await;
    world.lists(1).await;
    let studio = Studio::open(&world.scene, folder).await;
    let call = studio.program_signs(GRACE);
    let dialog = studio.picture("consent", None).await;
    // "Not now" has the focus, then comes "Never".
    studio.desktop.presses(dialog, &["Tab", "Tab", "Return"]);
    let how_long = studio.picture("consent-how-long", Some(dialog)).await;
    studio.desktop.presses(how_long, &["Escape"]);
    let pin = studio.desktop.next_dialog(Some(how_long)).await;
    studio.desktop.presses(pin, &["Escape"]);
    call.ends();
}

/// "Please enter the PIN on the card reader."
async fn pin_pad(folder: &std::path::Path) {
    let world = World::with(on_a_display).await;
    let pad = world.module.grow_pin_pad();
    let studio = Studio::open(&world.scene, folder).await;
    let call = studio.program_signs(ALICE);
    studio.picture("pin-at-the-reader", None).await;
    tokio::task::spawn_blocking(move || pad.enter(TOKEN_PIN)).await.unwrap();
    call.ends();
}

//! PIV cards with longer keys than most: RSA-3072, RSA-4096, P-384, with extended lengths and in chains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::{MAIL, answer_inline, inline, output};
use hw_sim::piv::{Holder, OSCAR, PEGGY, PivCard, QUENTIN, RUTH};
use hw_sim::{Options, PivWorld, mail, openssl};
use wafer_test_card::Exchange;
use zbus::Variant;

/// The world with the card `strong`, which takes extended lengths or not, and the PIN entered.
async fn strong(extended: bool) -> PivWorld {
    let card = PivCard::strong();
    card.card.extended(extended);
    let world = PivWorld::with_card(card, |_| {}).await;
    world.lists(1).await;
    world.log_in(OSCAR).await;
    world.card.card.diary().take();
    world
}

fn silent(world: &PivWorld) -> Options {
    world.options([("interactive", Variant::from(false))])
}

/// The longest command that the card got, and how many links of chains.
fn commands(world: &PivWorld) -> (usize, usize) {
    let all = world.card.card.diary().all();
    let links = all.iter().filter(|one| one.command[0] & 0x10 != 0).count();
    (all.iter().map(|one| one.command.len()).max().unwrap_or_default(), links)
}

async fn signs(world: &PivWorld, holder: Holder, options: Options) {
    let signed = world.with_pin(world.caller.sign(&mail::message(holder, "Signed."), options)).await;
    openssl::verify(&signed.unwrap_or_else(|error| panic!("{}: {error}", holder.name)));
}

async fn opens(world: &PivWorld, sealed: &[u8], holder: Holder) {
    let call = world.caller.run(MAIL, "Decrypt", inline(sealed), answer_inline(), silent(world));
    let reply = call.await.unwrap_or_else(|error| panic!("{}: {error}", holder.name));
    let opened = String::from_utf8_lossy(&output(&reply)).into_owned();
    assert!(opened.contains("Sealed."), "{}: {opened}", holder.name);
}

async fn every_key_serves(world: &PivWorld) {
    for holder in [OSCAR, QUENTIN] {
        for scheme in ["rsa-pkcs1", "rsa-pss"] {
            signs(world, holder, world.options([("signature-scheme", Variant::from(scheme))])).await;
        }
        let message = mail::message(holder, "Sealed.");
        let oaep = ["-aes-256-gcm", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"];
        for options in [&["-aes-256-cbc"][..], &oaep] {
            opens(world, &openssl::encrypt_for(&message, holder, options), holder).await;
        }
    }
    signs(world, PEGGY, world.place()).await;
    let message = mail::message(RUTH, "Sealed.");
    opens(world, &openssl::encrypt_for(&message, RUTH, &["-aes-256-gcm"]), RUTH).await;
    // The first for the whole card, the second for 9C, which asks every time.
    assert_eq!(world.person.dialogs(), 2);
    let operations = world.card.card.diary().count(|one| one.is_operation() && one.succeeded());
    assert_eq!(operations, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_keys_sign_and_open_with_extended_lengths() {
    let world = strong(true).await;
    every_key_serves(&world).await;
    let (longest, links) = commands(&world);
    assert!(longest > 512, "an RSA-4096 block in one command: {longest}");
    assert_eq!(links, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_keys_sign_and_open_in_chains() {
    let world = strong(false).await;
    every_key_serves(&world).await;
    let (longest, links) = commands(&world);
    assert!(longest <= 4 + 1 + 255 + 1, "{longest}");
    // RSA-4096 in two links and an end, RSA-3072 in one and an end, four times each.
    assert_eq!(links, 4 * 2 + 4);
    assert!(world.card.card.diary().count(|one| Exchange::instruction(one) == 0xc0) >= 4 * 2 + 4);
}

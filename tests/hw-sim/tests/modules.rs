//! PKCS#11 modules of others: OpenSC's beside PIV cards that are used directly, and a TPM's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::{MAIL, answer_inline, flag, inline, output, refused, text};
use hw_sim::piv::{GRACE, LAURA, PivCard};
use hw_sim::pki::Somebody;
use hw_sim::softhsm::{PIN, WRONG_PIN};
use hw_sim::tpm::{self, Tpm};
use hw_sim::wait::within;
use hw_sim::{Options, PivWorld, Scene, mail, openssl, options};
use wafer_client::{ErrorKind, WaferError};
use wafer_test_card::{Effect, Exchange, Fault};
use zbus::Variant;

const SELECT: u8 = 0xa4;
const PIV_AID: [u8; 9] = [0xa0, 0, 0, 3, 8, 0, 0, 0x10, 0];

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

async fn signs(world: &PivWorld, somebody: impl Somebody, options: Options) {
    let message = mail::message(somebody, "Through one of two ways.");
    openssl::verify(&world.with_pin(world.caller.sign(&message, options)).await.unwrap());
}

/// A card that PIV cards' keeper leaves to others: the first to select the PIV application on it is told that there
/// is none. The next one, which must be OpenSC, is not.
fn not_for_us() -> PivCard {
    let card = PivCard::second();
    leaves(&card);
    card
}

fn leaves(card: &PivCard) {
    card.card.inject(Fault::once(SELECT, Effect::Status(0x6a82)));
}

/// How many commands came that only OpenSC sends: its drivers try one application after the other on a card that they do
/// not know yet, and read what is on it with another GET DATA.
fn of_opensc_s(card: &PivCard) -> usize {
    let selects_another = |one: &Exchange| {
        one.instruction() == SELECT && !one.command.windows(PIV_AID.len()).any(|part| part == PIV_AID)
    };
    card.card.diary().count(|one| selects_another(one) || one.instruction() == 0xca)
}

/// The keepers of modules that run.
fn module_keepers(world: &PivWorld) -> usize {
    let is_module_s = |line: String| line.contains(" pkcs11 --module ");
    world.waferd.keepers().iter().filter(|keeper| keeper.command_line().is_some_and(is_module_s)).count()
}

/// A world with a TPM's token alone.
async fn with_tpm() -> (Scene, Tpm) {
    let tpm = Tpm::new();
    let scene = Scene::bare(|settings| {
        settings.set("trust-folder", &hw_sim::piv::trust_folder().display().to_string());
        settings.add_tpm("tpm", &tpm);
    });
    (scene.await, tpm)
}

async fn opens(scene: &Scene, sealed: &[u8]) -> Result<(), WaferError> {
    let reply = scene.caller.run(MAIL, "Decrypt", inline(sealed), answer_inline(), silent()).await?;
    assert!(String::from_utf8_lossy(&output(&reply)).contains("For the chip."));
    Ok(())
}

async fn with_opensc() -> PivWorld {
    PivWorld::with(|settings| settings.add_opensc("opensc")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn opensc_leaves_a_card_alone_that_is_used_directly() {
    let world = with_opensc().await;
    world.lists(1).await;
    signs(&world, GRACE, world.place()).await;
    assert_eq!(module_keepers(&world), 0, "without a card for it the module is not even loaded");

    // Nor does it touch that card while it works with another.
    let other = not_for_us();
    other.card.plug(world.pcscd.port(1));
    world.lists(2).await;
    signs(&world, LAURA, world.place()).await;
    signs(&world, GRACE, silent()).await;
    assert_eq!(module_keepers(&world), 1);
    world.pull();
    world.lists(1).await;
    world.plug();
    world.lists(2).await;
    signs(&world, GRACE, world.place()).await;
    assert_eq!(of_opensc_s(&world.card), 0, "{}", world.card.card.diary().text());
    assert!(of_opensc_s(&other) > 0, "it would have shown: {}", other.card.diary().text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_for_opensc_in_the_place_of_one_that_is_used_directly() {
    let world = with_opensc().await;
    world.lists(1).await;
    let other = not_for_us();
    for _ in 0..2 {
        world.pull();
        world.lists(0).await;
        world.pcscd.is_empty(0);
        other.card.plug(world.pcscd.port(0));
        world.lists(1).await;
        signs(&world, LAURA, world.place()).await;
        other.card.pull();
        world.lists(0).await;
        world.plug();
        world.lists(1).await;
        signs(&world, GRACE, world.place()).await;
        assert_eq!(of_opensc_s(&world.card), 0, "{}", world.card.card.diary().text());
        leaves(&other);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_comes_costs_opensc_s_other_card_no_pin() {
    let world = with_opensc().await;
    world.lists(1).await;
    world.pull();
    world.lists(0).await;
    let other = not_for_us();
    other.card.plug(world.pcscd.port(1));
    world.lists(1).await;
    signs(&world, LAURA, world.place()).await;
    world.plug();
    world.lists(2).await;
    signs(&world, LAURA, silent()).await;
    assert_eq!(world.person.dialogs(), 1, "the PIN of the card in the other reader was kept");

    // Locked, OpenSC begins anew, without the reader of the new card.
    assert!(world.run_wafer(&["lock"]).status.success());
    world.lists(2).await;
    signs(&world, LAURA, world.place()).await;
    signs(&world, GRACE, world.place()).await;
    assert_eq!(world.person.dialogs(), 3);
    assert_eq!(of_opensc_s(&world.card), 0, "{}", world.card.card.diary().text());

    // And a card for it in a reader that it has left alone is seen all the same.
    other.card.pull();
    world.lists(1).await;
    world.pull();
    world.lists(0).await;
    leaves(&other);
    world.pcscd.is_empty(0);
    other.card.plug(world.pcscd.port(0));
    world.lists(1).await;
    signs(&world, LAURA, world.place()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_direct_way_off_all_cards_are_opensc_s() {
    let world = with_opensc().await;
    world.lists(1).await;
    let settings = std::fs::read_to_string(world.folder().join("waferd.toml")).unwrap();
    std::fs::write(world.folder().join("waferd.toml"), format!("{settings}[piv]\nenabled = false\n"))
        .unwrap();
    world
        .waits_until("the card through OpenSC", |tokens| {
            tokens.iter().any(|token| flag(token, "Present") && text(token, "Source") == "opensc")
        })
        .await;
    signs(&world, GRACE, world.place()).await;
    assert!(of_opensc_s(&world.card) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tpm_signs_and_opens_what_it_can_and_names_what_it_can_not() {
    let (scene, tpm) = with_tpm().await;
    for holder in [&tpm.oscar, &tpm.peggy] {
        let message = mail::message(holder, "On the board.");
        let signed = scene.with_pin(scene.caller.sign(&message, scene.place())).await;
        openssl::verify(&signed.unwrap());
    }
    let message = mail::message(&tpm.oscar, "For the chip.");
    opens(&scene, &openssl::encrypt(&message, "SMIME", &[&tpm.oscar], &["-aes-256-cbc"])).await.unwrap();
    for oaep in ["sha1", "sha256"] {
        let options = ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", &format!("rsa_oaep_md:{oaep}")];
        let sealed = openssl::encrypt_for(&message, &tpm.oscar, &options);
        opens(&scene, &sealed).await.unwrap();
    }
    let sealed = openssl::encrypt(&message, "SMIME", &[&tpm.peggy], &["-aes-256-cbc"]);
    let error = refused(opens(&scene, &sealed).await, ErrorKind::UnsupportedAlgorithm);
    assert!(error.message.contains(tpm::LABEL), "tpm2-pkcs11 has no C_DeriveKey: {error}");
    let both = openssl::encrypt(&message, "SMIME", &[&tpm.peggy, &tpm.oscar], &["-aes-256-cbc"]);
    opens(&scene, &both).await.unwrap();
    assert_eq!(scene.person.dialogs(), 1, "one PIN for it all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_of_a_tpm_is_said_and_costs_one_try() {
    let (mut scene, tpm) = with_tpm().await;
    assert_eq!(tpm.failures(), 0);
    let (caller, place, message) =
        (scene.caller.clone(), scene.place(), mail::message(&tpm.oscar, "With the wrong one first."));
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    scene.answers(1, WRONG_PIN).await;
    let person = scene.person.clone();
    let said = tokio::task::spawn_blocking(move || person.reads_dialog(2)).await.unwrap();
    assert!(said.contains("wrong"), "{said}");
    scene.answers(2, PIN).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
    scene.waferd.stop();
    assert_eq!(tpm.failures(), 1);
}

//! Keys on Curve25519: Ed25519 signs (RFC 8419), X25519 opens (RFC 8418). On PIV cards as YubiKeys have them, on
//! PKCS#11 tokens, in key files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use hw_sim::caller::{MAIL, answer_inline, flag, inline, output, refused, signers, text};
use hw_sim::piv::{PivCard, SYBIL, TRENT, URSULA};
use hw_sim::pkcs12::Files;
use hw_sim::pki::{Guest, Somebody, intermediate, trust_folder};
use hw_sim::{Options, PivWorld, Scene, SoftHsm, gnutls, mail, options};
use wafer_client::ErrorKind;
use wafer_test_card::Exchange;
use zbus::Variant;

/// Of the key files: what the person always enters.
const PASSWORD: &str = hw_sim::softhsm::PIN;

/// Somebody without more than an address.
#[derive(Clone, Copy)]
struct Address(&'static str);

impl Somebody for Address {
    fn address(self) -> String {
        format!("{}@example.test", self.0)
    }

    fn certificate(self) -> std::path::PathBuf {
        unreachable!("nobody asks for it")
    }
}

fn opaque(scene: &Scene) -> Options {
    scene.options([("form", Variant::from("opaque"))])
}

/// Signs, with the PIN if it is asked for; GnuTLS and we ourselves verify.
async fn signs(scene: &Scene, somebody: impl Somebody) {
    let message = mail::message(somebody, "By Edwards.");
    let signed = scene.with_pin(scene.caller.sign(&message, opaque(scene))).await.unwrap();
    gnutls::verify(&signed);
    let verdict = scene.caller.verify(&signed, options([])).await.unwrap();
    let signer = &signers(&verdict)[0];
    let said = [text(signer, "outcome"), text(signer, "scheme"), text(signer, "digest")];
    assert_eq!(said, ["good", "ed25519", "sha512"]);
}

/// Encrypts to the recipient by our engine, then opens that with the recipient's key.
async fn opens(scene: &Scene, somebody: impl Somebody) {
    let to = [("recipients", Variant::from(vec![somebody.address()])), ("to-self", false.into())];
    let message = mail::message(somebody, "Sealed.");
    let reply = scene.caller.run(MAIL, "Encrypt", inline(&message), answer_inline(), options(to));
    let sealed = output(&reply.await.unwrap());
    let open = scene.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), scene.place());
    let reply = scene.with_pin(open).await.unwrap();
    assert!(flag(&reply, "authenticated"));
    assert!(String::from_utf8_lossy(&output(&reply)).contains("Sealed."));
}

async fn key_kinds(scene: &Scene) -> Vec<String> {
    let objects = scene.caller.objects().await.into_values();
    let identities = objects.filter_map(|mut one| one.remove("org.waferd.Wafer1.Identity"));
    let mut kinds: Vec<String> = identities.map(|identity| text(&identity, "KeyKind")).collect();
    kinds.sort();
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piv_card_signs_and_opens_with_them_under_the_usual_rules() {
    let recipients = URSULA.certificate().with_file_name("recipients").display().to_string();
    let world = PivWorld::with_card(PivCard::twisted(), |settings| {
        settings.set("recipients-folder", &recipients);
    })
    .await;
    world.lists(1).await;
    assert_eq!(key_kinds(&world).await, ["ed25519", "ed25519", "x25519"]);
    signs(&world, SYBIL).await;
    opens(&world, URSULA).await;
    assert_eq!(world.person.dialogs(), 1);
    // 9C asks every time, right before.
    for number in 2..4 {
        world.card.card.diary().take();
        signs(&world, TRENT).await;
        assert_eq!(world.person.dialogs(), number);
        let dialogue = world.card.card.diary().all();
        let operation = dialogue.iter().rposition(Exchange::is_operation).unwrap();
        assert!(dialogue[operation - 1].is_pin_try(), "{}", world.card.card.diary().text());
    }
    // X25519 signs nothing, whatever its certificate says.
    let ursulas = world.caller.sign(&mail::message(URSULA, "Signed?"), world.place()).await;
    refused(ursulas, ErrorKind::NoIdentity);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piv_card_does_so_in_chains_too() {
    let card = PivCard::twisted();
    card.card.extended(false);
    let world = PivWorld::with_card(card, |_| {}).await;
    world.lists(1).await;
    signs(&world, SYBIL).await;
    assert!(world.card.card.diary().count(|one| one.is_operation() && one.succeeded()) == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_softhsm_signs_with_ed25519() {
    let guest = Guest::with_key("victor", "ED25519");
    let hsm = SoftHsm::with_guest(&guest);
    let scene = Scene::bare(|settings| {
        settings.set("trust-folder", &trust_folder().display().to_string());
        settings.add_softhsm("soft", &hsm);
    })
    .await;
    signs(&scene, Address("victor")).await;
    assert_eq!(key_kinds(&scene).await, ["ec", "ed25519", "rsa"]);
    assert_eq!(scene.person.dialogs(), 1);
}

/// Imports the guest's key file by the command.
async fn import(scene: &Scene, name: &str, guest: &Guest) {
    let files =
        Files { key: guest.private_key(), certificate: guest.certificate(), issuer: Some(intermediate()) };
    let file = format!("{name}.p12");
    fs::write(scene.folder().join(&file), files.export(name, PASSWORD, &[])).unwrap();
    let (_, done) = scene.wafer_with_entries(&["import", &file], &[PASSWORD]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_files_sign_and_open_with_them() {
    let (walter, xenia) = (Guest::with_key("walter", "ED25519"), Guest::with_key("xenia", "X25519"));
    let recipients = tempfile::tempdir().unwrap();
    fs::copy(xenia.certificate(), Path::join(recipients.path(), "xenia.pem")).unwrap();
    let scene = Scene::bare(|settings| {
        settings.set("trust-folder", &trust_folder().display().to_string());
        settings.set("recipients-folder", &recipients.path().display().to_string());
    })
    .await;
    import(&scene, "walter", &walter).await;
    import(&scene, "xenia", &xenia).await;
    assert_eq!(key_kinds(&scene).await, ["ed25519", "x25519"]);
    signs(&scene, Address("walter")).await;
    opens(&scene, Address("xenia")).await;
}

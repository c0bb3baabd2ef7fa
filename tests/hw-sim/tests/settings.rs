//! Settings: read again when the files change, changed by a program, locked by an administrator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;

use hw_sim::caller::{Reply, flag, number, refused, text};
use hw_sim::pki::{self, ALICE};
use hw_sim::softhsm::PIN;
use hw_sim::wait::{until_async, within};
use hw_sim::{Options, World, mail, openssl};
use wafer_client::names::ROOT_PATH;
use wafer_client::{Client, ErrorKind, WaferError};
use zbus::Variant;
use zbus::export::futures_core::Stream;

const SETTINGS: &str = "org.waferd.Wafer1.Settings";
const TOKEN: &str = "org.waferd.Wafer1.Token";

async fn get(world: &World, name: &str) -> Reply {
    world.caller.call(ROOT_PATH, SETTINGS, "Get", &name).await.unwrap().body().deserialize().unwrap()
}

async fn set(world: &World, name: &str, value: Variant<'static>) -> Result<(), WaferError> {
    let body = (name, value, Options::new());
    world.caller.call(ROOT_PATH, SETTINGS, "Set", &body).await.map(drop)
}

fn file(world: &World) -> PathBuf {
    world.folder().join("waferd.toml")
}

#[tokio::test]
async fn a_program_changes_a_setting_and_the_file_keeps_its_comments() {
    let world =
        World::with(|settings| settings.add_text("# mine\n[sign]\nform = \"clear\" # so far\n")).await;
    let client = Client::over(world.caller.connection().clone());
    let proxy = client.settings().await.unwrap();
    let mut changes = proxy.receive_changed().await.unwrap();
    set(&world, "sign.form", "opaque".into()).await.unwrap();
    let change = poll_fn(|context| Pin::new(&mut changes).poll_next(context));
    let change = within("the signal", change).await.unwrap();
    assert_eq!(change.args().unwrap().names, ["sign.form"]);
    let setting = get(&world, "sign.form").await;
    assert_eq!((text(&setting, "value"), text(&setting, "source")), ("opaque".into(), "person".into()));
    let written = std::fs::read_to_string(file(&world)).unwrap();
    assert!(written.contains("# mine\n[sign]\nform = \"opaque\" # so far\n"), "{written}");
    refused(set(&world, "sign.form", "odd".into()).await, ErrorKind::InvalidArgument);
    refused(set(&world, "sign.form", true.into()).await, ErrorKind::InvalidArgument);
    refused(set(&world, "no.such", true.into()).await, ErrorKind::InvalidArgument);
    let by_hand = world.run_wafer(&["settings", "set", "sign.always", "true"]);
    assert!(by_hand.status.success(), "{by_hand:?}");
    assert!(flag(&get(&world, "sign.always").await, "value"));
    let listed = world.run_wafer(&["settings"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains("sign.always = true (person)"));
}

#[tokio::test]
async fn a_change_of_the_file_takes_effect_and_a_wrong_one_is_told_and_changes_nothing() {
    let world = World::new().await;
    let good = std::fs::read_to_string(file(&world)).unwrap();
    let value = || async { flag(&get(&world, "encrypt.always").await, "value") };
    let problem = || problem(&world);
    assert!(!value().await);
    std::fs::write(file(&world), format!("{good}[encrypt]\nalways = true\n")).unwrap();
    waits(async || value().await).await;
    std::fs::write(file(&world), format!("{good}[encrypt]\nalways = false\nodd = 1\n")).unwrap();
    waits(async || problem().await.contains("odd")).await;
    let line = good.lines().count() + 3;
    assert!(problem().await.contains(&format!("waferd.toml:{line}: ")), "{}", problem().await);
    assert!(value().await, "what was set before stays");
    world.caller.inspect(b"Content-Type: text/plain\r\n\r\nhello\r\n").await.unwrap();
    refused(set(&world, "encrypt.always", false.into()).await, ErrorKind::BadSettings);
    // As an editor does it: another file takes the old one's place.
    let aside = world.folder().join("aside");
    std::fs::write(&aside, &good).unwrap();
    std::fs::rename(&aside, file(&world)).unwrap();
    waits(async || problem().await.is_empty() && !value().await).await;
}

#[tokio::test]
async fn what_an_administrator_locks_stays_and_is_shown_so() {
    let own = "[encrypt]\nalways = false\n[sign]\nalways = true\n";
    let locks = "locked = [\"encrypt.always\", \"sign.digest\"]\n";
    let world = World::administered(locks, own).await;
    let administrators = world.waferd.administrators_file();
    let text_now = std::fs::read_to_string(&administrators).unwrap();
    std::fs::write(&administrators, format!("{text_now}[encrypt]\nalways = true\n")).unwrap();
    waits(async || flag(&get(&world, "encrypt.always").await, "value")).await;
    let setting = get(&world, "encrypt.always").await;
    assert!(flag(&setting, "locked") && flag(&setting, "passed-over"), "{setting:?}");
    assert_eq!(text(&setting, "source"), "administrator");
    let refusal = refused(set(&world, "encrypt.always", false.into()).await, ErrorKind::AccessDenied);
    assert!(refusal.message.contains("Your administrator has set \"encrypt.always\""), "{refusal}");
    // Locked as it is without a value, too.
    refused(set(&world, "sign.digest", "sha512".into()).await, ErrorKind::AccessDenied);
    let by_hand = world.run_wafer(&["settings", "set", "encrypt.always", "false"]);
    assert_eq!(by_hand.status.code(), Some(18), "{by_hand:?}");
    assert!(String::from_utf8_lossy(&by_hand.stderr).contains("Your administrator"), "{by_hand:?}");
    let listed = String::from_utf8(world.run_wafer(&["settings"]).stdout).unwrap();
    let expected = "encrypt.always = true (administrator, locked, your own file's value is passed over)";
    assert!(listed.contains(expected), "{listed}");
    assert!(listed.contains("sign.digest = by-key (default, locked)"), "{listed}");
    assert!(listed.contains("sign.always = true (person)"), "{listed}");
    // What is not locked, the person changes in the own file.
    set(&world, "sign.always", false.into()).await.unwrap();
    let own = std::fs::read_to_string(world.waferd.own_file()).unwrap();
    assert_eq!(own, "[encrypt]\nalways = false\n[sign]\nalways = false\n");
}

#[tokio::test]
async fn an_administrators_wrong_file_changes_nothing_and_is_told() {
    let world = World::administered("locked = [\"sign.always\"]\n", "").await;
    let (file, problem) = (world.waferd.administrators_file(), async || problem(&world).await);
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}[sign]\nalways = true\n")).unwrap();
    waits(async || flag(&get(&world, "sign.always").await, "value")).await;
    std::fs::write(&file, format!("{good}[sign]\nalways = \"yes\"\n")).unwrap();
    waits(async || !problem().await.is_empty()).await;
    let line = good.lines().count() + 2;
    assert!(problem().await.contains(&format!("etc/waferd/waferd.toml:{line}: ")), "{}", problem().await);
    let setting = get(&world, "sign.always").await;
    assert!(flag(&setting, "value") && flag(&setting, "locked"), "{setting:?}");
    let listed = world.run_wafer(&["settings"]);
    let warned = String::from_utf8(listed.stderr).unwrap();
    assert!(
        warned.contains("what was set before stays") && warned.contains(&format!(":{line}:")),
        "{warned}"
    );
    // A lock of something that does not exist is no lock.
    std::fs::write(&file, good.replace("sign.always", "sign.allways")).unwrap();
    waits(async || problem().await.contains("sign.allways")).await;
    assert!(problem().await.contains("waferd.toml:1: "), "{}", problem().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_taken_out_forgets_its_pin_and_one_that_is_put_in_shows_its_token() {
    let world = World::new().await;
    world.log_in().await;
    let with = std::fs::read_to_string(file(&world)).unwrap();
    let without = with.split("[[module]]").next().unwrap().to_owned();
    let tokens = async || {
        let objects = world.caller.objects().await;
        objects.keys().filter(|path| path.as_str().contains("/token/")).count()
    };
    assert_eq!((tokens().await, world.waferd.keepers().len()), (1, 1));
    std::fs::write(file(&world), &without).unwrap();
    waits(async || tokens().await == 0 && world.waferd.keepers().is_empty()).await;
    refused(sign(&world, Options::new()).await, ErrorKind::NoIdentity);
    std::fs::write(file(&world), &with).unwrap();
    waits(async || tokens().await == 1).await;
    let quiet = hw_sim::options([("interactive", false.into())]);
    refused(sign(&world, quiet).await, ErrorKind::InteractionRequired);
    world.log_in().await;
    assert_eq!(world.person.dialogs(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_times_for_pins_hold_at_once_and_harm_no_call_under_way() {
    let world = World::new().await;
    let before = std::fs::read_to_string(file(&world)).unwrap();
    let state = async || text(&world.caller.objects().await[&world.caller.token().await][TOKEN], "PinState");
    // The settings change while the person is asked: the call under way is not disturbed.
    let asked = sign(&world, world.place());
    let changes = async {
        until_async("the dialog", || world.person.dialog(1)).await;
        std::fs::write(file(&world), before.replace("[pin]\n", "[pin]\nidle-timeout-s = 0\n")).unwrap();
        waits(async || number(&get(&world, "pin.idle-timeout-s").await, "value") == 0).await;
        world.answers(1, PIN).await;
    };
    within("the signature", async { tokio::join!(asked, changes) }).await.0.unwrap();
    for number in 2..4 {
        let (signed, ()) = within("a signature with a PIN of its own", async {
            tokio::join!(sign(&world, world.place()), world.answers(number, PIN))
        })
        .await;
        signed.unwrap();
    }
    // The answer does not wait for the bus to be told.
    waits(async || state().await == "locked").await;
    std::fs::write(file(&world), &before).unwrap();
    waits(async || number(&get(&world, "pin.idle-timeout-s").await, "value") == 600).await;
    world.log_in().await;
    sign(&world, Options::new()).await.unwrap();
    assert_eq!((world.person.dialogs(), state().await), (4, "unlocked".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_trust_folder_counts_at_once() {
    let world = World::new().await;
    let signed = openssl::sign(&mail::message(ALICE, "Trust me."), "SMIME", ALICE, &[]);
    let from = || hw_sim::options([("from", ALICE.address().into())]);
    let status = async || text(&world.caller.verify(&signed, from()).await.unwrap(), "status");
    assert_eq!(status().await, "valid");
    let before = std::fs::read_to_string(file(&world)).unwrap();
    let folder = world.folder().join("roots");
    std::fs::create_dir(&folder).unwrap();
    let own = pki::trust_folder().display().to_string();
    std::fs::write(file(&world), before.replace(&own, &folder.display().to_string())).unwrap();
    waits(async || status().await == "unknown").await;
    std::fs::copy(pki::root(), folder.join("root.pem")).unwrap();
    assert_eq!(status().await, "valid", "what comes into the folder counts too");
}

async fn sign(world: &World, options: Options) -> Result<Vec<u8>, WaferError> {
    world.caller.sign(&mail::message(ALICE, "hello"), options).await
}

async fn problem(world: &World) -> String {
    let client = Client::over(world.caller.connection().clone());
    client.settings().await.unwrap().problem().await.unwrap()
}

/// Asks again and again until it is so: reading a file anew is told by no event if nothing changed.
async fn waits(mut look: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + hw_sim::wait::LONG;
    while !look().await {
        assert!(std::time::Instant::now() < end, "it never became so");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

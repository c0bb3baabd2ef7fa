//! Settings: read again when the files change, changed by a program, locked by an administrator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;

use hw_sim::caller::{Reply, flag, refused, text};
use hw_sim::{Options, World};
use wafer_client::names::ROOT_PATH;
use wafer_client::{Client, ErrorKind, WaferError};
use zbus::Variant;
use zbus::export::futures_core::Stream;

const SETTINGS: &str = "org.waferd.Wafer1.Settings";

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
    let change = hw_sim::wait::within("the signal", change).await.unwrap();
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
    let problem = || async {
        let client = Client::over(world.caller.connection().clone());
        client.settings().await.unwrap().problem().await.unwrap()
    };
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

/// Asks again and again until it is so: reading a file anew is told by no event if nothing changed.
async fn waits(mut look: impl AsyncFnMut() -> bool) {
    let end = std::time::Instant::now() + hw_sim::wait::LONG;
    while !look().await {
        assert!(std::time::Instant::now() < end, "it never became so");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

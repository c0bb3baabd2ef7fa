//! Which certificate is used for an address, and why not the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::refused;
use hw_sim::pki::{ALICE, BOB};
use hw_sim::{World, mail};
use wafer_client::ErrorKind;

#[tokio::test]
async fn the_command_explains_each_candidate() {
    let world = World::new().await;
    let one = world.run_wafer(&["identities", "--for", "alice@example.test"]);
    let one = String::from_utf8(one.stdout).unwrap();
    assert!(one.contains("CN=alice") && one.contains("Would be used."), "{one}");
    assert_eq!(one.lines().count(), 1);
    let all = world.run_wafer(&["identities", "--for", "alice@example.test", "--explain"]);
    let all = String::from_utf8(all.stdout).unwrap();
    let bob = all.lines().find(|line| line.contains("CN=bob")).unwrap();
    assert!(bob.ends_with("Cannot be used: it does not have the address."), "{bob}");
    let nobody = world.run_wafer(&["identities", "--for", "nobody@example.test"]);
    assert_eq!(nobody.status.code(), Some(8), "{nobody:?}");
}

#[tokio::test]
async fn where_an_administrator_chooses_no_program_does() {
    let world = World::with(|settings| settings.add_text("[identities]\nuser-may-choose = false\n")).await;
    let bob = world.caller.identity("bob").await;
    let options = world.options([("identity", bob.into())]);
    refused(world.caller.sign(&mail::message(BOB, "hello"), options).await, ErrorKind::InvalidArgument);
    world.with_pin(world.caller.sign(&mail::message(ALICE, "hello"), world.place())).await.unwrap();
}

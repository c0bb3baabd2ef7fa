//! How many commands a signature costs on the card.

use hw_sim::piv::GRACE;
use hw_sim::{PivWorld, mail, options};
use serde_json::{Value, json};
use zbus::Variant;

/// APDUs of one signature by RSA-2048 while the PIN is cached, the one that shuts the card included: with extended
/// length and without.
pub(crate) async fn count() -> Value {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let extended = one_signature(&world, true).await;
    json!({ "extended": extended, "short": one_signature(&world, false).await })
}

async fn one_signature(world: &PivWorld, extended: bool) -> usize {
    world.pull();
    world.lists(0).await;
    world.card.card.extended(extended);
    world.plug();
    world.lists(1).await;
    world.log_in(GRACE).await;
    world.pin_is("unlocked").await;
    let diary = world.card.card.diary();
    diary.take();
    let silent = options([("interactive", Variant::from(false))]);
    world.caller.sign(&mail::message(GRACE, "hello"), silent).await.unwrap();
    diary.waits_for("the card is shut", |one| (one.instruction(), one.parameters().0) == (0x20, 0xff));
    diary.take().len()
}

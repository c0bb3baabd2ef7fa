//! How many commands a signature costs on the card.

use hw_sim::PivWorld;
use serde_json::{Value, json};

/// APDUs of one signature by RSA-2048 while the PIN is cached, the one that shuts the card included: with extended
/// length and without.
pub(crate) async fn count() -> Value {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let extended = world.signature_dialogue(true).await.len();
    json!({ "extended": extended, "short": world.signature_dialogue(false).await.len() })
}

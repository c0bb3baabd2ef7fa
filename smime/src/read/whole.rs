//! From the layers to one word on the whole message.
//!
//! The rules (they err on the side of saying less):
//! - A signature counts if there is no encryption inside it. One around an encryption is by somebody who has
//!   not necessarily seen the content.
//! - Encryption counts if at most one signature is around it: triple wrapping (RFC 2634 section 1.1) has one.
//! - All signatures that count must be good.
//! - Where programs may differ in what they show, nothing counts.

use crate::read::layer::{Concern, Layer, Protection, SignedLayer};

/// Concerns that speak against the whole message.
const FATAL: [Concern; 4] =
    [Concern::SeveralSenders, Concern::AmbiguousHead, Concern::TooDeep, Concern::UnreadableLayer];

/// The word on a message with these `layers`, from outside in. Adds to `concerns` what the layers give rise to.
/// Answers, too, which layers are the signatures that count.
pub(super) fn judge(
    layers: &[Layer],
    garbled: bool,
    concerns: &mut Vec<Concern>,
) -> (Protection, Vec<usize>) {
    let is_encrypted = |layer: &Layer| matches!(layer, Layer::Encrypted(_));
    let encrypted_last = layers.iter().rposition(is_encrypted);
    let outer_signatures =
        signatures(layers).filter(|(at, _)| encrypted_last.is_some_and(|last| *at < last)).count();
    let inner: Vec<(usize, &SignedLayer)> =
        signatures(layers).filter(|(at, _)| encrypted_last.is_none_or(|last| *at > last)).collect();
    let good = !inner.is_empty() && inner.iter().all(|(_, layer)| layer.is_good());

    if outer_signatures > 0 && inner.is_empty() {
        concerns.push(Concern::SignatureOutsideEncryption);
    }
    if inner.len() > 1 || outer_signatures > 1 {
        concerns.push(Concern::NestedSignatures);
    }
    if signatures(layers).any(|(_, layer)| !layer.is_good()) {
        concerns.push(Concern::BadSignature);
    }
    if layers.iter().any(is_weak) {
        concerns.push(Concern::WeakAlgorithm);
    }
    let malleable = |layer: &Layer| matches!(layer, Layer::Encrypted(layer) if !layer.authenticated);
    let malleable = layers.iter().any(malleable) && !good;
    if malleable {
        concerns.push(Concern::Malleable);
    }
    if malleable && garbled {
        concerns.push(Concern::Garbled);
    }
    concerns.sort();
    concerns.dedup();

    let counting = inner.iter().map(|(at, _)| *at).collect();
    if concerns.iter().any(|concern| FATAL.contains(concern)) {
        return (Protection::None, counting);
    }
    let encrypted =
        encrypted_last.is_some() && outer_signatures <= 1 && !concerns.contains(&Concern::Garbled);
    (Protection::new(good, encrypted), counting)
}

fn signatures(layers: &[Layer]) -> impl Iterator<Item = (usize, &SignedLayer)> {
    layers.iter().enumerate().filter_map(|(at, layer)| match layer {
        Layer::Signed(layer) => Some((at, layer)),
        _ => None,
    })
}

fn is_weak(layer: &Layer) -> bool {
    match layer {
        Layer::Signed(layer) => layer.is_weak(),
        Layer::Encrypted(layer) => layer.is_weak(),
        Layer::Compressed | Layer::Certificates(_) => false,
    }
}

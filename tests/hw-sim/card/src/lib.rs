//! A simulated PIV card: somebody else's applet (Nitrokey's, `piv-authenticator`) behind vsmartcard's virtual
//! reader, so that a real pcscd and everybody's tools take it for a card. It can be plugged and pulled, made
//! to misbehave ([`Fault`]), and it writes down every command and answer ([`Exchange`]).
//!
//! Most of what it says is the applet's. Two things are answered by a layer of ours before it (`front.rs`, which
//! says how): the global PIN, where a test wants one ([`GlobalPin`]), and keys on Curve25519, where the card's folder
//! has files for them. RSA up to 4096 bits, P-256 and P-384 are the applet's.
//!
//! Its PIN is 123456, its PUK 12345678, its management key 3DES 01..08 three times. Its random numbers come
//! from a fixed seed: it is for tests only.
//!
//! The crates below the applet bring the `rsa` crate with its open timing advisory: nothing that is shipped
//! may depend on this one (a test in `architecture.rs` and `deny.toml` see to it).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod applet;
mod card;
mod diary;
mod edwards;
mod fault;
mod front;
mod iso;
mod reader;

pub use card::Card;
pub use diary::{Diary, Exchange};
pub use fault::{Effect, Fault};
pub use front::GlobalPin;
pub use iso::Command;

//! Simulated hardware and the end-to-end stories: the real programs, a real bus, a real token (SoftHSM)
//! and a real PIN dialog, each test with its own of all of them, so that all tests run side by side.
//!
//! The tests start the programs that lie beside them (`target/debug/waferd`, `wafer-keeper`, `wafer`,
//! `libwafer_test_module.so`), or those in the folder `WAFER_BIN_DIR`. `cargo build --workspace` makes them;
//! `make test` does so first. A test that misses one says which.
//!
//! | piece | is |
//! |---|---|
//! | [`Bus`] | a private session bus, with a folder for D-Bus activation |
//! | [`pki`] | a throw-away CA and its identities, made once and kept in `target/` |
//! | [`SoftHsm`] | a token of its own with alice's (RSA-2048) and bob's (P-256) keys |
//! | [`TestModule`] | the watched PKCS#11 module in front of it: its diary, and faults on demand |
//! | [`pcscd::Pcscd`] | a pcscd with two virtual readers |
//! | [`piv::PivCard`] | a simulated PIV card to plug into one |
//! | [`Person`] | somebody at a terminal, who reads the dialogs of pinentry-curses and types |
//! | [`session::Screen`] | the same person's screen, for the dialogs that no caller may send elsewhere |
//! | [`desktop::Desktop`] | a screen with real windows on it, for pictures |
//! | [`Waferd`] | the daemon's process |
//! | [`Caller`] | a mail program on the bus |
//! | [`Logind`] | a private system bus with a logind that a test can have lock the screen or sleep |
//! | [`pkcs12`] | key files, made by OpenSSL and by NSS |
//! | [`slapd`] | an LDAP server with people in it |
//! | [`tpm::Tpm`] | a TPM with a token on it |
//! | [`onlooker`] | a story of an unprivileged user, with root looking into memory |
//! | [`World`] | all of it together |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub mod bus;
pub mod caller;
mod card_stock;
pub mod desktop;
pub mod gnutls;
pub mod logind;
pub mod mail;
pub mod memory;
pub mod onlooker;
pub mod openssl;
pub mod pcscd;
pub mod person;
pub mod piv;
pub mod pkcs12;
pub mod pki;
pub mod process;
pub mod programs;
mod screen;
pub mod session;
pub mod slapd;
pub mod softhsm;
pub mod tpm;
pub mod waferd;
pub mod wait;
pub mod world;

pub use bus::Bus;
pub use caller::{Caller, Options, Reply, options};
pub use logind::Logind;
pub use person::Person;
pub use softhsm::{SoftHsm, TestModule};
pub use waferd::Waferd;
pub use world::{PivWorld, Scene, World};

//! The interoperation matrix: what we write others read, and what they write we read.
//!
//! Every peer, key and operation is tried, and the outcome held against `lacks.txt`, the table of what is known not to
//! work and whose lack it is: a cell that fails without being in it fails the test, and so does one in it that works.
//! OpenSSL, gpgsm and NSS must be there in CI. `make interop` installs the others too, has `WAFER_INTEROP` name the
//! page that is written, and then all peers must be there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it tried"
)]

#[path = "../common/mod.rs"]
mod common;

mod bouncy_castle;
mod cell;
mod certtool;
mod gpgsm;
mod lacks;
mod nss;
mod openssl;
mod page;
mod peer;
mod pyca;

use std::env;

use cell::{Cell, OPERATIONS, Reading, applies, try_cell};
use common::{Key, Person, has};
use lacks::Lacks;
use peer::Peer;

/// The keys of the matrix.
const KEYS: [Key; 4] = [Key::Rsa, Key::P256, Key::P384, Key::Ed25519];

/// Makes a peer's home for one person's key; the reason if the peer cannot hold it.
type Open = fn(&Person) -> Result<Box<dyn Peer + '_>, String>;

/// A peer's name, its program, and how to open it.
const PEERS: [(&str, &str, Open); 6] = [
    ("OpenSSL", "openssl", openssl::open),
    ("gpgsm", "gpgsm", gpgsm::open),
    ("NSS", "cmsutil", nss::open),
    ("GnuTLS", "certtool", certtool::open),
    ("pyca", "python3", pyca::open),
    ("Bouncy Castle", "javac", bouncy_castle::open),
];

#[test]
fn openssl() {
    run("OpenSSL");
}

#[test]
fn gpgsm() {
    run("gpgsm");
}

#[test]
fn nss() {
    run("NSS");
}

/// Makes the page of `make interop`: all cells in one run.
#[test]
fn page() {
    let Some(path) = env::var_os("WAFER_INTEROP") else {
        println!("left out: only `make interop` writes the page");
        return;
    };
    let lacks = Lacks::read();
    let cells: Vec<Cell> = PEERS.iter().flat_map(|peer| cells_of(peer)).collect();
    lacks.judge(&cells, "");
    let versions: Vec<_> = PEERS.iter().map(|(name, ..)| (*name, peer::version(name))).collect();
    std::fs::write(path, page::page(&cells, &lacks, &versions)).unwrap();
}

fn run(name: &str) {
    let peer = PEERS.iter().find(|(known, ..)| *known == name).unwrap();
    // In `make interop` the test `page` tries everything.
    if has(peer.1) && env::var_os("WAFER_INTEROP").is_none() {
        Lacks::read().judge(&cells_of(peer), name);
    }
}

/// Every cell of one peer that has a meaning.
fn cells_of((name, _, open): &(&'static str, &str, Open)) -> Vec<Cell> {
    let mut cells = Vec::new();
    for key in KEYS {
        let person = Person::new(key);
        let peer = open(&person);
        for operation in OPERATIONS.into_iter().filter(|operation| applies(key, *operation)) {
            for reading in [Reading::Peer, Reading::Ours] {
                let outcome = match &peer {
                    Ok(peer) => try_cell(&person, peer.as_ref(), operation, reading),
                    Err(reason) => Err(reason.clone()),
                };
                cells.push(Cell { peer: name, key, operation, reading, outcome });
            }
        }
    }
    cells
}

//! How fast the engine is, without bus, token and files, beside the floor of the primitives that each use case needs
//! (hash, cipher, base64), measured in the same run.
//!
//! ```text
//! throughput rates [MIB] [ROUNDS] [WORDS]   each use case (that begins with WORDS) over so many MiB (100), the best
//!                                           of so many rounds (3)
//! throughput small [COUNT]                  verifying a 10 KiB mail, beside the signature check itself
//! throughput scaling [LARGEST]              each use case from 1 KiB to LARGEST bytes (1 GiB)
//! ```
//!
//! Prints one JSON object a line. Times are CPU time of the thread in microseconds: what other programs take from the
//! machine meanwhile does not count. `bench/run` calls it and makes tables and the plot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measuring tool that prints, and ends by panicking"
)]

mod case;
mod floor;
#[path = "../software_key/mod.rs"]
mod software_key;

use std::fs;

use case::{CASES, Case, Tool};
use floor::Floor;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: usize| arguments.get(at).map_or(default, |n| n.parse().expect("a number"));
    match arguments.first().map(String::as_str) {
        Some("rates") => {
            rates(number(1, 100) << 20, number(2, 3), arguments.get(3).map_or("", String::as_str));
        }
        Some("small") => small(number(1, 2000)),
        Some("scaling") => scaling(number(1, 1 << 30)),
        _ => panic!("see the head of examples/throughput/main.rs for the arguments"),
    }
}

/// The best of all rounds counts, of the cases and of the primitives alike; rounds are interleaved.
fn rates(bytes: usize, rounds: usize, wanted: &str) {
    let mut tool = Tool::new(bytes);
    let mut floor = Floor::default();
    let mut best = [u64::MAX; CASES.len()];
    for _ in 0..rounds {
        floor.measure(bytes);
        for (case, best) in CASES.iter().zip(&mut best).filter(|(case, _)| case.is(wanted)) {
            *best = tool.run(case).min(*best);
        }
    }
    for (Case { name, floor: needs, .. }, us) in CASES.iter().zip(best).filter(|(case, _)| case.is(wanted)) {
        let floor_us = floor.of(needs);
        let ratio = us as f64 / floor_us as f64;
        println!(
            r#"{{"case": "{name}", "bytes": {bytes}, "us": {us}, "floor_us": {floor_us}, "ratio": {ratio:.2}}}"#
        );
    }
}

fn small(count: usize) {
    let mut tool = Tool::new(10 << 10);
    let case = CASES.iter().find(|case| case.is("sign clear mail")).unwrap();
    tool.run(case);
    let whole = each(count, || tool.verify_again());
    let check = each(count, tool.bare_check());
    println!(
        r#"{{"case": "verify 10 KiB", "us": {whole:.1}, "signature_us": {check:.1}, "beyond_us": {:.1}}}"#,
        whole - check
    );
}

fn scaling(largest: usize) {
    let mut bytes = 1 << 10;
    while bytes <= largest {
        let mut tool = Tool::new(bytes);
        for case in &CASES {
            // Small messages are over before something else can happen, if they are tried often enough.
            let count = ((4 << 20) / bytes).clamp(1, 50);
            let us = (0..count).map(|_| tool.run(case)).min().unwrap().max(1);
            println!(r#"{{"case": "{}", "bytes": {bytes}, "us": {us}}}"#, case.name);
        }
        bytes *= 4;
    }
}

fn each(count: usize, mut work: impl FnMut()) -> f64 {
    let start = cpu_us();
    (0..count).for_each(|_| work());
    (cpu_us() - start) as f64 / count as f64
}

/// CPU time of this thread so far.
fn cpu_us() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    status.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).expect("a number") / 1000
}

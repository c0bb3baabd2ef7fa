//! What the bench needs a card for: a simulated one behind a real pcscd, with the waferd of `WAFER_BIN_DIR`.
//!
//! ```text
//! card hotplug TIMES     puts the card in and pulls it out again and again, before a raw PC/SC client and a D-Bus client
//! card commands          the APDUs of one signature while the PIN is cached
//! ```
//!
//! Each prints one line of JSON. (`card watch` is the raw client; it writes a line per event.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "this program prints")]

mod commands;
mod hotplug;
mod watch;

/// Nanoseconds of a clock that all processes share.
fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["hotplug", times] => println!("{}", hotplug::measure(times.parse().unwrap()).await),
        ["commands"] => println!("{}", commands::count().await),
        ["watch"] => watch::watch(),
        _ => panic!("see the head of main.rs for the arguments"),
    }
}

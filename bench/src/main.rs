//! The bench's own client: what Python would be too slow to measure. `bench/run` calls it and prints the ratios.
//!
//! ```text
//! wafer-bench sign CLIENTS SECONDS MESSAGE              signs a small message over D-Bus, as fast as it gets answers
//! wafer-bench raw MODULE TOKEN PIN LABEL KIND THREADS SECONDS   raw C_Sign on the same token
//! wafer-bench call mail|cms OPERATION IN OUT [OPTION=VALUE]...   one call with descriptors
//! wafer-bench import FILE                               imports recipients' certificates
//! wafer-bench check COUNT STORED SECONDS                looks COUNT of STORED people up in one call, again and again
//! wafer-bench activate                                  first call to a service that does not run yet
//! ```
//!
//! Each prints one line of JSON on standard output.

mod bus;
mod people;
mod raw;

use std::process::ExitCode;
use std::time::Duration;

/// Why a measurement could not be made; a person reads it.
type Fault = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match measure(&words) {
        Ok(figures) => {
            print(&figures);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("wafer-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn measure(words: &[&str]) -> Result<serde_json::Value, Fault> {
    match words {
        ["sign", clients, seconds, message] => {
            block_on(bus::sign_rate(clients.parse()?, time(seconds)?, std::fs::read(message)?))
        }
        ["raw", module, token, pin, label, kind, threads, seconds] => {
            let key = raw::Key { module, token, pin, label, ec: *kind == "ec" };
            raw::sign_rate(&key, threads.parse()?, time(seconds)?)
        }
        ["call", interface, operation, input, output, options @ ..] => {
            block_on(bus::call(interface, operation, input, output, options))
        }
        ["import", file] => block_on(people::import(file)),
        ["check", count, stored, seconds] => {
            block_on(people::check_rate(count.parse()?, stored.parse()?, time(seconds)?))
        }
        ["activate"] => block_on(bus::activate()),
        _ => Err("see the head of bench/src/main.rs for the arguments".into()),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn time(seconds: &str) -> Result<Duration, Fault> {
    Ok(Duration::from_secs_f64(seconds.parse()?))
}

/// Rate and quantiles of one run. `latencies` in nanoseconds, of all clients together.
fn figures(mut latencies: Vec<u64>, elapsed: Duration) -> Result<serde_json::Value, Fault> {
    latencies.sort_unstable();
    let quantile = |per_mille: usize| latencies.get((latencies.len().saturating_sub(1)) * per_mille / 1000);
    let (Some(p50), Some(p99)) = (quantile(500), quantile(990)) else {
        return Err("nothing was measured".into());
    };
    let rate = f64::from(u32::try_from(latencies.len())?) / elapsed.as_secs_f64();
    Ok(
        serde_json::json!({ "count": latencies.len(), "rate": rate, "p50_us": p50 / 1000, "p99_us": p99 / 1000 }),
    )
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::print_stdout, reason = "the one place that prints")]
fn print(figures: &serde_json::Value) {
    println!("{figures}");
}

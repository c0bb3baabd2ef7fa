//! `wafer`: signs, verifies, encrypts and decrypts mail with the keys on a person's cards.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    wafer::run(wafer::args::Arguments::parse()).await
}

//! What the test asks for, and the diary it reads.

use std::fs::{File, OpenOptions};
use std::io::Write;

use cryptoki_sys::CK_RV;

/// A fault that a test asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Hang,
    Abort,
    Gate(String),
    Removed,
    PinPad(String),
}

/// Reads the control file; without one everything is normal.
pub(crate) fn fault() -> Fault {
    let text = std::env::var_os("WAFER_TEST_CONTROL").and_then(|path| std::fs::read_to_string(path).ok());
    match text.as_deref().map(str::trim) {
        Some("hang") => Fault::Hang,
        Some("abort") => Fault::Abort,
        Some("removed") => Fault::Removed,
        Some(other) => match other.split_once(':') {
            Some(("gate", path)) => Fault::Gate(path.to_owned()),
            Some(("pin-pad", path)) => Fault::PinPad(path.to_owned()),
            _ => Fault::None,
        },
        None => Fault::None,
    }
}

/// Does what the control file asks of a private-key operation.
pub(crate) fn suffer() {
    match fault() {
        Fault::None | Fault::Removed | Fault::PinPad(_) => {}
        Fault::Hang => loop {
            std::thread::park();
        },
        Fault::Abort => std::process::abort(),
        // Opening a FIFO for reading blocks until a writer opens it: no clock is involved.
        Fault::Gate(path) => drop(File::open(path)),
    }
}

/// The PIN that somebody enters at the reader, where the reader has keys for that. Waits for it.
pub(crate) fn pin_at_the_reader() -> Option<Vec<u8>> {
    let Fault::PinPad(path) = fault() else { return None };
    std::fs::read(path).ok()
}

/// Writes one line: a function that returned.
pub(crate) fn note(function: &str, result: CK_RV) {
    line(&format!("{} {function} {result:#x}\n", std::process::id()));
}

/// Writes one line: a function that begins.
pub(crate) fn begin(function: &str) {
    line(&format!("{} {function} begin\n", std::process::id()));
}

fn line(text: &str) {
    let Some(path) = std::env::var_os("WAFER_TEST_LOG") else { return };
    // One write with O_APPEND: lines of several processes never mix.
    let written =
        OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        eprintln!("wafer-test-module: the log cannot be written: {error}");
    }
}

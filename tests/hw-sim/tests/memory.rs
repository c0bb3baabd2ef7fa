//! Memory stays flat whatever a message's size: a GiB goes through each operation of a release build.
//!
//! `make test` makes that build before. Without `target/release/waferd` (or `WAFER_BIN_DIR`) the test says so
//! and passes, except where `CI` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use hw_sim::caller::{CMS, MAIL, descriptor, flag, text};
use hw_sim::pki::ALICE;
use hw_sim::programs::{take_from, workspace};
use hw_sim::{Options, World, mail, options};
use zbus::Variant;

/// The size of the message, in bytes.
const MESSAGE: u64 = 1 << 30;
/// What waferd's resident memory may grow by, in bytes.
const GROWTH: u64 = 16 << 20;

/// The folder of the release build, if there is one.
fn release() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("WAFER_BIN_DIR") {
        return Some(workspace().join(folder));
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    Some(target.join("release")).filter(|folder| folder.join("waferd").is_file())
}

/// An unlinked file with a mail of `length` bytes.
fn long_mail(length: u64) -> File {
    let mut file = BufWriter::with_capacity(1 << 20, tempfile::tempfile().unwrap());
    let head = mail::message(ALICE, "");
    file.write_all(&head).unwrap();
    let line = [&[b'x'; 76][..], b"\r\n"].concat().repeat(1024);
    let mut left = length - head.len() as u64;
    while left > 0 {
        let part = line.len().min(usize::try_from(left).unwrap());
        file.write_all(&line[..part]).unwrap();
        left -= part as u64;
    }
    file.into_inner().unwrap()
}

struct Meter {
    world: World,
    failures: Vec<String>,
}

impl Meter {
    /// One operation from file to file; notes what memory did.
    async fn run(&mut self, name: &str, interface: &str, method: &str, input: &File, more: Options) -> File {
        let out = tempfile::tempfile().unwrap();
        let mut input_at_start = input;
        input_at_start.seek(SeekFrom::Start(0)).unwrap();
        let process = self.world.waferd.process();
        let (before, begun) = (process.rss(), std::time::Instant::now());
        let (input, output) = (descriptor(input), descriptor(&out));
        let reply = if method == "Verify" {
            let mut more = more;
            more.insert("output", output);
            self.world.caller.verify_input(input, more).await
        } else {
            self.world.caller.run(interface, method, input, output, more).await
        };
        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        // The peak so far also counts what went before: the measure is on the strict side.
        let grown = process.peak_rss().saturating_sub(before);
        eprintln!("{name}: {} ms, waferd grew by {} KiB", begun.elapsed().as_millis(), grown >> 10);
        if grown > GROWTH {
            self.failures.push(format!("{name}: {} KiB", grown >> 10));
        }
        match method {
            "Verify" => assert_eq!(text(&reply, "status"), "valid", "{name}"),
            "Decrypt" => assert_eq!(flag(&reply, "authenticated"), name.contains("GCM"), "{name}"),
            _ => {}
        }
        out
    }
}

fn to(cipher: &'static str) -> Options {
    options([("recipients", Variant::from(vec![ALICE.address()])), ("content-cipher", Variant::from(cipher))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_passes_through_each_operation_in_flat_memory() {
    let Some(release) = release() else {
        assert!(std::env::var_os("CI").is_none(), "target/release is missing: `make release` first");
        eprintln!("skipped: there is no release build in target/release (`make release` makes it)");
        return;
    };
    take_from(release);
    let world = World::new().await;
    world.log_in().await;
    let mut meter = Meter { world, failures: Vec::new() };
    // Threads, buffers and tables that exist from the first use on are not growth by size.
    let small = long_mail(4 << 20);
    let signed = meter.run("sign 4 MiB", MAIL, "Sign", &small, Options::new()).await;
    let sealed = meter.run("encrypt GCM 4 MiB", MAIL, "Encrypt", &signed, to("aes256-gcm")).await;
    drop(meter.run("read 4 MiB", MAIL, "Read", &sealed, Options::new()).await);
    let opened = meter.run("decrypt GCM 4 MiB", MAIL, "Decrypt", &sealed, Options::new()).await;
    drop(meter.run("verify 4 MiB", MAIL, "Verify", &opened, Options::new()).await);

    let message = long_mail(MESSAGE);
    let signed = meter.run("sign", MAIL, "Sign", &message, Options::new()).await;
    drop(meter.run("verify", MAIL, "Verify", &signed, Options::new()).await);
    drop(meter.run("read", MAIL, "Read", &signed, Options::new()).await);
    let opaque = options([("form", Variant::from("opaque"))]);
    let signed = meter.run("sign opaque", MAIL, "Sign", &message, opaque).await;
    drop(meter.run("verify opaque", MAIL, "Verify", &signed, Options::new()).await);
    drop(signed);
    for (name, cipher) in [("GCM", "aes256-gcm"), ("CBC", "aes256-cbc")] {
        let sealed = meter.run(&format!("encrypt {name}"), MAIL, "Encrypt", &message, to(cipher)).await;
        drop(meter.run(&format!("decrypt {name}"), MAIL, "Decrypt", &sealed, Options::new()).await);
    }
    let sealed = meter.run("encrypt GCM, bare CMS", CMS, "Encrypt", &message, to("aes256-gcm")).await;
    drop(meter.run("decrypt GCM, bare CMS", CMS, "Decrypt", &sealed, Options::new()).await);
    assert!(meter.failures.is_empty(), "grew by more than 16 MiB: {:?}", meter.failures);
}

//! Every target over the kept corpus (`fuzz/corpus`) and over the vectors of others: the part of fuzzing that needs
//! no fuzzer. Each input must be done within a second of CPU time and a bounded memory.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it left out"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use super::*;
use crate::mime::message::{open_cms, signature};

/// For one input; builds for tests are several times slower than the real thing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Larger files are tables and archives, no messages.
const LARGEST: u64 = 512 * 1024;

/// Resident memory of the whole test, inputs included.
const MEMORY_KIB: u64 = 128 * 1024;

/// Folders of `WAFER_VECTORS` without messages: tables of primitives and of paths.
const NO_MESSAGES: [&str; 2] = ["wycheproof", "x509-limbo"];

#[test]
fn ber_corpus() {
    run("ber");
}

#[test]
fn signed_corpus() {
    run("signed");
}

#[test]
fn enveloped_corpus() {
    run("enveloped");
}

#[test]
fn head_corpus() {
    run("head");
}

#[test]
fn mime_corpus() {
    run("mime");
}

#[test]
fn message_corpus() {
    run("message");
}

#[test]
fn read_corpus() {
    run("read");
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer() {
    for (name, _) in TARGETS {
        assert!(!files(&fuzz().join("corpus").join(name)).is_empty(), "{name} has no corpus");
        assert!(fuzz().join(format!("fuzz_targets/{name}.rs")).exists(), "{name} is not fuzzed");
    }
}

fn run(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let kept = files(&fuzz().join("corpus").join(name));
    assert!(!kept.is_empty(), "no corpus");
    kept.iter().for_each(|path| one(path, target));
    let theirs = vectors();
    theirs.iter().for_each(|path| one(path, target));
    let peak = peak_kib();
    assert!(peak < MEMORY_KIB, "{peak} KiB at the peak");
    println!("{name}: {} kept inputs, {} vectors, {} MiB at the peak", kept.len(), theirs.len(), peak >> 10);
}

/// The bytes as they are, and the CMS object in them if they are mail.
fn one(path: &Path, target: Target) {
    let _named = Named(path);
    let data = fs::read(path).unwrap();
    for input in [Some(data.clone()), inner(&data)].into_iter().flatten() {
        let before = cpu_time();
        target(&input);
        let taken = cpu_time() - before;
        assert!(taken < PATIENCE, "{}: {taken:?}", path.display());
    }
}

/// Says which input it was if the target panics.
struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the input was {}", self.0.display());
        }
    }
}

/// The CMS object that a mail carries.
fn inner(mut data: &[u8]) -> Option<Vec<u8>> {
    let message = Message::read(Box::new(data)).ok()?;
    if let Kind::Clear { boundary, .. } = Kind::of(&message.head).ok()? {
        return signature(split(&mut message.into_body(), &boundary, &mut |_| Ok(())).ok()?).ok();
    }
    let mut object = Vec::new();
    open_cms(&mut data, Container::Mail, "").ok()?.1.read_to_end(&mut object).ok()?;
    Some(object)
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn vectors() -> Vec<PathBuf> {
    let Some(root) = env::var_os("WAFER_VECTORS") else {
        assert!(env::var_os("CI").is_none(), "WAFER_VECTORS must be set where all tests must run");
        println!("left out: WAFER_VECTORS is not set");
        return Vec::new();
    };
    let found: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !NO_MESSAGES.iter().any(|name| path.ends_with(name)))
        .flat_map(|folder| files(&folder))
        .filter(|path| path.metadata().unwrap().len() <= LARGEST)
        .collect();
    assert!(found.len() > 1000, "only {} vectors were found", found.len());
    found
}

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Time this thread has been running: what others take from the machine does not count.
fn cpu_time() -> Duration {
    let status = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(status.split_whitespace().next().unwrap().parse().unwrap())
}

/// Peak resident memory of this process.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

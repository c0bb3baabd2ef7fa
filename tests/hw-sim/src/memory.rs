//! The memory of other processes, as root sees it: where a secret still is.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::process::Process;

/// So much is read at a time.
const CHUNK: usize = 4 * 1024 * 1024;

/// A place where the secret was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its address.
    pub address: u64,
    /// The mapping is locked into memory and left out of dumps: the memory that PINs are kept in.
    pub guarded: bool,
}

/// One line of `/proc/PID/maps`, with the flags of `smaps`.
struct Mapping {
    start: u64,
    end: u64,
    guarded: bool,
}

/// Every place of `secret` in the process's memory. Panics where the kernel lets us not look: a scan that sees
/// nothing proves nothing.
pub fn find(process: Process, secret: &[u8]) -> Vec<Hit> {
    let memory = File::open(format!("/proc/{}/mem", process.0)).expect("only root may look into a keeper");
    let mut hits = Vec::new();
    for mapping in mappings(process) {
        let mut at = mapping.start;
        while at < mapping.end {
            let length = usize::try_from(mapping.end - at).unwrap().min(CHUNK + secret.len());
            let mut bytes = vec![0; length];
            // A page that was never touched, or a device's, cannot be read and holds nothing.
            if memory.read_exact_at(&mut bytes, at).is_ok() {
                let found = bytes.windows(secret.len()).enumerate().filter(|(_, window)| *window == secret);
                hits.extend(
                    found.map(|(offset, _)| Hit { address: at + offset as u64, guarded: mapping.guarded }),
                );
            }
            at += CHUNK as u64;
        }
    }
    hits.dedup();
    hits
}

fn mappings(process: Process) -> Vec<Mapping> {
    let text =
        fs::read_to_string(format!("/proc/{}/smaps", process.0)).expect("only root may see the mappings");
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let has = |flag: &str| flags.split_whitespace().any(|known| known == flag);
            let is_readable = has("rd") && !has("io");
            match mappings.last_mut() {
                Some(last) if is_readable => last.guarded = has("lo") && has("dd"),
                _ => drop(mappings.pop()),
            }
        } else if let Some((range, rest)) = line.split_once(' ')
            && let Some((start, end)) = range.split_once('-')
            && let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
            && !rest.contains("[vvar]")
            && !rest.contains("[vsyscall]")
        {
            mappings.push(Mapping { start, end, guarded: false });
        }
    }
    mappings
}

/// Whether this process may look into others' memory.
pub fn may_look() -> bool {
    rustix::process::geteuid().is_root()
}

//! The memory of other processes, as root sees it: where a secret still is, and in which form.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;

use crate::process::Process;

/// So much is read at a time.
const CHUNK: usize = 4 * 1024 * 1024;
/// What cannot be read is passed over by so much.
const PAGE: usize = 4096;

/// A place where the secret was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Its address.
    pub address: u64,
    /// How it is written there.
    pub form: &'static str,
    /// The mapping is locked into memory and left out of dumps: the memory that PINs are kept in.
    pub guarded: bool,
}

/// One line of `/proc/PID/maps`, with the flags of `smaps`.
struct Mapping {
    start: u64,
    end: u64,
    guarded: bool,
}

/// Every place of `secret` in the process's memory, in any form that a program on its way may have given it: as it
/// is (a PIV card's eight octets begin with it), in wide characters, in an Assuan line, in hex, in base64. Panics where
/// the kernel lets us not look: a scan that sees nothing proves nothing.
pub fn find(process: Process, secret: &[u8]) -> Vec<Hit> {
    let memory = File::open(format!("/proc/{}/mem", process.0)).expect("only root may look into a keeper");
    let forms = forms(secret);
    let longest = forms.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    let finders: Vec<_> = forms.iter().map(|(form, bytes)| (*form, Finder::new(bytes))).collect();
    let mut hits = Vec::new();
    let mut bytes = vec![0; CHUNK + longest];
    for mapping in mappings(process) {
        let mut at = mapping.start;
        while at < mapping.end {
            let length = usize::try_from(mapping.end - at).unwrap().min(bytes.len());
            // A device's page, or one of memfd_secret, cannot be read: it is passed over, what follows is not.
            let read = memory.read_at(&mut bytes[..length], at).unwrap_or(0);
            for (form, finder) in &finders {
                let found = finder.find_iter(&bytes[..read]);
                hits.extend(found.map(|offset| Hit {
                    address: at + offset as u64,
                    form,
                    guarded: mapping.guarded,
                }));
            }
            // The next look begins before the end of this one: no secret falls between two.
            at += if read == bytes.len() { CHUNK } else { (read / PAGE * PAGE).max(PAGE) } as u64;
        }
    }
    hits.sort();
    hits.dedup();
    hits
}

/// Whether this thread may look into others' memory.
pub fn may_look() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the kernel gives out memory that not even root can read (memfd_secret(2)), and the process has some.
pub fn has_secret_memory(process: Process) -> bool {
    smaps(process).contains("/secretmem")
}

/// The forms that differ from each other.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let widened = |width: usize| {
        let wide = |byte: &u8| [&[*byte][..], &[0; 3][..width - 1]].concat();
        secret.iter().flat_map(wide).collect::<Vec<u8>>()
    };
    let hex = |digits: &[u8; 16]| {
        let two = |byte: &u8| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]];
        secret.iter().flat_map(two).collect::<Vec<u8>>()
    };
    let mut forms = vec![
        ("as it is", secret.to_vec()),
        ("16 bits wide", widened(2)),
        ("32 bits wide", widened(4)),
        ("an Assuan line", escaped(secret)),
        ("hex", hex(b"0123456789abcdef")),
        ("HEX", hex(b"0123456789ABCDEF")),
    ];
    forms.extend((0..3).map(|offset| ("base64", base64(secret, offset))));
    let mut distinct: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for form in forms {
        if !distinct.iter().any(|(_, bytes)| *bytes == form.1) {
            distinct.push(form);
        }
    }
    distinct
}

/// As a line of the Assuan protocol has it.
fn escaped(secret: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'%' | b'\r' | b'\n' => format!("%{byte:02X}").into_bytes(),
        byte => vec![*byte],
    };
    secret.iter().flat_map(escape).collect()
}

/// What base64 makes of the secret alone, `offset` bytes (0 to 2) after the start of a group: neighbours have no part
/// in it.
fn base64(secret: &[u8], offset: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = secret.len() * 8;
    let bit = |at: usize| secret[at / 8] >> (7 - at % 8) & 1;
    // The first group of six bits that begins in the secret.
    let first = (6 - offset * 8 % 6) % 6;
    let sextets = (first..bits.saturating_sub(5)).step_by(6);
    sextets.map(|at| ALPHABET[(at..at + 6).fold(0, |all, at| all << 1 | usize::from(bit(at)))]).collect()
}

fn mappings(process: Process) -> Vec<Mapping> {
    let text = smaps(process);
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let has = |flag: &str| flags.split_whitespace().any(|known| known == flag);
            match mappings.last_mut() {
                Some(last) if !has("io") => last.guarded = has("lo") && has("dd"),
                _ => drop(mappings.pop()),
            }
        } else if let Some((range, rest)) = line.split_once(' ')
            && let Some((start, end)) = range.split_once('-')
            && let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
            && !rest.contains("[vsyscall]")
        {
            mappings.push(Mapping { start, end, guarded: false });
        }
    }
    mappings
}

fn smaps(process: Process) -> String {
    fs::read_to_string(format!("/proc/{}/smaps", process.0)).expect("only root may see the mappings")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_form_is_known() {
        let form = |wanted: &str| {
            let forms = forms(b"a%b~");
            forms.into_iter().filter(|(name, _)| *name == wanted).map(|(_, bytes)| bytes).collect::<Vec<_>>()
        };
        assert_eq!(form("16 bits wide"), [b"a\0%\0b\0~\0"]);
        assert_eq!(form("32 bits wide"), [b"a\0\0\0%\0\0\0b\0\0\0~\0\0\0"]);
        assert_eq!(form("an Assuan line"), [b"a%25b~"]);
        assert_eq!(form("hex"), [b"6125627e"]);
        // What stays of "YSVifg==", "eGElYn4=" and "eHhhJWJ+" without the characters that neighbours have a part in.
        assert_eq!(form("base64"), [&b"YSVif"[..], b"ElYn", b"hJWJ+"]);
    }

    #[test]
    fn what_this_process_keeps_is_found_once() {
        if !may_look() {
            return;
        }
        let half = format!("{:?}", std::time::Instant::now());
        let kept: Vec<u8> = half.bytes().rev().collect();
        let hits = find(Process(std::process::id()), &kept);
        assert!(hits.iter().any(|hit| hit.address == kept.as_ptr() as u64 && !hit.guarded), "{hits:?}");
    }
}

//! What Wafer keeps on disk survives a kill at any moment and a full disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use waferd::data::{Journal, read, replace};

/// Set for the process that writes: the folder to write in.
const FOLDER: &str = "WAFER_DATA_TEST";
/// How often the writer is killed.
const KILLS: u32 = 200;

/// The writer that the other tests start and kill: says each number that is on the disk.
#[test]
#[ignore = "started by the tests below, in a process of its own"]
fn writer() {
    let folder = std::env::var_os(FOLDER).expect("started by another test");
    let folder = Path::new(&folder);
    let (mut journal, mut next) = journal(folder);
    let mut out = std::io::stdout();
    loop {
        let entry = entry(next);
        let kept = journal.append(&entry).and_then(|place| {
            assert!(place.is_some(), "nobody else writes here");
            replace(&folder.join("whole"), &whole(next))?;
            if next % 50 == 49 {
                journal.rewrite((0..=next).map(|number| Ok(self::entry(number))))?;
            }
            Ok(())
        });
        match kept {
            Ok(()) => writeln!(out, "kept {next}").unwrap(),
            Err(error) => return writeln!(out, "refused {:?}", error.raw_os_error()).unwrap(),
        }
        next += 1;
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_said_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = 0x2545_f491_u32;
    let mut moments = std::collections::HashSet::new();
    for kill in 0..KILLS {
        let mut writer = start(folder.path(), |test| test);
        let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
        // xorshift32: after how many answers, and how many microseconds later, the writer is killed.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let mut kept = None;
        for line in said.by_ref().map(Result::unwrap).filter_map(|line| number(&line, "kept ")) {
            kept = Some(line);
            if line % 7 == random % 7 {
                break;
            }
        }
        spin(u64::from(random % 4000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        kept = said.map_while(Result::ok).filter_map(|line| number(&line, "kept ")).last().or(kept);
        let kept = kept.expect("the writer said nothing");
        moments.insert(check(folder.path(), kept));
        assert!(kept >= kill.saturating_sub(1), "the writers go on where the last one was killed");
    }
    assert!(moments.len() > 1, "the kills all hit the same moment: {moments:?}");
}

#[test]
fn a_full_disk_is_refused_and_spoils_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start(folder.path(), |test| {
        // A disk of 256 KiB of its own, that goes with the process.
        let script = "mount -t tmpfs -o size=256k,mode=700 none \"$0\" && \"$@\" && cp -a \"$0\" \"$0-copy\"";
        let mut disk = Command::new("unshare");
        disk.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(folder.path());
        disk.arg(test.get_program()).args(test.get_args());
        disk
    });
    let output = writer.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if !output.status.success() && !said.contains("kept") {
        assert!(std::env::var_os("CI").is_none(), "a small tmpfs cannot be mounted here");
        return writeln!(std::io::stderr(), "not run: a small tmpfs cannot be mounted here").unwrap();
    }
    let kept = said.lines().rev().find_map(|line| number(line, "kept ")).expect("nothing was kept");
    let full = format!("refused {:?}", Some(rustix::io::Errno::NOSPC.raw_os_error()));
    assert!(said.contains(&full), "the disk was never full:\n{said}");
    let copy = folder
        .path()
        .with_file_name(format!("{}-copy", folder.path().file_name().unwrap().to_string_lossy()));
    check(&copy, kept);
    std::fs::remove_dir_all(copy).unwrap();
}

/// Checks what is in `folder` after `kept` was the last number said; gives what the writer was doing.
fn check(folder: &Path, kept: u32) -> &'static str {
    let (_, next) = journal(folder);
    assert!(next > kept, "{kept} was kept, and the journal ends before {next}");
    assert!(next <= kept + 2, "the journal holds what nobody wrote");
    let bytes = read(&folder.join("whole")).unwrap().unwrap();
    let number = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    assert!(bytes == whole(number), "half a file");
    assert!(number == kept || number == kept + 1, "the file is neither before nor after");
    match (next - kept, number - kept) {
        (1, _) => "between two rounds",
        (_, 0) => "after the journal",
        _ => "after the file",
    }
}

/// The journal, and the number after its last.
fn journal(folder: &Path) -> (Journal<String>, u32) {
    let mut next = 0;
    let each = |found: String, _| {
        assert!(found == entry(next), "entry {next} is {found:?}");
        next += 1;
    };
    let journal = Journal::open(&folder.join("journal"), "numbers", 1, each).unwrap();
    (journal, next)
}

fn entry(number: u32) -> String {
    format!("{number} {}", "x".repeat((number % 97) as usize * 13))
}

fn whole(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + (number % 31) as usize * 100)
}

fn number(line: &str, before: &str) -> Option<u32> {
    line.split_once(before)?.1.trim().parse().ok()
}

fn start(folder: &Path, wrap: impl FnOnce(Command) -> Command) -> Child {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["writer", "--exact", "--ignored", "--nocapture"]);
    let mut command = wrap(test);
    command.env(FOLDER, folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Lets `microseconds` pass in steps too small for a sleep: which moment is hit is the point of the test.
fn spin(microseconds: u64) {
    let end = std::time::Instant::now() + std::time::Duration::from_micros(microseconds);
    while std::time::Instant::now() < end {
        std::hint::spin_loop();
    }
}

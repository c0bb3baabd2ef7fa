//! What is left over in the end: processes, descriptors, threads, memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hw_sim::process::Process;

use crate::ground::Ground;

/// Threads end, dialogs close and pools shrink by themselves within this time.
const SETTLES: Duration = Duration::from_secs(40);
/// More than before by so much is a leak.
const MORE_DESCRIPTORS: usize = 4;
const MORE_THREADS: u64 = 4;
const MORE_BYTES: u64 = 24 << 20;

/// What the long-lived processes hold, by their kind.
pub(crate) struct Sizes(BTreeMap<&'static str, Size>);

#[derive(Clone, Copy)]
struct Size {
    descriptors: usize,
    threads: u64,
    bytes: u64,
}

impl Sizes {
    /// Now.
    pub(crate) async fn measure(ground: &Ground) -> Self {
        let daemon = ground.waferd().await.map(|process| ("waferd", process));
        let keepers = ground.keepers().await.into_iter().map(|process| (kind(process), process));
        let size = |process: Process| Size {
            descriptors: process.descriptors().unwrap_or_default(),
            threads: process.threads(),
            bytes: process.rss(),
        };
        Self(daemon.into_iter().chain(keepers).map(|(kind, process)| (kind, size(process))).collect())
    }

    /// What is more here than `before`.
    fn leaked(&self, before: &Self) -> Vec<String> {
        let mut leaks = Vec::new();
        for (kind, old) in &before.0 {
            let Some(new) = self.0.get(kind) else {
                leaks.push(format!("{kind} does not run"));
                continue;
            };
            if new.descriptors > old.descriptors + MORE_DESCRIPTORS {
                leaks.push(format!("{kind}: descriptors {} -> {}", old.descriptors, new.descriptors));
            }
            if new.threads > old.threads + MORE_THREADS {
                leaks.push(format!("{kind}: threads {} -> {}", old.threads, new.threads));
            }
            if new.bytes > old.bytes + MORE_BYTES {
                leaks.push(format!("{kind}: {} -> {} KiB", old.bytes >> 10, new.bytes >> 10));
            }
        }
        leaks
    }
}

/// Waits until all is as it was `before`; what is not by then is a fault.
pub(crate) async fn look(ground: &Ground, before: &Sizes) {
    let end = Instant::now() + SETTLES;
    let (mut leaks, mut sizes) = (Vec::new(), Sizes(BTreeMap::new()));
    while Instant::now() < end {
        sizes = Sizes::measure(ground).await;
        leaks = sizes.leaked(before);
        leaks.extend(left_over());
        if leaks.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (kind, Size { descriptors, threads, bytes }) in sizes.0 {
        let old = before.0.get(kind);
        let more = |new: u64, old: Option<u64>| i128::from(new) - i128::from(old.unwrap_or_default());
        let more = [
            more(descriptors as u64, old.map(|old| old.descriptors as u64)),
            more(threads, old.map(|old| old.threads)),
            more(bytes >> 10, old.map(|old| old.bytes >> 10)),
        ];
        crate::say(&format!("{kind}: {:+} descriptors, {:+} threads, {:+} KiB", more[0], more[1], more[2]));
    }
    leaks.into_iter().for_each(|leak| ground.accounts.fault(format!("a leak: {leak}")));
}

/// Processes beyond the ones that there must be.
fn left_over() -> Vec<String> {
    let expected = [("waferd", 1), ("pcscd", 1), ("keeper", 2), ("prompt-helper", 2), ("other", 0)];
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for process in Process(std::process::id()).descendants() {
        let (Some(name), Some(line)) = (process.name(), process.command_line()) else { continue };
        let kind = match name.as_str() {
            "waferd" => "waferd",
            "pcscd" => "pcscd",
            "wafer-keeper" if line.contains(" prompt-helper") => "prompt-helper",
            "wafer-keeper" => "keeper",
            name if name.starts_with("dbus-daemon") || name.starts_with("python3") => continue,
            _ => "other",
        };
        found.entry(kind).or_default().push(line);
    }
    let wrong = expected.into_iter().filter_map(|(kind, count)| {
        let found = found.get(kind).map_or(&[][..], Vec::as_slice);
        (found.len() != count).then(|| format!("{} processes \"{kind}\": {found:?}", found.len()))
    });
    wrong.collect()
}

/// Which of our processes have `what` open, and how often.
pub(crate) fn holders(what: &str) -> Vec<(u32, Option<String>, usize)> {
    let own = Process(std::process::id());
    let all = own.descendants().into_iter().chain([own]);
    let holders = all.map(|process| {
        let open = std::fs::read_dir(format!("/proc/{}/fd", process.0)).into_iter().flatten().flatten();
        let held =
            open.filter(|one| std::fs::read_link(one.path()).is_ok_and(|path| path.as_os_str() == what));
        (process.0, process.name(), held.count())
    });
    holders.filter(|(_, _, count)| *count > 0).collect()
}

fn kind(keeper: Process) -> &'static str {
    let line = keeper.command_line().unwrap_or_default();
    if line.contains(" pcsc --name ") { "keeper of the readers" } else { "keeper of the module" }
}

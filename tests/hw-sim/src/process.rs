//! What the kernel tells about a process.

use std::collections::HashMap;
use std::fs;

/// A process, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process(pub u32);

impl Process {
    /// A number out of `/proc/PID/status`: kB for sizes, a count for `Threads`.
    pub fn status(self, field: &str) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Proportional set size in bytes; `None` where the kernel does not show it (another's process).
    pub fn pss(self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Resident set size in bytes.
    pub fn rss(self) -> u64 {
        self.status("VmRSS").unwrap_or(0) * 1024
    }

    /// The largest resident set size so far, in bytes.
    pub fn peak_rss(self) -> u64 {
        self.status("VmHWM").unwrap_or(0) * 1024
    }

    /// Threads.
    pub fn threads(self) -> u64 {
        self.status("Threads").unwrap_or(0)
    }

    /// How often its threads have gone to sleep so far: a process that waits for an event does so no more.
    pub fn sleeps(self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).into_iter().flatten().flatten();
        let count = |task: fs::DirEntry| -> Option<u64> {
            let text = fs::read_to_string(task.path().join("status")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
        };
        tasks.filter_map(count).sum()
    }

    /// Open descriptors; `None` where the kernel does not show them.
    pub fn descriptors(self) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{}/fd", self.0)).ok()?.count())
    }

    /// The program's name, as the kernel has it (15 bytes at most).
    pub fn name(self) -> Option<String> {
        Some(fs::read_to_string(format!("/proc/{}/comm", self.0)).ok()?.trim().to_owned())
    }

    /// The command line, with spaces between the arguments.
    pub fn command_line(self) -> Option<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.0)).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    }

    /// Whether it runs (a dead process that nobody has waited for does not).
    pub fn runs(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().next())
            .is_some_and(|state| state != "Z")
    }

    /// Its descendants that run, in the order of their numbers.
    pub fn descendants(self) -> Vec<Process> {
        let parents = parents();
        let below = |mut process: u32| {
            while let Some(parent) = parents.get(&process) {
                if *parent == self.0 {
                    return true;
                }
                process = *parent;
            }
            false
        };
        let mut found: Vec<u32> = parents.keys().copied().filter(|process| below(*process)).collect();
        found.sort_unstable();
        found.into_iter().map(Process).filter(|process| process.runs()).collect()
    }

    /// Sends it SIGKILL.
    pub fn kill(self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// Sends it a signal; one that is gone already is no error.
    pub fn signal(self, signal: rustix::process::Signal) {
        let pid =
            i32::try_from(self.0).ok().and_then(rustix::process::Pid::from_raw).expect("a process number");
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Every process of the machine with its parent.
fn parents() -> HashMap<u32, u32> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // "pid (name) state parent ...": the name may hold anything, also spaces and brackets.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            parents.insert(process, parent);
        }
    }
    parents
}

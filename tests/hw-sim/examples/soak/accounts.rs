//! What happened, counted, and what should not have.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// No more faults than this are written down one by one.
const FAULTS: usize = 40;

/// Everything that is counted.
#[derive(Default)]
pub(crate) struct Accounts {
    counts: Mutex<BTreeMap<(&'static str, String), usize>>,
    faults: Mutex<Vec<String>>,
}

impl Accounts {
    /// One more `what` of a group.
    pub(crate) fn count(&self, group: &'static str, what: impl Into<String>) {
        self.add(group, what, 1);
    }

    /// So many more.
    pub(crate) fn add(&self, group: &'static str, what: impl Into<String>, count: usize) {
        *self.counts.lock().unwrap().entry((group, what.into())).or_default() += count;
    }

    /// Something that must not happen.
    pub(crate) fn fault(&self, what: String) {
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < FAULTS {
            crate::say(&format!("FAULT: {what}"));
            faults.push(what);
        }
    }

    /// Holds, or is a fault.
    pub(crate) fn check(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.fault(otherwise());
        }
    }

    /// All of these.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    /// One line for each group.
    pub(crate) fn report(&self) -> String {
        let mut text = "counts".to_owned();
        let mut last = "";
        for ((group, what), count) in self.counts.lock().unwrap().iter() {
            let start = if *group == last { ", ".to_owned() } else { format!("\n  {group}: ") };
            write!(text, "{start}{what} {count}").unwrap();
            last = group;
        }
        text
    }
}

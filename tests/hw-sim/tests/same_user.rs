//! What a hostile program of the same user gets out of waferd and its keepers while a PIN is cached: nothing. The
//! program is `python/same-user`, which also shows on a process without protection that each of its attempts works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use hw_sim::onlooker::told;
use hw_sim::piv::GRACE;
use hw_sim::process::Process;
use hw_sim::programs::run;
use hw_sim::{PivWorld, SoftHsm};
use rustix::process::Signal;

/// What the program tries on each process.
const ATTEMPTS: usize = 10;

/// Its lines on the process that it calls `name`: who got what.
fn lines<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    said.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
}

#[test]
fn a_program_of_the_same_user_gets_nothing_out_of_a_process_of_ours() {
    told(async |_| {
        let hsm = SoftHsm::wafer();
        let mut world = PivWorld::with(|settings| settings.add_softhsm("soft", &hsm)).await;
        world.lists(2).await;
        world.log_in(GRACE).await;
        let ours = world.waferd.descendants_and_itself();
        assert!(ours.len() >= 5, "waferd, two keepers and their helpers: {ours:?}");

        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/same-user");
        let pids = ours.iter().map(|process| process.0.to_string());
        let said = run(Command::new("/usr/bin/python3").arg(script).args(pids));
        let said = String::from_utf8(said.stdout).unwrap();
        let open = lines(&said, "open");
        assert_eq!(open.iter().filter(|line| line.starts_with("GOT")).count(), ATTEMPTS, "{open:#?}");
        for process in &ours {
            let of_it = lines(&said, &process.0.to_string());
            assert_eq!(of_it.len(), ATTEMPTS, "{of_it:#?}");
            assert!(of_it.iter().all(|line| line.starts_with("refused")), "{:?}: {of_it:#?}", process.name());
            is_root_s(*process);
        }

        world.waferd.process().signal(Signal::ABORT);
        let status = world.waferd.stop();
        assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
    });
}

/// The kernel gives the files of an undumpable process to root.
fn is_root_s(process: Process) {
    let owner = std::fs::metadata(format!("/proc/{}/mem", process.0)).unwrap().uid();
    assert_eq!(owner, 0, "{:?} can be read by its own user", process.name());
}

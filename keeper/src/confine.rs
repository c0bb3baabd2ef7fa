//! What the process gives up before it loads a vendor's module.
//!
//! Landlock: nothing is executed, nothing is written outside the module's own
//! directories, no TCP unless the settings say so. seccomp: no internet sockets
//! (the same condition) and none of the calls that reach into other processes.
//! The helper that starts pinentry was started before and is not bound by this.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::args::Settings;

/// System calls that a keeper and its module never need and a captured one would want.
const REFUSED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_io_uring_setup,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
];

/// Calls of the x32 ABI carry this bit on x86-64; the filter must know both numbers.
#[cfg(target_arch = "x86_64")]
const NUMBER_VARIANTS: &[i64] = &[0, 0x4000_0000];
#[cfg(not(target_arch = "x86_64"))]
const NUMBER_VARIANTS: &[i64] = &[0];

/// No other process of the same user may read this one's memory, and no core is ever written.
pub fn close_to_debuggers() -> std::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Confines the calling thread and every thread it starts later; call it before any exists.
///
/// A kernel without Landlock is told in the journal and is no error; one without seccomp is.
pub fn confine(settings: &Settings) -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
    match landlock(settings).map_err(|error| format!("Landlock: {error}"))? {
        RulesetStatus::FullyEnforced => {}
        status => tracing::warn!(?status, "this kernel enforces Landlock only in part or not at all"),
    }
    let filter = filter(settings.network).map_err(|error| format!("seccomp: {error}"))?;
    seccompiler::apply_filter(&filter).map_err(|error| format!("seccomp: {error}"))
}

fn landlock(settings: &Settings) -> Result<RulesetStatus, landlock::RulesetError> {
    // Reading is free everywhere: modules read settings and libraries from many places.
    let writing = AccessFs::from_write(ABI::V3);
    let mut ruleset =
        Ruleset::default().handle_access(writing)?.handle_access(AccessFs::Execute)?.scope(Scope::Signal)?;
    if !settings.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let mut created = ruleset.create()?;
    let null = PathBuf::from("/dev/null");
    for path in settings.state.iter().chain([&null]) {
        match PathFd::new(path) {
            Ok(folder) if path.is_dir() => created = created.add_rule(PathBeneath::new(folder, writing))?,
            Ok(file) => {
                let access = writing & AccessFs::from_file(ABI::V3);
                created = created.add_rule(PathBeneath::new(file, access))?;
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "this folder of the module is missing")
            }
        }
    }
    Ok(created.restrict_self()?.ruleset)
}

fn filter(network: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for variant in NUMBER_VARIANTS {
        for call in REFUSED {
            rules.insert(call | variant, Vec::new());
        }
        if !network {
            let not_unix = SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Ne,
                u64::from(libc::AF_UNIX.unsigned_abs()),
            )?;
            rules.insert(libc::SYS_socket | variant, vec![SeccompRule::new(vec![not_unix])?]);
        }
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    filter.try_into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use crate::args::Kind;

    /// The filter binds one thread, so that a test can wear it and end with its thread.
    fn in_confinement(network: bool, work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(move || {
            let module = PathBuf::from("/m.so");
            confine(&Settings { network, ..Settings::new(Kind::Pkcs11 { module }) }).unwrap();
            work();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn internet_sockets_are_refused_and_unix_ones_are_not() {
        in_confinement(false, || {
            let refused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
            std::os::unix::net::UnixDatagram::unbound().unwrap();
        });
    }

    #[test]
    fn with_network_they_are_allowed() {
        in_confinement(true, || {
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        });
    }

    #[test]
    fn nothing_can_be_executed() {
        in_confinement(true, || {
            assert!(std::process::Command::new("/bin/true").status().is_err());
        });
    }
}

//! Which program a process is: for dialogs, and as decisions are remembered of it.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wafer_client::keeper::Certainty;

use crate::policy::consent::Program;

/// The program that the process runs. It is believed only if the process still lives afterwards: else its
/// number may belong to another by now.
pub(super) fn program(pid: u32, pidfd: Option<OwnedFd>) -> (String, Certainty) {
    let unknown = (String::new(), Certainty::Unknown);
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return unknown };
    let Some(pidfd) = pidfd.or_else(|| pidfd_open(process, PidfdFlags::empty()).ok()) else { return unknown };
    let folder = Path::new("/proc").join(pid.to_string());
    let found = match sandbox(&folder) {
        Some(name) => (name, Certainty::Sandbox),
        None => match fs::read_link(folder.join("exe")) {
            Ok(executable) => (with_script(&executable, &folder), Certainty::Executable),
            Err(_) => unknown.clone(),
        },
    };
    if is_alive(&pidfd) { found } else { unknown }
}

/// The program `pid`, shown as `shown`, as decisions are remembered of it: a sandbox by its id, an executable that
/// only root can change by its path, another by its content, a script for the session.
pub(super) fn remembered(pid: u32, shown: &str, certainty: Certainty) -> Program {
    let unknown = Program::default();
    match certainty {
        // A page is no process: `web` names it.
        Certainty::Unknown | Certainty::Page => unknown,
        Certainty::Sandbox => Program { name: format!("sandbox:{shown}"), lasting: true, origin: None },
        Certainty::Executable => {
            let link = Path::new("/proc").join(pid.to_string()).join("exe");
            let Ok(executable) = fs::read_link(&link) else { return unknown };
            if is_interpreter(&executable.file_name().unwrap_or_default().to_string_lossy()) {
                return Program { name: format!("script:{shown}"), lasting: false, origin: None };
            }
            let is_roots = is_changed_by_root_only(&executable) && is_same_file(&link, &executable);
            let name = if is_roots {
                Some(format!("path:{}", executable.display()))
            } else {
                hash_of(&link).map(|hash| format!("hash:{hash}"))
            };
            name.map_or(unknown, |name| Program { name, lasting: true, origin: None })
        }
    }
}

/// The program that started the process `pid`, for dialogs and as decisions are remembered of it.
pub(super) fn parent_of(pid: u32) -> (String, Program) {
    let Some(started_by) = parent(pid) else { return (String::new(), Program::default()) };
    let (shown, certainty) = program(started_by, None);
    let known = remembered(started_by, &shown, certainty);
    // A parent that ended meanwhile was another than the one looked at now.
    if parent(pid) == Some(started_by) { (shown, known) } else { (String::new(), Program::default()) }
}

/// proc_pid_stat(5): the fourth field; the second, a name in parentheses, may hold anything.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether nobody but root can put another file in the place of `file`.
fn is_changed_by_root_only(file: &Path) -> bool {
    file.ancestors().all(|path| {
        fs::symlink_metadata(path)
            .is_ok_and(|found| found.uid() == 0 && (found.mode() & 0o022 == 0 || found.mode() & 0o1000 != 0))
    })
}

fn is_same_file(link: &Path, file: &Path) -> bool {
    let same = |one: fs::Metadata, two: fs::Metadata| (one.dev(), one.ino()) == (two.dev(), two.ino());
    fs::metadata(link).ok().zip(fs::metadata(file).ok()).is_some_and(|(one, two)| same(one, two))
}

/// SHA-256 of a file, in hex.
fn hash_of(file: &Path) -> Option<String> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut file = fs::File::open(file).ok()?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            read => context.update(&buffer[..read]),
        }
    }
    Some(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_alive(pidfd: &OwnedFd) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut polled, Some(&now)), Ok(0))
}

/// A Flatpak's or Snap's id, from the control group: the process cannot choose that itself.
fn sandbox(folder: &Path) -> Option<String> {
    let groups = fs::read_to_string(folder.join("cgroup")).ok()?;
    sandbox_in(&groups)
}

fn sandbox_in(groups: &str) -> Option<String> {
    let units = groups.lines().flat_map(|line| line.split('/'));
    for unit in units {
        if let Some(rest) = unit.strip_prefix("app-flatpak-") {
            let id = rest.trim_end_matches(".scope");
            return Some(id.rsplit_once('-').map_or(id, |(id, _)| id).to_owned());
        }
        if let Some(rest) = unit.strip_prefix("snap.") {
            return rest.split('.').next().map(str::to_owned);
        }
    }
    None
}

/// An interpreter says little: its script is shown with it.
fn with_script(executable: &Path, folder: &Path) -> String {
    let shown = executable.display().to_string();
    let name = executable.file_name().unwrap_or_default().to_string_lossy();
    if !is_interpreter(&name) {
        return shown;
    }
    let arguments = fs::read(folder.join("cmdline")).unwrap_or_default();
    let arguments = arguments.split(|byte| *byte == 0).skip(1).map(String::from_utf8_lossy);
    let script = arguments.into_iter().find(|argument| !argument.is_empty() && !argument.starts_with('-'));
    script.map_or(shown.clone(), |script| {
        let script: String = script.chars().filter(|letter| !letter.is_control()).take(200).collect();
        format!("{shown} {script}")
    })
}

fn is_interpreter(name: &str) -> bool {
    const FAMILIES: &[&str] = &["python", "perl", "ruby", "node", "gjs", "php", "lua", "java", "guile"];
    const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "busybox"];
    FAMILIES.iter().any(|family| name.starts_with(family)) || SHELLS.contains(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_parent_is_who_started_it() {
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
    }

    #[test]
    fn programs_are_remembered_by_what_cannot_be_changed_behind_the_persons_back() {
        let own = std::process::id();
        let known = remembered(own, "x", Certainty::Executable);
        assert!(
            known.lasting && (known.name.starts_with("hash:") || known.name.starts_with("path:/")),
            "{known:?}"
        );
        let sandbox = remembered(own, "org.example.Mail", Certainty::Sandbox);
        assert_eq!((sandbox.name.as_str(), sandbox.lasting), ("sandbox:org.example.Mail", true));
        assert_eq!(remembered(own, "", Certainty::Unknown).name, "");
        assert!(is_changed_by_root_only(Path::new("/usr/bin/env")));
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::write(&open, "x").unwrap();
        fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(!is_changed_by_root_only(&open));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        fs::write(&open, "").unwrap();
        assert_eq!(hash_of(&open).as_deref(), Some(empty));
    }

    #[test]
    fn sandboxes_are_read_from_the_control_group() {
        let flatpak = "0::/user.slice/user-1000.slice/app.slice/app-flatpak-org.gnome.Evolution-4711.scope\n";
        assert_eq!(sandbox_in(flatpak).as_deref(), Some("org.gnome.Evolution"));
        let snap = "0::/user.slice/snap.thunderbird.thunderbird-1234.scope\n";
        assert_eq!(sandbox_in(snap).as_deref(), Some("thunderbird"));
        assert_eq!(sandbox_in("0::/user.slice/session-2.scope\n"), None);
    }
}

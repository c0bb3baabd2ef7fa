//! Who called: the process behind a bus name or a private socket, and when it leaves.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::watch;
use wafer_client::WaferError;
use wafer_client::keeper::{Certainty, Requester};
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::{Connection, MatchRule, MessageStream, message};

use super::web::parent_of;
use crate::next::next;
use crate::policy::Subject;
use crate::policy::consent::Program;
use crate::request::consent::Asker;
use crate::text;

/// A program that calls, for as long as it is connected.
#[derive(Debug)]
pub(super) struct Caller {
    /// What is known of it, for dialogs and logs.
    pub(super) requester: Requester,
    /// What policy looks at.
    pub(super) subject: Subject,
    /// Which program it is, as decisions are remembered of it.
    pub(super) asker: Asker,
    /// The program that started it, once somebody wanted to know.
    parent: OnceLock<(String, Program)>,
    left: watch::Sender<bool>,
}

impl Caller {
    /// The process `pid` of user `uid`; `pidfd` names the very process, if it is at hand.
    pub(super) fn new(name: &str, uid: u32, pid: u32, pidfd: Option<OwnedFd>) -> Arc<Self> {
        let (shown, certainty) = program(pid, pidfd);
        // Looked at once, at the first need: a decision is about what the program was then.
        let (named, known) = (shown.clone(), OnceLock::new());
        let asker = Asker::new(move || known.get_or_init(|| remembered(pid, &named, certainty)).clone());
        let requester = Requester { caller: name.to_owned(), program: shown, pid, certainty };
        let (parent, left) = (OnceLock::new(), watch::Sender::new(false));
        Arc::new(Self { requester, subject: Subject { uid }, asker, parent, left })
    }

    /// The program that started it: for one that speaks for web pages, their browser.
    pub(super) fn browser(&self) -> &(String, Program) {
        self.parent.get_or_init(|| parent_of(self.requester.pid))
    }

    /// It closed its connection.
    pub(super) fn leave(&self) {
        self.left.send_replace(true);
    }

    /// Waits until it leaves.
    pub(super) async fn left(&self) {
        let _ = self.left.subscribe().wait_for(|left| *left).await;
    }
}

/// The callers of one connection.
#[derive(Clone)]
pub(super) enum Origin {
    /// A bus: many programs.
    Bus(Arc<BusCallers>),
    /// A private socket: one.
    Private(Arc<Caller>),
}

impl Origin {
    /// Who sent the message with `header`.
    ///
    /// # Errors
    /// `Failed` if the bus does not say; `Cancelled` if it left already.
    pub(super) async fn caller(&self, header: &Header<'_>) -> Result<Arc<Caller>, WaferError> {
        match self {
            Self::Private(caller) => Ok(caller.clone()),
            Self::Bus(callers) => {
                let sender = header.sender().ok_or_else(|| text::internal("a call without a sender"))?;
                callers.caller(sender).await
            }
        }
    }
}

/// Programs known on a bus. Each is forgotten when its name goes.
pub(super) struct BusCallers {
    bus: Connection,
    known: Mutex<HashMap<String, Arc<Caller>>>,
}

impl BusCallers {
    pub(super) fn new(bus: Connection) -> Arc<Self> {
        Arc::new(Self { bus, known: Mutex::default() })
    }

    async fn caller(self: &Arc<Self>, name: &UniqueName<'_>) -> Result<Arc<Caller>, WaferError> {
        if let Some(known) = self.known(name.as_str()) {
            return Ok(known);
        }
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, caller = name.as_str(), "the bus does not say who called");
            text::internal("the bus does not say who called")
        };
        // First listen for the end, then ask: in the other order it could be missed.
        let rule = end_of(name).map_err(|error| failed(&error))?;
        let ends =
            MessageStream::for_match_rule(rule, &self.bus, None).await.map_err(|error| failed(&error))?;
        let proxy = DBusProxy::new(&self.bus).await.map_err(|error| failed(&error))?;
        let Ok(credentials) = proxy.get_connection_credentials(name.clone().into()).await else {
            return Err(text::cancelled());
        };
        let uid =
            credentials.unix_user_id().ok_or_else(|| text::internal("the bus does not say whose it is"))?;
        let pid = credentials.process_id().unwrap_or(0);
        let pidfd = credentials.into_process_fd().map(OwnedFd::from);
        let caller = Caller::new(name.as_str(), uid, pid, pidfd);
        Ok(self.remember(caller, ends))
    }

    fn known(&self, name: &str) -> Option<Arc<Caller>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps `caller` until `ends` says that it left. Of two calls that asked at once the first one's stays.
    fn remember(self: &Arc<Self>, caller: Arc<Caller>, mut ends: MessageStream) -> Arc<Caller> {
        let name = caller.requester.caller.clone();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = known.get(&name) {
            return first.clone();
        }
        known.insert(name.clone(), caller.clone());
        let callers: Weak<Self> = Arc::downgrade(self);
        let leaving = caller.clone();
        tokio::spawn(async move {
            // One signal is sent for a unique name: that it is gone.
            let _ = next(&mut ends).await;
            leaving.leave();
            if let Some(callers) = callers.upgrade() {
                callers.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            }
        });
        caller
    }
}

fn end_of(name: &UniqueName<'_>) -> zbus::Result<MatchRule<'static>> {
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, name.to_string())
        .build()?;
    Ok(rule.into_owned())
}

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
    fn this_process_is_named() {
        let caller = Caller::new(":1.1", 0, std::process::id(), None);
        let own = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
        assert_eq!(caller.requester.program, own);
        assert_eq!(caller.requester.certainty, Certainty::Executable);
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
    fn a_dead_process_is_not_named() {
        let caller = Caller::new(":1.1", 0, 0, None);
        assert_eq!((caller.requester.program.as_str(), caller.requester.certainty), ("", Certainty::Unknown));
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

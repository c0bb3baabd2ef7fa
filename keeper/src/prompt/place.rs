//! Where a dialog appears: the caller's terminal or display for PIN entry only, else (and for
//! every other dialog) the person's own session.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use wafer_client::keeper::{Certainty, GrantRequest, PromptPlace};

/// How long the user manager may take to tell its environment.
const ENVIRONMENT_WAIT: Duration = Duration::from_secs(2);
/// What a dialog needs of the person's session.
const SESSION_NAMES: &[&str] = &[
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
];
/// What pinentry is given of the keeper's own environment.
const OWN_NAMES: &[&str] =
    &["HOME", "USER", "LOGNAME", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// A place that was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// pinentry's environment.
    pub environment: Vec<(String, String)>,
    /// Terminal path, or empty.
    pub tty: String,
    /// Terminal type.
    pub term: String,
    /// Locale for the terminal's character set.
    pub lang: String,
}

/// The place for a request's dialog; `None` if there is none.
pub async fn find(request: &GrantRequest) -> Option<Screen> {
    // A sandboxed program's word about places is not taken.
    let place = if request.requester.certainty == Certainty::Sandbox {
        PromptPlace::default()
    } else {
        request.place.clone()
    };
    let tty = usable_terminal(&place.tty);
    let display = is_local_display(&place.display);
    let wayland = is_local_wayland(&place.wayland_display);
    let mut screen = Screen { environment: own_environment(), ..Screen::default() };
    if plain(&place.lang) {
        screen.lang = place.lang.clone();
        set(&mut screen.environment, "LANG", &place.lang);
    }
    if !(tty && !display && !wayland) {
        for (name, value) in session_environment().await {
            set(&mut screen.environment, &name, &value);
        }
    }
    if display || wayland || tty {
        // The caller chose: nothing else of the session may win over it.
        screen.environment.retain(|(name, _)| name != "DISPLAY" && name != "WAYLAND_DISPLAY");
    }
    if display {
        set(&mut screen.environment, "DISPLAY", &place.display);
    }
    if wayland {
        set(&mut screen.environment, "WAYLAND_DISPLAY", &place.wayland_display);
    }
    if tty {
        screen.tty = place.tty;
        screen.term = if plain(&place.term) { place.term } else { "dumb".to_owned() };
        set(&mut screen.environment, "TERM", &screen.term.clone());
    }
    (tty || has_display(&screen.environment)).then_some(screen)
}

/// The terminal of `place`, if it is one of the person's.
pub fn terminal(place: &PromptPlace) -> Option<Screen> {
    if !usable_terminal(&place.tty) {
        return None;
    }
    let term = if plain(&place.term) { place.term.clone() } else { "dumb".to_owned() };
    let mut environment = own_environment();
    environment.retain(|(name, _)| name != "DISPLAY" && name != "WAYLAND_DISPLAY");
    set(&mut environment, "TERM", &term);
    let lang = if plain(&place.lang) { place.lang.clone() } else { String::new() };
    Some(Screen { environment, tty: place.tty.clone(), term, lang })
}

/// The person's own session, whoever asks and from wherever; `None` if it has no display.
pub async fn session() -> Option<Screen> {
    let mut environment = own_environment();
    for (name, value) in session_environment().await {
        set(&mut environment, &name, &value);
    }
    has_display(&environment).then(|| Screen { environment, ..Screen::default() })
}

fn has_display(environment: &[(String, String)]) -> bool {
    environment.iter().any(|(name, _)| name == "DISPLAY" || name == "WAYLAND_DISPLAY")
}

fn set(environment: &mut Vec<(String, String)>, name: &str, value: &str) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.to_owned(), value.to_owned()));
}

fn own_environment() -> Vec<(String, String)> {
    let mut own: Vec<_> = OWN_NAMES
        .iter()
        .filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value)))
        .collect();
    own.push(("PATH".to_owned(), "/usr/bin:/bin".to_owned()));
    own
}

/// A terminal that exists, is one, and belongs to the user: another's would show the dialog to them.
fn usable_terminal(path: &str) -> bool {
    if !path.starts_with("/dev/") || path.contains("..") {
        return false;
    }
    let owned = std::fs::metadata(path).is_ok_and(|metadata| {
        metadata.file_type().is_char_device() && metadata.uid() == rustix::process::getuid().as_raw()
    });
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    owned && rustix::fs::open(path, flags, Mode::empty()).is_ok_and(rustix::termios::isatty)
}

/// Only a display of this machine: a PIN typed into a distant one would cross the network.
fn is_local_display(display: &str) -> bool {
    let number = display.strip_prefix("unix").unwrap_or(display).strip_prefix(':');
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// A socket's name in the run-time folder, or the path of a socket of the user's own.
fn is_local_wayland(display: &str) -> bool {
    if display.starts_with('/') {
        let own = rustix::process::getuid().as_raw();
        return std::fs::metadata(display)
            .is_ok_and(|found| found.file_type().is_socket() && found.uid() == own);
    }
    plain(display)
}

/// A short word of letters, digits and a few marks.
fn plain(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+');
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed)
}

/// The user manager's environment, where the person's session publishes its display.
async fn session_environment() -> Vec<(String, String)> {
    match tokio::time::timeout(ENVIRONMENT_WAIT, read_environment()).await {
        Ok(Ok(variables)) => variables
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .filter(|(name, _)| SESSION_NAMES.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        Ok(Err(error)) => {
            tracing::info!(%error, "the user manager tells no environment");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    #[zbus(property(emits_changed_signal = "false"))]
    fn environment(&self) -> zbus::Result<Vec<String>>;
}

async fn read_environment() -> zbus::Result<Vec<String>> {
    let connection = zbus::Connection::session().await?;
    let proxy =
        ManagerProxy::builder(&connection).cache_properties(zbus::proxy::CacheProperties::No).build().await?;
    proxy.environment().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_displays_of_this_machine_are_taken() {
        for good in [":0", ":10.0", "unix:1"] {
            assert!(is_local_display(good), "{good}");
        }
        for bad in ["", ":", "evil.example:0", "localhost:10.0", ":0;x", "tcp/evil:0"] {
            assert!(!is_local_display(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_terminal_of_ours_is_refused() {
        for bad in ["", "/dev/null", "/etc/passwd", "/dev/../etc/passwd", "/dev/pts/nothing", "relative"] {
            assert!(!usable_terminal(bad), "{bad}");
        }
    }

    #[test]
    fn wayland_names_are_names() {
        assert!(is_local_wayland("wayland-0"));
        assert!(!is_local_wayland("../wayland-0"));
        assert!(!is_local_wayland("/etc/passwd"));
    }
}

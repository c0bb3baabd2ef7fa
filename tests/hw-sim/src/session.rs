//! The person's own session: a user manager that tells of a screen, and what appears there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::bus::Bus;
use crate::piv::PIN;
use crate::programs::run;
use crate::wait::until_async;

/// A pinentry that writes down what it shows. It knows the PIN, and waits at a question for [`Screen::says`].
const PINENTRY: &str = r#"#!/bin/sh
folder=${0%/*}
echo OK
while read -r line; do
    case $line in
        SETDESC*) text=${line#SETDESC } ;;
        CONFIRM*) echo "question $DISPLAY $text" >> "$folder/shown"
            read -r answer < "$folder/answer"; echo "$answer"; continue ;;
        GETPIN*) echo "pin $DISPLAY $text" >> "$folder/shown"; echo "D $(cat "$folder/pin")" ;;
    esac
    echo OK
done
"#;

/// A screen whose pinentry is a script: for dialogs that are the person's own session's only.
#[derive(Debug)]
pub struct Screen(TempDir);

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

/// The user manager, as far as a keeper asks it where the person's screen is.
struct Manager {
    display: String,
}

/// Has a user manager on `bus` tell of `display` as the person's, as long as the value lives.
pub(crate) async fn announce(bus: &Bus, display: &str) -> zbus::Connection {
    let manager = zbus::connection::Builder::address(bus.address());
    let manager = manager.serve_at("/org/freedesktop/systemd1", Manager { display: display.to_owned() });
    manager.name("org.freedesktop.systemd1").build().await.unwrap()
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    #[zbus(property)]
    async fn environment(&self) -> Vec<String> {
        vec![format!("DISPLAY={}", self.display)]
    }
}

impl Screen {
    /// With nothing on it.
    pub fn new() -> Self {
        let screen = Self(tempfile::Builder::new().prefix("wafer-screen-").tempdir().unwrap());
        fs::write(screen.path("pinentry"), PINENTRY).unwrap();
        fs::set_permissions(screen.path("pinentry"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(screen.path("shown"), "").unwrap();
        screen.knows(PIN);
        run(Command::new("mkfifo").arg(screen.path("answer")));
        screen
    }

    /// The program, for the setting `pinentry`.
    pub fn pinentry(&self) -> String {
        self.path("pinentry").display().to_string()
    }

    /// Has a user manager tell of it on `bus`, as long as the value lives.
    pub async fn announce(bus: &Bus) -> zbus::Connection {
        announce(bus, ":77").await
    }

    /// What was shown so far: `pin` or `question`, the display, the text.
    pub fn shown(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("shown")).unwrap();
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect()
    }

    /// The PIN that the person will enter from now on.
    pub fn knows(&self, pin: &str) {
        fs::write(self.path("pin"), pin).unwrap();
    }

    /// Waits for the dialog `number`.
    pub async fn shows(&self, number: usize) -> String {
        until_async("a dialog on the screen", || self.shown().into_iter().nth(number - 1)).await
    }

    /// Answers the question that is there: yes or no.
    pub async fn says(&self, yes: bool) {
        // GPG_ERR_CANCELED of pinentry.
        let answer = if yes { "OK\n" } else { "ERR 83886179 Operation cancelled\n" };
        let file = self.path("answer");
        tokio::task::spawn_blocking(move || fs::write(file, answer)).await.unwrap().unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

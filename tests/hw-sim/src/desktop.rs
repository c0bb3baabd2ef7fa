//! A person's desktop: an X display of their own (Xvfb), which the user manager on the session bus tells of.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::bus::Bus;
use crate::programs::run;
use crate::session::announce;
use crate::wait::until_async;

/// A display with nothing on it but dialogs. It ends with the value.
#[derive(Debug)]
pub struct Desktop {
    display: String,
    server: Child,
    folder: TempDir,
    _manager: zbus::Connection,
}

/// A window of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    id: u64,
    /// Whose it is: X uses a number again for another program's window.
    process: u64,
    /// Its place on the screen and its size, in pixels: left, top, width, height.
    pub area: [usize; 4],
}

impl Desktop {
    /// Starts it, for the session on `bus`.
    pub async fn start(bus: &Bus) -> Self {
        let folder = tempfile::Builder::new().prefix("wafer-desktop-").tempdir().unwrap();
        // The server chooses a free number and tells it when it accepts programs.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1000x700x24", "-nolisten", "tcp", "-noreset"])
            .arg("-fbdir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is missing: install xvfb");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        assert!(display.len() > 1, "Xvfb did not start");
        let manager = announce(bus, &display).await;
        Self { display, server, folder, _manager: manager }
    }

    /// Its name, for the option `display`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The screen's content as X keeps it, an XWD file (XWDFile.h of the X Window System).
    pub fn screen(&self) -> PathBuf {
        self.folder.path().join("Xvfb_screen0")
    }

    /// The dialog on it, if there is one.
    pub fn dialog(&self) -> Option<Window> {
        let found = self
            .xdotool(&[
                "search",
                "--onlyvisible",
                "--name",
                "^Wafer$",
                "getwindowgeometry",
                "--shell",
                "getwindowpid",
            ])
            .output();
        let text = String::from_utf8_lossy(&found.unwrap().stdout).into_owned();
        // The last line is the process alone.
        let process = text.lines().next_back()?.parse().ok()?;
        let number = |name: &str| -> Option<u64> {
            text.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let side = |name: &str| usize::try_from(number(name)?).ok();
        let area = [side("X")?, side("Y")?, side("WIDTH")?, side("HEIGHT")?];
        Some(Window { id: number("WINDOW")?, process, area })
    }

    /// Waits for a dialog other than `last`.
    pub async fn next_dialog(&self, last: Option<Window>) -> Window {
        let new = || self.dialog().filter(|window| Some(*window) != last);
        until_async("a dialog on the display", new).await
    }

    /// Waits until no dialog is there.
    pub async fn is_empty(&self) {
        until_async("a display without a dialog", || self.dialog().is_none().then_some(())).await;
    }

    /// Types `text` into the dialog, and Enter.
    pub fn types(&self, window: Window, text: &str) {
        run(&mut self.xdotool(&["windowfocus", &window.id.to_string()]));
        run(&mut self.xdotool(&["type", text]));
        run(&mut self.xdotool(&["key", "Return"]));
    }

    /// Presses keys in the dialog, by their X names: `Tab`, `Return`, `Escape`.
    pub fn presses(&self, window: Window, keys: &[&str]) {
        run(&mut self.xdotool(&["windowfocus", &window.id.to_string()]));
        run(self.xdotool(&["key"]).args(keys));
    }

    fn xdotool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("xdotool");
        command.args(arguments).env("DISPLAY", &self.display).stdin(Stdio::null());
        command
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

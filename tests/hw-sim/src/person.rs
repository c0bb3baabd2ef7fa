//! Somebody at a terminal: reads the dialogs of a real pinentry-curses, and types.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::screen::Screen;
use crate::wait::LONG;

const ROWS: u16 = 40;
const COLUMNS: u16 = 110;

/// A person with a terminal of their own.
#[derive(Clone, Debug)]
pub struct Person {
    keyboard: Arc<OwnedFd>,
    tty: PathBuf,
    /// Kept open, so that the terminal outlives each pinentry.
    _terminal: Arc<OwnedFd>,
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    screen: Mutex<Screen>,
    changed: Condvar,
}

impl Default for Person {
    fn default() -> Self {
        Self::new()
    }
}

impl Person {
    /// Sits down at a new terminal.
    pub fn new() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let tty = PathBuf::from(ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap());
        let terminal = rustix::fs::open(
            &tty,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
        let seen = Arc::new(Seen {
            screen: Mutex::new(Screen::new(ROWS.into(), COLUMNS.into())),
            changed: Condvar::new(),
        });
        watch(keyboard.try_clone().unwrap(), Arc::clone(&seen));
        Self { keyboard: Arc::new(keyboard), tty, _terminal: Arc::new(terminal), seen }
    }

    /// The terminal's path, for the option `tty`.
    pub fn tty(&self) -> &Path {
        &self.tty
    }

    /// Its type, for the option `term`.
    pub fn term(&self) -> &'static str {
        "xterm"
    }

    /// How many dialogs have appeared so far. (A wrong PIN's second question is one more.)
    pub fn dialogs(&self) -> usize {
        self.seen.screen.lock().unwrap().opened()
    }

    /// Whether a dialog is open now.
    pub fn sees_dialog(&self) -> bool {
        self.seen.screen.lock().unwrap().is_open()
    }

    /// Waits for an open dialog that says all of `words`, and gives its whole text.
    pub fn reads(&self, words: &[&str]) -> String {
        self.waits_until(&format!("a dialog with {words:?}"), |screen| {
            let text = screen.words();
            (screen.is_drawn() && words.iter().all(|word| text.contains(word))).then_some(text)
        })
    }

    /// Waits for dialog number `number` (from 1) to be open and drawn, and gives its text.
    pub fn reads_dialog(&self, number: usize) -> String {
        self.waits_until(&format!("dialog number {number}"), |screen| {
            (screen.is_drawn() && screen.opened() == number).then(|| screen.words())
        })
    }

    /// The text of dialog number `number`, if it is open and drawn now.
    pub fn dialog(&self, number: usize) -> Option<String> {
        let screen = self.seen.screen.lock().unwrap();
        (screen.is_drawn() && screen.opened() == number).then(|| screen.words())
    }

    /// Waits, but not longer than `time`, for a dialog after number `last` to be open and drawn; its number and text.
    pub fn next_dialog(&self, last: usize, time: Duration) -> Option<(usize, String)> {
        self.within(time, |screen| {
            (screen.is_drawn() && screen.opened() > last).then(|| (screen.opened(), screen.words()))
        })
        .ok()
    }

    /// Waits, but not longer than `time`, until dialog number `number` is gone.
    pub fn is_done_within(&self, number: usize, time: Duration) {
        drop(self.within(time, |screen| (!screen.is_open() || screen.opened() > number).then_some(())));
    }

    /// Waits until no dialog is open, and gives the text of the last one.
    pub fn sees_it_close(&self) -> String {
        self.waits_until("the dialog's end", |screen| (!screen.is_open()).then(|| screen.last().to_owned()))
    }

    /// Types `pin` and Enter into the open dialog, and waits until it is gone.
    pub fn types(&self, pin: &str) {
        let number = self.dialogs();
        self.press(pin);
        self.press("\r");
        self.is_done_with(number);
    }

    /// Chooses Cancel in the open dialog, and waits until it is gone.
    pub fn cancels(&self) {
        let number = self.dialogs();
        self.press("\t\t\r");
        self.is_done_with(number);
    }

    /// Presses keys.
    pub fn press(&self, keys: &str) {
        let mut keys = keys.as_bytes();
        while !keys.is_empty() {
            let written = rustix::io::write(&*self.keyboard, keys).unwrap();
            keys = &keys[written..];
        }
    }

    fn is_done_with(&self, number: usize) {
        self.waits_until("the dialog's end", |screen| {
            (!screen.is_open() || screen.opened() > number).then_some(())
        });
    }

    fn waits_until<T>(&self, what: &str, look: impl Fn(&Screen) -> Option<T>) -> T {
        let found = self.within(LONG, look);
        found.unwrap_or_else(|shown| panic!("never seen on the terminal: {what}; it shows: {shown}"))
    }

    /// What `look` finds; what the terminal shows where it finds nothing in `time`.
    fn within<T>(&self, time: Duration, look: impl Fn(&Screen) -> Option<T>) -> Result<T, String> {
        let end = Instant::now() + time;
        let mut screen = self.seen.screen.lock().unwrap();
        loop {
            if let Some(found) = look(&screen) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(screen.words());
            }
            screen = self.seen.changed.wait_timeout(screen, left).unwrap().0;
        }
    }
}

/// Reads the terminal on a thread of its own, for as long as the test runs.
fn watch(terminal: OwnedFd, seen: Arc<Seen>) {
    std::thread::spawn(move || {
        let mut buffer = [0_u8; 4096];
        while let Ok(count @ 1..) = rustix::io::read(terminal.as_fd(), &mut buffer) {
            seen.screen.lock().unwrap().feed(&buffer[..count]);
            seen.changed.notify_all();
        }
    });
}

//! A person at a terminal: a pseudo-terminal, what appears on it, and what is typed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Seen {
    text: Mutex<Vec<u8>>,
    more: Condvar,
}

pub(crate) struct Person {
    keyboard: File,
    /// Held open, or the master reads EIO between two dialogs.
    terminal: OwnedFd,
    tty: String,
    seen: Arc<Seen>,
}

impl Person {
    pub(crate) fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let tty = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let terminal = rustix::fs::open(&tty, flags, rustix::fs::Mode::empty()).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let seen = Arc::new(Seen::default());
        let (mut screen, theirs) = (File::from(master.try_clone().unwrap()), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                theirs.text.lock().unwrap().extend(&buffer[..count]);
                theirs.more.notify_all();
            }
        });
        Self { keyboard: File::from(master), terminal, tty, seen }
    }

    pub(crate) fn tty(&self) -> &str {
        &self.tty
    }

    /// Waits until `words` is on the screen; answers and forgets all that was shown up to there.
    pub(crate) fn reads(&self, words: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut text = self.seen.text.lock().unwrap();
        loop {
            if let Some(at) = text.windows(words.len()).position(|window| window == words.as_bytes()) {
                let shown = text.drain(..at + words.len()).collect::<Vec<_>>();
                return String::from_utf8_lossy(&shown).into_owned();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "“{words}” did not appear: {}", String::from_utf8_lossy(&text));
            text = self.seen.more.wait_timeout(text, left).unwrap().0;
        }
    }

    /// What is on the screen and was not read yet.
    pub(crate) fn unread(&self) -> String {
        String::from_utf8_lossy(&self.seen.text.lock().unwrap()).into_owned()
    }

    pub(crate) fn types(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a dialog and enters a PIN.
    pub(crate) fn enters(&self, pin: &str) -> String {
        let shown = self.reads("<Cancel>");
        self.types(pin);
        self.types("\r");
        shown
    }

    /// Waits for a dialog and cancels it.
    pub(crate) fn cancels(&self) {
        self.reads("<Cancel>");
        // From the entry by OK to Cancel.
        self.types("\t\t\r");
    }

    /// Whether the terminal echoes what is typed, as it does outside of dialogs.
    pub(crate) fn has_echo(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

//! Waiting for a pcscd that is not there, without asking again and again: its socket appears in a folder that
//! the kernel watches.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pcsc::{Context, Scope};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};

/// Where pcscd listens, unless the variable of its client library says otherwise.
const SOCKET: &str = "/run/pcscd/pcscd.comm";
const VARIABLE: &str = "PCSCLITE_CSOCK_NAME";
/// A pcscd that begins to listen answers within this time.
const START: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Returns when pcscd can be spoken with.
///
/// # Errors
/// The folder of its socket is not there, so that nothing can be waited for.
pub(super) fn appears() -> std::io::Result<()> {
    let socket = std::env::var_os(VARIABLE).map_or(PathBuf::from(SOCKET), PathBuf::from);
    let folder = socket.parent().unwrap_or(Path::new("/"));
    // Watched before the first look: what comes in between is seen.
    let watch = init(CreateFlags::CLOEXEC)?;
    add_watch(&watch, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
    while !answers() {
        something_comes(&watch)?;
    }
    Ok(())
}

fn answers() -> bool {
    let end = Instant::now() + START;
    loop {
        if Context::establish(Scope::User).is_ok() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn something_comes(watch: &OwnedFd) -> std::io::Result<()> {
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    Reader::new(watch, &mut buffer).next()?;
    Ok(())
}

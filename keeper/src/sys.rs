//! The few calls into the system that no safe crate offers.
#![expect(unsafe_code, reason = "FFI: fixed descriptors, environment, malloc settings and a hard exit")]

use std::os::fd::{FromRawFd, OwnedFd};

/// Takes an inherited descriptor by number and sets FD_CLOEXEC on it, so that no child keeps it open
/// (a pinentry that inherited the link would hide the keeper's death from waferd).
pub fn take_inherited(number: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: fcntl on a number is always allowed; a closed one answers EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open (just tested), was inherited, and main takes each number once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Ends the process without running any destructor: a module that hangs may hang in its own, too.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Sets the module's environment. Only for `main`, before any thread exists.
pub fn set_environment(variables: &[(String, String)]) {
    for (name, value) in variables {
        // SAFETY: called from main before the runtime or any other thread is started.
        unsafe { std::env::set_var(name, value) };
    }
}

/// One malloc arena for all threads, and big blocks go back to the system soon: a keeper is mostly idle.
pub fn keep_memory_small() {
    // SAFETY: mallopt only takes numbers; called before other threads exist.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
    }
}

/// The prompt helper sets a terminal's modes from outside its foreground group: that must not stop it.
pub fn ignore_background_terminal_stops() {
    // SAFETY: SIG_IGN installs no handler.
    unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
    }
}

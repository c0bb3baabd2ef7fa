//! The few system calls that no safe crate offers as needed here.
#![expect(
    unsafe_code,
    reason = "prctl, pre_exec, mmap/mlock/madvise and mallopt have no safe form; nothing else is here"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;
use wafer_client::keeper::LINK_FD;
use zeroize::Zeroize;

/// No core file, no ptrace and no `/proc/PID/mem` for other processes of the user, no new privileges.
///
/// # Errors
/// What the kernel says; none is expected on a kernel that runs this program.
pub(crate) fn harden() -> io::Result<()> {
    // SAFETY: these prctl operations take plain numbers and touch no memory of ours.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
    };
    if refused {
        return Err(io::Error::last_os_error());
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` is a valid rlimit that outlives the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Raises the soft limit of open descriptors to the hard one: every call may hold several. Keepers get
/// the old limit back (programs that use select(2) break above 1024).
pub(crate) fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that outlives both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max.min(16_384);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Lets the child of `command` find `link` as descriptor [`LINK_FD`], and no other of this process's: zbus takes
/// callers' descriptors without MSG_CMSG_CLOEXEC, and those are none of a keeper's or its module's business.
pub(crate) fn pass_link(command: &mut Command, link: BorrowedFd<'_>) {
    let link = link.as_raw_fd();
    // SAFETY: between fork and exec only async-signal-safe calls run: dup2, fcntl, close_range, getrlimit, setrlimit.
    // `link` stays open in the parent until after the spawn, which the caller awaits.
    unsafe {
        command.pre_exec(move || {
            let passed =
                if link == LINK_FD { libc::fcntl(link, libc::F_SETFD, 0) } else { libc::dup2(link, LINK_FD) };
            if passed < 0 {
                return Err(io::Error::last_os_error());
            }
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            let known = libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0;
            // Marked and not closed: std still reports through one of them if the program cannot be run.
            let first = LINK_FD.unsigned_abs() + 1;
            if libc::close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) != 0 {
                // Before Linux 5.11.
                for other in LINK_FD + 1..libc::c_int::try_from(limit.rlim_cur).unwrap_or(65_536) {
                    libc::fcntl(other, libc::F_SETFD, libc::FD_CLOEXEC);
                }
            }
            if known {
                limit.rlim_cur = limit.rlim_max.min(1024);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
            Ok(())
        });
    }
}

/// Few malloc arenas, and large blocks given back at once: the engine's threads come and go.
pub(crate) fn keep_heap_small() {
    // SAFETY: mallopt takes plain numbers; called before any thread is started.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 * 1024);
    }
}

/// A key in a page of its own: locked into memory where the limit allows, left out of dumps, wiped on drop.
pub(crate) struct LockedKey {
    page: NonNull<u8>,
}

const PAGE: usize = 4096;

// SAFETY: the page is owned by this value alone and only read through `&self` after it was filled.
unsafe impl Send for LockedKey {}

impl LockedKey {
    /// 32 random bytes.
    ///
    /// # Errors
    /// No memory, or no randomness.
    pub(crate) fn random() -> io::Result<Self> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::new(page.cast()).ok_or_else(io::Error::last_os_error)?;
        let key = Self { page };
        // SAFETY: the page was just mapped with this length. A refusal (RLIMIT_MEMLOCK) leaves it usable.
        unsafe {
            libc::mlock(page.as_ptr().cast(), PAGE);
            libc::madvise(page.as_ptr().cast(), PAGE, libc::MADV_DONTDUMP);
        }
        // SAFETY: the page is mapped, at least 32 bytes long, and nobody else has a reference to it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(page.as_ptr(), 32) };
        aws_lc_rs::rand::fill(bytes).map_err(|_| io::Error::other("no randomness"))?;
        Ok(key)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the page stays mapped until drop and is not written after `random`.
        unsafe { std::slice::from_raw_parts(self.page.as_ptr(), 32) }
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        // SAFETY: as in `random`; nobody can hold a reference while the value is dropped.
        unsafe {
            std::slice::from_raw_parts_mut(self.page.as_ptr(), 32).zeroize();
            libc::munmap(self.page.as_ptr().cast(), PAGE);
        }
    }
}

/// A descriptor of the process at the other end of `socket` (SO_PEERPIDFD, Linux 6.5).
pub(crate) fn peer_pidfd(socket: BorrowedFd<'_>) -> Option<OwnedFd> {
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut pidfd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `pidfd` and `length` are valid for writing and of the size that is passed.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &raw mut length,
        )
    };
    // SAFETY: on success the kernel made a new descriptor that belongs to nobody else.
    (got == 0 && pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) })
}

/// Watches `fd` with the runtime for `interest`.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd answers the same open descriptor for as long as it lives, and lives in the AsyncFd.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(Into::into)
}

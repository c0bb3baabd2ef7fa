//! Memory for a PIN: guarded pages, locked, left out of core dumps, wiped on drop. Where the settings want it and the
//! kernel has it, memory that nobody but this process can read, root included (memfd_secret(2)).
#![expect(unsafe_code, reason = "guarded memory comes from memsec, whose interface is raw pointers")]

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::ExposeSecret;

/// A buffer of fixed capacity in guarded, locked, undumpable memory.
pub struct Secret {
    memory: NonNull<[u8]>,
    length: usize,
    /// The memory came from memfd_secret.
    is_hidden: bool,
}

/// Whether the next buffers are of memfd_secret.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// From now on secrets are kept in memory of memfd_secret(2), as far as the system gives it; false if it gives none.
/// While such a buffer exists the kernel refuses hibernation.
pub fn hide() -> bool {
    HIDDEN.store(true, Ordering::Relaxed);
    Secret::with_capacity(1).is_some_and(|probe| probe.is_hidden)
}

// SAFETY: the buffer is owned by this value alone and has no tie to a thread.
unsafe impl Send for Secret {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for Secret {}

impl Secret {
    /// An empty buffer for up to `capacity` bytes; `None` if the system gives no such memory.
    pub fn with_capacity(capacity: usize) -> Option<Self> {
        let capacity = capacity.max(1);
        let hidden = HIDDEN.load(Ordering::Relaxed).then(|| hidden(capacity)).flatten();
        let is_hidden = hidden.is_some();
        // SAFETY: malloc_sized has no preconditions; the result is checked.
        let mut memory = hidden.or_else(|| unsafe { memsec::malloc_sized(capacity) })?;
        // SAFETY: the memory was just allocated for exactly this many bytes and is not shared yet.
        unsafe { memory.as_mut() }.fill(0);
        Some(Self { memory, length: 0, is_hidden })
    }

    /// Copies `bytes` in; for tests and for secrets that come from a place we do not own.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self::with_capacity(bytes.len())?;
        secret.extend(bytes).then_some(secret)
    }

    /// Appends; false (and nothing appended) if it does not fit.
    #[must_use]
    pub fn extend(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.buffer().get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.length += bytes.len();
        true
    }

    /// The room behind what is written, for a read that goes straight into it; follow with [`Self::advance`].
    pub fn buffer(&mut self) -> &mut [u8] {
        let length = self.length;
        // SAFETY: the pointer is valid for its length until drop, and `self` is borrowed mutably.
        unsafe { &mut self.memory.as_mut()[length..] }
    }

    /// Says that `count` bytes were written into [`Self::buffer`].
    pub fn advance(&mut self, count: usize) {
        self.length = (self.length + count).min(self.memory.len());
    }

    /// Removes the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        let length = self.length;
        let count = count.min(length);
        // SAFETY: as in `buffer`.
        let all = unsafe { self.memory.as_mut() };
        all.copy_within(count..length, 0);
        wipe(&mut all[length - count..length]);
        self.length = length - count;
    }

    /// Whether nothing was entered.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// The bytes, for the one call that needs them: easy to search for, hard to do by accident.
impl ExposeSecret<[u8]> for Secret {
    fn expose_secret(&self) -> &[u8] {
        // SAFETY: the pointer is valid for its length until drop, `length` never exceeds it.
        unsafe { &self.memory.as_ref()[..self.length] }
    }
}

fn hidden(capacity: usize) -> Option<NonNull<[u8]>> {
    // SAFETY: memfd_secret_sized has no preconditions; the result is checked.
    unsafe { memsec::memfd_secret_sized(capacity) }
}

fn wipe(bytes: &mut [u8]) {
    // SAFETY: pointer and length come from one live slice.
    unsafe { memsec::memzero(bytes.as_mut_ptr(), bytes.len()) };
}

impl Drop for Secret {
    fn drop(&mut self) {
        // SAFETY: the memory is freed once, by the counterpart of what gave it; nothing borrows it any more.
        unsafe {
            wipe(self.memory.as_mut());
            if self.is_hidden {
                memsec::free_memfd_secret(self.memory);
            } else {
                memsec::free(self.memory);
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    /// The flags of the mapping that holds `address`, from the kernel's own list.
    fn mapping_flags(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            if let Some((range, _)) = line.split_once(' ')
                && let Some((start, end)) = range.split_once('-')
                && let (Ok(start), Ok(end)) =
                    (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            {
                inside = (start..end).contains(&address);
            }
            if inside && line.starts_with("VmFlags:") {
                return line.to_owned();
            }
        }
        panic!("no such mapping");
    }

    #[test]
    fn it_is_locked_undumpable_and_silent() {
        let secret = Secret::from_bytes(b"123456").unwrap();
        let flags = mapping_flags(secret.expose_secret().as_ptr() as usize);
        assert!(flags.contains(" lo") && flags.contains(" dd"), "{flags}");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose_secret(), b"123456");
    }

    #[test]
    fn it_takes_no_more_than_fits_and_gives_back_the_rest() {
        let mut secret = Secret::with_capacity(4).unwrap();
        assert!(!secret.extend(b"12345"));
        assert!(secret.extend(b"1234"));
        secret.consume(1);
        assert_eq!(secret.expose_secret(), b"234");
        assert_eq!(secret.buffer(), [0]);
    }
}

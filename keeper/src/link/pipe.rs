//! Secrets leave by a pipe, never in a message body.

use std::fs::File;
use std::io::Write;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use zbus::OwnedFd;

use crate::failure::Failure;

/// The most that a pipe takes without waiting for its reader (PIPE_BUF on Linux).
const PIPE_ROOM: usize = 4096;

/// A pipe's writing end, checked before the card is asked for anything.
pub(super) struct SecretPipe(File);

impl SecretPipe {
    /// Refuses what is no pipe open for writing.
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Failure> {
        let descriptor = std::os::fd::OwnedFd::from(descriptor);
        let refused = Failure::Argument("secret");
        let stat = fstat(&descriptor).map_err(|_| refused.clone())?;
        let flags = fcntl_getfl(&descriptor).map_err(|_| refused.clone())?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo || !flags.contains(OFlags::WRONLY) {
            return Err(refused);
        }
        Ok(Self(File::from(descriptor)))
    }

    /// Writes the secret and closes the pipe. An empty pipe takes it without waiting.
    pub(super) fn send(mut self, secret: &[u8]) -> Result<(), Failure> {
        if secret.len() > PIPE_ROOM {
            return Err(Failure::Internal("a secret longer than a pipe holds".to_owned()));
        }
        self.0.write_all(secret).map_err(|error| Failure::Internal(format!("the secret's pipe: {error}")))
    }
}

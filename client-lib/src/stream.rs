//! A call's input and output, as a program has them: files, pipes, or bytes in memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use zbus::{Fd, Variant};

use crate::{ErrorKind, WaferError};

/// Where a message comes from.
#[derive(Debug)]
pub enum Input {
    /// A descriptor open for reading: file, pipe, socket, memfd. Read from its offset to its end.
    Descriptor(OwnedFd),
    /// Bytes in memory. They travel through a pipe, whatever their number: what is in a message's body
    /// can be read by whoever may watch the bus.
    Bytes(Vec<u8>),
}

/// Where a result goes.
#[derive(Debug)]
pub enum Output {
    /// A descriptor open for writing, without `O_APPEND`. What it got is worth nothing before the call
    /// has succeeded.
    Descriptor(OwnedFd),
    /// Memory: the bytes are in the result, and only if the call has succeeded.
    Bytes,
    /// Nowhere ([`crate::Client::verify_mail`] and [`crate::Client::verify_cms`] only).
    None,
}

impl From<File> for Input {
    fn from(file: File) -> Self {
        Self::Descriptor(file.into())
    }
}

impl From<OwnedFd> for Input {
    fn from(descriptor: OwnedFd) -> Self {
        Self::Descriptor(descriptor)
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<File> for Output {
    fn from(file: File) -> Self {
        Self::Descriptor(file.into())
    }
}

impl From<OwnedFd> for Output {
    fn from(descriptor: OwnedFd) -> Self {
        Self::Descriptor(descriptor)
    }
}

impl Input {
    /// The wire value. Bytes are fed by a thread, which ends when the service has read or closed them.
    pub(crate) fn into_variant(self) -> Result<Variant<'static>, WaferError> {
        let descriptor = match self {
            Self::Descriptor(descriptor) => descriptor,
            Self::Bytes(bytes) => {
                let (reader, mut writer) = io::pipe().map_err(no_pipe)?;
                // A failed write says that the service has had enough; its reply says why.
                std::thread::spawn(move || writer.write_all(&bytes));
                reader.into()
            }
        };
        Ok(Variant::Fd(Fd::from(descriptor)))
    }
}

/// An output on its way: the wire value for the call, and what collects the bytes.
pub(crate) struct Collected {
    reader: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Output {
    /// The wire value (`None` for [`Output::None`]) and the collector to ask after the reply.
    pub(crate) fn into_variant(self) -> Result<(Option<Variant<'static>>, Collected), WaferError> {
        match self {
            Self::None => Ok((None, Collected { reader: None })),
            Self::Descriptor(descriptor) => {
                Ok((Some(Variant::Fd(Fd::from(descriptor))), Collected { reader: None }))
            }
            Self::Bytes => {
                let (mut reader, writer) = io::pipe().map_err(no_pipe)?;
                let collect = move || {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes).map(|_| bytes)
                };
                let reader = Some(std::thread::spawn(collect));
                Ok((Some(Variant::Fd(Fd::from(OwnedFd::from(writer)))), Collected { reader }))
            }
        }
    }
}

impl Collected {
    /// The bytes, once the call has succeeded and every writing end here is closed.
    pub(crate) fn finish(self) -> Result<Option<Vec<u8>>, WaferError> {
        let Some(reader) = self.reader else { return Ok(None) };
        let lost = || WaferError::new(ErrorKind::Failed, "The result could not be read from its pipe.");
        reader.join().map_err(|_| lost())?.map(Some).map_err(|_| lost())
    }
}

fn no_pipe(error: io::Error) -> WaferError {
    WaferError::new(ErrorKind::Failed, format!("No pipe could be made: {error}."))
}

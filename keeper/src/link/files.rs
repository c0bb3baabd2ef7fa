//! Files come by a descriptor: they are larger than a message.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd as Descriptor;

use rustix::fs::{FileType, fstat};
use zbus::OwnedFd;

use crate::card::CardError;
use crate::card::file::pfx::LARGEST;
use crate::failure::Failure;

/// The octets of a file; only of a real one, since reading anything else could wait for ever.
pub(super) fn contents(descriptor: OwnedFd) -> Result<Vec<u8>, Failure> {
    let descriptor = Descriptor::from(descriptor);
    let stat = fstat(&descriptor).map_err(|_| Failure::Argument("file"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Failure::Argument("file"));
    }
    let mut bytes = Vec::new();
    let read = File::from(descriptor).take(LARGEST as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|_| Failure::Argument("file"))?;
    if bytes.len() > LARGEST { Err(CardError::FileForm.into()) } else { Ok(bytes) }
}

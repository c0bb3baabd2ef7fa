//! Where a message comes from.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use wafer_client::{ErrorKind, Input, WaferError};

use crate::text;

/// Opens `name`; "-" is standard input.
pub(crate) fn open(name: &Path) -> Result<Input, WaferError> {
    if name == Path::new("-") {
        return standard_input().map_err(|error| failed(name, &error));
    }
    let file = File::open(name).map_err(|error| failed(name, &error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(failed(name, &io::Error::from(io::ErrorKind::IsADirectory)));
    }
    hand_over(file).map_err(|error| failed(name, &error))
}

fn standard_input() -> io::Result<Input> {
    hand_over(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Files, pipes and sockets are handed to the service; what only this process can read well (a
/// terminal, a device) is fed through a pipe.
fn hand_over(mut file: File) -> io::Result<Input> {
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_fifo() || kind.is_socket() {
        return Ok(Input::from(file));
    }
    let (reader, mut writer) = io::pipe()?;
    std::thread::spawn(move || io::copy(&mut file, &mut writer));
    Ok(Input::from(OwnedFd::from(reader)))
}

fn failed(name: &Path, error: &io::Error) -> WaferError {
    WaferError::new(ErrorKind::InputFailed, text::cannot_read(name, error))
}

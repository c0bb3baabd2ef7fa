//! Where a result goes, so that a file appears or changes only when the work has succeeded.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use tempfile::NamedTempFile;
use wafer_client::{ErrorKind, Output, WaferError};

use crate::text;

/// Bit of `flags` in /proc/self/fdinfo, octal: the descriptor appends.
const O_APPEND: u32 = 0o2000;

/// An output until it is finished. Dropped before, it leaves no trace in a file.
#[derive(Debug)]
pub(crate) struct Target {
    name: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A new file beside the named one, renamed over it in the end.
    Aside { file: NamedTempFile, path: PathBuf, permissions: Option<Permissions> },
    /// The service writes; it cuts a regular file back by itself on failure.
    Handed,
    /// This process writes what comes through a pipe; a file it appends to is cut back on failure.
    Copied { copier: JoinHandle<io::Result<u64>>, cut_back: Option<(File, u64)> },
}

impl Target {
    /// Opens `name`; "-" is standard output.
    pub(crate) fn open(name: &Path) -> Result<(Self, Output), WaferError> {
        let opened = match name == Path::new("-") {
            true => io::stdout().as_fd().try_clone_to_owned().map(File::from).and_then(hand_over),
            false => open_named(name),
        };
        let (kind, output) = opened.map_err(|error| failed(name, &error))?;
        Ok((Self { name: name.to_owned(), kind }, output))
    }

    /// Makes the result visible, after the service has answered with success.
    pub(crate) fn finish(self) -> Result<(), WaferError> {
        let Self { name, kind } = self;
        let finished = match kind {
            Kind::Handed => Ok(()),
            Kind::Copied { copier, .. } => joined(copier),
            Kind::Aside { file, path, permissions } => replace(file, &path, permissions),
        };
        finished.map_err(|error| failed(&name, &error))
    }

    /// Undoes what can be undone, after a failure.
    pub(crate) fn abandon(self) {
        if let Kind::Copied { copier, cut_back: Some((file, length)) } = self.kind {
            // The copier ends with the service's writing end; its own outcome no longer matters.
            let _ = copier.join();
            let _ = file.set_len(length);
        }
    }
}

fn open_named(name: &Path) -> io::Result<(Kind, Output)> {
    // Through a symbolic link: what it points to is replaced, not the link.
    let path = match fs::canonicalize(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => name.to_owned(),
        resolved => resolved?,
    };
    let existing = fs::metadata(&path).ok();
    if existing.as_ref().is_some_and(|metadata| metadata.is_dir()) {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return hand_over(File::options().write(true).open(&path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = existing.map(|metadata| metadata.permissions());
    // A new file gets what the umask leaves; one to be replaced may have been private.
    let first = if permissions.is_some() { 0o600 } else { 0o666 };
    let file = tempfile::Builder::new()
        .prefix(".wafer-")
        .permissions(Permissions::from_mode(first))
        .tempfile_in(folder)?;
    let output = Output::from(file.as_file().try_clone()?);
    Ok((Kind::Aside { file, path, permissions }, output))
}

fn replace(file: NamedTempFile, path: &Path, permissions: Option<Permissions>) -> io::Result<()> {
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map(|_| ()).map_err(|error| error.error)
}

/// Files, pipes and sockets are handed to the service; for a terminal, a device or a file that is
/// appended to, this process copies.
fn hand_over(mut file: File) -> io::Result<(Kind, Output)> {
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    let appends = kind.is_file() && appends(&file);
    if !appends && (kind.is_file() || kind.is_fifo() || kind.is_socket()) {
        return Ok((Kind::Handed, Output::from(file)));
    }
    let cut_back = if appends { Some((file.try_clone()?, metadata.len())) } else { None };
    let (mut reader, writer) = io::pipe()?;
    let copier = std::thread::spawn(move || io::copy(&mut reader, &mut file));
    Ok((Kind::Copied { copier, cut_back }, Output::from(OwnedFd::from(writer))))
}

fn appends(file: &File) -> bool {
    use std::os::fd::AsRawFd;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & O_APPEND != 0)
}

fn joined(copier: JoinHandle<io::Result<u64>>) -> io::Result<()> {
    let copied = copier.join().map_err(|_| io::Error::from(io::ErrorKind::Other))?;
    copied.map(|_| ())
}

fn failed(name: &Path, error: &io::Error) -> WaferError {
    WaferError::new(ErrorKind::OutputFailed, text::cannot_write(name, error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::io::Write;

    use super::*;

    fn write(output: Output, bytes: &[u8]) {
        let Output::Descriptor(descriptor) = output else { panic!("a descriptor was expected") };
        File::from(descriptor).write_all(bytes).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_only_when_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let (target, output) = Target::open(&path).unwrap();
        write(output, b"result");
        assert!(!path.exists());
        target.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"result");
        assert_eq!(names(folder.path()), ["new"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old");
        fs::write(&path, "old").unwrap();
        let (target, output) = Target::open(&path).unwrap();
        write(output, b"half a res");
        target.abandon();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["old"]);
        let (target, _output) = Target::open(&folder.path().join("absent")).unwrap();
        drop(target);
        assert_eq!(names(folder.path()), ["old"]);
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "a longer old content").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let (target, output) = Target::open(&link).unwrap();
        write(output, b"new");
        target.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_work_begins() {
        let folder = tempfile::tempdir().unwrap();
        for name in [folder.path().to_owned(), folder.path().join("no/such/file")] {
            let error = Target::open(&name).unwrap_err();
            assert_eq!(error.kind, ErrorKind::OutputFailed);
            assert!(error.message.contains(folder.path().to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn an_appended_file_is_copied_to_and_cut_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "old").unwrap();
        let appended = || File::options().append(true).open(&path).unwrap();
        let (kind, output) = hand_over(appended()).unwrap();
        write(output, b" half");
        Target { name: path.clone(), kind }.abandon();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let (kind, output) = hand_over(appended()).unwrap();
        write(output, b" new");
        Target { name: path.clone(), kind }.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old new");
    }
}

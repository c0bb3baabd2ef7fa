//! Mozilla's authorities for mail: read out of `libnssckbi` by a short-lived `wafer-keeper roots` (waferd loads no
//! foreign code), kept on disk, and read again when the module changes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, UNIX_EPOCH};

use super::files::certificates_in;
use crate::data;

/// First line of the file.
const VERSION: &str = "wafer roots 1";
/// The most that a keeper may write, in bytes; Mozilla's list has some 250 KiB.
const ROOTS_MAX: u64 = 8 * 1024 * 1024;
/// How long a keeper may take: the module reads no network and asks nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the list comes from and where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mozilla {
    /// `libnssckbi.so`; one that is not there holds nothing.
    pub module: PathBuf,
    /// The keeper's executable.
    pub keeper: PathBuf,
    /// The file in which the list is kept.
    pub kept: PathBuf,
}

impl Mozilla {
    /// Where Debian's libnss3 and others put the module; `None` if there is none.
    pub fn find_module() -> Option<PathBuf> {
        let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
        folders.push("/usr/lib64".into());
        folders.sort();
        folders.into_iter().map(|folder| folder.join("libnssckbi.so")).find(|module| module.is_file())
    }

    /// The authorities (DER), from the file if the module is the one that it was made from.
    pub(super) fn roots(&self) -> Vec<Vec<u8>> {
        let Some(stamp) = stamp(&self.module) else { return Vec::new() };
        let head = format!("{VERSION}\n{stamp}\n\n");
        if let Ok(Some(kept)) = data::read(&self.kept)
            && let Some(pem) = kept.strip_prefix(head.as_bytes())
        {
            return certificates_in(pem);
        }
        match self.ask_keeper() {
            Ok(pem) => {
                if let Err(error) = data::replace(&self.kept, &[head.as_bytes(), &pem].concat()) {
                    tracing::warn!(file = %self.kept.display(), %error, "Mozilla's authorities cannot be kept");
                }
                certificates_in(&pem)
            }
            Err(error) => {
                tracing::warn!(module = %self.module.display(), %error, "Mozilla's authorities cannot be read");
                Vec::new()
            }
        }
    }

    fn ask_keeper(&self) -> std::io::Result<Vec<u8>> {
        let mut command = Command::new(&self.keeper);
        command.args(["roots", "--module"]).arg(&self.module).env_clear().env("WAFER_KEEPER", "1");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
        let (tell, told) = channel();
        // The module is foreign code and may hang: a thread waits for it, and ends with the process.
        std::thread::spawn(move || {
            let mut pem = Vec::new();
            let read = output.take(ROOTS_MAX).read_to_end(&mut pem).map(|_| pem);
            let _ = tell.send(read);
        });
        let pem = told.recv_timeout(PATIENCE).map_err(|_| std::io::ErrorKind::TimedOut.into()).flatten();
        if pem.is_err() {
            let _ = child.kill();
        }
        let status = child.wait()?;
        let pem = pem?;
        if status.success() { Ok(pem) } else { Err(std::io::Error::other(status.to_string())) }
    }
}

/// Tells one version of the module from another; `None` if there is none.
fn stamp(module: &Path) -> Option<String> {
    let metadata = fs::metadata(module).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("module: {} {changed} {}", module.display(), metadata.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::trust::testing::Authority;

    #[test]
    fn the_list_is_read_again_only_when_the_module_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let root = Authority::root("Root").der;
        let pem = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &root).unwrap();
        fs::write(place("pem"), pem).unwrap();
        let (pem, starts) = (place("pem").display().to_string(), place("starts").display().to_string());
        // Stands for the keeper, whose own story is told elsewhere; counts how often it is started.
        fs::write(place("keeper"), format!("#!/bin/sh\necho x >> {starts}\nexec /bin/cat {pem}\n")).unwrap();
        fs::set_permissions(place("keeper"), fs::Permissions::from_mode(0o700)).unwrap();
        let mozilla = Mozilla { module: place("module"), keeper: place("keeper"), kept: place("a/kept") };
        let count = || fs::read_to_string(&starts).unwrap_or_default().lines().count();
        assert!(mozilla.roots().is_empty(), "without a module there is nothing to ask");
        fs::write(place("module"), "one").unwrap();
        assert_eq!((mozilla.roots(), mozilla.roots(), count()), (vec![root.clone()], vec![root.clone()], 1));
        fs::write(place("module"), "another").unwrap();
        assert_eq!((mozilla.roots(), count()), (vec![root], 2));
        fs::write(place("keeper"), "#!/bin/sh\nexit 3\n").unwrap();
        fs::write(place("module"), "a third one").unwrap();
        assert!(mozilla.roots().is_empty(), "what a keeper says that fails does not count");
    }
}

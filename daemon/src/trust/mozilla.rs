//! Mozilla's authorities for mail: read out of `libnssckbi` by a short-lived `wafer-keeper roots` (waferd loads no
//! foreign code), kept on disk, and read again when the module changes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::asn1::UtcTime;

use super::files::certificates_in;
use crate::data;

/// First line of the file.
const VERSION: &str = "wafer roots 2";
/// Stands before a certificate's date.
const DATE: &str = "distrust-after: ";
const PEM_END: &str = "-----END CERTIFICATE-----";
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

    /// The authorities, from the file if the module is the one that it was made from.
    pub(super) fn roots(&self) -> Vec<Authority> {
        let Some(stamp) = stamp(&self.module) else { return Vec::new() };
        let head = format!("{VERSION}\n{stamp}\n\n");
        if let Ok(Some(kept)) = data::read(&self.kept)
            && let Some(pem) = kept.strip_prefix(head.as_bytes())
        {
            return authorities_in(pem);
        }
        match self.ask_keeper() {
            Ok(pem) => {
                if let Err(error) = data::replace(&self.kept, &[head.as_bytes(), &pem].concat()) {
                    tracing::warn!(file = %self.kept.display(), %error, "Mozilla's authorities cannot be kept");
                }
                authorities_in(&pem)
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

/// One of Mozilla's authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// The certificate, DER.
    pub(super) certificate: Vec<u8>,
    /// People's certificates that begin later are not to be trusted: the authority is being phased out.
    pub(super) distrust_after: Option<SystemTime>,
}

/// What `wafer-keeper roots` has written: PEM, with a line in front of a certificate that has a date.
fn authorities_in(text: &[u8]) -> Vec<Authority> {
    let text = String::from_utf8_lossy(text);
    let blocks = text.split_inclusive(PEM_END).flat_map(|block| {
        let date = block.lines().find_map(|line| line.strip_prefix(DATE));
        let distrust_after = date.map(time);
        certificates_in(block.as_bytes())
            .into_iter()
            .map(move |certificate| Authority { certificate, distrust_after })
    });
    blocks.collect()
}

/// A date as UTCTime has it (RFC 5280 section 4.1.2.5.1). One that cannot be read is long ago.
fn time(date: &str) -> SystemTime {
    let read =
        der::asn1::AnyRef::new(der::Tag::UtcTime, date.as_bytes()).and_then(|any| any.decode_as::<UtcTime>());
    read.map_or(UNIX_EPOCH, |time| UNIX_EPOCH + time.to_unix_duration())
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
        let once = vec![super::Authority { certificate: root, distrust_after: None }];
        assert_eq!((mozilla.roots(), mozilla.roots(), count()), (once.clone(), once.clone(), 1));
        fs::write(place("module"), "another").unwrap();
        assert_eq!((mozilla.roots(), count()), (once, 2));
        fs::write(place("keeper"), "#!/bin/sh\nexit 3\n").unwrap();
        fs::write(place("module"), "a third one").unwrap();
        assert!(mozilla.roots().is_empty(), "what a keeper says that fails does not count");
    }

    #[test]
    fn a_date_belongs_to_the_certificate_behind_it() {
        let pem = |der: &[u8]| der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, der).unwrap();
        let [one, two, three] = ["1", "2", "3"].map(|name| Authority::root(name).der);
        let text = format!(
            "{}distrust-after: 220901000000Z\n{}distrust-after: soon\n{}",
            pem(&one),
            pem(&two),
            pem(&three)
        );
        let dates: Vec<_> = authorities_in(text.as_bytes())
            .into_iter()
            .map(|authority| (authority.certificate, authority.distrust_after))
            .collect();
        // 2022-09-01.
        let day = UNIX_EPOCH + Duration::from_secs(1_661_990_400);
        assert_eq!(dates, [(one, None), (two, Some(day)), (three, Some(UNIX_EPOCH))]);
    }
}

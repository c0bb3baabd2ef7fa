//! Where a keeper's tokens come from, and how its process is told.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use super::FILES;
use crate::config::{Module, READERS, Settings};

/// Where pcscd listens, unless the variable of its client library says otherwise.
const PCSCD_SOCKET: &str = "/run/pcscd/pcscd.comm";
pub(super) const PCSCD_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// One source of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// PIV cards in pcscd's readers.
    Readers,
    /// A PKCS#11 module.
    Module(Module),
    /// PKCS#12 files that were imported, in this folder.
    Files(PathBuf),
}

impl Source {
    /// The sources of `settings`. The readers come first: of one card that two of them show, the first counts.
    pub(super) fn of(settings: &Settings) -> Vec<Self> {
        let readers = settings.piv.enabled.then_some(Self::Readers);
        let modules = settings.modules.iter().cloned().map(Self::Module);
        let files = Self::Files(settings.data_folder.join("files"));
        readers.into_iter().chain(modules).chain([files]).collect()
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Readers => READERS,
            Self::Module(module) => &module.name,
            Self::Files(_) => FILES,
        }
    }

    /// Whether there is anything to start a keeper for now.
    pub(super) fn is_reachable(&self) -> bool {
        match self {
            Self::Readers => {
                let socket =
                    std::env::var_os(PCSCD_VARIABLE).map_or(PathBuf::from(PCSCD_SOCKET), PathBuf::from);
                std::fs::metadata(socket).is_ok_and(|file| file.file_type().is_socket())
            }
            Self::Module(_) => true,
            Self::Files(folder) => holds_files(folder),
        }
    }

    /// Whether its tokens are files.
    pub(super) fn is_files(&self) -> bool {
        matches!(self, Self::Files(_))
    }

    /// Makes the folder that a keeper of files writes in: it is confined to what is there when it starts.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn make_folder(&self) -> io::Result<()> {
        match self {
            Self::Files(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
            _ => Ok(()),
        }
    }

    /// Whether its keeper stays although it has nothing to do: the readers' one notices cards that come.
    pub(super) fn keeps_watch(&self) -> bool {
        matches!(self, Self::Readers)
    }

    /// Whether it shares pcscd's readers with the keeper of PIV cards, which has the first look at each card: OpenSC's
    /// module, whose drivers know PIV cards too.
    pub(super) fn is_beside_piv(&self, settings: &Settings) -> bool {
        settings.piv.enabled && matches!(self, Self::Module(module) if is_opensc(&module.path))
    }

    /// Variables that the settings give its keeper beside the usual ones.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        match self {
            Self::Readers | Self::Files(_) => BTreeMap::new(),
            Self::Module(module) => module.environment.clone(),
        }
    }

    /// The words of its keeper's command line that are its own.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let module = match self {
            Self::Readers => return vec!["pcsc".into(), "--name".into(), READERS.into()],
            Self::Files(folder) => {
                return vec!["files".into(), "--name".into(), FILES.into(), "--folder".into(), folder.into()];
            }
            Self::Module(module) => module,
        };
        let mut arguments: Vec<OsString> = vec!["pkcs11".into()];
        let mut add = |name: &str, value: &OsStr| arguments.extend([name.into(), value.to_owned()]);
        add("--module", module.path.as_os_str());
        add("--name", module.name.as_ref());
        for folder in &module.state {
            add("--state", folder.as_os_str());
        }
        for (name, value) in &module.environment {
            add("--env", format!("{name}={value}").as_ref());
        }
        if module.network {
            arguments.push("--network".into());
        }
        arguments
    }
}

/// Whether a library is OpenSC's module, by whichever of its names (`opensc-pkcs11.so`, `onepin-opensc-pkcs11.so`) or
/// through a link.
fn is_opensc(library: &Path) -> bool {
    let library = library.canonicalize().unwrap_or(library.to_owned());
    library.file_name().is_some_and(|name| name.to_string_lossy().contains("opensc-pkcs11"))
}

/// Whether a file was imported into `folder`.
fn holds_files(folder: &Path) -> bool {
    let is_file = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| Path::new(&entry.file_name()).extension().is_some_and(|end| end == "p12"))
    };
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.any(is_file))
}

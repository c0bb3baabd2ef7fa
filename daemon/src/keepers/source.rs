//! Where a keeper's tokens come from, and how its process is told.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

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
}

impl Source {
    /// The sources of `settings`. The readers come first: of one card that two of them show, the first counts.
    pub(super) fn of(settings: &Settings) -> Vec<Self> {
        let readers = settings.piv.enabled.then_some(Self::Readers);
        readers.into_iter().chain(settings.modules.iter().cloned().map(Self::Module)).collect()
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Readers => READERS,
            Self::Module(module) => &module.name,
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
        }
    }

    /// Whether its keeper stays although it has nothing to do: the readers' one notices cards that come.
    pub(super) fn keeps_watch(&self) -> bool {
        matches!(self, Self::Readers)
    }

    /// Variables that the settings give its keeper beside the usual ones.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        match self {
            Self::Readers => BTreeMap::new(),
            Self::Module(module) => module.environment.clone(),
        }
    }

    /// The words of its keeper's command line that are its own.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let Self::Module(module) = self else {
            return vec!["pcsc".into(), "--name".into(), READERS.into()];
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

//! Where settings, data and the keeper are looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The administrator's folder.
const SYSTEM_FOLDER: &str = "/etc/waferd";
/// p11-kit's registry: what packages install, then what the administrator put in its place.
const REGISTRY: [&str; 2] = ["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"];
/// The keeper's place when it is not beside waferd.
pub(super) const SYSTEM_KEEPER: &str = "/usr/libexec/waferd/wafer-keeper";

/// Where files and folders are looked for: the part of the environment that the settings depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The one file to read, if it was named.
    pub named_file: Option<PathBuf>,
    /// The administrator's folder, with the file `waferd.toml` and the folder `trust`.
    pub system: PathBuf,
    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    pub config_home: PathBuf,
    /// `$XDG_DATA_HOME`, or `~/.local/share`.
    pub data_home: PathBuf,
    /// `$XDG_CACHE_HOME`, or `~/.cache`.
    pub cache_home: PathBuf,
    /// Folder of the running executable.
    pub executable_folder: Option<PathBuf>,
    /// Folders of p11-kit's registry; the later one wins.
    pub registry: Vec<PathBuf>,
}

impl Places {
    /// The places of this process; `config` is what `--config` named.
    pub fn of_this_process(config: Option<&Path>) -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = PathBuf::from(variable("HOME").unwrap_or_else(|| OsString::from("/")));
        // XDG base directories: a relative path is to be ignored.
        let base = |name: &str, below: &str| {
            variable(name).map(PathBuf::from).filter(|path| path.is_absolute()).unwrap_or(home.join(below))
        };
        Self {
            named_file: config.map(Path::to_owned).or_else(|| variable("WAFERD_CONFIG").map(PathBuf::from)),
            system: PathBuf::from(variable("WAFERD_ETC").unwrap_or_else(|| SYSTEM_FOLDER.into())),
            config_home: base("XDG_CONFIG_HOME", ".config"),
            data_home: base("XDG_DATA_HOME", ".local/share"),
            cache_home: base("XDG_CACHE_HOME", ".cache"),
            executable_folder: std::env::current_exe()
                .ok()
                .and_then(|executable| executable.parent().map(Path::to_owned)),
            registry: REGISTRY.map(PathBuf::from).to_vec(),
        }
    }

    /// The administrator's file.
    pub fn system_file(&self) -> PathBuf {
        self.system.join("waferd.toml")
    }

    /// The person's own file: the one that is read last, and that `wafer settings set` writes.
    pub fn own_file(&self) -> PathBuf {
        self.named_file.clone().unwrap_or_else(|| self.config_home.join("waferd/waferd.toml"))
    }

    pub(super) fn keeper(&self) -> PathBuf {
        let beside = self.executable_folder.as_ref().map(|folder| folder.join("wafer-keeper"));
        beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(SYSTEM_KEEPER))
    }
}

//! The settings of `waferd`: TOML files, read at the start and again when they change.
//!
//! Read in this order, a later file overriding single keys of an earlier one (a `[[module]]` with the
//! same name replaces that module): `/etc/waferd/waferd.toml`, then `waferd/waferd.toml` below
//! `$XDG_CONFIG_HOME` (`~/.config`). `--config FILE`, or else the variable `WAFERD_CONFIG`, names one
//! file to read instead of both; the variable `WAFERD_ETC` names another folder in the place of `/etc/waferd`. A missing file is an empty one, unless it was named. All paths are
//! absolute; an unknown key is an error.
//!
//! | key | default | means |
//! |---|---|---|
//! | `[[module]] name` | – | name of a PKCS#11 module, for people and logs; unique |
//! | `[[module]] path` | – | the module's shared library |
//! | `[[module]] network` | `false` | the module may open inet sockets (network HSMs) |
//! | `[[module]] state` | `[]` | folders that the module may write |
//! | `[[module]] environment` | `{}` | variables set for the keeper that loads the module |
//! | `[piv] enabled` | `true` | PIV cards are used directly over PC/SC, where pcscd listens, and OpenSC's module leaves them alone |
//! | `p11-kit` | `true` if no module is named | use the modules that p11-kit's registry names |
//! | `[pin] idle-timeout-s` | `600` | seconds without use after which a PIN is forgotten; 0: never cached |
//! | `[pin] max-timeout-s` | `7200` | seconds after which it is forgotten in any case; 0: never cached |
//! | `[pin] each-use` | `"pin"` | for keys that want their PIN at every use: `"confirm"` lets a click stand for it while the PIN is cached |
//! | `[pin] secret-memory` | `false` | keep PINs where not even root can read them (memfd_secret); while one is kept the machine does not hibernate |
//! | `[pin] dialog-timeout-s` | `120` | seconds that a dialog stays open |
//! | `[module-deadline] sign-s` | `30` | seconds that one call into a module may take |
//! | `module-deadline-ms` | – | the same in milliseconds; wins over `sign-s` |
//! | `stream-timeout-s` | `60` | seconds without a byte moved after which a stream has failed |
//! | `pinentry` | `/usr/bin/pinentry` | the dialog program |
//! | `keeper` | beside waferd, else `/usr/libexec/waferd/wafer-keeper` | the keeper's executable |
//! | `trust-folder` | `/etc/waferd/trust` and `waferd/trust` below `$XDG_CONFIG_HOME` | roots, PEM or DER |
//! | `mozilla-roots` | `true` | Mozilla's authorities for mail (package libnss3) are roots too |
//! | `[revocation] mode` | `"soft"` | `"hard"`: who is not known to be good is not trusted; `"off"`: not asked |
//! | `[revocation] offline` | `false` | nothing is fetched; what was fetched before still counts |
//! | `[revocation] hosts` | `[]` | hosts that may be asked in a private network or on this machine |
//! | `[revocation] timeout-s` | `15` | seconds that one fetch may take (a verdict never waits so long) |
//! | `[revocation] fetch-issuers` | `false` | fetch issuers that a message leaves out, from where it says |
//! | `recipients-folder` | `waferd/recipients` below `$XDG_DATA_HOME` | recipients' certificates, PEM or DER |
//! | `data-folder` | `waferd` below `$XDG_DATA_HOME` | what Wafer itself keeps |
//! | `[[ldap]] url`, `base` | – | an LDAP server and the entry below which people are; asked in their order |
//! | `[[ldap]] bind-dn`, `password-file` | – | who to bind as (never without TLS); anonymous without |
//! | `[[ldap]] ca-file` | the system's | authorities of the server's own certificate |
//! | `[[ldap]] start-tls` | `true` | for `ldap://`: TLS before anything is said |
//! | `[[ldap]] timeout-s` | `5` | seconds that one look-up may take |
//! | `locked` | `[]` | settings (`"table.key"`) that only this file, the administrator's, sets |
//! | `[sign]`, `[encrypt]`, `[identities]`, `[recipients]`, `[consent]`, `[web]` | – | choices: [`items`] lists them |

mod current;
mod edit;
mod fault;
mod file;
pub mod items;
mod ldap;
mod p11kit;
mod places;
#[cfg(test)]
mod tests;
pub mod value;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wafer_client::{ErrorKind, WaferError};

use crate::trust::revocation::Mode;
use crate::trust::web::WebSettings;
pub use current::Current;
pub use edit::Refused;
use file::SettingsFile;
pub use ldap::LdapServer;
pub use places::Places;
use value::Value;
pub use watch::Live;

/// The name of the source of PIV cards over PC/SC; no module may have it.
pub const READERS: &str = "piv";

/// All settings, complete with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// PKCS#11 modules; each gets a keeper of its own.
    pub modules: Vec<Module>,
    /// PIV cards over PC/SC.
    pub piv: Piv,
    /// Whether the modules of p11-kit's registry are used too; `None`: if no module is named.
    pub p11_kit: Option<bool>,
    /// How long PINs and dialogs live.
    pub pin: Pin,
    /// How long one call into a module may take.
    pub module_deadline: Duration,
    /// How long a stream may stand still.
    pub stream_timeout: Duration,
    /// The pinentry program.
    pub pinentry: PathBuf,
    /// The keeper's executable.
    pub keeper: PathBuf,
    /// Folders with root certificates; a missing one holds none.
    pub trust_folders: Vec<PathBuf>,
    /// Whether Mozilla's authorities for mail are roots too.
    pub mozilla_roots: bool,
    /// Where the list of them is kept.
    pub mozilla_kept: PathBuf,
    /// What the person decided about certificates by hand.
    pub trust_decisions: PathBuf,
    /// What is asked about revocation, and whom.
    pub revocation: Revocation,
    /// Folder with recipients' certificates; a missing one holds none.
    pub recipients_folder: PathBuf,
    /// Where Wafer keeps what it keeps.
    pub data_folder: PathBuf,
    /// LDAP servers, in the order in which they are asked.
    pub ldap: Vec<LdapServer>,
    /// Choices that a file makes, by [`items::Item::name`]; [`items::Item::value`] knows the others.
    pub values: BTreeMap<&'static str, Value>,
    /// Settings that only the administrator's file sets.
    pub locked: BTreeSet<&'static str>,
    /// Settings that the administrator's file sets.
    pub administered: BTreeSet<&'static str>,
    /// Locked settings that the person's file sets all the same: passed over, and told.
    pub passed_over: BTreeSet<&'static str>,
}

/// What is asked about revocation, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What is done about it.
    pub mode: Mode,
    /// Whom waferd calls.
    pub web: WebSettings,
    /// Whether issuers that a message leaves out are fetched.
    pub fetch_issuers: bool,
}

/// One PKCS#11 module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Unique name.
    pub name: String,
    /// The shared library.
    pub path: PathBuf,
    /// Whether it may open inet sockets.
    pub network: bool,
    /// Folders it may write.
    pub state: Vec<PathBuf>,
    /// Further environment variables of its keeper.
    pub environment: BTreeMap<String, String>,
}

/// PIV cards over PC/SC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piv {
    /// A keeper for them is started where pcscd can be reached.
    pub enabled: bool,
}

/// How long PINs and dialogs live. Zero in either of the first two: never cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// A PIN unused for this long is forgotten.
    pub idle_timeout: Duration,
    /// A PIN this old is forgotten.
    pub max_timeout: Duration,
    /// A dialog open for this long ends as `TimedOut`.
    pub dialog_timeout: Duration,
    /// For keys that want their PIN at every use, a click may stand for a PIN that is cached.
    pub confirm_each_use: bool,
    /// PINs are kept in memory of memfd_secret, where the kernel has it.
    pub secret_memory: bool,
}

/// What is wrong in which settings file. `waferd` then stays up and answers `BadSettings`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {problem}", file.display())]
pub struct SettingsError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 if the file could not be read at all.
    pub line: u32,
    /// What is wrong there.
    pub problem: String,
}

impl From<&SettingsError> for WaferError {
    fn from(error: &SettingsError) -> Self {
        Self::new(ErrorKind::BadSettings, format!("Wafer's settings are wrong. {error}"))
            .with("file", error.file.display().to_string())
            .with("line", error.line)
    }
}

impl Settings {
    /// The settings when there is no file.
    pub fn defaults(places: &Places) -> Self {
        Self {
            modules: Vec::new(),
            piv: Piv { enabled: true },
            p11_kit: None,
            pin: Pin {
                idle_timeout: Duration::from_secs(600),
                max_timeout: Duration::from_secs(7200),
                dialog_timeout: Duration::from_secs(120),
                confirm_each_use: false,
                secret_memory: false,
            },
            module_deadline: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(60),
            pinentry: PathBuf::from("/usr/bin/pinentry"),
            keeper: places.keeper(),
            trust_folders: vec![places.system.join("trust"), places.config_home.join("waferd/trust")],
            mozilla_roots: true,
            mozilla_kept: places.cache_home.join("waferd/mozilla-roots.pem"),
            trust_decisions: places.data_home.join("waferd/trust.jsonl"),
            revocation: Revocation {
                mode: Mode::default(),
                web: WebSettings {
                    offline: false,
                    hosts: Vec::new(),
                    timeout: Duration::from_secs(15),
                    cache: places.cache_home.join("waferd/revocation"),
                },
                fetch_issuers: false,
            },
            recipients_folder: places.data_home.join("waferd/recipients"),
            data_folder: places.data_home.join("waferd"),
            ldap: Vec::new(),
            values: BTreeMap::new(),
            locked: BTreeSet::new(),
            administered: BTreeSet::new(),
            passed_over: BTreeSet::new(),
        }
    }

    /// Reads the files of `places` over the defaults.
    ///
    /// # Errors
    /// The first fault found, with its file and line.
    pub fn load(places: &Places) -> Result<Self, SettingsError> {
        let own = places.own_file();
        Self::load_with(places, &read(&own, places.named_file.is_some())?)
    }

    /// Like [`Self::load`], as if the person's own file held `own`.
    fn load_with(places: &Places, own: &str) -> Result<Self, SettingsError> {
        let mut settings = Self::defaults(places);
        if places.named_file.is_none() {
            let before = settings.clone();
            let file = places.system_file();
            settings.apply(&file, &read(&file, false)?)?;
            settings.administered = settings.differing(&before).collect();
        }
        let administered = settings.clone();
        settings.apply(&places.own_file(), own)?;
        if places.named_file.is_none() {
            settings.keep_locks(&administered);
        }
        if settings.p11_kit.unwrap_or(settings.modules.is_empty()) {
            settings.add_registered(p11kit::modules(&places.registry));
        }
        Ok(settings)
    }

    /// Adds what the settings do not name themselves, by name or by library.
    fn add_registered(&mut self, registered: Vec<Module>) {
        let library = |module: &Module| module.path.canonicalize().unwrap_or(module.path.clone());
        for module in registered {
            let is_same = |known: &Module| known.name == module.name || library(known) == library(&module);
            if !self.modules.iter().any(is_same) {
                self.modules.push(module);
            }
        }
    }

    /// Puts locked settings back to what the administrator's file has.
    fn keep_locks(&mut self, administered: &Self) {
        self.locked.clone_from(&administered.locked);
        self.passed_over = self.differing(administered).filter(|name| self.locked.contains(name)).collect();
        for name in &self.passed_over {
            match administered.values.get(name) {
                Some(value) => self.values.insert(name, value.clone()),
                None => self.values.remove(name),
            };
        }
        // The two that have fields of their own.
        if self.passed_over.contains("pin.idle-timeout-s") {
            self.pin.idle_timeout = administered.pin.idle_timeout;
        }
        if self.passed_over.contains("pin.max-timeout-s") {
            self.pin.max_timeout = administered.pin.max_timeout;
        }
    }

    /// Names of the settings that are another in `other`.
    pub fn differing(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let differs = |item: &&items::Item| item.value(self) != item.value(other);
        items::ITEMS.iter().filter(differs).map(|item| item.name)
    }

    /// The value of the flag `name`.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    /// The value of the number `name`.
    pub fn number(&self, name: &str) -> u32 {
        if let Some(Value::Number(number)) = self.value(name) { number } else { 0 }
    }

    /// The value of the word `name`.
    pub fn word(&self, name: &str) -> String {
        if let Some(Value::Word(word)) = self.value(name) { word } else { String::new() }
    }

    /// The value of the list `name`.
    pub fn list(&self, name: &str) -> Vec<String> {
        if let Some(Value::List(list)) = self.value(name) { list } else { Vec::new() }
    }

    fn value(&self, name: &str) -> Option<Value> {
        items::item_called(name).map(|item| item.value(self))
    }

    /// Overrides single settings by the keys of one file's `text`.
    fn apply(&mut self, file: &Path, text: &str) -> Result<(), SettingsError> {
        let parsed: SettingsFile = toml::from_str(text).map_err(|error| SettingsError {
            file: file.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        parsed.apply(self).map_err(|fault| SettingsError {
            file: file.to_owned(),
            line: line_of(text, fault.at),
            problem: fault.problem,
        })
    }

    /// Puts `module` in the place of the one with its name, or at the end.
    fn set_module(&mut self, module: Module) {
        match self.modules.iter_mut().find(|known| known.name == module.name) {
            Some(known) => *known = module,
            None => self.modules.push(module),
        }
    }
}

fn read(file: &Path, must_exist: bool) -> Result<String, SettingsError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(String::new()),
        Err(error) => Err(SettingsError { file: file.to_owned(), line: 0, problem: error.to_string() }),
    }
}

/// Line of the byte at `offset`, from 1.
fn line_of(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
}

/// Whether no two of `names` are the same; else the first repeated one's index.
fn first_repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let mut seen = HashSet::new();
    names.enumerate().find(|(_, name)| !seen.insert(*name)).map(|(index, _)| index)
}

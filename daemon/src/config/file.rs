//! A settings file as it is written, and its checks that need more than a type.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, absolute, at_least_one};
use super::items::item_called;
use super::ldap::LdapTable;
use super::{Module, Revocation, Settings, first_repeated};
use crate::trust::revocation::Mode;

/// One file. Every key may be absent: then the setting stays as it was.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SettingsFile {
    module: Vec<ModuleTable>,
    piv: PivTable,
    p11_kit: Option<bool>,
    pin: PinTable,
    module_deadline: ModuleDeadlineTable,
    module_deadline_ms: Option<Spanned<u32>>,
    stream_timeout_s: Option<Spanned<u32>>,
    pinentry: Option<Spanned<PathBuf>>,
    keeper: Option<Spanned<PathBuf>>,
    trust_folder: Option<Spanned<PathBuf>>,
    mozilla_roots: Option<bool>,
    revocation: RevocationTable,
    recipients_folder: Option<Spanned<PathBuf>>,
    data_folder: Option<Spanned<PathBuf>>,
    ldap: Option<Vec<LdapTable>>,
    locked: Option<Vec<Spanned<String>>>,
    sign: Group,
    encrypt: Group,
    identities: Group,
    recipients: Group,
    consent: Group,
    web: Group,
}

/// A table of settings that [`super::items::ITEMS`] lists.
type Group = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ModuleTable {
    name: Spanned<String>,
    path: Spanned<PathBuf>,
    #[serde(default)]
    network: bool,
    #[serde(default)]
    state: Vec<Spanned<PathBuf>>,
    environment: Option<Spanned<BTreeMap<String, String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct PivTable {
    enabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct PinTable {
    idle_timeout_s: Option<u32>,
    max_timeout_s: Option<u32>,
    dialog_timeout_s: Option<Spanned<u32>>,
    each_use: Option<EachUse>,
    secret_memory: Option<bool>,
}

/// What a key that wants its PIN at every use gets.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum EachUse {
    Pin,
    Confirm,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RevocationTable {
    mode: Option<ModeWord>,
    offline: Option<bool>,
    hosts: Option<Vec<String>>,
    timeout_s: Option<Spanned<u32>>,
    fetch_issuers: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeWord {
    Off,
    Soft,
    Hard,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct ModuleDeadlineTable {
    sign_s: Option<Spanned<u32>>,
}

impl SettingsFile {
    /// Checks every value and puts it into `settings`.
    pub(super) fn apply(self, settings: &mut Settings) -> Result<(), Fault> {
        if let Some(repeated) = first_repeated(self.module.iter().map(|module| module.name.as_ref().as_str()))
        {
            let name = &self.module[repeated].name;
            let problem = format!("a module named \"{}\" is already in this file", name.as_ref());
            return Err(Fault { at: name.span().start, problem });
        }
        for module in self.module {
            settings.set_module(module.check()?);
        }
        set(&mut settings.piv.enabled, self.piv.enabled);
        if self.p11_kit.is_some() {
            settings.p11_kit = self.p11_kit;
        }
        self.pin.apply(settings)?;
        set(&mut settings.module_deadline, seconds(self.module_deadline.sign_s)?);
        set(&mut settings.module_deadline, at_least_one(self.module_deadline_ms, Duration::from_millis)?);
        set(&mut settings.stream_timeout, seconds(self.stream_timeout_s)?);
        set(&mut settings.pinentry, self.pinentry.map(absolute).transpose()?);
        set(&mut settings.keeper, self.keeper.map(absolute).transpose()?);
        let trust = self.trust_folder.map(absolute).transpose()?;
        set(&mut settings.trust_folders, trust.map(|folder| vec![folder]));
        set(&mut settings.mozilla_roots, self.mozilla_roots);
        self.revocation.apply(&mut settings.revocation)?;
        set(&mut settings.recipients_folder, self.recipients_folder.map(absolute).transpose()?);
        set(&mut settings.data_folder, self.data_folder.map(absolute).transpose()?);
        let ldap = self.ldap.map(|servers| servers.into_iter().map(LdapTable::check).collect());
        set(&mut settings.ldap, ldap.transpose()?);
        for (table, group) in [
            ("sign", self.sign),
            ("encrypt", self.encrypt),
            ("identities", self.identities),
            ("recipients", self.recipients),
            ("consent", self.consent),
            ("web", self.web),
        ] {
            apply_group(table, group, settings)?;
        }
        for name in self.locked.unwrap_or_default() {
            let at = name.span().start;
            let item = item_called(name.as_ref()).ok_or_else(|| Fault {
                at,
                problem: format!("there is no setting \"{}\" to lock", name.as_ref()),
            })?;
            settings.locked.insert(item.name);
        }
        Ok(())
    }
}

impl RevocationTable {
    fn apply(self, settings: &mut Revocation) -> Result<(), Fault> {
        let mode = self.mode.map(|word| match word {
            ModeWord::Off => Mode::Off,
            ModeWord::Soft => Mode::Soft,
            ModeWord::Hard => Mode::Hard,
        });
        set(&mut settings.mode, mode);
        set(&mut settings.web.offline, self.offline);
        set(&mut settings.web.hosts, self.hosts);
        set(&mut settings.web.timeout, seconds(self.timeout_s)?);
        set(&mut settings.fetch_issuers, self.fetch_issuers);
        Ok(())
    }
}

fn apply_group(table: &str, group: Group, settings: &mut Settings) -> Result<(), Fault> {
    for (key, value) in group {
        let name = format!("{table}.{}", key.as_ref());
        let item = item_called(&name).ok_or_else(|| Fault {
            at: key.span().start,
            problem: format!("unknown field `{}`: there is no setting \"{name}\"", key.as_ref()),
        })?;
        let read = item.kind.read(value.as_ref());
        let read =
            read.map_err(|problem| Fault { at: value.span().start, problem: format!("{name}: {problem}") })?;
        settings.values.insert(item.name, read);
    }
    Ok(())
}

impl PinTable {
    fn apply(self, settings: &mut Settings) -> Result<(), Fault> {
        let whole = |value: Option<u32>| value.map(|value| Duration::from_secs(value.into()));
        set(&mut settings.pin.idle_timeout, whole(self.idle_timeout_s));
        set(&mut settings.pin.max_timeout, whole(self.max_timeout_s));
        set(&mut settings.pin.dialog_timeout, seconds(self.dialog_timeout_s)?);
        set(&mut settings.pin.confirm_each_use, self.each_use.map(|wanted| wanted == EachUse::Confirm));
        set(&mut settings.pin.secret_memory, self.secret_memory);
        Ok(())
    }
}

impl ModuleTable {
    fn check(self) -> Result<Module, Fault> {
        if self.name.as_ref().is_empty() {
            return Err(Fault { at: self.name.span().start, problem: "a module needs a name".into() });
        }
        if self.name.as_ref() == super::READERS {
            let problem = format!("the name \"{}\" is taken by PIV cards over PC/SC", super::READERS);
            return Err(Fault { at: self.name.span().start, problem });
        }
        Ok(Module {
            name: self.name.into_inner(),
            path: absolute(self.path)?,
            network: self.network,
            state: self.state.into_iter().map(absolute).collect::<Result<_, _>>()?,
            environment: self.environment.map(variables).transpose()?.unwrap_or_default(),
        })
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn seconds(value: Option<Spanned<u32>>) -> Result<Option<Duration>, Fault> {
    at_least_one(value, Duration::from_secs)
}

fn variables(environment: Spanned<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, Fault> {
    // What the dynamic loader reads would take effect before the keeper has confined itself.
    let forbidden = |name: &&String| {
        name.is_empty() || name.contains(['=', '\0']) || name.starts_with("LD_") || *name == "WAFER_KEEPER"
    };
    if let Some(name) = environment.as_ref().keys().find(forbidden) {
        let problem = format!("the variable \"{name}\" cannot be set for a module");
        return Err(Fault { at: environment.span().start, problem });
    }
    Ok(environment.into_inner())
}

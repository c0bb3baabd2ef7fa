//! Modules from p11-kit's registry (pkcs11.conf(5)): what other programs on this machine use without being told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Module;

/// Our name where a registry file lists programs.
const PROGRAM: &str = "waferd";
/// Larger files are none of p11-kit's.
const LARGEST: u64 = 64 * 1024;

/// The modules that the files in `folders` register; a later folder's file replaces an earlier one's of the same
/// name. Left out: trust modules, p11-kit's own proxy (it would show every module twice), modules of Wafer's own,
/// those that are switched off for this program, and what is not there.
pub(super) fn modules(folders: &[PathBuf]) -> Vec<Module> {
    let mut files = BTreeMap::new();
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            files.insert(entry.file_name(), entry.path());
        }
    }
    files.values().filter_map(|file| module(file)).collect()
}

fn module(file: &Path) -> Option<Module> {
    if file.extension()? != "module" || fs::metadata(file).ok()?.len() > LARGEST {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let values: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let lists_us = |name: &str| {
        values.get(name).map(|programs| programs.split([',', ' ']).any(|known| known == PROGRAM))
    };
    let is_wanted = values.get("trust-policy") != Some(&"yes")
        && lists_us("disable-in") != Some(true)
        && lists_us("enable-in") != Some(false);
    let path = library(values.get("module")?).filter(|path| is_wanted && !is_left_out(path))?;
    Some(Module {
        name: file.file_stem()?.to_str()?.to_owned(),
        path,
        network: false,
        state: Vec::new(),
        environment: BTreeMap::new(),
    })
}

/// The library's path; a bare name is one in p11-kit's own folder.
fn library(name: &str) -> Option<PathBuf> {
    let multiarch = format!("/usr/lib/{}-linux-gnu/pkcs11", std::env::consts::ARCH);
    let folders = [multiarch.as_str(), "/usr/lib64/pkcs11", "/usr/lib/pkcs11"];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

fn is_left_out(library: &Path) -> bool {
    let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("p11-kit-") || name.starts_with("libwafer")
}

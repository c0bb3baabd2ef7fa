//! Changing one setting in the person's own file; comments and order there stay.

use toml_edit::{DocumentMut, Item as TomlItem, Table};

use super::items::Item;
use super::value::Value;
use super::{Places, Settings, SettingsError, read};
use crate::data;

/// Why a setting was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The administrator's file locks it.
    #[error("locked")]
    Locked,
    /// The value is of another kind.
    #[error("it must be {0}")]
    Kind(super::value::Kind),
    /// The file as it is now is wrong.
    #[error(transparent)]
    File(#[from] SettingsError),
    /// The file could not be written.
    #[error("the settings file cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

impl Places {
    /// Sets `item` to `value` in the person's own file, or takes it out (`None`). The whole result is checked
    /// before it is written.
    ///
    /// # Errors
    /// Nothing was changed then.
    pub fn set(&self, now: &Settings, item: &Item, value: Option<&Value>) -> Result<(), Refused> {
        if now.locked.contains(item.name) && self.named_file.is_none() {
            return Err(Refused::Locked);
        }
        if value.is_some_and(|value| !item.kind.fits(value)) {
            return Err(Refused::Kind(item.kind));
        }
        let file = self.own_file();
        let text = read(&file, false)?;
        Settings::load_with(self, &text)?;
        let wrong = |problem: String| SettingsError { file: file.clone(), line: 0, problem };
        let mut document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| wrong(error.to_string()))?;
        edit(&mut document, item.name, value)
            .ok_or_else(|| wrong(format!("{} has no place in it", item.name)))?;
        let text = document.to_string();
        Settings::load_with(self, &text)?;
        Ok(data::replace(&file, text.as_bytes())?)
    }
}

/// Sets or removes `table.key`; `None` if `table` is no table.
fn edit(document: &mut DocumentMut, name: &str, value: Option<&Value>) -> Option<()> {
    let (table, key) = name.split_once('.')?;
    match value {
        Some(value) => {
            let table =
                document.entry(table).or_insert_with(|| TomlItem::Table(Table::new())).as_table_like_mut()?;
            let mut new = toml_edit::Value::from(value);
            match table.get_mut(key) {
                // In its place, so that the comments around it stay.
                Some(old) => {
                    if let Some(old) = old.as_value() {
                        *new.decor_mut() = old.decor().clone();
                    }
                    *old = TomlItem::Value(new);
                }
                None => {
                    table.insert(key, TomlItem::Value(new));
                }
            }
        }
        None => {
            if let Some(table) = document.get_mut(table) {
                table.as_table_like_mut()?.remove(key);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn comments_and_order_stay() {
        let text = "# mine\n[sign]\n# why\nalways = false # for now\n\n[[module]]\nname = \"a\"\n";
        let mut document: DocumentMut = text.parse().unwrap();
        edit(&mut document, "sign.always", Some(&Value::Flag(true))).unwrap();
        edit(&mut document, "encrypt.ciphers", Some(&Value::List(vec!["aes128-gcm".into()]))).unwrap();
        let written = document.to_string();
        assert!(written.starts_with(&text.replace("always = false", "always = true")), "{written}");
        assert!(written.ends_with("[encrypt]\nciphers = [\"aes128-gcm\"]\n"), "{written}");
        edit(&mut document, "encrypt.ciphers", None).unwrap();
        assert!(!document.to_string().contains("ciphers"));
        let mut odd: DocumentMut = "sign = 1\n".parse().unwrap();
        assert!(edit(&mut odd, "sign.always", Some(&Value::Flag(true))).is_none());
    }
}

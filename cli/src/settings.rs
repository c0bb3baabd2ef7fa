//! `wafer settings`.

use serde_json::{Value, json};
use wafer_client::{Client, ErrorKind, WaferError};
use zbus::Variant;

use crate::args::{Common, Settings};
use crate::call::{self, attend};
use crate::people::{say, values};
use crate::report::Report;
use crate::text;

pub(crate) async fn run(
    client: &Client,
    common: &Common,
    command: Option<Settings>,
    report: &Report,
) -> Result<u8, WaferError> {
    let settings = client.settings().await?;
    let options = call::options(common);
    match command.unwrap_or(Settings::List) {
        Settings::List => {
            say(report, &values(settings.list().await?), text::setting, "");
            let problem = settings.problem().await?;
            if !problem.is_empty() {
                report.warn(&text::settings_problem(&problem));
            }
        }
        Settings::Get { name } => {
            let setting = values(vec![settings.get(&name).await?]).remove(0);
            report.say(false, &text::setting_with_help(&setting), &setting);
        }
        Settings::Set { name, values: words } => {
            let kind = settings.get(&name).await?;
            let value = typed(kind.get("default").map(|value| &**value), words)
                .ok_or_else(|| WaferError::new(ErrorKind::InvalidArgument, text::odd_value(&name)))?;
            attend(client, async { Ok(settings.set(&name, &value, options.map()).await?) }).await?;
            report.say(false, &text::set(&name), &json!({ "set": name }));
        }
        Settings::Reset { name } => {
            attend(client, async { Ok(settings.reset(&name, options.map()).await?) }).await?;
            report.say(false, &text::set(&name), &json!({ "reset": name }));
        }
    }
    Ok(0)
}

/// `words` as a value of the same type as `like`.
fn typed(like: Option<&Variant<'_>>, words: Vec<String>) -> Option<Variant<'static>> {
    if let Some(Variant::Array(_)) = like {
        return Some(words.into());
    }
    let mut words = words.into_iter();
    let (word, None) = (words.next()?, words.next()) else { return None };
    match like? {
        Variant::Bool(_) => word.parse::<bool>().ok().map(Into::into),
        Variant::U32(_) => word.parse::<u32>().ok().map(Into::into),
        _ => Some(word.into()),
    }
}

/// A setting's value in one line.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Array(words) => words.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_what_the_setting_is() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let like = |value: Variant<'static>, given: &[&str]| typed(Some(&value), words(given));
        assert_eq!(like(true.into(), &["false"]), Some(false.into()));
        assert_eq!(like(7_u32.into(), &["600"]), Some(600_u32.into()));
        assert_eq!(like("clear".into(), &["opaque"]), Some("opaque".to_owned().into()));
        assert_eq!(like(vec!["a"].into(), &[]), Some(Vec::<String>::new().into()));
        for (value, given) in [(Variant::from(true), ["yes"]), (7_u32.into(), ["-1"])] {
            assert_eq!(like(value, &given), None);
        }
        assert_eq!(like(true.into(), &["true", "false"]), None);
    }
}

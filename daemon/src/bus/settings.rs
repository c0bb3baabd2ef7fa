//! `org.waferd.Wafer1.Settings`: choices, and which of them an administrator has made
//! (`dbus/org.waferd.Wafer1.Settings.xml`).

use std::sync::Arc;

use wafer_client::WaferError;
use wafer_client::keeper::Question;
use wafer_client::names::ROOT_PATH;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, Variant};

use super::answer::{Answer, Value};
use super::door::{Door, Service};
use super::mail::RawOptions;
use super::options::Options;
use super::published::Published;
use crate::config::items::{ITEMS, Item, item_called};
use crate::config::value::{Kind, Value as Setting};
use crate::config::{Live, Settings};
use crate::request::consent;
use crate::text;

/// The interface on one connection.
pub(super) struct SettingsObject(pub(super) Door);

#[zbus::interface(name = "org.waferd.Wafer1.Settings")]
impl SettingsObject {
    #[zbus(out_args("settings"))]
    async fn list(&self) -> Vec<Answer> {
        let settings = self.live().get();
        ITEMS.iter().map(|item| item_answer(item, &settings)).collect()
    }

    #[zbus(out_args("setting"))]
    async fn get(&self, name: &str) -> Result<Answer, WaferError> {
        let item = item_called(name).ok_or_else(|| text::no_such_setting(name))?;
        Ok(item_answer(item, &self.live().get()))
    }

    async fn set(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        name: &str,
        value: OwnedVariant,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let item = item_called(name).ok_or_else(|| text::no_such_setting(name))?;
        let value = setting(item.kind, value.into())
            .ok_or_else(|| text::invalid_argument("value", &format!("it must be {}", item.kind)))?;
        self.change(&header, connection, item, Some(value), options).await
    }

    async fn reset(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        name: &str,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let item = item_called(name).ok_or_else(|| text::no_such_setting(name))?;
        self.change(&header, connection, item, None, options).await
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, names: &[&str]) -> zbus::Result<()>;

    #[zbus(property)]
    fn problem(&self) -> String {
        self.live().problem().map(|error| error.to_string()).unwrap_or_default()
    }
}

impl SettingsObject {
    fn live(&self) -> &Arc<Live> {
        &self.0.service.rooms.live
    }

    async fn change(
        &self,
        header: &Header<'_>,
        connection: &Connection,
        item: &Item,
        value: Option<Setting>,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.0.enter(header, &mut options).await?;
        let work = async {
            let (live, rooms) = (self.live(), &self.0.service.rooms);
            let (old, new) = (item.value(&live.get()), value.clone().unwrap_or_else(|| item.default()));
            if item.is_loosened(&old, &new) {
                let object = format!("{}: {old} → {new}", item.name);
                consent::change(rooms, &visit.call, Question::Setting, object).await?;
            }
            let changed = live.places().set(&live.get(), item, value.as_ref());
            changed.map_err(|refused| text::setting_refused(item.name, &refused))?;
            live.reload();
            Ok(())
        };
        visit.run(connection, None, work).await
    }
}

/// Tells every connection what changed, for ever.
pub(super) async fn follow(service: Arc<Service>, published: Arc<Published>) {
    let live = &service.rooms.live;
    let (mut changes, mut problems) = (live.changes(), live.problems());
    let mut before = live.get();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = problems.changed() => if changed.is_err() { return },
        }
        let now = live.get();
        let names: Vec<&str> = now.differing(&before).collect();
        before = now;
        for connection in published.connections().await {
            if let Err(error) = tell(&connection, &names).await {
                tracing::debug!(%error, "a change of settings could not be told");
            }
        }
    }
}

async fn tell(connection: &Connection, names: &[&str]) -> zbus::Result<()> {
    let object = connection.object_server().interface::<_, SettingsObject>(ROOT_PATH).await?;
    let emitter = object.signal_emitter();
    if !names.is_empty() {
        SettingsObject::changed(emitter, names).await?;
    }
    object.get().await.problem_changed(emitter).await
}

fn item_answer(item: &Item, settings: &Settings) -> Answer {
    let value = item.value(settings);
    let source = if value == item.default() {
        "default"
    } else if settings.administered.contains(item.name) {
        "administrator"
    } else {
        "person"
    };
    let choices = match item.kind {
        Kind::Word(words) | Kind::Some(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        _ => Vec::new(),
    };
    Answer::from([
        ("name", item.name.into()),
        ("value", wire(value)),
        ("default", wire(item.default())),
        ("choices", Value::Texts(choices)),
        ("may-be", Value::Text(item.kind.to_string())),
        ("source", source.into()),
        ("locked", Value::Flag(settings.locked.contains(item.name))),
        ("passed-over", Value::Flag(settings.passed_over.contains(item.name))),
        ("protects", Value::Flag(item.protects())),
        ("about", item.about.into()),
    ])
}

fn wire(value: Setting) -> Value {
    match value {
        Setting::Flag(flag) => Value::Flag(flag),
        Setting::Number(number) => Value::Number(number),
        Setting::Word(word) => Value::Text(word),
        Setting::List(list) => Value::Texts(list),
    }
}

/// A value off the wire, if it is of this kind.
fn setting(kind: Kind, value: Variant<'static>) -> Option<Setting> {
    let read = match (kind, value) {
        (kind, Variant::Variant(inner)) => return setting(kind, *inner),
        (Kind::Flag, Variant::Bool(flag)) => Setting::Flag(flag),
        (Kind::Number(..), Variant::U32(number)) => Setting::Number(number),
        (Kind::Word(_), Variant::Str(word)) => Setting::Word(word.to_string()),
        (Kind::Some(_) | Kind::Texts, value) => Setting::List(Vec::<String>::try_from(value).ok()?),
        _ => return None,
    };
    kind.fits(&read).then_some(read)
}

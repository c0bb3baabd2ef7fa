//! `org.waferd.Wafer1.Recipients`: who can be encrypted to (`dbus/org.waferd.Wafer1.Recipients.xml`).

use serde_bytes::ByteBuf;
use wafer_client::WaferError;
use zbus::Connection;
use zbus::message::Header;

use super::answer::{Answer, Value};
use super::door::Door;
use super::mail::RawOptions;
use super::options::Options;
use super::stream::{self, Contents, MessageArgument};
use crate::directory::{Checked, Entry, Imported};
use crate::request::{Rooms, recipients};
use crate::text;

/// The most addresses checked in one call.
const ADDRESSES_MAX: usize = 4096;

/// The interface on one connection.
pub(super) struct Recipients(pub(super) Door);

#[zbus::interface(name = "org.waferd.Wafer1.Recipients")]
impl Recipients {
    #[zbus(out_args("results"))]
    async fn check(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        addresses: Vec<String>,
        options: RawOptions,
    ) -> Result<Vec<Answer>, WaferError> {
        let mut options = Options::new(options, &["refresh"])?;
        let visit = self.0.enter(&header, &mut options).await?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(text::invalid_argument("addresses", "the list is too long"));
        }
        let again = options.flag("refresh")?.unwrap_or(false);
        let rooms = &self.0.service.rooms;
        let work = recipients::check(rooms, &visit.call, &addresses, again);
        let checked = visit.run(connection, None, work).await?;
        Ok(checked.into_iter().map(|one| checked_answer(rooms, one)).collect())
    }

    #[zbus(out_args("results"))]
    async fn import(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        options: RawOptions,
    ) -> Result<Vec<Answer>, WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.0.enter(&header, &mut options).await?;
        let input = stream::input("input", input, Contents::OnePass, &visit.call)?;
        let work = recipients::import(&self.0.service.rooms, &visit.call, input.supply);
        let imported = visit.run(connection, None, work).await?;
        Ok(imported.into_iter().map(imported_answer).collect())
    }

    #[zbus(out_args("certificates"))]
    async fn list(&self) -> Result<Vec<Answer>, WaferError> {
        let rooms = &self.0.service.rooms;
        rooms.live.usable().map_err(|error| WaferError::from(&error))?;
        Ok(recipients::list(rooms)?.into_iter().map(entry_answer).collect())
    }

    async fn accept(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        fingerprint: &str,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.0.enter(&header, &mut options).await?;
        let work = recipients::accept(&self.0.service.rooms, &visit.call, fingerprint);
        visit.run(connection, None, work).await
    }

    async fn remove(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        fingerprint: &str,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.0.enter(&header, &mut options).await?;
        let work = recipients::remove(&self.0.service.rooms, &visit.call, fingerprint);
        visit.run(connection, None, work).await
    }
}

fn checked_answer(rooms: &Rooms, checked: Checked) -> Answer {
    let mut answer = Answer::from([
        ("address", Value::Text(checked.address.clone())),
        ("encryptable", Value::Flag(checked.is_encryptable())),
        ("sentence", Value::Text(checked.sentence())),
        ("changed", Value::Flag(checked.changed.is_some())),
    ]);
    let status = match &checked.found {
        _ if !checked.members.is_empty() => "list",
        Ok(_) => "encryptable",
        Err(reason) => reason.word(),
    };
    answer.insert("status", status.into());
    if let Ok(recipient) = checked.found {
        let cipher = recipients::cipher_for(rooms, std::slice::from_ref(&recipient.certificate));
        answer.insert("content-cipher", cipher.name().into());
        answer.insert("certificate", Value::Bytes(ByteBuf::from(recipient.certificate)));
        answer.extend(entry_answer(recipient.entry));
    }
    if let Some(changed) = checked.changed {
        answer.insert("old-fingerprint", Value::Text(changed.old));
        answer.insert("new-fingerprint", Value::Text(changed.new));
    }
    if !checked.members.is_empty() {
        let members = checked.members.into_iter().map(|member| checked_answer(rooms, member)).collect();
        answer.insert("members", Value::Answers(members));
    }
    answer
}

fn entry_answer(entry: Entry) -> Answer {
    Answer::from([
        ("fingerprint", Value::Text(entry.fingerprint)),
        ("addresses", Value::Texts(entry.addresses)),
        ("subject", Value::Text(entry.subject)),
        ("issuer", Value::Text(entry.issuer)),
        ("key-kind", Value::Text(entry.key_kind)),
        ("not-before", Value::Time(entry.not_before)),
        ("not-after", Value::Time(entry.not_after)),
        ("source", Value::Text(entry.source.to_string())),
        ("accepted", Value::Flag(entry.accepted)),
    ])
}

fn imported_answer(imported: Imported) -> Answer {
    let mut answer = imported.entry.map(entry_answer).unwrap_or_default();
    answer.insert("outcome", imported.outcome.into());
    answer.insert("sentence", Value::Text(text::imported(imported.outcome).to_owned()));
    answer
}

//! `org.waferd.Wafer1.Service`: log, state, locking everything (`dbus/org.waferd.Wafer1.Service.xml`).

use wafer_client::WaferError;
use wafer_client::names::TOKEN_PATH_PREFIX;
use zbus::message::Header;
use zbus::{Connection, OwnedObjectPath};

use super::answer::{Answer, Value, path};
use super::door::Door;
use super::mail::RawOptions;
use super::options::Options;
use super::stream::{self, Contents, MessageArgument};
use crate::identity::choose::{Candidate, Purpose};
use crate::request::{files, identities};
use crate::text;

/// The interface on one connection.
pub(super) struct ServiceObject(pub(super) Door);

/// Time in ms, token, key, event, program, outcome.
type Line = (u64, String, String, String, String, String);

#[zbus::interface(name = "org.waferd.Wafer1.Service")]
impl ServiceObject {
    #[zbus(out_args("entries"))]
    async fn log(&self) -> Result<Vec<Line>, WaferError> {
        self.0.service.rooms.live.usable().map_err(|error| WaferError::from(&error))?;
        let entries = self.0.service.rooms.keepers.log().await.into_iter();
        let line = |entry: wafer_client::keeper::LogEntry| {
            (entry.time_ms, entry.token, entry.key, entry.event, entry.program, entry.outcome)
        };
        Ok(entries.map(line).collect())
    }

    #[zbus(out_args("token"))]
    async fn import_file(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        file: MessageArgument,
        options: RawOptions,
    ) -> Result<OwnedObjectPath, WaferError> {
        let mut options = Options::new(options, &["name"])?;
        let visit = self.0.enter(&header, &mut options).await?;
        let name = options.text("name")?.filter(|name| !name.is_empty());
        let file = stream::input("file", file, Contents::OnePass, &visit.call)?;
        let name = name.unwrap_or_else(|| text::UNNAMED_FILE.to_owned());
        let work = files::import(&self.0.service.rooms, &visit.call, &name, file.supply);
        let id = visit.run(connection, None, work).await?;
        Ok(path(TOKEN_PATH_PREFIX, &id))
    }

    async fn lock_all(&self) -> Result<(), WaferError> {
        self.0.service.rooms.keepers.lock_all().await;
        Ok(())
    }

    #[zbus(out_args("candidates"))]
    async fn candidates(&self, address: String, purpose: &str) -> Result<Vec<Answer>, WaferError> {
        let rooms = &self.0.service.rooms;
        rooms.live.usable().map_err(|error| WaferError::from(&error))?;
        let purpose = match purpose {
            "sign" => Purpose::Sign,
            "decrypt" => Purpose::Decrypt,
            _ => return Err(text::invalid_argument("purpose", "it must be one of sign, decrypt")),
        };
        let addresses: Vec<String> =
            Some(address).filter(|address| !address.is_empty()).into_iter().collect();
        let all = identities::candidates(rooms, purpose, &addresses);
        Ok(all.iter().enumerate().map(|(place, one)| candidate_answer(one, place == 0)).collect())
    }

    #[zbus(out_args("status"))]
    async fn status(&self) -> Answer {
        let service = &self.0.service;
        let (running, waiting) = service.turns.counts();
        let mut answer = Answer::from([
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("tokens", Value::count(service.rooms.keepers.tokens().len())),
            ("identities", Value::count(service.rooms.keepers.identities().len())),
            ("running", Value::count(running)),
            ("waiting", Value::count(waiting)),
            ("keepers", Value::Texts(service.rooms.keepers.running())),
        ]);
        if let Some(error) = service.rooms.live.problem() {
            answer.insert("settings-error", Value::Text(error.to_string()));
        }
        answer
    }
}

fn candidate_answer(candidate: &Candidate, first: bool) -> Answer {
    let identity = &candidate.identity;
    let reasons = candidate.reasons.iter().map(|reason| reason.word().to_owned()).collect();
    Answer::from([
        ("identity", Value::identity(&identity.id)),
        ("subject", Value::Text(identity.certificate.subject.clone())),
        ("fingerprint", Value::Text(identity.fingerprint.clone())),
        ("serves", Value::Flag(candidate.serves())),
        ("chosen", Value::Flag(first && candidate.serves())),
        ("reasons", Value::Texts(reasons)),
        ("sentence", Value::Text(text::candidate(candidate, first))),
    ])
}

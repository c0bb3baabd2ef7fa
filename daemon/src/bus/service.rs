//! `org.waferd.Wafer1.Service`: log, state, locking everything (`dbus/org.waferd.Wafer1.Service.xml`).

use wafer_client::WaferError;

use super::answer::{Answer, Value};
use super::door::Door;

/// The interface on one connection.
pub(super) struct ServiceObject(pub(super) Door);

/// Time in ms, token, key, event, program, outcome.
type Line = (u64, String, String, String, String, String);

#[zbus::interface(name = "org.waferd.Wafer1.Service")]
impl ServiceObject {
    #[zbus(out_args("entries"))]
    async fn log(&self) -> Result<Vec<Line>, WaferError> {
        if let Some(error) = &self.0.service.bad_settings {
            return Err(error.into());
        }
        let entries = self.0.service.rooms.keepers.log().await.into_iter();
        let line = |entry: wafer_client::keeper::LogEntry| {
            (entry.time_ms, entry.token, entry.key, entry.event, entry.program, entry.outcome)
        };
        Ok(entries.map(line).collect())
    }

    async fn lock_all(&self) -> Result<(), WaferError> {
        self.0.service.rooms.keepers.lock_all().await;
        Ok(())
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
        if let Some(error) = &service.bad_settings {
            answer.insert("settings-error", Value::Text(error.to_string()));
        }
        answer
    }
}

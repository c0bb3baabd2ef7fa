//! `org.waferd.Wafer1.Trust`: what the person decided about certificates (`dbus/org.waferd.Wafer1.Trust.xml`).

use serde_bytes::ByteBuf;
use wafer_client::WaferError;
use wafer_client::keeper::Question;
use zbus::message::Header;

use super::answer::{Answer, Value};
use super::door::Door;
use super::mail::RawOptions;
use super::options::Options;
use crate::request::{consent, trust};
use crate::text;
use crate::trust::Certificate;
use crate::trust::decisions::{Choice, Decision};

/// The interface on one connection.
pub(super) struct Trust(pub(super) Door);

#[zbus::interface(name = "org.waferd.Wafer1.Trust")]
impl Trust {
    #[zbus(out_args("decisions"))]
    async fn list(&self) -> Result<Vec<Answer>, WaferError> {
        self.0.service.rooms.live.usable().map_err(|error| WaferError::from(&error))?;
        let decisions = trust::list(&self.0.service.rooms)?;
        Ok(decisions.into_iter().map(|(decision, holds)| answer(decision, holds)).collect())
    }

    #[zbus(out_args("decision"))]
    async fn decide(
        &self,
        #[zbus(header)] header: Header<'_>,
        certificate: ByteBuf,
        choice: String,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let choice = [Choice::Trust, Choice::Distrust].into_iter().find(|known| known.word() == choice);
        let choice = choice.ok_or_else(|| text::invalid_argument("choice", text::TRUST_OR_DISTRUST))?;
        let visit = self.0.enter(&header, &mut Options::new(options, &[])?).await?;
        let subject = Certificate::read(&certificate).map_or(String::new(), |known| known.subject);
        let object = format!("{}: {subject}", choice.word());
        consent::change(&self.0.service.rooms, &visit.call, Question::Trust, object).await?;
        let decided = trust::decide(&self.0.service.rooms, &visit.call, choice, &certificate)?;
        Ok(answer(decided, true))
    }

    #[zbus(out_args("decision"))]
    async fn revoke(
        &self,
        #[zbus(header)] header: Header<'_>,
        fingerprint: String,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let visit = self.0.enter(&header, &mut Options::new(options, &[])?).await?;
        let object = format!("revoke {fingerprint}");
        consent::change(&self.0.service.rooms, &visit.call, Question::Trust, object).await?;
        let revoked = trust::revoke(&self.0.service.rooms, &visit.call, &fingerprint)?;
        Ok(answer(revoked, false))
    }
}

fn answer(decision: Decision, holds: bool) -> Answer {
    Answer::from([
        ("fingerprint", Value::Text(decision.fingerprint)),
        ("subject", Value::Text(decision.subject)),
        ("choice", decision.choice.word().into()),
        ("time", Value::Time(i64::try_from(decision.time).unwrap_or(i64::MAX))),
        ("program", Value::Text(decision.program)),
        ("holds", Value::Flag(holds)),
    ])
}

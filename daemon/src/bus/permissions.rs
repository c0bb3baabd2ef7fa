//! `org.waferd.Wafer1.Permissions`: what the person decided about programs
//! (`dbus/org.waferd.Wafer1.Permissions.xml`).

use wafer_client::WaferError;
use wafer_client::keeper::Question;
use zbus::Connection;
use zbus::message::Header;

use super::answer::{Answer, Value};
use super::door::Door;
use super::mail::RawOptions;
use super::options::Options;
use crate::policy::consent::Answer as Decided;
use crate::request::consent;

/// The interface on one connection.
pub(super) struct Permissions(pub(super) Door);

#[zbus::interface(name = "org.waferd.Wafer1.Permissions")]
impl Permissions {
    #[zbus(out_args("permissions"))]
    async fn list(&self) -> Vec<Answer> {
        let rooms = &self.0.service.rooms;
        let identities = rooms.keepers.known_identities();
        let label =
            |key: &str| identities.iter().find(|known| known.key == key).map(|known| known.label.clone());
        let all = rooms.consents.all().into_iter().map(|(matter, answer, lasting)| {
            Answer::from([
                ("label", Value::Text(label(&matter.key).unwrap_or_default())),
                ("program", Value::Text(matter.program)),
                ("key", Value::Text(matter.key)),
                ("answer", answer.word().into()),
                ("lasting", Value::Flag(lasting)),
            ])
        });
        all.collect()
    }

    async fn revoke(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        program: String,
        key: String,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.0.enter(&header, &mut options).await?;
        let rooms = &self.0.service.rooms;
        let work = async {
            let meant = |known: &str| key.is_empty() || known == key;
            let all = rooms.consents.all();
            let mut meant = all.iter().filter(|(matter, ..)| matter.program == program && meant(&matter.key));
            // A program that may never does not make itself one that is asked about.
            if meant.any(|(_, answer, _)| *answer == Decided::Never) {
                consent::change(rooms, &visit.call, Question::Setting, format!("{program}: never → ask"))
                    .await?;
            }
            rooms.consents.revoke(&program, &key)
        };
        visit.run(connection, None, work).await
    }
}

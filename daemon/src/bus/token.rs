//! `org.waferd.Wafer1.Token`: one object for each token (`dbus/org.waferd.Wafer1.Token.xml`).

use std::sync::Arc;

use wafer_client::WaferError;
use wafer_client::keeper::{Operation, PinState, TriesLeft};
use zbus::Connection;
use zbus::message::Header;

use super::door::Door;
use super::mail::RawOptions;
use super::options::Options;
use crate::keepers::Token as Known;
use crate::request::files;
use crate::{policy, text};

/// Fewer tries than this are called few where the token counts them: cards have three or more.
const FEW_TRIES: u32 = 3;

/// A token on one connection.
pub(super) struct Token {
    pub(super) door: Door,
    /// What was known of it when the object appeared; what changes is asked for afresh.
    pub(super) known: Arc<Known>,
}

impl Token {
    fn now(&self) -> Option<Arc<Known>> {
        self.door.service.rooms.keepers.token(&self.known.info.id)
    }

    /// Asks the person for another PIN.
    async fn set_pin(
        &self,
        header: &Header<'_>,
        connection: &Connection,
        options: RawOptions,
        operation: Operation,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.door.enter(header, &mut options).await?;
        let work = async {
            let admission = visit.call.admit(operation)?;
            let grant = policy::grant(&admission, policy::Allowed::to_change_pin(), &self.known.info.id, 1);
            let keepers = &self.door.service.rooms.keepers;
            let token = keepers.open(grant, &visit.call).await?;
            let changed = token.change_pin(operation == Operation::UnblockPin).await;
            keepers.catch_up(&self.known.info.id).await;
            changed
        };
        visit.run(connection, None, work).await
    }
}

#[zbus::interface(name = "org.waferd.Wafer1.Token")]
impl Token {
    async fn unlock(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.door.enter(&header, &mut options).await?;
        let work = async {
            let admission = visit.call.admit(Operation::Unlock)?;
            if self.now().ok_or_else(text::no_token)?.info.pin_state == PinState::NotNeeded {
                return Ok(());
            }
            let grant = policy::grant(&admission, policy::Allowed::to_log_in(), &self.known.info.id, 1);
            let keepers = &self.door.service.rooms.keepers;
            let unlocked = keepers.open(grant, &visit.call).await?.unlock().await;
            keepers.catch_up(&self.known.info.id).await;
            unlocked
        };
        visit.run(connection, None, work).await
    }

    async fn change_pin(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        self.set_pin(&header, connection, options, Operation::ChangePin).await
    }

    async fn unblock_pin(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        self.set_pin(&header, connection, options, Operation::UnblockPin).await
    }

    async fn remove(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        options: RawOptions,
    ) -> Result<(), WaferError> {
        let mut options = Options::new(options, &[])?;
        let visit = self.door.enter(&header, &mut options).await?;
        let work = files::remove(&self.door.service.rooms, &visit.call, &self.known);
        visit.run(connection, None, work).await
    }

    async fn lock(&self) -> Result<(), WaferError> {
        self.door.service.rooms.keepers.lock(&self.known.info.id).await
    }

    #[zbus(property)]
    fn label(&self) -> &str {
        &self.known.info.label
    }

    #[zbus(property)]
    fn serial(&self) -> &str {
        &self.known.info.serial
    }

    #[zbus(property)]
    fn model(&self) -> &str {
        &self.known.info.model
    }

    #[zbus(property)]
    fn manufacturer(&self) -> &str {
        &self.known.info.manufacturer
    }

    #[zbus(property)]
    fn reader(&self) -> String {
        self.now().unwrap_or_else(|| self.known.clone()).info.reader.clone()
    }

    #[zbus(property)]
    fn source(&self) -> &str {
        &self.known.source
    }

    #[zbus(property)]
    fn pin_state(&self) -> &'static str {
        pin_state(self.now().map_or(PinState::Locked, |token| token.info.pin_state))
    }

    #[zbus(property)]
    fn tries_left(&self) -> &'static str {
        tries_left(self.now().map_or(TriesLeft::Unknown, |token| token.info.tries_left))
    }

    #[zbus(property)]
    fn tries_count(&self) -> i32 {
        let count = self.now().and_then(|token| token.info.tries_left.count());
        count.and_then(|count| i32::try_from(count).ok()).unwrap_or(-1)
    }

    #[zbus(property)]
    fn present(&self) -> bool {
        self.now().is_some()
    }
}

fn pin_state(state: PinState) -> &'static str {
    match state {
        PinState::Locked => "locked",
        PinState::Unlocked => "unlocked",
        PinState::Blocked => "blocked",
        PinState::NotNeeded => "not-needed",
    }
}

fn tries_left(tries: TriesLeft) -> &'static str {
    match tries {
        TriesLeft::Unknown => "unknown",
        TriesLeft::Low => "low",
        TriesLeft::Last => "last",
        TriesLeft::None => "none",
        TriesLeft::Full => "full",
        TriesLeft::Exactly(count) if count < FEW_TRIES => "low",
        TriesLeft::Exactly(_) => "full",
    }
}

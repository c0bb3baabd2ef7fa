//! Another PIN: the old one (or the PUK) and the new one twice, in dialogs; then to the card.

use std::future::pending;
use std::sync::Arc;

use secrecy::ExposeSecret;
use wafer_client::keeper::{GrantRequest, Operation, TriesLeft};

use super::ask::refused;
use super::dialog::{self, Entry};
use super::secret::Secret;
use super::turn;
use super::unlock::Asking;
use crate::card::{CardError, PinFlags};
use crate::failure::Failure;
use crate::prompt::text::{Text, say};
use crate::prompt::{Dialog, place};
use crate::token::Token;

/// A request for another PIN.
pub struct PinChange<'c> {
    /// Shows dialogs.
    pub asking: &'c Arc<Asking>,
    /// The token.
    pub token: &'c Arc<Token>,
    /// On whose behalf; [`Operation::UnblockPin`] asks for the PUK in place of the old PIN.
    pub grant: &'c Arc<GrantRequest>,
}

/// What the dialogs gave.
enum Entered {
    Pins { old: Arc<Secret>, new: Arc<Secret> },
    Unfit(String),
}

impl PinChange<'_> {
    /// Asks and changes; asks again after a PIN that was wrong or does not fit.
    pub async fn run(&self) -> Result<(), Failure> {
        self.token.waiting.may_ask(self.grant)?;
        let mut complaint = None;
        loop {
            let entered = turn::show(self.asking, pending(), self.ask(complaint.take())).await;
            if matches!(entered, Err(Failure::Cancelled)) {
                self.token.waiting.be_quiet_for(&self.grant.requester.caller);
            }
            let (old, new) = match entered? {
                Entered::Pins { old, new } => (old, new),
                Entered::Unfit(text) => {
                    complaint = Some(text);
                    continue;
                }
            };
            match self.change(old, new).await {
                Err(Failure::Card(CardError::PinIncorrect)) => {
                    complaint = Some(say(self.by_kind(Text::ComplaintIncorrect, Text::ComplaintPuk), &[]));
                }
                Err(Failure::Card(CardError::PinForm)) => {
                    complaint = Some(say(Text::ComplaintRefused, &[]));
                }
                result => return result,
            }
        }
    }

    fn unblocks(&self) -> bool {
        self.grant.operation == Operation::UnblockPin
    }

    fn by_kind<T>(&self, change: T, unblock: T) -> T {
        if self.unblocks() { unblock } else { change }
    }

    async fn ask(&self, complaint: Option<String>) -> Result<Entered, Failure> {
        let (unlocking, pin) = self.token.flags_for_change(self.unblocks()).await?;
        if pin.pin_pad {
            return Err(CardError::Unsupported("changing the PIN at a PIN pad".to_owned()).into());
        }
        if pin.format.is_password() {
            // The file lies as it came.
            return Err(CardError::Unsupported("changing the password of a file".to_owned()).into());
        }
        if unlocking.tries == TriesLeft::None {
            return Err(self.by_kind(CardError::PinBlocked, CardError::PukBlocked).into());
        }
        let screen = place::find(self.grant).await.ok_or(Failure::NoPrompter)?;
        let mut dialog = self.asking.prompter.open(&screen).await.map_err(refused)?;
        let entered = self.enter(&mut dialog, unlocking, pin, complaint).await;
        dialog.close().await;
        entered
    }

    async fn enter(
        &self,
        dialog: &mut Dialog<'_>,
        unlocking: PinFlags,
        pin: PinFlags,
        complaint: Option<String>,
    ) -> Result<Entered, Failure> {
        let token = &self.token.identity;
        if unlocking.tries == TriesLeft::Last {
            let warning =
                say(self.by_kind(Text::DialogLastTry, Text::DialogLastPuk), &[("token", &token.label)]);
            dialog.confirm(&warning, &say(Text::ButtonTry, &[])).await.map_err(refused)?;
            dialog.restore_ok().await.map_err(refused)?;
        }
        let old = self.by_kind(Entry::Old, Entry::Puk);
        let mut complaint = complaint;
        let mut pins = Vec::new();
        for (entry, flags) in [(old, unlocking), (Entry::New, pin), (Entry::Again, pin)] {
            dialog.prompt(&dialog::prompt(entry)).await.map_err(refused)?;
            let description = dialog::pin_change(self.grant, token, entry, flags);
            let text = complaint.take();
            let entered = dialog.pin(&description, text.as_deref()).await.map_err(refused)?;
            if !flags.format.admits(&entered) {
                return Ok(Entered::Unfit(dialog::wrong_form(flags.format)));
            }
            dialog.no_complaint().await.map_err(refused)?;
            pins.push(Arc::new(entered));
        }
        let [old, new, again] = <[Arc<Secret>; 3]>::try_from(pins)
            .map_err(|_| Failure::Internal("a PIN is missing".to_owned()))?;
        if new.expose_secret() != again.expose_secret() {
            return Ok(Entered::Unfit(say(Text::ComplaintDifferent, &[])));
        }
        Ok(Entered::Pins { old, new })
    }

    async fn change(&self, old: Arc<Secret>, new: Arc<Secret>) -> Result<(), Failure> {
        let result = self.token.change_pin(self.unblocks(), old, new).await.map_err(Failure::from);
        let event = self.by_kind("change-pin", "unblock-pin");
        let program = &self.grant.requester.program;
        self.asking.log.note(&self.token.identity.label, "", event, program, &result);
        result
    }
}

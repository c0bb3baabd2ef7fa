//! One PIN dialog, from the turn at the screen to what was entered.

use std::sync::Arc;

use wafer_client::keeper::{GrantRequest, KeyInfo, TriesLeft};

use super::dialog;
use super::secret::Secret;
use super::unlock::Asking;
use crate::card::{CardError, PinFlags};
use crate::failure::Failure;
use crate::prompt::assuan::PromptError;
use crate::prompt::text::{Text, say};
use crate::prompt::{Dialog, place};
use crate::token::Token;

/// What a PIN dialog is about.
pub(super) struct Question<'q> {
    pub(super) grant: &'q GrantRequest,
    pub(super) token: &'q Arc<Token>,
    pub(super) key: Option<&'q KeyInfo>,
    pub(super) flags: PinFlags,
    /// So many further requests wait for the same PIN.
    pub(super) others: usize,
    /// Why the last PIN was not good enough.
    pub(super) complaint: Option<String>,
}

/// What came of it.
pub(super) enum Entered<T> {
    /// A PIN that has the card's form.
    Pin(Secret),
    /// Something that never goes to the card, and what to say about it.
    Unfit(String),
    /// The PIN was entered at the reader.
    AtReader(Result<T, CardError>),
}

/// Asks at the caller's place or the person's session. `at_reader` is what makes a reader with a PIN pad ask.
pub(super) async fn ask<T>(
    asking: &Asking,
    question: &Question<'_>,
    at_reader: impl Future<Output = Result<T, CardError>>,
) -> Result<Entered<T>, Failure> {
    if question.flags.tries == TriesLeft::None {
        return Err(CardError::PinBlocked.into());
    }
    let screen = place::find(question.grant).await.ok_or(Failure::NoPrompter)?;
    let mut dialog = asking.prompter.open(&screen).await.map_err(refused)?;
    let entered = enter(&mut dialog, question, at_reader).await;
    dialog.close().await;
    entered
}

async fn enter<T>(
    dialog: &mut Dialog<'_>,
    question: &Question<'_>,
    at_reader: impl Future<Output = Result<T, CardError>>,
) -> Result<Entered<T>, Failure> {
    let Question { token, flags, .. } = question;
    if flags.tries == TriesLeft::Last {
        let warning = dialog::last_try(&token.identity);
        dialog.confirm(&warning, &say(Text::ButtonTry, &[])).await.map_err(refused)?;
        dialog.restore_ok().await.map_err(refused)?;
    }
    let description = dialog::description(question);
    if flags.format.is_password() {
        dialog.prompt(&say(Text::PromptPassword, &[])).await.map_err(refused)?;
    }
    if flags.pin_pad {
        // The module waits for the reader; the message only says so and is taken away after.
        return tokio::select! {
            result = at_reader => Ok(Entered::AtReader(result)),
            closed = dialog.message(&description) => {
                closed.map_err(refused)?;
                Err(Failure::Cancelled)
            }
        };
    }
    let pin = dialog.pin(&description, question.complaint.as_deref()).await.map_err(refused)?;
    Ok(if pin.is_empty() {
        let password = flags.format.is_password();
        Entered::Unfit(say(if password { Text::ComplaintNoPassword } else { Text::ComplaintEmpty }, &[]))
    } else if flags.format.admits(&pin) {
        Entered::Pin(pin)
    } else {
        Entered::Unfit(dialog::wrong_form(flags.format))
    })
}

/// Why a PIN dialog gave nothing.
pub(super) fn refused(error: PromptError) -> Failure {
    match error {
        PromptError::Cancelled => Failure::Cancelled,
        PromptError::TimedOut => Failure::TimedOut,
        PromptError::Failed(reason) => {
            tracing::warn!(reason, "the PIN dialog failed");
            Failure::NoPrompter
        }
    }
}

//! The one loop that asks for a PIN and verifies it.
//!
//! Requests that need the same PIN wait together: one dialog, one login. The dialog belongs to
//! them: it names the first, is shown anew when that one leaves, and closes when none is left.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use wafer_client::keeper::{DeskProxy, GrantRequest, KeyInfo};

use super::ask::{Entered, Question, ask};
use super::dialog;
use super::insert::Absent;
use super::secret::Secret;
use super::turn;
use super::waiting::{Answer, Shown, Waiting};
use crate::card::CardError;
use crate::failure::Failure;
use crate::prompt::Prompter;
use crate::token::Token;

/// What the dialogs need from outside.
pub struct Asking {
    /// Shows dialogs.
    pub prompter: Prompter,
    /// waferd's side of the link: whose turn it is.
    pub desk: OnceLock<DeskProxy<'static>>,
    /// Whether the screen is locked.
    pub screen_locked: watch::Sender<bool>,
    /// Whose turn it is among this keeper's own dialogs, and how many turns there were.
    pub dialogs: Arc<tokio::sync::Mutex<u64>>,
    /// Told about every PIN that went to a card.
    pub log: Arc<crate::link::log::Log>,
    /// Requests that wait for cards.
    pub absent: Absent,
    /// Quiet times of programs that want to import files.
    pub imports: Waiting,
}

/// Waits until the token is unlocked, asking the person if nobody does yet. The PIN comes back to the request
/// that it was entered for, if its key wants the PIN for the operation as well.
pub async fn unlock(
    asking: &Arc<Asking>,
    token: &Arc<Token>,
    grant: &Arc<GrantRequest>,
    key: Option<KeyInfo>,
) -> Result<Option<Arc<Secret>>, Failure> {
    let ask = || drop(tokio::spawn(rounds(Arc::clone(asking), Arc::clone(token))));
    token.waiting.join(grant, key, || token.is_logged_in(), ask).await
}

/// One round's end.
enum Round {
    Done(Answer),
    /// Ask again and say why.
    Again(String),
    /// The request that was named left: show the next one's dialog.
    Renamed,
}

async fn rounds(asking: Arc<Asking>, token: Arc<Token>) {
    let mut complaint = None;
    while let Some(shown) = token.waiting.first() {
        match round(&asking, &token, &shown, complaint.take()).await {
            Round::Done(answer) => {
                token.waiting.settle(shown.number, &answer);
                break;
            }
            Round::Again(text) => complaint = Some(text),
            Round::Renamed => {}
        }
    }
    wafer_client::memory::give_back();
}

async fn round(asking: &Arc<Asking>, token: &Arc<Token>, shown: &Shown, complaint: Option<String>) -> Round {
    let renamed = async {
        token.waiting.first_left(shown.number).await;
        Round::Renamed
    };
    let dialog = async { Ok(show(asking, token, shown, complaint).await) };
    turn::show(asking, renamed, dialog).await.unwrap_or_else(|failure| Round::Done(Err(failure)))
}

async fn show(asking: &Asking, token: &Arc<Token>, shown: &Shown, complaint: Option<String>) -> Round {
    let flags = match token.pin_flags().await {
        Ok(flags) => flags,
        Err(error) => return Round::Done(Err(error.into())),
    };
    // The request that the last dialog named may have left while its PIN was verified.
    if token.is_logged_in() {
        return Round::Done(Ok(None));
    }
    let (grant, key, others) = (&shown.grant, shown.key.as_ref(), shown.others);
    let question = Question { grant, token, key, flags, others, complaint };
    match ask(asking, &question, token.login(None)).await {
        Ok(Entered::Pin(pin)) => {
            let pin = Arc::new(pin);
            let result = token.login(Some(Arc::clone(&pin))).await;
            verified(asking, shown, token, result, Some(pin))
        }
        Ok(Entered::AtReader(result)) => verified(asking, shown, token, result, None),
        Ok(Entered::Unfit(complaint)) => Round::Again(complaint),
        Err(failure) => Round::Done(Err(failure)),
    }
}

fn verified(
    asking: &Asking,
    shown: &Shown,
    token: &Token,
    result: Result<(), CardError>,
    pin: Option<Arc<Secret>>,
) -> Round {
    let result = result.map_err(Failure::from);
    asking.log.note(&token.identity.label, "", "login", &shown.grant.requester.program, &result);
    match result {
        Ok(()) => {
            let is_for_each_use = shown.key.as_ref().is_some_and(|key| token.asks_each_use(&key.id));
            Round::Done(Ok(pin.filter(|_| is_for_each_use)))
        }
        // The token was locked while the PIN was on its way.
        Err(Failure::Card(CardError::NeedsLogin)) => Round::Done(Err(Failure::Cancelled)),
        Err(Failure::Card(CardError::PinIncorrect)) => Round::Again(dialog::incorrect(token.pin_format())),
        Err(failure) => Round::Done(Err(failure)),
    }
}

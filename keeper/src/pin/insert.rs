//! Asks for a card that is known and absent: one dialog for all requests that wait for it, gone as soon
//! as the card is there. Never at the caller's terminal or display.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wafer_client::keeper::GrantRequest;

use super::dialog;
use super::turn;
use super::unlock::Asking;
use super::waiting::{Shown, Waiting};
use crate::failure::Failure;
use crate::prompt::assuan::PromptError;
use crate::prompt::place;
use crate::prompt::text::{Text, say};
use crate::token::registry::{Registry, token_of};

/// Requests that wait for cards, by the token's id.
#[derive(Default)]
pub struct Absent(Mutex<HashMap<String, Arc<Waiting>>>);

impl Absent {
    fn of(&self, id: &str) -> Arc<Waiting> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(id.to_owned()).or_default())
    }
}

/// A card that is waited for.
struct Missing {
    id: String,
    label: String,
    waiting: Arc<Waiting>,
}

/// Waits until the request's token is there, asking the person if nobody does yet.
///
/// [`Failure::NoToken`] for a card nobody ever saw, a request that may not ask, and a person without a
/// display of their own.
pub async fn insert(
    asking: &Arc<Asking>,
    registry: &Arc<Registry>,
    request: &Arc<GrantRequest>,
) -> Result<(), Failure> {
    let id = token_of(&request.key);
    let label = registry.label(id).filter(|_| request.interactive).ok_or(Failure::NoToken)?;
    let waiting = asking.absent.of(id);
    let missing = Missing { id: id.to_owned(), label, waiting: Arc::clone(&waiting) };
    let ask = || drop(tokio::spawn(ask(Arc::clone(asking), Arc::clone(registry), missing)));
    waiting.join(request, None, || registry.get(id).is_some(), ask).await.map(drop)
}

async fn ask(asking: Arc<Asking>, registry: Arc<Registry>, missing: Missing) {
    while let Some(shown) = missing.waiting.first() {
        if let Some(result) = round(&asking, &registry, &missing, &shown).await {
            missing.waiting.settle(shown.number, &result.map(|()| None));
            break;
        }
    }
    wafer_client::memory::give_back();
}

/// One dialog; `None` if the request that it named left.
async fn round(
    asking: &Arc<Asking>,
    registry: &Registry,
    missing: &Missing,
    shown: &Shown,
) -> Option<Result<(), Failure>> {
    let until = async {
        tokio::select! {
            biased;
            () = registry.appears(&missing.id) => Some(Ok(())),
            () = missing.waiting.first_left(shown.number) => None,
        }
    };
    let dialog = async { Ok(Some(show(asking, registry, missing, shown).await)) };
    turn::show(asking, until, dialog).await.unwrap_or_else(|failure| Some(Err(failure)))
}

/// Shows the dialog until the card is there. Its OK looks for the card: not every module tells by itself.
async fn show(asking: &Asking, registry: &Registry, missing: &Missing, shown: &Shown) -> Result<(), Failure> {
    let screen = place::session().await.ok_or(Failure::NoToken)?;
    let mut dialog = asking.prompter.open(&screen).await.map_err(refused)?;
    let question = dialog::insertion(&shown.grant, &missing.label, shown.others);
    let asked = async {
        while registry.get(&missing.id).is_none() {
            dialog.confirm(&question, &say(Text::ButtonOk, &[])).await.map_err(refused)?;
            registry.list().await?;
        }
        Ok(())
    };
    // One limit for all answers: waferd lends the screen for so long.
    tokio::time::timeout(asking.prompter.timeout(), asked).await.unwrap_or(Err(Failure::TimedOut))
}

fn refused(error: PromptError) -> Failure {
    match error {
        PromptError::Cancelled => Failure::Cancelled,
        PromptError::TimedOut => Failure::TimedOut,
        PromptError::Failed(reason) => {
            tracing::warn!(reason, "the dialog that asks for a card failed");
            Failure::NoToken
        }
    }
}

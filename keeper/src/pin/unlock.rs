//! The one loop that asks for a PIN and verifies it.
//!
//! Requests that need the same PIN wait together: one dialog, one login. The dialog belongs to
//! them: it names the first, is shown anew when that one leaves, and closes when none is left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use wafer_client::keeper::{DeskProxy, GrantRequest, KeyInfo, TriesLeft};

use super::dialog;
use super::insert::Absent;
use super::secret::Secret;
use crate::card::{CardError, PinFlags};
use crate::failure::Failure;
use crate::prompt::assuan::PromptError;
use crate::prompt::text::{Text, say};
use crate::prompt::{Dialog, Prompter, place};
use crate::token::Token;

/// After a "no", the same program gets no new dialog for so long.
pub const QUIET_TIME: Duration = Duration::from_secs(2);
/// The lease of the screen is a little longer than the dialog it is for.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Requests that wait for one token's PIN, or for the token itself.
#[derive(Default)]
pub struct Waiting {
    state: Mutex<State>,
    /// A request came or left.
    changed: Notify,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    next: u64,
    asking: bool,
    quiet: HashMap<String, Instant>,
}

struct Request {
    number: u64,
    grant: Arc<GrantRequest>,
    key: Option<KeyInfo>,
    answer: oneshot::Sender<Result<(), Failure>>,
}

/// The first request, as the dialog shows it.
pub(super) struct Shown {
    pub(super) number: u64,
    pub(super) grant: Arc<GrantRequest>,
    key: Option<KeyInfo>,
    pub(super) others: usize,
}

impl Waiting {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.state().requests.is_empty()
    }

    /// Waits with the others; the first to come runs `ask`. `done` is asked under the lock: a request
    /// that comes just as a dialog ends must not open another.
    pub(super) async fn join(
        &self,
        grant: &Arc<GrantRequest>,
        key: Option<KeyInfo>,
        done: impl FnOnce() -> bool,
        ask: impl FnOnce(),
    ) -> Result<(), Failure> {
        let (answer, answered) = oneshot::channel();
        let (number, start) = {
            let mut state = self.state();
            if done() {
                return Ok(());
            }
            if !grant.interactive {
                return Err(Failure::InteractionRequired);
            }
            if state.quiet.get(&grant.requester.caller).is_some_and(|until| *until > Instant::now()) {
                return Err(Failure::Cancelled);
            }
            let number = state.next;
            state.next += 1;
            state.requests.push(Request { number, grant: Arc::clone(grant), key, answer });
            (number, !std::mem::replace(&mut state.asking, true))
        };
        let _place = Place { waiting: self, number };
        if start {
            ask();
        }
        answered.await.unwrap_or_else(|_| Err(Failure::Internal("the dialog's task ended".to_owned())))
    }

    pub(super) fn first(&self) -> Option<Shown> {
        let mut state = self.state();
        let others = state.requests.len().saturating_sub(1);
        match state.requests.first() {
            Some(first) => Some(Shown {
                number: first.number,
                grant: Arc::clone(&first.grant),
                key: first.key.clone(),
                others,
            }),
            None => {
                state.asking = false;
                None
            }
        }
    }

    /// Answers everybody and ends the asking. A cancel starts each program's quiet time.
    pub(super) fn settle(&self, result: &Result<(), Failure>) {
        let mut state = self.state();
        state.asking = false;
        let now = Instant::now();
        state.quiet.retain(|_, until| *until > now);
        for request in std::mem::take(&mut state.requests) {
            if *result == Err(Failure::Cancelled) {
                state.quiet.insert(request.grant.requester.caller.clone(), now + QUIET_TIME);
            }
            // A request that left meanwhile hears nothing.
            drop(request.answer.send(result.clone()));
        }
    }

    /// Ends when the request that the dialog names is gone.
    pub(super) async fn first_left(&self, number: u64) {
        loop {
            let changed = self.changed.notified();
            if self.state().requests.first().is_none_or(|first| first.number != number) {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request off the list when its caller stops waiting.
struct Place<'w> {
    waiting: &'w Waiting,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.state().requests.retain(|request| request.number != self.number);
        self.waiting.changed.notify_waiters();
    }
}

/// What the loop needs from outside.
pub struct Asking {
    /// Shows dialogs.
    pub prompter: Prompter,
    /// waferd's side of the link: whose turn it is.
    pub desk: OnceLock<DeskProxy<'static>>,
    /// Told about every login tried.
    pub log: Arc<crate::link::log::Log>,
    /// Requests that wait for cards.
    pub absent: Absent,
}

/// Waits until the token is unlocked, asking the person if nobody does yet.
pub async fn unlock(
    asking: &Arc<Asking>,
    token: &Arc<Token>,
    grant: &Arc<GrantRequest>,
    key: Option<KeyInfo>,
) -> Result<(), Failure> {
    let ask = || drop(tokio::spawn(ask(Arc::clone(asking), Arc::clone(token))));
    token.waiting.join(grant, key, || token.is_logged_in(), ask).await
}

/// One round's end.
enum Round {
    Done(Result<(), Failure>),
    /// Ask again and say why.
    Again(String),
    /// The request that was named left: show the next one's dialog.
    Renamed,
}

async fn ask(asking: Arc<Asking>, token: Arc<Token>) {
    let mut complaint = None;
    while let Some(shown) = token.waiting.first() {
        match round(&asking, &token, &shown, complaint.take()).await {
            Round::Done(result) => {
                token.waiting.settle(&result);
                break;
            }
            Round::Again(text) => complaint = Some(text),
            Round::Renamed => {}
        }
    }
    crate::sys::trim_memory();
}

async fn round(asking: &Asking, token: &Arc<Token>, shown: &Shown, complaint: Option<String>) -> Round {
    let flags = match token.pin_flags().await {
        Ok(flags) => flags,
        Err(error) => return Round::Done(Err(error.into())),
    };
    // The request that the last dialog named may have left while its PIN was verified.
    if token.is_logged_in() {
        return Round::Done(Ok(()));
    }
    if flags.tries == TriesLeft::None {
        return Round::Done(Err(CardError::PinBlocked.into()));
    }
    let turn = Turn::take(asking);
    let turn = tokio::select! {
        turn = turn => match turn {
            Ok(turn) => turn,
            Err(failure) => return Round::Done(Err(failure)),
        },
        () = token.waiting.first_left(shown.number) => return Round::Renamed,
    };
    let round = tokio::select! {
        round = show(asking, token, shown, flags, complaint) => round,
        () = token.waiting.first_left(shown.number) => Round::Renamed,
    };
    if matches!(round, Round::Renamed) {
        asking.prompter.cleared().await;
    }
    turn.give_back().await;
    round
}

async fn show(
    asking: &Asking,
    token: &Arc<Token>,
    shown: &Shown,
    flags: PinFlags,
    complaint: Option<String>,
) -> Round {
    let Some(screen) = place::find(&shown.grant).await else {
        return Round::Done(Err(Failure::NoPrompter));
    };
    let mut dialog = match asking.prompter.open(&screen).await {
        Ok(dialog) => dialog,
        Err(error) => return refused(error),
    };
    let entered = enter(&mut dialog, token, shown, flags, complaint).await;
    dialog.close().await;
    match entered {
        Ok(Some(pin)) if pin.is_empty() => Round::Again(say(Text::ComplaintEmpty, &[])),
        Ok(Some(pin)) if !flags.format.admits(&pin) => Round::Again(dialog::wrong_form(flags.format)),
        Ok(Some(pin)) => verified(asking, shown, token, token.login(Some(pin)).await),
        Ok(None) => verified(asking, shown, token, Ok(())),
        Err(Refused::Dialog(error)) => refused(error),
        Err(Refused::Reader(error)) => verified(asking, shown, token, Err(error)),
    }
}

enum Refused {
    Dialog(PromptError),
    Reader(CardError),
}

/// The PIN as entered; `None` if it was entered at the reader and verified there.
async fn enter(
    dialog: &mut Dialog<'_>,
    token: &Arc<Token>,
    shown: &Shown,
    flags: PinFlags,
    complaint: Option<String>,
) -> Result<Option<Secret>, Refused> {
    if flags.tries == TriesLeft::Last {
        let warning = dialog::last_try(&token.identity);
        dialog.confirm(&warning, &say(Text::ButtonTry, &[])).await.map_err(Refused::Dialog)?;
        dialog.restore_ok().await.map_err(Refused::Dialog)?;
    }
    let description = dialog::description(
        &shown.grant,
        shown.key.as_ref(),
        &token.identity,
        flags.tries,
        shown.others,
        flags.pin_pad,
    );
    if flags.pin_pad {
        // The module waits for the reader; the message only says so and is taken away after.
        return tokio::select! {
            result = token.login(None) => result.map(|()| None).map_err(Refused::Reader),
            closed = dialog.message(&description) => match closed {
                Ok(()) | Err(PromptError::Cancelled) => Err(Refused::Dialog(PromptError::Cancelled)),
                Err(error) => Err(Refused::Dialog(error)),
            },
        };
    }
    dialog.pin(&description, complaint.as_deref()).await.map(Some).map_err(Refused::Dialog)
}

fn verified(asking: &Asking, shown: &Shown, token: &Token, result: Result<(), CardError>) -> Round {
    let result = result.map_err(Failure::from);
    asking.log.note(&token.identity.label, "", "login", &shown.grant.requester.program, &result);
    match result {
        Err(Failure::Card(CardError::PinIncorrect)) => Round::Again(say(Text::ComplaintIncorrect, &[])),
        result => Round::Done(result),
    }
}

fn refused(error: PromptError) -> Round {
    Round::Done(Err(match error {
        PromptError::Cancelled => Failure::Cancelled,
        PromptError::TimedOut => Failure::TimedOut,
        PromptError::Failed(reason) => {
            tracing::warn!(reason, "the PIN dialog failed");
            Failure::NoPrompter
        }
    }))
}

/// The screen, lent by waferd. Dropped without [`Turn::give_back`] it is given back in the background.
pub(super) struct Turn {
    desk: Option<DeskProxy<'static>>,
}

impl Turn {
    pub(super) async fn take(asking: &Asking) -> Result<Self, Failure> {
        // The guard exists before the answer: a wait that is given up hands back what may still come.
        let desk = asking.desk.get().ok_or_else(|| Failure::Internal("no desk yet".to_owned()))?;
        let turn = Self { desk: Some(desk.clone()) };
        let lease = (asking.prompter.timeout() * 2 + LEASE_MARGIN).as_millis();
        let lease = u32::try_from(lease).unwrap_or(u32::MAX);
        desk.take_turn(lease).await.map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(turn)
    }

    pub(super) async fn give_back(mut self) {
        if let Some(desk) = self.desk.take() {
            return_to(desk).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            tokio::spawn(return_to(desk));
        }
    }
}

async fn return_to(desk: DeskProxy<'static>) {
    if let Err(error) = desk.return_turn().await {
        tracing::debug!(%error, "the turn could not be given back");
    }
}

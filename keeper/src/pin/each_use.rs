//! Keys that want their PIN for every single operation (CKA_ALWAYS_AUTHENTICATE, PIV 9C): one dialog each,
//! and the PIN goes to the card right before the operation. Enforced here, whatever the card would allow.

use std::future::pending;
use std::sync::Arc;

use wafer_client::keeper::{GrantRequest, KeyInfo};

use super::ask::{Entered, Question, ask, refused};
use super::dialog;
use super::secret::Secret;
use super::turn;
use super::unlock::Asking;
use crate::card::{Authentication, Card, CardError};
use crate::failure::Failure;
use crate::prompt::place;
use crate::prompt::text::{Text, say};
use crate::token::Token;

/// A request to use such a key once.
pub struct EachUse<'u> {
    /// Shows dialogs.
    pub asking: &'u Arc<Asking>,
    /// The token.
    pub token: &'u Arc<Token>,
    /// The key.
    pub key: &'u KeyInfo,
    /// On whose behalf.
    pub grant: &'u Arc<GrantRequest>,
}

/// How one try went.
enum Try<R> {
    Done(Result<R, Failure>),
    Again(String),
}

impl EachUse<'_> {
    /// Asks, then runs `job`; asks again after a wrong PIN. `entered` is a PIN that the person entered for this
    /// very request a moment ago.
    pub async fn run<R: Send + 'static>(
        &self,
        entered: Option<Arc<Secret>>,
        job: impl Fn(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Clone + Send + 'static,
    ) -> Result<R, Failure> {
        let mut now = match entered {
            Some(pin) => self.verified(self.token.operate_entered(Some(pin), job.clone()).await),
            None => match self.confirmed(&job).await? {
                Some(result) => self.verified(result),
                None => self.ask(None, &job).await,
            },
        };
        loop {
            match now {
                Try::Done(result) => return result,
                Try::Again(complaint) => now = self.ask(Some(complaint), &job).await,
            }
        }
    }

    /// With the administrator's leave, a click in place of the PIN: the kept PIN goes to the card, if it has
    /// one to spare. `None`: the PIN must be asked for.
    async fn confirmed<R: Send + 'static>(
        &self,
        job: &(impl Fn(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Clone + Send + 'static),
    ) -> Result<Option<Result<R, CardError>>, Failure> {
        if self.token.confirmable().await.is_none() {
            return Ok(None);
        }
        self.token.waiting.may_ask(self.grant)?;
        self.noted(turn::show(self.asking, pending(), self.confirm()).await)?;
        // It may have been forgotten, or used up its tries, while the person looked at the question.
        let Some(pin) = self.token.confirmable().await else { return Ok(None) };
        match self.token.operate_kept(pin, job.clone()).await {
            Err(CardError::NeedsLogin) => Ok(None),
            result => Ok(Some(result)),
        }
    }

    /// The question; only ever in the person's own session (pin-rules 10).
    async fn confirm(&self) -> Result<(), Failure> {
        let screen = place::session().await.ok_or(Failure::NoPrompter)?;
        let mut dialog = self.asking.prompter.open(&screen).await.map_err(refused)?;
        let question = dialog::confirmation(self.grant, self.key, &self.token.identity);
        let answer = dialog.confirm(&question, &say(Text::ButtonAllow, &[])).await.map_err(refused);
        dialog.close().await;
        answer
    }

    async fn ask<R: Send + 'static>(
        &self,
        complaint: Option<String>,
        job: &(impl Fn(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Clone + Send + 'static),
    ) -> Try<R> {
        match self.entered(complaint, job).await {
            Ok(Entered::Pin(pin)) => {
                let result = self.token.operate_entered(Some(Arc::new(pin)), job.clone()).await;
                self.verified(result)
            }
            Ok(Entered::AtReader(result)) => self.verified(result),
            Ok(Entered::Unfit(complaint)) => Try::Again(complaint),
            Err(failure) => Try::Done(Err(failure)),
        }
    }

    async fn entered<R: Send + 'static>(
        &self,
        complaint: Option<String>,
        job: &(impl Fn(&mut dyn Card, Authentication<'_>) -> Result<R, CardError> + Clone + Send + 'static),
    ) -> Result<Entered<R>, Failure> {
        self.token.waiting.may_ask(self.grant)?;
        let dialog = async {
            // Read when the turn has come: a dialog before this one may have used up a try.
            let flags = self.token.pin_flags().await?;
            let (grant, token, key) = (self.grant, self.token, Some(self.key));
            let question = Question { grant, token, key, flags, others: 0, complaint };
            let at_reader = self.token.operate_entered(None, job.clone());
            ask(self.asking, &question, at_reader).await
        };
        self.noted(turn::show(self.asking, pending(), dialog).await)
    }

    /// A "no" starts the program's quiet time.
    fn noted<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if matches!(answer, Err(Failure::Cancelled)) {
            self.token.waiting.be_quiet_for(&self.grant.requester.caller);
        }
        answer
    }

    fn verified<R>(&self, result: Result<R, CardError>) -> Try<R> {
        let wrong = matches!(result, Err(CardError::PinIncorrect | CardError::PinBlocked));
        let login = if wrong { result.as_ref().map(drop).map_err(Clone::clone) } else { Ok(()) };
        let login = login.map_err(Failure::from);
        let program = &self.grant.requester.program;
        self.asking.log.note(&self.token.identity.label, &self.key.label, "login", program, &login);
        match result {
            Err(CardError::PinIncorrect) => Try::Again(say(Text::ComplaintIncorrect, &[])),
            result => Try::Done(result.map_err(Failure::from)),
        }
    }
}

//! Asks whether a program may do something: in the person's own session, never where the program chose, unless
//! an administrator allowed the terminal.

use std::future::pending;
use std::sync::Arc;

use wafer_client::keeper::{Consent, ConsentRequest, Question};

use super::unlock::Asking;
use super::{dialog, turn};
use crate::failure::Failure;
use crate::prompt::Dialog;
use crate::prompt::assuan::PromptError;
use crate::prompt::place::{self, Screen};
use crate::prompt::text::{Text, say};

/// Asks the person and gives the answer. Ends early when the future is dropped.
///
/// [`Failure::NoPrompter`] without a place to ask; [`Failure::TimedOut`] if nobody answers.
pub async fn consent(asking: &Arc<Asking>, request: &ConsentRequest) -> Result<Consent, Failure> {
    let answer = turn::show(asking, pending(), show(asking, request)).await;
    let program = &request.requester.program;
    asking.log.note(&request.token, &request.object, event(&answer), program, &answer);
    answer
}

async fn show(asking: &Asking, request: &ConsentRequest) -> Result<Consent, Failure> {
    let screen = screen(request).await.ok_or(Failure::NoPrompter)?;
    let mut dialog = asking.prompter.open(&screen).await.map_err(refused)?;
    // One limit for both questions: waferd lends the screen for so long.
    let asked = ask(&mut dialog, request);
    let answer = tokio::time::timeout(asking.prompter.timeout(), asked).await;
    answer.unwrap_or(Err(PromptError::TimedOut)).map_err(refused)
}

async fn ask(dialog: &mut Dialog<'_>, request: &ConsentRequest) -> Result<Consent, PromptError> {
    let said = |text| say(text, &[]);
    let question = dialog::consent(request);
    if is_done_once(request) {
        let allow = dialog.confirm(&question, &said(Text::AnswerAllow)).await;
        return match allow {
            Ok(()) => Ok(Consent::Once),
            Err(PromptError::Cancelled) => Ok(Consent::No),
            Err(error) => Err(error),
        };
    }
    let never = said(if request.lasting { Text::AnswerNever } else { Text::AnswerNotNow });
    let answers = [said(Text::AnswerAllow), never, said(Text::AnswerNotNow)];
    match dialog.choose(&question, answers.each_ref().map(String::as_str)).await? {
        Some(true) => {}
        Some(false) if request.lasting => return Ok(Consent::Never),
        Some(false) | None => return Ok(Consent::No),
    }
    let question = dialog::consent_time(request);
    if !request.lasting {
        let answers = [said(Text::AnswerSession), said(Text::AnswerOnce), said(Text::AnswerOnce)];
        let session = dialog.choose(&question, answers.each_ref().map(String::as_str)).await?;
        return Ok(if session == Some(true) { Consent::Session } else { Consent::Once });
    }
    let answers = [said(Text::AnswerAlways), said(Text::AnswerSession), said(Text::AnswerOnce)];
    Ok(match dialog.choose(&question, answers.each_ref().map(String::as_str)).await? {
        Some(true) => Consent::Always,
        Some(false) => Consent::Session,
        None => Consent::Once,
    })
}

/// A change is allowed each time it is made.
fn is_done_once(request: &ConsentRequest) -> bool {
    matches!(request.question, Question::Recipient | Question::Setting | Question::Trust)
}

/// The person's session; the caller's terminal only where waferd passes it on.
async fn screen(request: &ConsentRequest) -> Option<Screen> {
    match place::terminal(&request.place) {
        Some(screen) => Some(screen),
        None => place::session().await,
    }
}

fn event(answer: &Result<Consent, Failure>) -> &'static str {
    match answer {
        Ok(Consent::Once | Consent::Session | Consent::Always) => "allow",
        _ => "refuse",
    }
}

fn refused(error: PromptError) -> Failure {
    match error {
        PromptError::Cancelled => Failure::Cancelled,
        PromptError::TimedOut => Failure::TimedOut,
        PromptError::Failed(reason) => {
            tracing::warn!(reason, "the dialog that asks for consent failed");
            Failure::NoPrompter
        }
    }
}

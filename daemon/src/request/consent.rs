//! The person's yes, before a program uses a key or changes what protects.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wafer_client::keeper::{Consent, ConsentRequest, Operation, PromptPlace, Question};
use wafer_client::{ErrorKind, WaferError};

use super::{Call, Rooms};
use crate::config::Settings;
use crate::data::Journal;
use crate::identity::Identity;
use crate::policy::consent::{Answer, Decision, Decisions, Matter, Program, Rules};
use crate::policy::{self, Admission, Allowed, Grant};
use crate::text;

/// The file of what was decided for good, in the data folder.
const FILE: &str = "permissions.jsonl";
/// What the journal says of itself.
const KIND: &str = "permissions";
/// The journal's version: 1 is the first.
const VERSION: u32 = 1;

/// One line of the journal: the last one of a matter counts, and without an answer it was revoked.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    matter: Matter,
    answer: Option<Answer>,
}

/// What was decided, in memory and on the disk.
pub struct Consents {
    path: PathBuf,
    held: Mutex<Held>,
    /// One question at a time: what is answered may answer the next one too.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    decisions: Decisions,
    journal: Option<Journal<Kept>>,
}

impl Consents {
    /// Those kept in the data folder of `settings`.
    pub fn new(settings: &Settings) -> Self {
        let path = settings.data_folder.join(FILE);
        Self { path, held: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// What holds now: the matter, the answer, and whether it is kept for good.
    pub fn all(&self) -> Vec<(Matter, Answer, bool)> {
        let held = self.held();
        let mut all: Vec<_> =
            held.decisions.all().map(|(matter, answer, kept)| (matter.clone(), answer, kept)).collect();
        all.sort_by(|left, right| (&left.0.program, &left.0.key).cmp(&(&right.0.program, &right.0.key)));
        all
    }

    /// Forgets what was decided of `program`, for `key` or (empty) for every key.
    ///
    /// # Errors
    /// It could not be written.
    pub fn revoke(&self, program: &str, key: &str) -> Result<(), WaferError> {
        let mut held = self.held();
        for matter in held.decisions.revoke(program, key) {
            held.keep(&Kept { matter, answer: None }).map_err(|error| text::not_kept(&error))?;
        }
        Ok(())
    }

    fn decide(&self, rules: &Rules, program: &Program, key: &str) -> Decision {
        self.held().decisions.decide(rules, program, key, Instant::now())
    }

    fn remember(&self, program: &Program, key: &str, answer: Answer) {
        let mut held = self.held();
        if held.decisions.remember(program, key, answer, Instant::now()) {
            let matter = Matter { program: program.name.clone(), key: key.to_owned() };
            if let Err(error) = held.keep(&Kept { matter, answer: Some(answer) }) {
                tracing::warn!(%error, "what the person decided holds for this session only");
            }
        }
    }

    /// What is held, as far as it can be read.
    fn held(&self) -> MutexGuard<'_, Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.journal.as_ref().is_none_or(|journal| !journal.is_current()) {
            let Held { decisions, journal } = &mut *held;
            decisions.forget_lasting();
            let opened = Journal::open(&self.path, KIND, VERSION, |kept: Kept, _| match kept.answer {
                Some(answer) => decisions.recall(kept.matter, answer),
                None => drop(decisions.revoke(&kept.matter.program, &kept.matter.key)),
            });
            match opened {
                Ok(opened) => *journal = Some(opened),
                Err(error) => tracing::warn!(%error, "what was decided about programs cannot be read"),
            }
        }
        held
    }
}

impl Held {
    fn keep(&mut self, kept: &Kept) -> std::io::Result<()> {
        let Some(journal) = &mut self.journal else { return Err(std::io::ErrorKind::NotFound.into()) };
        while journal.append(kept)?.is_none() {
            journal.load(|_, _| {})?;
        }
        Ok(())
    }
}

/// Whether the call's program may use `identity`'s key so often: as was decided, or the person is asked.
///
/// # Errors
/// `AccessDenied`; `InteractionRequired`; those of the question.
pub async fn granted(
    rooms: &Rooms,
    call: &Call,
    admission: &Admission,
    identity: &Identity,
    uses: u32,
) -> Result<Grant, WaferError> {
    let settings = rooms.live.get();
    let rules = rules(&settings);
    let allowed = if rules.is_open() {
        Decision::Allow.allowed().ok_or_else(text::access_denied)?
    } else {
        let question = match admission.operation() {
            Operation::Sign => Question::Sign,
            _ => Question::Decrypt,
        };
        allowed(rooms, call, &rules, identity, question).await?
    };
    Ok(policy::grant(admission, allowed, &identity.key, uses))
}

async fn allowed(
    rooms: &Rooms,
    call: &Call,
    rules: &Rules,
    identity: &Identity,
    question: Question,
) -> Result<Allowed, WaferError> {
    let (consents, program) = (&rooms.consents, call.asker.program());
    let decided = |decision: Decision| match decision {
        Decision::Ask => None,
        Decision::Quiet => Some(Err(text::just_refused())),
        decision => Some(decision.allowed().ok_or_else(text::access_denied)),
    };
    if let Some(decided) = decided(consents.decide(rules, &program, &identity.key)) {
        return decided;
    }
    let _turn = turn(consents, call).await?;
    if let Some(decided) = decided(consents.decide(rules, &program, &identity.key)) {
        return decided;
    }
    let token = rooms.keepers.known_token(&identity.token);
    let request = ConsentRequest {
        question,
        object: identity.label.clone(),
        token: token.map_or(String::new(), |token| token.info.label.clone()),
        lasting: program.lasting,
        ..request(rooms, call)
    };
    let answer = match rooms.keepers.ask(Some(&identity.key), &request, call).await.map_err(unasked)? {
        Consent::Once => Answer::Once,
        Consent::Session => Answer::Session,
        Consent::Always => Answer::Always,
        Consent::No => Answer::No,
        Consent::Never => Answer::Never,
    };
    consents.remember(&program, &identity.key, answer);
    answer.allowed().ok_or_else(text::refused_by_person)
}

/// Whether the call's program may make a change that is the person's to allow. These are all: importing,
/// accepting and removing a recipient's certificate, trusting and distrusting one, removing keys in files, changing a setting so that it protects less
/// ([`crate::config::items::Item::is_loosened`]), and forgetting that a program may never.
///
/// # Errors
/// `AccessDenied`; `InteractionRequired`; those of the question.
pub async fn change(
    rooms: &Rooms,
    call: &Call,
    question: Question,
    object: String,
) -> Result<(), WaferError> {
    if rooms.live.get().word("consent.changes") == "allow" {
        return Ok(());
    }
    let (consents, program) = (&rooms.consents, call.asker.program());
    let rules = Rules { otherwise: Decision::Ask, allowed: Vec::new(), forbidden: Vec::new() };
    let _turn = turn(consents, call).await?;
    if consents.decide(&rules, &program, "") == Decision::Quiet {
        return Err(text::just_refused());
    }
    let request = ConsentRequest { question, object, ..request(rooms, call) };
    match rooms.keepers.ask(None, &request, call).await.map_err(unasked)? {
        Consent::Once | Consent::Session | Consent::Always => Ok(()),
        Consent::No | Consent::Never => {
            consents.remember(&program, "", Answer::No);
            Err(text::refused_by_person())
        }
    }
}

/// Waits until no other question is open.
async fn turn<'a>(
    consents: &'a Consents,
    call: &Call,
) -> Result<tokio::sync::MutexGuard<'a, ()>, WaferError> {
    if !call.interactive {
        return Err(text::consent_needed());
    }
    tokio::select! {
        biased;
        turn = consents.asking.lock() => Ok(turn),
        reason = call.cancel.ended() => Err(reason.error()),
    }
}

fn request(rooms: &Rooms, call: &Call) -> ConsentRequest {
    let at_terminal = rooms.live.get().flag("consent.terminal");
    ConsentRequest {
        requester: call.requester.clone(),
        question: Question::Sign,
        object: String::new(),
        token: String::new(),
        lasting: false,
        place: if at_terminal { call.place.clone() } else { PromptPlace::default() },
    }
}

fn rules(settings: &Settings) -> Rules {
    let otherwise = match settings.word("consent.programs").as_str() {
        "allow" => Decision::Allow,
        "forbid" => Decision::Forbid,
        _ => Decision::Ask,
    };
    let (allowed, forbidden) = (settings.list("consent.allow"), settings.list("consent.forbid"));
    Rules { otherwise, allowed, forbidden }
}

/// A question that got no answer, in words about questions: the keeper speaks of PINs.
fn unasked(error: WaferError) -> WaferError {
    match error.kind {
        ErrorKind::NoPrompter => text::no_place_to_ask(),
        ErrorKind::TimedOut => text::nobody_answered(),
        _ => error,
    }
}

/// Finds out which program asks, when that is needed.
#[derive(Clone)]
pub struct Asker(Arc<dyn Fn() -> Program + Send + Sync>);

impl Asker {
    /// One that `look` finds out about.
    pub fn new(look: impl Fn() -> Program + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// That program.
    pub fn program(&self) -> Program {
        (self.0)()
    }
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker")
    }
}

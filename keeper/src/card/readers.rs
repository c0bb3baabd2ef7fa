//! Which of pcscd's readers have a card in them; no card is touched for it.

use std::ffi::CString;
use std::time::Duration;

use pcsc::{Context, Error, ReaderState, Scope, State};

/// A connection to pcscd, made when it is needed first.
#[derive(Default)]
pub(super) struct Occupied {
    context: Option<Context>,
}

/// What pcscd says of its readers.
pub(super) struct Looked {
    /// The readers with a card in them, each with its count of insertions and removals.
    pub(super) readers: Result<Vec<(CString, u32)>, Error>,
    /// Another pcscd than at the last look: it counts from the start, and what was known says nothing of its cards.
    pub(super) anew: bool,
}

impl Occupied {
    /// Looks. Without a pcscd there are no readers.
    pub(super) fn look(&mut self) -> Looked {
        match self.states() {
            // A pcscd that was restarted has forgotten the context: once more with a new one. One that is just ending
            // cannot tell any more who speaks with it, and says that it may not.
            Err(
                Error::NoService
                | Error::ServiceStopped
                | Error::InvalidHandle
                | Error::CommError
                | Error::SecurityViolation,
            ) => {
                self.context = None;
                let readers = match self.states() {
                    Err(error @ (Error::NoService | Error::ServiceStopped | Error::SecurityViolation)) => {
                        tracing::info!(%error, "no pcscd shows its readers");
                        Ok(Vec::new())
                    }
                    result => result,
                };
                Looked { readers, anew: true }
            }
            readers => Looked { readers, anew: false },
        }
    }

    fn states(&mut self) -> Result<Vec<(CString, u32)>, Error> {
        let context = match &self.context {
            Some(context) => context,
            None => self.context.insert(Context::establish(Scope::User)?),
        };
        let readers = match context.list_readers_owned() {
            Err(Error::NoReadersAvailable) => Vec::new(),
            readers => readers?,
        };
        let mut states: Vec<_> =
            readers.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect();
        if !states.is_empty() {
            context.get_status_change(Duration::ZERO, &mut states)?;
        }
        let usable = |state: &&ReaderState| {
            let event = state.event_state();
            event.contains(State::PRESENT) && !event.contains(State::MUTE)
        };
        Ok(states.iter().filter(usable).map(|state| (state.name().to_owned(), state.event_count())).collect())
    }
}

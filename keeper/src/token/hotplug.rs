//! Notices that a card came or went, for modules whose slots are readers: C_WaitForSlotEvent blocks
//! in few modules and polls in others, while pcscd tells and sleeps.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};
use tokio::sync::Notify;

use super::pcscd;

/// Watches pcscd's readers, if there is a pcscd, in a thread of its own.
#[derive(Default)]
pub struct Hotplug {
    watching: Arc<AtomicBool>,
    /// Told when a card came or went.
    pub happened: Arc<Notify>,
}

/// What of a reader's state matters: present or not, and how many insertions and removals so far.
/// That somebody uses the card also wakes the thread and is no event.
type Seen = BTreeMap<CString, (bool, u32)>;

impl Hotplug {
    /// Starts the thread unless it runs. It outlives a pcscd that ends; where none can come, it ends, and the
    /// next listing starts it again.
    pub fn ensure(&self) {
        if self.watching.swap(true, Ordering::SeqCst) {
            return;
        }
        let (watching, happened) = (Arc::clone(&self.watching), Arc::clone(&self.happened));
        let thread = std::thread::Builder::new().name("hotplug".to_owned()).spawn(move || {
            if let Err(error) = follow(&happened) {
                tracing::info!(%error, "readers are not watched");
            }
            watching.store(false, Ordering::SeqCst);
        });
        if let Err(error) = thread {
            tracing::warn!(%error, "readers are not watched");
            self.watching.store(false, Ordering::SeqCst);
        }
    }
}

/// Watches one pcscd after the other.
fn follow(happened: &Notify) -> std::io::Result<()> {
    loop {
        if let Err(error) = watch(happened) {
            tracing::info!(%error, "pcscd is not there");
        }
        // With it went its cards.
        happened.notify_one();
        pcscd::appears()?;
    }
}

fn watch(happened: &Notify) -> Result<(), pcsc::Error> {
    let context = Context::establish(Scope::User)?;
    let mut states = vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)];
    let mut before: Option<Seen> = None;
    loop {
        let readers = context.list_readers_owned()?;
        states.retain(|state| {
            state.name() == PNP_NOTIFICATION() || readers.iter().any(|name| **name == *state.name())
        });
        for reader in readers {
            if !states.iter().any(|state| *state.name() == *reader) {
                states.push(ReaderState::new(reader, State::UNAWARE));
            }
        }
        for state in &mut states {
            state.sync_current_state();
        }
        context.get_status_change(None, &mut states)?;
        let now = seen(&states);
        // The first look is news too: a card may have come between the last listing and now.
        if before.as_ref() != Some(&now) {
            happened.notify_one();
        }
        before = Some(now);
    }
}

fn seen(states: &[ReaderState]) -> Seen {
    let readers = states.iter().filter(|state| state.name() != PNP_NOTIFICATION());
    readers
        .map(|state| {
            (state.name().to_owned(), (state.event_state().contains(State::PRESENT), state.event_count()))
        })
        .collect()
}

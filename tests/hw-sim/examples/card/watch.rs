//! The raw client: PC/SC and nothing else.

use pcsc::{Context, ReaderState, Scope, State};

use crate::now;

/// Writes `present NANOSECONDS` or `absent NANOSECONDS` for each change of the first reader, from its state now.
pub(crate) fn watch() {
    let context = Context::establish(Scope::User).unwrap();
    let reader = context.list_readers_owned().unwrap().into_iter().next().expect("a reader");
    let mut states = [ReaderState::new(reader, State::UNAWARE)];
    let mut before = None;
    // Until pcscd goes.
    while context.get_status_change(None, &mut states).is_ok() {
        let present = states[0].event_state().contains(State::PRESENT);
        if before.replace(present) != Some(present) {
            println!("{} {}", if present { "present" } else { "absent" }, now());
        }
        states[0].sync_current_state();
    }
}

//! The settings as they are now: whoever needs one asks for it when it needs it.

use std::sync::Arc;

use tokio::sync::watch;

use super::Settings;

/// The settings in force; they change while waferd runs.
#[derive(Clone, Debug)]
pub struct Current(watch::Receiver<Arc<Settings>>);

impl Current {
    /// The settings that `source` sends.
    pub fn of(source: &watch::Sender<Arc<Settings>>) -> Self {
        Self(source.subscribe())
    }

    /// Settings that stay.
    pub fn fixed(settings: Settings) -> Self {
        Self(watch::Sender::new(Arc::new(settings)).subscribe())
    }

    /// Moves with every change of them.
    pub fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.0.clone()
    }

    /// As they are now.
    pub fn get(&self) -> Arc<Settings> {
        self.0.borrow().clone()
    }
}

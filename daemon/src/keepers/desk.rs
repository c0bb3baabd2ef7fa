//! Whose turn it is to show a dialog: one at a time on a person's screen, lent for a limited time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::running::Life;

/// The screen, shared by all keepers.
#[derive(Clone)]
pub(super) struct Screen(Arc<Semaphore>);

impl Default for Screen {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// One keeper's way to the screen, served on its link.
pub(super) struct Desk {
    screen: Screen,
    life: Arc<Life>,
    lease: Arc<Mutex<Lease>>,
}

/// What one keeper has borrowed.
#[derive(Default)]
struct Lease {
    number: u64,
    permit: Option<OwnedSemaphorePermit>,
}

impl Desk {
    pub(super) fn new(screen: &Screen, life: Arc<Life>) -> Self {
        Self { screen: screen.clone(), life, lease: Arc::default() }
    }
}

#[zbus::interface(name = "org.waferd.Desk1")]
impl Desk {
    /// Waits for the screen and lends it for `lease_ms`.
    async fn take_turn(&self, lease_ms: u32) {
        let _asking = self.life.in_dialog();
        let permit = tokio::select! {
            permit = self.screen.0.clone().acquire_owned() => permit.ok(),
            () = self.life.gone() => None,
        };
        let Some(permit) = permit else { return };
        let number = {
            let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
            lease.number += 1;
            lease.permit = Some(permit);
            lease.number
        };
        let (life, lease) = (self.life.clone(), self.lease.clone());
        let dialog = life.in_dialog();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(lease_ms.into())) => {}
                () = life.gone() => {}
                () = life.returned(number) => {}
            }
            let mut lease = lease.lock().unwrap_or_else(PoisonError::into_inner);
            if lease.number == number {
                lease.permit = None;
            }
            drop(dialog);
        });
    }

    /// Takes the screen back.
    async fn return_turn(&self) {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.permit = None;
        self.life.turn_returned(lease.number);
    }
}

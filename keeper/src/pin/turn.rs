//! The screen, lent by waferd to one dialog at a time, and never while it is locked.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use wafer_client::keeper::DeskProxy;

use super::unlock::Asking;
use crate::failure::Failure;

/// The lease of the screen is a little longer than the dialogs it is for.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// So many dialogs may follow each other in one lease: a warning and a PIN; old, new, and new PIN again.
const DIALOGS: u32 = 3;

/// Waits for the screen and shows `dialog` on it. Ends early when the screen is locked, and with `until`'s value
/// when that ends first. What was shown is off the screen before this returns, and before another has the turn.
pub(super) async fn show<T>(
    asking: &Arc<Asking>,
    until: impl Future<Output = T>,
    dialog: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut screen = asking.screen_locked.subscribe();
    let (mut locked, mut until) = (pin!(screen.wait_for(|locked| *locked)), pin!(until));
    let turn = tokio::select! {
        biased;
        _ = &mut locked => return Err(Failure::ScreenLocked),
        value = &mut until => return Ok(value),
        turn = Turn::take(asking) => turn?,
    };
    let shown = tokio::select! {
        biased;
        _ = &mut locked => Err(Failure::ScreenLocked),
        value = &mut until => Ok(value),
        shown = dialog => shown,
    };
    turn.give_back().await;
    shown
}

/// The screen is this keeper's. Dropped without [`Turn::give_back`] it is given back in the background.
struct Turn {
    asking: Arc<Asking>,
    desk: Option<DeskProxy<'static>>,
    number: u64,
    /// This keeper asks for one turn at a time, and counts them.
    own: Option<OwnedMutexGuard<u64>>,
}

impl Turn {
    async fn take(asking: &Arc<Asking>) -> Result<Self, Failure> {
        let mut own = Arc::clone(&asking.dialogs).lock_owned().await;
        // The guard exists before the answer: a wait that is given up hands back what may still come.
        let desk = asking.desk.get().ok_or_else(|| Failure::Internal("no desk yet".to_owned()))?;
        *own += 1;
        let number = *own;
        let turn = Self { asking: Arc::clone(asking), desk: Some(desk.clone()), number, own: Some(own) };
        let lease = (asking.prompter.timeout() * DIALOGS + LEASE_MARGIN).as_millis();
        let lease = u32::try_from(lease).unwrap_or(u32::MAX);
        desk.take_turn(number, lease).await.map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(turn)
    }

    async fn give_back(mut self) {
        if let Some(desk) = self.desk.take() {
            hand_back(&self.asking, desk, self.number).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let own = self.own.take();
        if let Some(desk) = self.desk.take() {
            let (asking, number) = (Arc::clone(&self.asking), self.number);
            tokio::spawn(async move {
                hand_back(&asking, desk, number).await;
                drop(own);
            });
        }
    }
}

/// First the dialog leaves the screen and its terminal is put in order, then another may have the turn.
async fn hand_back(asking: &Asking, desk: DeskProxy<'static>, number: u64) {
    asking.prompter.cleared().await;
    if let Err(error) = desk.return_turn(number).await {
        tracing::debug!(%error, "the turn could not be given back");
    }
}

//! Whose turn it is to show a dialog: one at a time on a person's screen, lent for a limited time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

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
}

impl Desk {
    pub(super) fn new(screen: &Screen, life: Arc<Life>) -> Self {
        Self { screen: screen.clone(), life }
    }
}

#[zbus::interface(name = "org.waferd.Desk1")]
impl Desk {
    /// Waits for the screen and lends it for `lease_ms`. One who gives up meanwhile is lent nothing.
    async fn take_turn(&self, turn: u64, lease_ms: u32) {
        let asking = self.life.in_dialog();
        let permit = tokio::select! {
            biased;
            () = self.life.gone() => return,
            () = self.life.returned(turn) => return,
            permit = self.screen.0.clone().acquire_owned() => permit,
        };
        let life = self.life.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(lease_ms.into())) => {}
                () = life.gone() => {}
                () = life.returned(turn) => {}
            }
            drop((permit, asking));
        });
    }

    /// Takes the screen back.
    async fn return_turn(&self, turn: u64) {
        self.life.turn_returned(turn);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const LEASE: u32 = 3_600_000;

    /// Time stands still but where everybody waits: what takes an hour here never comes.
    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_is_lent_nothing() {
        let screen = Screen::default();
        let [one, two] = [(); 2].map(|()| Desk::new(&screen, Life::new()));
        one.take_turn(1, LEASE).await;
        let gives_up = async {
            tokio::task::yield_now().await;
            two.return_turn(1).await;
        };
        let waits = async { tokio::join!(two.take_turn(1, LEASE), gives_up) };
        tokio::time::timeout(LONG / 2, waits).await.unwrap();
        one.return_turn(1).await;
        tokio::time::timeout(LONG / 2, one.take_turn(2, LEASE)).await.unwrap();
        // In the other order too: the two calls may overtake each other.
        two.return_turn(2).await;
        tokio::time::timeout(LONG / 2, two.take_turn(2, LEASE)).await.unwrap();
        one.return_turn(2).await;
        tokio::time::timeout(LONG / 2, two.take_turn(3, LEASE)).await.unwrap();
        let other = tokio::time::timeout(LONG / 2, one.take_turn(3, LEASE)).await;
        assert!(other.is_err(), "the screen is lent");
    }
}

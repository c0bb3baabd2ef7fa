//! The door of the service: every call that works on a message or a key comes in here, is counted, can be
//! ended early, and leaves.

use std::collections::HashMap;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use wafer_client::WaferError;
use wafer_client::keeper::{Certainty, PromptPlace};
use wafer_client::names::ROOT_PATH;
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

use super::caller::{Caller, Origin};
use super::mail::Mail;
use super::options::Options;
use super::stream::reader_closed;
use super::web;
use crate::request::cancel::{Cancel, Reason};
use crate::request::turns::Turns;
use crate::request::{Call, Rooms};
use crate::text;

/// How often progress is reported.
const PROGRESS: Duration = Duration::from_millis(250);
/// From this many bytes on, free memory is given back when the call has ended.
const BULK: u64 = 4 * 1024 * 1024;

/// What all connections share.
pub(crate) struct Service {
    /// The rooms behind the door.
    pub(super) rooms: Rooms,
    /// Who may run.
    pub(super) turns: Arc<Turns>,
    /// Calls that can be cancelled, by caller and id.
    cancellable: Mutex<HashMap<(String, String), Weak<Cancel>>>,
}

impl Service {
    pub(crate) fn new(rooms: Rooms) -> Arc<Self> {
        Arc::new(Self { rooms, turns: Turns::new(), cancellable: Mutex::default() })
    }

    fn cancellable(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Weak<Cancel>>> {
        self.cancellable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's door.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) service: Arc<Service>,
    pub(super) origin: Origin,
}

/// A call that came in.
pub(super) struct Visit {
    pub(super) call: Arc<Call>,
    caller: Arc<Caller>,
    service: Arc<Service>,
    cancellation_id: Option<String>,
}

impl Door {
    /// Lets a call in.
    ///
    /// # Errors
    /// `BadSettings`, `LimitsExceeded`, wrong common options, a caller that cannot be known.
    pub(super) async fn enter(
        &self,
        header: &Header<'_>,
        options: &mut Options,
    ) -> Result<Visit, WaferError> {
        self.service.rooms.live.usable().map_err(|error| WaferError::from(&error))?;
        let caller = self.origin.caller(header).await?;
        let common = options.common()?;
        let settings = self.service.rooms.live.get();
        let (requester, asker) = web::speaker(&caller, common.origin.as_deref(), &settings)?;
        let cancel = Cancel::new().map_err(|error| text::internal(&error.to_string()))?;
        // A sandboxed program does not choose where a dialog appears (pin-rules 10).
        let sandboxed = caller.requester.certainty == Certainty::Sandbox;
        let call = Arc::new(Call {
            requester,
            subject: caller.subject,
            asker,
            interactive: common.interactive,
            place: if sandboxed { PromptPlace::default() } else { common.place },
            deadline: common.deadline.map(|time| Instant::now() + time),
            cancel: Arc::new(cancel),
            done: 0.into(),
            total: 0.into(),
            brief: false.into(),
            seat: self.service.turns.seat(&caller.requester.caller)?,
            stream_timeout: settings.stream_timeout,
            runtime: tokio::runtime::Handle::current(),
        });
        let visit =
            Visit { call, caller, service: self.service.clone(), cancellation_id: common.cancellation_id };
        if let Some(key) = visit.key() {
            self.service.cancellable().insert(key, Arc::downgrade(&visit.call.cancel));
        }
        Ok(visit)
    }

    /// Ends the caller's own call with this id.
    ///
    /// # Errors
    /// A caller that cannot be known.
    pub(super) async fn cancel(&self, header: &Header<'_>, id: String) -> Result<(), WaferError> {
        let caller = self.origin.caller(header).await?;
        let found =
            self.service.cancellable().get(&(caller.requester.caller.clone(), id)).and_then(Weak::upgrade);
        if let Some(cancel) = found {
            cancel.end(Reason::Cancelled);
        }
        Ok(())
    }
}

impl Visit {
    /// Does `work` until it ends. The caller's deadline, its leaving, and the closing of `watch`'s reading
    /// end end the call; `work` notices that by itself and cleans up, so it is always waited for.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) async fn run<T>(
        &self,
        connection: &Connection,
        watch: Option<OwnedFd>,
        work: impl Future<Output = Result<T, WaferError>>,
    ) -> Result<T, WaferError> {
        let mut work = pin!(work);
        let mut end = pin!(self.end(watch));
        let mut progress = tokio::time::interval_at((Instant::now() + PROGRESS).into(), PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = 0;
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                reason = &mut end, if self.call.cancel.reason().is_none() => self.call.cancel.end(reason),
                _ = progress.tick(), if self.cancellation_id.is_some() => {
                    reported = self.report(connection, reported).await;
                }
            }
        }
    }

    /// Waits for a reason to end the call that comes from outside.
    async fn end(&self, watch: Option<OwnedFd>) -> Reason {
        let deadline = async {
            match self.call.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let reader = async {
            match watch {
                Some(stream) => reader_closed(stream).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.caller.left() => Reason::Cancelled,
            () = deadline => Reason::DeadlinePassed,
            () = reader => Reason::ReaderGone,
        }
    }

    /// Tells the caller how far the call is, if it moved since.
    async fn report(&self, connection: &Connection, before: u64) -> u64 {
        let done = self.call.done.load(Ordering::Relaxed);
        let total = self.call.total.load(Ordering::Relaxed);
        let Some(id) = self.cancellation_id.as_deref().filter(|_| done != before) else { return before };
        let Ok(mut emitter) = SignalEmitter::new(connection, ROOT_PATH) else { return done };
        if let Ok(name) = zbus::names::UniqueName::try_from(self.caller.requester.caller.as_str())
            && connection.is_bus()
        {
            emitter = emitter.set_destination(name.into());
        }
        if let Err(error) = Mail::progress(&emitter, id, done, total).await {
            tracing::debug!(%error, "progress could not be reported");
        }
        done
    }

    fn key(&self) -> Option<(String, String)> {
        Some((self.caller.requester.caller.clone(), self.cancellation_id.clone()?))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // The handler's end for whatever reason ends the work in threads too.
        self.call.cancel.end(Reason::Cancelled);
        if let Some(key) = self.key() {
            let mut cancellable = self.service.cancellable();
            let own = Arc::downgrade(&self.call.cancel);
            if cancellable.get(&key).is_some_and(|known| known.ptr_eq(&own)) {
                cancellable.remove(&key);
            }
        }
        if self.call.done.load(Ordering::Relaxed) > BULK {
            wafer_client::memory::give_back();
        }
    }
}

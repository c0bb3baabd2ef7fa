//! Who called: the process behind a bus name or a private socket, and when it leaves.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::watch;
use wafer_client::WaferError;
use wafer_client::keeper::Requester;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::{Connection, MatchRule, MessageStream, message};

use super::program::{parent_of, program, remembered};
use crate::next::next;
use crate::policy::Subject;
use crate::policy::consent::Program;
use crate::request::consent::Asker;
use crate::text;

/// A program that calls, for as long as it is connected.
#[derive(Debug)]
pub(super) struct Caller {
    /// What is known of it, for dialogs and logs.
    pub(super) requester: Requester,
    /// What policy looks at.
    pub(super) subject: Subject,
    /// Which program it is, as decisions are remembered of it.
    pub(super) asker: Asker,
    /// The program that started it, once somebody wanted to know.
    parent: OnceLock<(String, Program)>,
    left: watch::Sender<bool>,
}

impl Caller {
    /// The process `pid` of user `uid`; `pidfd` names the very process, if it is at hand.
    pub(super) fn new(name: &str, uid: u32, pid: u32, pidfd: Option<OwnedFd>) -> Arc<Self> {
        let (shown, certainty) = program(pid, pidfd);
        // Looked at once, at the first need: a decision is about what the program was then.
        let (named, known) = (shown.clone(), OnceLock::new());
        let asker = Asker::new(move || known.get_or_init(|| remembered(pid, &named, certainty)).clone());
        let requester = Requester { caller: name.to_owned(), program: shown, pid, certainty };
        let (parent, left) = (OnceLock::new(), watch::Sender::new(false));
        Arc::new(Self { requester, subject: Subject { uid }, asker, parent, left })
    }

    /// The program that started it: for one that speaks for web pages, their browser.
    pub(super) fn browser(&self) -> &(String, Program) {
        self.parent.get_or_init(|| parent_of(self.requester.pid))
    }

    /// It closed its connection.
    pub(super) fn leave(&self) {
        self.left.send_replace(true);
    }

    /// Waits until it leaves.
    pub(super) async fn left(&self) {
        let _ = self.left.subscribe().wait_for(|left| *left).await;
    }
}

/// The callers of one connection.
#[derive(Clone)]
pub(super) enum Origin {
    /// A bus: many programs.
    Bus(Arc<BusCallers>),
    /// A private socket: one.
    Private(Arc<Caller>),
}

impl Origin {
    /// Who sent the message with `header`.
    ///
    /// # Errors
    /// `Failed` if the bus does not say; `Cancelled` if it left already.
    pub(super) async fn caller(&self, header: &Header<'_>) -> Result<Arc<Caller>, WaferError> {
        match self {
            Self::Private(caller) => Ok(caller.clone()),
            Self::Bus(callers) => {
                let sender = header.sender().ok_or_else(|| text::internal("a call without a sender"))?;
                callers.caller(sender).await
            }
        }
    }
}

/// Programs known on a bus. Each is forgotten when its name goes.
pub(super) struct BusCallers {
    bus: Connection,
    known: Mutex<HashMap<String, Arc<Caller>>>,
}

impl BusCallers {
    pub(super) fn new(bus: Connection) -> Arc<Self> {
        Arc::new(Self { bus, known: Mutex::default() })
    }

    async fn caller(self: &Arc<Self>, name: &UniqueName<'_>) -> Result<Arc<Caller>, WaferError> {
        if let Some(known) = self.known(name.as_str()) {
            return Ok(known);
        }
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, caller = name.as_str(), "the bus does not say who called");
            text::internal("the bus does not say who called")
        };
        // First listen for the end, then ask: in the other order it could be missed.
        let rule = end_of(name).map_err(|error| failed(&error))?;
        let ends =
            MessageStream::for_match_rule(rule, &self.bus, None).await.map_err(|error| failed(&error))?;
        let proxy = DBusProxy::new(&self.bus).await.map_err(|error| failed(&error))?;
        let Ok(credentials) = proxy.get_connection_credentials(name.clone().into()).await else {
            return Err(text::cancelled());
        };
        let uid =
            credentials.unix_user_id().ok_or_else(|| text::internal("the bus does not say whose it is"))?;
        let pid = credentials.process_id().unwrap_or(0);
        let pidfd = credentials.into_process_fd().map(OwnedFd::from);
        let caller = Caller::new(name.as_str(), uid, pid, pidfd);
        Ok(self.remember(caller, ends))
    }

    fn known(&self, name: &str) -> Option<Arc<Caller>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps `caller` until `ends` says that it left. Of two calls that asked at once the first one's stays.
    fn remember(self: &Arc<Self>, caller: Arc<Caller>, mut ends: MessageStream) -> Arc<Caller> {
        let name = caller.requester.caller.clone();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = known.get(&name) {
            return first.clone();
        }
        known.insert(name.clone(), caller.clone());
        let callers: Weak<Self> = Arc::downgrade(self);
        let leaving = caller.clone();
        tokio::spawn(async move {
            // One signal is sent for a unique name: that it is gone.
            let _ = next(&mut ends).await;
            leaving.leave();
            if let Some(callers) = callers.upgrade() {
                callers.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            }
        });
        caller
    }
}

fn end_of(name: &UniqueName<'_>) -> zbus::Result<MatchRule<'static>> {
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, name.to_string())
        .build()?;
    Ok(rule.into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use wafer_client::keeper::Certainty;

    use super::*;

    #[test]
    fn this_process_is_named() {
        let caller = Caller::new(":1.1", 0, std::process::id(), None);
        let own = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
        assert_eq!(caller.requester.program, own);
        assert_eq!(caller.requester.certainty, Certainty::Executable);
    }

    #[test]
    fn a_dead_process_is_not_named() {
        let caller = Caller::new(":1.1", 0, 0, None);
        assert_eq!((caller.requester.program.as_str(), caller.requester.certainty), ("", Certainty::Unknown));
    }
}

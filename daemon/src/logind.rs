//! What logind tells: the screen is locked, the machine goes to sleep, the session ends. Each time every PIN is
//! forgotten (pin-rules 4), and while the screen is locked no dialog opens. Sleep waits for it under a delay
//! inhibitor. Without a system bus or logind nothing of this happens, and nothing else changes.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::{Message, Type};
use zbus::names::OwnedUniqueName;
use zbus::proxy::CacheProperties;
use zbus::{Connection, MatchRule, MessageStream, OwnedFd, OwnedObjectPath, fdo};

use crate::keepers::Keepers;
use crate::next::next;
use crate::text;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";

/// Follows logind until the system bus goes.
pub(crate) async fn follow(keepers: Arc<Keepers>) {
    if let Err(error) = try_follow(keepers).await {
        tracing::info!(%error, "logind is not followed: PINs are forgotten by their time-outs only");
    }
}

async fn try_follow(keepers: Arc<Keepers>) -> zbus::Result<()> {
    let bus = Connection::system().await?;
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(LOGIND).build()?;
    let mut signals = MessageStream::for_match_rule(rule, &bus, None).await?;
    let daemon = fdo::DBusProxy::new(&bus).await?;
    let mut owners = daemon.receive_name_owner_changed_with_args(&[(0, LOGIND)]).await?;
    let manager = ManagerProxy::builder(&bus).cache_properties(CacheProperties::No).build().await?;
    let mut watch = Watch { keepers, bus, manager, owner: None, sessions: HashMap::new(), inhibitor: None };
    watch.begin().await;
    loop {
        tokio::select! {
            signal = next(&mut signals) => {
                let Some(Ok(signal)) = signal else { return Ok(()) };
                watch.heard(&signal).await;
            }
            change = next(&mut owners) => {
                if change.is_none() { return Ok(()) }
                // logind came or was started anew: what it knows is asked for afresh.
                watch.begin().await;
            }
        }
    }
}

/// What is known of logind.
struct Watch {
    keepers: Arc<Keepers>,
    bus: Connection,
    manager: ManagerProxy<'static>,
    /// Who speaks as logind: signals can be sent to us by anybody.
    owner: Option<OwnedUniqueName>,
    /// This person's own sessions.
    sessions: HashMap<OwnedObjectPath, Session>,
    /// Holds sleep up.
    inhibitor: Option<OwnedFd>,
}

struct Session {
    remote: bool,
    locked: bool,
}

impl Watch {
    async fn begin(&mut self) {
        self.owner = None;
        if let Err(error) = self.try_begin().await {
            tracing::info!(%error, "logind does not answer");
        }
    }

    async fn try_begin(&mut self) -> zbus::Result<()> {
        let daemon = fdo::DBusProxy::new(&self.bus).await?;
        // Also starts it, where the bus knows how.
        self.inhibit().await?;
        self.owner = Some(daemon.get_name_owner(LOGIND.try_into()?).await?);
        self.look().await
    }

    async fn inhibit(&mut self) -> zbus::Result<()> {
        let inhibitor = self.manager.inhibit("sleep", text::PRODUCT, text::WHY_INHIBIT, "delay").await?;
        self.inhibitor = Some(inhibitor);
        Ok(())
    }

    /// Lists this person's sessions; forgets the PINs if one has ended or is locked.
    async fn look(&mut self) -> zbus::Result<()> {
        let own = rustix::process::geteuid().as_raw();
        let mut sessions = HashMap::new();
        for (_, uid, _, _, path) in self.manager.list_sessions().await? {
            if uid != own {
                continue;
            }
            // One that ends at this moment is as good as gone.
            if let Ok(session) = self.read(&path).await {
                sessions.insert(path, session);
            }
        }
        let none_left = sessions.is_empty();
        let ended = |(path, session): (&OwnedObjectPath, &Session)| {
            !sessions.contains_key(path) && (!session.remote || none_left)
        };
        let has_ended = self.sessions.iter().any(ended);
        self.sessions = sessions;
        self.show_locked().await;
        if has_ended {
            tracing::info!("a session ended: every PIN is forgotten");
            self.keepers.lock_all().await;
        }
        Ok(())
    }

    async fn read(&self, path: &OwnedObjectPath) -> zbus::Result<Session> {
        let session =
            SessionProxy::builder(&self.bus).path(path).cache_properties(CacheProperties::No).build().await?;
        Ok(Session { remote: session.remote().await?, locked: session.locked_hint().await? })
    }

    /// Tells the keepers whether the screen is locked. Locking it forgets every PIN.
    async fn show_locked(&self) {
        self.keepers.set_screen_locked(self.sessions.values().any(|session| session.locked)).await;
    }

    async fn heard(&mut self, signal: &Message) {
        let header = signal.header();
        if self.owner.as_ref().map(|owner| owner.as_str()) != header.sender().map(|sender| sender.as_str()) {
            return;
        }
        let (interface, member) = match (header.interface(), header.member()) {
            (Some(interface), Some(member)) => (interface.as_str(), member.as_str()),
            _ => return,
        };
        let heard = match (interface, member) {
            (MANAGER, "PrepareForSleep") => self.sleep(signal).await,
            (MANAGER, "SessionNew" | "SessionRemoved") => self.look().await,
            (SESSION, "Lock") if self.is_own(signal) => {
                self.keepers.lock_all().await;
                Ok(())
            }
            (_, "PropertiesChanged") if self.is_own(signal) => self.look().await,
            _ => Ok(()),
        };
        if let Err(error) = heard {
            tracing::warn!(%error, member, "what logind said could not be followed");
        }
    }

    fn is_own(&self, signal: &Message) -> bool {
        let header = signal.header();
        header.path().is_some_and(|path| self.sessions.keys().any(|own| own.as_str() == path.as_str()))
    }

    /// Before sleep the inhibitor is given back when every keeper has confirmed, or is gone.
    async fn sleep(&mut self, signal: &Message) -> zbus::Result<()> {
        let begins: bool = signal.body().deserialize()?;
        if begins {
            self.keepers.lock_all().await;
            self.inhibitor = None;
            return Ok(());
        }
        self.inhibit().await
    }
}

/// Session id, uid, user name, seat, object.
type Listed = (String, u32, String, String, OwnedObjectPath);

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Manager {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
    fn list_sessions(&self) -> zbus::Result<Vec<Listed>>;
}

#[zbus::proxy(interface = "org.freedesktop.login1.Session", default_service = "org.freedesktop.login1")]
trait Session {
    #[zbus(property(emits_changed_signal = "false"))]
    fn locked_hint(&self) -> zbus::Result<bool>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn remote(&self) -> zbus::Result<bool>;
}

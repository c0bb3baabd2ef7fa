//! A logind that does what a test says: python-dbusmock's, on a private system bus.

use std::process::{Child, Command, Stdio};

use zbus::Connection;

use crate::bus::Bus;
use crate::wait::until_async;

const NAME: &str = "org.freedesktop.login1";
const MANAGER_PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const MOCK: &str = "org.freedesktop.DBus.Mock";
/// The one session that there is.
const SESSION_PATH: &str = "/org/freedesktop/login1/session/c1";

/// A system bus with logind on it, and one session of this user. It ends with the value.
#[derive(Debug)]
pub struct Logind {
    bus: Bus,
    connection: Connection,
    mock: Child,
}

impl Logind {
    /// Starts it; returns when the session is there.
    pub async fn start() -> Self {
        let bus = Bus::start();
        // Debian's own python has the module, whatever else is in the PATH.
        let mock = Command::new("/usr/bin/python3")
            .args(["-m", "dbusmock", "--system", "--template", "logind"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("python3 is missing: install python3-dbusmock");
        let connection = zbus::connection::Builder::address(bus.address()).build().await.unwrap();
        let logind = Self { bus, connection, mock };
        logind.is_there().await;
        let own = rustix::process::geteuid().as_raw();
        let session = ("c1", "seat0", own, "somebody", true);
        logind.call(MANAGER_PATH, MOCK, "AddSession", &session).await;
        logind
    }

    async fn is_there(&self) {
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await.unwrap();
        let name = zbus::names::BusName::try_from(NAME).unwrap();
        let end = std::time::Instant::now() + crate::wait::LONG;
        while !bus.name_has_owner(name.clone()).await.unwrap() {
            assert!(std::time::Instant::now() < end, "no logind: is python3-dbusmock installed?");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The system bus's address, for `DBUS_SYSTEM_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        self.bus.address()
    }

    /// Asks for the session to be locked, as `loginctl lock-session` does.
    pub async fn lock(&self) {
        self.call(SESSION_PATH, SESSION, "Lock", &()).await;
    }

    /// The screen locker says whether it covers the screen.
    pub async fn set_screen_locked(&self, locked: bool) {
        self.call(SESSION_PATH, SESSION, "SetLockedHint", &(locked,)).await;
    }

    /// The machine is about to sleep, or is awake again.
    pub async fn prepare_for_sleep(&self, begins: bool) {
        let arguments = [zbus::Variant::from(begins)];
        let signal = (MANAGER, "PrepareForSleep", "b", &arguments[..]);
        self.call(MANAGER_PATH, MOCK, "EmitSignal", &signal).await;
    }

    /// The session ends.
    pub async fn end_session(&self) {
        self.call(MANAGER_PATH, MOCK, "RemoveObject", &(SESSION_PATH,)).await;
        let path = zbus::ObjectPath::try_from(SESSION_PATH).unwrap();
        let arguments = [zbus::Variant::from("c1"), zbus::Variant::from(path)];
        self.call(MANAGER_PATH, MOCK, "EmitSignal", &(MANAGER, "SessionRemoved", "so", &arguments[..])).await;
    }

    /// How many hold sleep up.
    pub async fn inhibitors(&self) -> usize {
        let reply =
            self.connection.call_method(Some(NAME), MANAGER_PATH, Some(MANAGER), "ListInhibitors", &());
        let listed: Vec<(String, String, String, String, u32, u32)> =
            reply.await.unwrap().body().deserialize().unwrap();
        listed.iter().filter(|(what, _, _, mode, ..)| what == "sleep" && mode == "delay").count()
    }

    /// Waits until so many hold sleep up.
    pub async fn has_inhibitors(&self, count: usize) {
        let end = std::time::Instant::now() + crate::wait::LONG;
        while self.inhibitors().await != count {
            assert!(std::time::Instant::now() < end, "never {count} inhibitors");
            until_async("a moment", || Some(())).await;
        }
    }

    async fn call<B: zbus::export::serde::Serialize + zbus::DynamicType + Sync>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) {
        let call = self.connection.call_method(Some(NAME), path, Some(interface), method, body);
        call.await.unwrap_or_else(|error| panic!("{method}: {error}"));
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        let _ = self.mock.kill();
        let _ = self.mock.wait();
    }
}

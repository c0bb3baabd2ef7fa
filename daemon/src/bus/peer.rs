//! A small `org.freedesktop.DBus` for the private socket: ordinary D-Bus tools greet a bus before they
//! call, and here no bus stands between.

use wafer_client::names::BUS_NAME;
use zbus::fdo;

/// The only names there are.
const BUS: &str = "org.freedesktop.DBus";

/// The interface on one private connection.
pub(super) struct PeerBus {
    /// The name given to the client.
    pub(super) client: String,
    /// The client's process and user.
    pub(super) pid: u32,
    pub(super) uid: u32,
}

/// Our own unique name.
const OWN: &str = ":1.0";

impl PeerBus {
    fn owner(&self, name: &str) -> fdo::Result<String> {
        match name {
            BUS => Ok(BUS.to_owned()),
            BUS_NAME | OWN => Ok(OWN.to_owned()),
            name if name == self.client => Ok(self.client.clone()),
            name => Err(fdo::Error::NameHasNoOwner(format!("{name} has no owner here"))),
        }
    }
}

#[zbus::interface(name = "org.freedesktop.DBus")]
impl PeerBus {
    async fn hello(&self) -> String {
        self.client.clone()
    }

    /// Every signal is sent anyway: there is nobody else to send it to.
    async fn add_match(&self, _rule: &str) {}

    async fn remove_match(&self, _rule: &str) {}

    async fn request_name(&self, _name: &str, _flags: u32) -> fdo::Result<u32> {
        Err(fdo::Error::AccessDenied("names cannot be owned on a private socket".to_owned()))
    }

    async fn release_name(&self, _name: &str) -> u32 {
        // DBUS_RELEASE_NAME_REPLY_NON_EXISTENT
        2
    }

    async fn get_name_owner(&self, name: &str) -> fdo::Result<String> {
        self.owner(name)
    }

    async fn name_has_owner(&self, name: &str) -> bool {
        self.owner(name).is_ok()
    }

    async fn list_names(&self) -> Vec<String> {
        vec![BUS.to_owned(), BUS_NAME.to_owned(), OWN.to_owned(), self.client.clone()]
    }

    async fn list_activatable_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn start_service_by_name(&self, name: &str, _flags: u32) -> fdo::Result<u32> {
        // DBUS_START_REPLY_ALREADY_RUNNING
        self.owner(name).map(|_| 2)
    }

    #[zbus(name = "GetConnectionUnixProcessID")]
    async fn get_connection_unix_process_id(&self, name: &str) -> fdo::Result<u32> {
        let owner = self.owner(name)?;
        Ok(if owner == self.client { self.pid } else { std::process::id() })
    }

    async fn get_connection_unix_user(&self, name: &str) -> fdo::Result<u32> {
        self.owner(name).map(|_| self.uid)
    }

    async fn get_id(&self) -> String {
        "0".repeat(32)
    }
}

//! The interfaces, who called, and what an input and an output is. No logic: that is `request/`.

mod answer;
mod answer_first;
mod caller;
mod cms;
mod door;
mod identity;
mod mail;
mod options;
mod peer;
mod permissions;
mod private;
mod program;
mod protect;
mod published;
mod reading;
mod recipients;
mod service;
mod settings;
mod stream;
mod token;
mod trust;
mod verdict;
mod web;
mod work;

use std::sync::Arc;

use wafer_client::names::{BUS_NAME, ROOT_PATH};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::ObjectManager;

use caller::{BusCallers, Origin};
use cms::Cms;
use door::Door;
pub(crate) use door::Service;
use mail::Mail;
use permissions::Permissions;
use published::Published;
use recipients::Recipients;
use service::ServiceObject;
use settings::SettingsObject;
use trust::Trust;

/// What is served.
pub(crate) struct Served {
    /// The session bus, if there is one.
    bus: Option<Connection>,
    published: Arc<Published>,
}

/// Serves `service` on the session bus and the private socket, as far as they are there.
///
/// # Errors
/// Neither is there, or the bus name is taken.
pub(crate) async fn serve(service: &Arc<Service>) -> zbus::Result<Served> {
    let published = Arc::new(Published::default());
    let listener = private::activated()?;
    let has_socket = listener.is_some();
    if let Some(listener) = listener {
        tokio::spawn(private::accept(listener, service.clone(), published.clone()));
    }
    let bus = match Builder::session().build().await {
        Ok(bus) => Some(bus),
        Err(error) if has_socket => {
            tracing::info!(%error, "no session bus: the private socket alone is served");
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(bus) = &bus {
        let door = Door { service: service.clone(), origin: Origin::Bus(BusCallers::new(bus.clone())) };
        let server = bus.object_server();
        server.at(ROOT_PATH, ObjectManager).await?;
        server.at(ROOT_PATH, Mail(door.clone())).await?;
        server.at(ROOT_PATH, Cms(door.clone())).await?;
        server.at(ROOT_PATH, ServiceObject(door.clone())).await?;
        server.at(ROOT_PATH, Trust(door.clone())).await?;
        server.at(ROOT_PATH, Recipients(door.clone())).await?;
        server.at(ROOT_PATH, Permissions(door.clone())).await?;
        server.at(ROOT_PATH, SettingsObject(door.clone())).await?;
        published.add(bus, &door).await;
        bus.request_name(BUS_NAME).await?;
    }
    let served = Served { bus, published };
    tokio::spawn(follow(service.clone(), served.published.clone()));
    tokio::spawn(settings::follow(service.clone(), served.published.clone()));
    Ok(served)
}

/// Adds the root object's interfaces.
fn serve_root<'a>(builder: Builder<'a>, door: &Door) -> Builder<'a> {
    builder
        .serve_at(ROOT_PATH, ObjectManager)
        .serve_at(ROOT_PATH, Mail(door.clone()))
        .serve_at(ROOT_PATH, Cms(door.clone()))
        .serve_at(ROOT_PATH, ServiceObject(door.clone()))
        .serve_at(ROOT_PATH, Trust(door.clone()))
        .serve_at(ROOT_PATH, Recipients(door.clone()))
        .serve_at(ROOT_PATH, Permissions(door.clone()))
        .serve_at(ROOT_PATH, SettingsObject(door.clone()))
}

/// Keeps the objects as the keepers say.
async fn follow(service: Arc<Service>, published: Arc<Published>) {
    let mut changes = service.rooms.keepers.changes();
    changes.mark_changed();
    while changes.changed().await.is_ok() {
        published.update().await;
    }
}

impl Served {
    /// Waits until the session bus goes; for ever without one.
    pub(crate) async fn bus_gone(&self) {
        match &self.bus {
            Some(bus) => bus.closed().await,
            None => std::future::pending().await,
        }
    }
}

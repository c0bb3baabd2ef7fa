//! The private socket: the same interfaces, peer to peer, for programs without a session bus.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::answer_first::AnswerFirst;
use super::caller::{Caller, Origin};
use super::door::{Door, Service};
use super::peer::PeerBus;
use super::published::Published;
use super::serve_root;
use crate::sys;

/// How long a client may take to greet.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most private connections at a time.
const CONNECTIONS_MAX: usize = 256;

/// Accepts clients for ever.
pub(super) async fn accept(listener: UnixListener, service: Arc<Service>, published: Arc<Published>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let numbers = AtomicU64::new(1);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: wait for some connection to end rather than spin.
                tracing::warn!(%error, "a private connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (service, published) = (service.clone(), published.clone());
        tokio::spawn(async move {
            let served = serve(stream, number, service, published).await;
            if let Err(error) = served {
                tracing::info!(%error, "a private connection ended");
            }
            drop(place);
        });
    }
}

async fn serve(
    stream: UnixStream,
    number: u64,
    service: Arc<Service>,
    published: Arc<Published>,
) -> zbus::Result<()> {
    let credentials = socket_peercred(&stream).map_err(io::Error::from)?;
    let (uid, pid) = (credentials.uid.as_raw(), credentials.pid.as_raw_nonzero().get().unsigned_abs());
    // D-Bus's EXTERNAL proves nothing on a peer-to-peer server: the kernel's word is what counts.
    if uid != rustix::process::geteuid().as_raw() {
        tracing::warn!(uid, "another user was turned away from the private socket");
        return Ok(());
    }
    let name = format!(":1.{number}");
    let pidfd = sys::peer_pidfd(stream.as_fd());
    let caller = Caller::new(&name, uid, pid, pidfd);
    let door = Door { service, origin: Origin::Private(caller.clone()) };
    let peer = PeerBus { client: name, pid, uid };
    let builder = Builder::socket(AnswerFirst(stream))
        .server(Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/DBus", peer);
    let connection: Connection =
        match tokio::time::timeout(HANDSHAKE, serve_root(builder, &door).build()).await {
            Ok(connection) => connection?,
            Err(_) => return Ok(()),
        };
    published.add(&connection, &door).await;
    connection.closed().await;
    caller.leave();
    drop(connection);
    published.sweep().await;
    Ok(())
}

/// The listening socket that systemd handed over, if there is one.
pub(super) fn activated() -> io::Result<Option<UnixListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    let Some(listener) = handed.take_unix_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener).map(Some)
}

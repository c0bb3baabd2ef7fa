//! A key that a keeper opened for one request.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};
use serde_bytes::Bytes;
use wafer_client::WaferError;
use wafer_client::keeper::{Digest, GrantId, KeyTransport, SignScheme};
use zeroize::Zeroizing;

use super::running::{Granted, Running};
use crate::request::Call;
use crate::text;

/// The longest secret read: a content key or a P-521 x-coordinate is far shorter.
const SECRET_MAX: usize = 512;

/// A grant on a keeper; revoked on drop.
pub struct GrantedKey {
    running: Arc<Running>,
    grant: GrantId,
    call: Arc<Call>,
    uses: AtomicU32,
    /// Keeps the keeper from being taken for unused.
    _granted: Granted,
}

impl GrantedKey {
    pub(super) fn new(running: Arc<Running>, grant: GrantId, uses: u32, call: &Arc<Call>) -> Self {
        let granted = running.granted();
        Self { running, grant, call: call.clone(), uses: AtomicU32::new(uses), _granted: granted }
    }

    /// Signs `digest`.
    ///
    /// # Errors
    /// The keeper's own, or why the call was ended.
    pub async fn sign(
        &self,
        scheme: SignScheme,
        algorithm: Digest,
        digest: &[u8],
    ) -> Result<Vec<u8>, WaferError> {
        let signature = self.running.keeper.sign(self.grant, scheme, algorithm, Bytes::new(digest));
        self.ask(signature).await.map(serde_bytes::ByteBuf::into_vec)
    }

    /// Decrypts a content key.
    ///
    /// # Errors
    /// The keeper's own, or why the call was ended.
    pub async fn unwrap_key(
        &self,
        transport: &KeyTransport,
        encrypted_key: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, WaferError> {
        let (reader, writer) = secret_pipe()?;
        let encrypted_key = Bytes::new(encrypted_key);
        self.ask(self.running.keeper.unwrap_key(self.grant, transport, encrypted_key, writer.into())).await?;
        read_secret(&reader)
    }

    /// ECDH with `peer_point`.
    ///
    /// # Errors
    /// The keeper's own, or why the call was ended.
    pub async fn derive(&self, peer_point: &[u8]) -> Result<Zeroizing<Vec<u8>>, WaferError> {
        let (reader, writer) = secret_pipe()?;
        self.ask(self.running.keeper.derive(self.grant, Bytes::new(peer_point), writer.into())).await?;
        read_secret(&reader)
    }

    /// Logs in.
    ///
    /// # Errors
    /// The keeper's own, or why the call was ended.
    pub async fn unlock(&self) -> Result<(), WaferError> {
        self.ask(self.running.keeper.unlock(self.grant)).await
    }

    /// Sets another PIN; with the PUK instead of the old one to `unblock`.
    ///
    /// # Errors
    /// The keeper's own, or why the call was ended.
    pub async fn change_pin(&self, unblock: bool) -> Result<(), WaferError> {
        self.ask(self.running.keeper.change_pin(self.grant, unblock)).await
    }

    /// Has the file behind `file` kept as a token called `name`; gives its id.
    ///
    /// # Errors
    /// The keeper's own, or why the call was ended.
    pub async fn import_file(&self, name: &str, file: OwnedFd) -> Result<String, WaferError> {
        self.ask(self.running.keeper.import_file(self.grant, name, file.into())).await
    }

    async fn ask<T>(&self, call: impl Future<Output = zbus::Result<T>>) -> Result<T, WaferError> {
        tokio::select! {
            biased;
            answer = self.running.call(call) => {
                self.uses.fetch_sub(1, Ordering::Relaxed);
                answer
            }
            reason = self.call.cancel.ended() => Err(reason.error()),
        }
    }
}

impl Drop for GrantedKey {
    fn drop(&mut self) {
        // A grant that was used up is over.
        if *self.uses.get_mut() == 0 {
            return;
        }
        let (running, grant) = (self.running.clone(), self.grant);
        tokio::spawn(async move { running.call(running.keeper.revoke(grant)).await });
    }
}

/// A pipe that holds a whole secret, so that the keeper never waits for us.
fn secret_pipe() -> Result<(OwnedFd, OwnedFd), WaferError> {
    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|error| text::internal(&error.to_string()))
}

/// What the keeper wrote before it answered.
fn read_secret(reader: &OwnedFd) -> Result<Zeroizing<Vec<u8>>, WaferError> {
    let mut secret = Zeroizing::new(vec![0; SECRET_MAX]);
    let mut length = 0;
    loop {
        match rustix::io::read(reader, &mut secret[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            Err(error) => return Err(text::internal(&io::Error::from(error).to_string())),
        }
    }
    // Shortened in place: the rest was never written to.
    secret.truncate(length);
    Ok(secret)
}

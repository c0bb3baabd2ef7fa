//! The paved path for a Rust program: connect, hand over streams, get a typed result.

use std::collections::HashMap;
use std::future::poll_fn;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use zbus::export::futures_core::Stream;
use zbus::fdo::ManagedObjects;
use zbus::{Connection, MatchRule, MessageStream, ObjectPath, OwnedObjectPath, Variant};

use crate::names::{PRIVATE_SOCKET, ROOT_PATH};
use crate::options::Options;
use crate::outcome::{Decrypted, Encrypted, Inspected, Reading, Signed, Verified};
use crate::proxies::{
    CmsProxy, LogLine, MailProxy, ObjectManagerProxy, PermissionsProxy, RecipientsProxy, ResultMap,
    ServiceProxy, SettingsProxy, TokenProxy, TrustProxy,
};
use crate::read::MessageRead;
use crate::stream::{Collected, Input, Output};
use crate::{ErrorKind, WaferError};

/// A connection to `waferd`.
///
/// Calls wait as long as it takes, since a person may have to enter a PIN: see [`Options::deadline`]. A call
/// whose future is dropped goes on in the service: end it with [`Client::cancel`].
///
/// ```no_run
/// use wafer_client::{Client, Options, Output};
/// # async fn example() -> Result<(), wafer_client::WaferError> {
/// let client = Client::connect().await?;
/// let message = b"Content-Type: text/plain\r\n\r\nHello\r\n";
/// let options = Options::new().from("anna@example.org");
/// let signed = client.sign_mail(message.as_slice(), Output::Bytes, &options).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects by the session bus; where there is none, by the private socket.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] if neither can be reached.
    pub async fn connect() -> Result<Self, WaferError> {
        match Connection::session().await {
            Ok(connection) => Ok(Self { connection }),
            Err(no_bus) => match private_socket().filter(|path| path.exists()) {
                Some(path) => Self::connect_private(&path).await,
                None => Err(no_bus.into()),
            },
        }
    }

    /// Connects by the private socket at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] if it cannot be reached.
    pub async fn connect_private(path: &Path) -> Result<Self, WaferError> {
        let stream = UnixStream::connect(path).map_err(zbus::Error::from)?;
        let connection = zbus::connection::Builder::unix_stream(stream).p2p().build().await?;
        Ok(Self { connection })
    }

    /// Uses a connection that exists, to a bus or to the service itself.
    pub fn over(connection: Connection) -> Self {
        Self { connection }
    }

    /// The connection, for the typed proxies in [`crate::proxies`].
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Signs a message.
    ///
    /// # Errors
    /// Those of `Mail.Sign`.
    pub async fn sign_mail(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Signed, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.mail().await?.sign(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.signed(bytes)
    }

    /// Encrypts a message.
    ///
    /// # Errors
    /// Those of `Mail.Encrypt`.
    pub async fn encrypt_mail(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Encrypted, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.mail().await?.encrypt(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.encrypted(bytes)
    }

    /// Opens a message's outermost encrypted layer.
    ///
    /// # Errors
    /// Those of `Mail.Decrypt`.
    pub async fn decrypt_mail(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Decrypted, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.mail().await?.decrypt(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.decrypted(bytes)
    }

    /// Checks a message's outermost signature; the signed content goes to `output`.
    ///
    /// # Errors
    /// Those of `Mail.Verify`. A bad signature is none: see [`Verified::status`].
    pub async fn verify_mail(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Verified, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.mail().await?.verify(&streams.input, &streams.options_with_output(options)?).await;
        let (result, bytes) = streams.finish(reply)?;
        result.verified(bytes)
    }

    /// Opens and judges every layer of a message; the innermost entity goes to `output`.
    ///
    /// # Errors
    /// Those of `Mail.Read`. A bad signature is none: see [`MessageRead::status`].
    pub async fn read_mail(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<MessageRead, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.mail().await?.read(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.read(bytes)
    }

    /// Looks at a message's outermost layer.
    ///
    /// # Errors
    /// Those of `Mail.Inspect`.
    pub async fn inspect_mail(
        &self,
        input: impl Into<Input>,
        options: &Options,
    ) -> Result<Inspected, WaferError> {
        let streams = Streams::new(input.into(), Output::None)?;
        let reply = self.mail().await?.inspect(&streams.input, options.map()).await;
        let (result, _) = streams.finish(reply)?;
        result.inspected()
    }

    /// Makes a bare SignedData.
    ///
    /// # Errors
    /// Those of `Cms.Sign`.
    pub async fn sign_cms(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Signed, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.cms().await?.sign(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.signed(bytes)
    }

    /// Makes a bare AuthEnvelopedData or EnvelopedData.
    ///
    /// # Errors
    /// Those of `Cms.Encrypt`.
    pub async fn encrypt_cms(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Encrypted, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.cms().await?.encrypt(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.encrypted(bytes)
    }

    /// Opens a bare EnvelopedData or AuthEnvelopedData.
    ///
    /// # Errors
    /// Those of `Cms.Decrypt`.
    pub async fn decrypt_cms(
        &self,
        input: impl Into<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Decrypted, WaferError> {
        let streams = Streams::new(input.into(), output.into())?;
        let reply = self.cms().await?.decrypt(&streams.input, streams.output()?, options.map()).await;
        let (result, bytes) = streams.finish(reply)?;
        result.decrypted(bytes)
    }

    /// Checks a bare SignedData; `content` is what a detached one is over.
    ///
    /// # Errors
    /// Those of `Cms.Verify`. A bad signature is none: see [`Verified::status`].
    pub async fn verify_cms(
        &self,
        signature: impl Into<Input>,
        content: Option<Input>,
        output: impl Into<Output>,
        options: &Options,
    ) -> Result<Verified, WaferError> {
        let streams = Streams::new(signature.into(), output.into())?;
        let content = content.map_or_else(|| Ok(empty()), Input::into_variant)?;
        let options = streams.options_with_output(options)?;
        let reply = self.cms().await?.verify(&streams.input, &content, &options).await;
        drop(options);
        let (result, bytes) = streams.finish(reply)?;
        result.verified(bytes)
    }

    /// Ends the own call that was made with [`Options::cancellation_id`]; none is no error.
    ///
    /// # Errors
    /// A broken connection.
    pub async fn cancel(&self, cancellation_id: &str) -> Result<(), WaferError> {
        Ok(self.mail().await?.cancel(cancellation_id).await?)
    }

    /// Listens to the progress of the call with this cancellation id: begin before the call is made, and
    /// keep reading, or drop it.
    ///
    /// # Errors
    /// A broken connection.
    pub async fn progress(&self, cancellation_id: &str) -> Result<Progress, WaferError> {
        // Without a sender in the rule: on the private socket messages have none.
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface("org.waferd.Wafer1.Mail")
            .member("Progress")
            .path(ROOT_PATH)
            .build()?;
        let stream = MessageStream::for_match_rule(rule, &self.connection, None).await?;
        Ok(Progress { stream, cancellation_id: cancellation_id.to_owned() })
    }

    /// Tokens and identities with their properties, by object path and interface.
    ///
    /// # Errors
    /// A broken connection, or [`ErrorKind::BadSettings`].
    pub async fn objects(&self) -> Result<ManagedObjects, WaferError> {
        Ok(ObjectManagerProxy::new(&self.connection).await?.get_managed_objects().await?)
    }

    /// Asks for a token's PIN now.
    ///
    /// # Errors
    /// Those of `Token.Unlock`.
    pub async fn unlock(&self, token: &ObjectPath<'_>, options: &Options) -> Result<(), WaferError> {
        Ok(self.token(token).await?.unlock(options.map()).await?)
    }

    /// Asks for a token's PIN and for a new one.
    ///
    /// # Errors
    /// Those of `Token.ChangePin`.
    pub async fn change_pin(&self, token: &ObjectPath<'_>, options: &Options) -> Result<(), WaferError> {
        Ok(self.token(token).await?.change_pin(options.map()).await?)
    }

    /// Asks for what unblocks a token's PIN and for a new PIN.
    ///
    /// # Errors
    /// Those of `Token.UnblockPin`.
    pub async fn unblock_pin(&self, token: &ObjectPath<'_>, options: &Options) -> Result<(), WaferError> {
        Ok(self.token(token).await?.unblock_pin(options.map()).await?)
    }

    /// Keeps a PKCS#12 file, which the person knows as `name`, as a token; gives its path.
    ///
    /// # Errors
    /// Those of `Service.ImportFile`.
    pub async fn import_file(
        &self,
        file: impl Into<Input>,
        name: &str,
        options: Options,
    ) -> Result<OwnedObjectPath, WaferError> {
        let file = file.into().into_variant()?;
        let options = options.set("name", name.to_owned());
        Ok(self.service().await?.import_file(&file, options.map()).await?)
    }

    /// Removes a key file that was imported.
    ///
    /// # Errors
    /// Those of `Token.Remove`.
    pub async fn remove(&self, token: &ObjectPath<'_>, options: &Options) -> Result<(), WaferError> {
        Ok(self.token(token).await?.remove(options.map()).await?)
    }

    /// Listens to changes of [`Self::objects`]: begin before the first look at them.
    ///
    /// # Errors
    /// A broken connection.
    pub async fn changes(&self) -> Result<Changes, WaferError> {
        let rule =
            MatchRule::builder().msg_type(zbus::message::Type::Signal).path_namespace(ROOT_PATH).build()?;
        Ok(Changes { stream: MessageStream::for_match_rule(rule, &self.connection, None).await? })
    }

    /// Forgets a token's PIN.
    ///
    /// # Errors
    /// Those of `Token.Lock`.
    pub async fn lock(&self, token: &ObjectPath<'_>) -> Result<(), WaferError> {
        Ok(self.token(token).await?.lock().await?)
    }

    /// Forgets every PIN.
    ///
    /// # Errors
    /// Those of `Service.LockAll`.
    pub async fn lock_all(&self) -> Result<(), WaferError> {
        Ok(self.service().await?.lock_all().await?)
    }

    /// The log of what was done with the private keys.
    ///
    /// # Errors
    /// Those of `Service.Log`.
    pub async fn log(&self) -> Result<Vec<LogLine>, WaferError> {
        Ok(self.service().await?.log().await?)
    }

    /// How the service is.
    ///
    /// # Errors
    /// Those of `Service.Status`.
    pub async fn status(&self) -> Result<ResultMap, WaferError> {
        Ok(self.service().await?.status().await?)
    }

    /// Every decision about trust, oldest first.
    ///
    /// # Errors
    /// Those of `Trust.List`.
    pub async fn trust_decisions(&self) -> Result<Vec<ResultMap>, WaferError> {
        Ok(self.trust().await?.list().await?)
    }

    /// Decides about `certificate` (DER); `choice` is `trust` or `distrust`.
    ///
    /// # Errors
    /// Those of `Trust.Decide`.
    pub async fn decide_trust(
        &self,
        certificate: &[u8],
        choice: &str,
        options: &Options,
    ) -> Result<ResultMap, WaferError> {
        let certificate = serde_bytes::Bytes::new(certificate);
        Ok(self.trust().await?.decide(certificate, choice, options.map()).await?)
    }

    /// Takes back what holds about the certificate whose fingerprint begins with `fingerprint`.
    ///
    /// # Errors
    /// Those of `Trust.Revoke`.
    pub async fn revoke_trust(&self, fingerprint: &str, options: &Options) -> Result<ResultMap, WaferError> {
        Ok(self.trust().await?.revoke(fingerprint, options.map()).await?)
    }

    async fn trust(&self) -> Result<TrustProxy<'_>, WaferError> {
        Ok(TrustProxy::new(&self.connection).await?)
    }

    async fn mail(&self) -> Result<MailProxy<'_>, WaferError> {
        // Without a cache of properties: none is read here, and filling it costs a call.
        let uncached =
            MailProxy::builder(&self.connection).cache_properties(zbus::proxy::CacheProperties::No);
        Ok(uncached.build().await?)
    }

    /// The person's identities as candidates for `address` (any if it is empty), the best first.
    ///
    /// # Errors
    /// Those of `Service.Candidates`.
    pub async fn candidates(&self, address: &str, purpose: &str) -> Result<Vec<ResultMap>, WaferError> {
        Ok(self.service().await?.candidates(address, purpose).await?)
    }

    /// Recipients' certificates.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn recipients(&self) -> Result<RecipientsProxy<'_>, WaferError> {
        Ok(RecipientsProxy::new(&self.connection).await?)
    }

    /// What the person decided about programs.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn permissions(&self) -> Result<PermissionsProxy<'_>, WaferError> {
        Ok(PermissionsProxy::new(&self.connection).await?)
    }

    /// The settings.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn settings(&self) -> Result<SettingsProxy<'_>, WaferError> {
        let builder = SettingsProxy::builder(&self.connection);
        Ok(builder.cache_properties(zbus::proxy::CacheProperties::No).build().await?)
    }

    /// Imports recipients' certificates.
    ///
    /// # Errors
    /// Those of `Recipients.Import`.
    pub async fn import_recipients(
        &self,
        input: impl Into<Input>,
        options: &Options,
    ) -> Result<Vec<ResultMap>, WaferError> {
        let input = input.into().into_variant()?;
        Ok(self.recipients().await?.import(&input, options.map()).await?)
    }

    async fn cms(&self) -> Result<CmsProxy<'_>, WaferError> {
        Ok(CmsProxy::new(&self.connection).await?)
    }

    async fn service(&self) -> Result<ServiceProxy<'_>, WaferError> {
        Ok(ServiceProxy::new(&self.connection).await?)
    }

    async fn token(&self, path: &ObjectPath<'_>) -> Result<TokenProxy<'_>, WaferError> {
        let builder = TokenProxy::builder(&self.connection).path(path.to_owned());
        Ok(builder.cache_properties(zbus::proxy::CacheProperties::No).build().await?)
    }
}

/// The progress of one call.
#[derive(Debug)]
pub struct Progress {
    stream: MessageStream,
    cancellation_id: String,
}

impl Progress {
    /// The next message: bytes done, and in all (0: unknown). `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<(u64, u64)> {
        loop {
            let message = poll_fn(|context| Pin::new(&mut self.stream).poll_next(context)).await?;
            let Ok(message) = message else { continue };
            match message.body().deserialize::<(String, u64, u64)>() {
                Ok((id, done, total)) if id == self.cancellation_id => return Some((done, total)),
                _ => {}
            }
        }
    }
}

/// Changes of tokens and identities.
#[derive(Debug)]
pub struct Changes {
    stream: MessageStream,
}

impl Changes {
    /// Waits for the next one; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<()> {
        poll_fn(|context| Pin::new(&mut self.stream).poll_next(context)).await.map(drop)
    }
}

/// Path of the private socket: `$XDG_RUNTIME_DIR/waferd/bus`.
pub fn private_socket() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty())?;
    Some(PathBuf::from(folder).join(PRIVATE_SOCKET))
}

/// The streams of a call while it runs.
struct Streams {
    input: Variant<'static>,
    output: Option<Variant<'static>>,
    collected: Collected,
}

impl Streams {
    fn new(input: Input, output: Output) -> Result<Self, WaferError> {
        let (output, collected) = output.into_variant()?;
        Ok(Self { input: input.into_variant()?, output, collected })
    }

    fn output(&self) -> Result<&Variant<'static>, WaferError> {
        let missing = || WaferError::new(ErrorKind::InvalidArgument, "This call needs an output.");
        self.output.as_ref().ok_or_else(missing)
    }

    /// `options` with the output among them, as the two Verify methods want it.
    fn options_with_output(&self, options: &Options) -> zbus::Result<HashMap<String, Variant<'static>>> {
        let options = options.map().iter();
        let mut map = options
            .map(|(name, value)| Ok((name.clone(), value.try_clone()?.into())))
            .collect::<zbus::Result<HashMap<String, Variant<'static>>>>()?;
        if let Some(output) = &self.output {
            map.insert("output".to_owned(), output.try_clone()?);
        }
        Ok(map)
    }

    /// Closes the own ends, so that a collector sees the end of its pipe, and reads the reply.
    fn finish(self, reply: zbus::Result<ResultMap>) -> Result<(Reading, Option<Vec<u8>>), WaferError> {
        let Self { input, output, collected } = self;
        drop((input, output));
        let result = reply?;
        Ok((Reading(result), collected.finish()?))
    }
}

fn empty() -> Variant<'static> {
    Variant::from(Vec::<u8>::new())
}

//! A mail program on the bus: calls Wafer with plain D-Bus values, as the contract has them.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use tokio::task::JoinHandle;
use wafer_client::names::{BUS_NAME, ROOT_PATH};
use wafer_client::{ErrorKind, WaferError};
use zbus::{Connection, Fd, OwnedObjectPath, OwnedVariant, Variant};

/// The interface for whole messages.
pub const MAIL: &str = "org.waferd.Wafer1.Mail";
/// The interface for bare CMS.
pub const CMS: &str = "org.waferd.Wafer1.Cms";

/// Named options of a call.
pub type Options = HashMap<&'static str, Variant<'static>>;
/// What a call answered.
pub type Reply = HashMap<String, OwnedVariant>;

/// Options out of names and values.
pub fn options<const N: usize>(named: [(&'static str, Variant<'static>); N]) -> Options {
    named.into_iter().collect()
}

/// A message inline.
pub fn inline(bytes: &[u8]) -> Variant<'static> {
    Variant::from(bytes.to_vec())
}

/// "Answer inline".
pub fn answer_inline() -> Variant<'static> {
    Variant::from(Vec::<u8>::new())
}

/// A message by descriptor. The descriptor is duplicated: the caller's own stays open.
pub fn descriptor(descriptor: &impl std::os::fd::AsFd) -> Variant<'static> {
    let own: OwnedFd = descriptor.as_fd().try_clone_to_owned().unwrap();
    Variant::from(Fd::Owned(own))
}

/// A text out of an answer.
pub fn text(reply: &Reply, name: &str) -> String {
    let value = reply.get(name).unwrap_or_else(|| panic!("the answer has no {name}: {reply:?}"));
    match &**value {
        Variant::Str(text) => text.to_string(),
        Variant::ObjectPath(path) => path.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

/// A number out of an answer.
pub fn number(reply: &Reply, name: &str) -> u64 {
    match reply.get(name).map(|value| &**value) {
        Some(Variant::U32(number)) => (*number).into(),
        Some(Variant::U64(number)) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

/// A yes or no out of an answer.
pub fn flag(reply: &Reply, name: &str) -> bool {
    match reply.get(name).map(|value| &**value) {
        Some(Variant::Bool(flag)) => *flag,
        other => panic!("{name} is {other:?}"),
    }
}

/// The bytes that came inline.
pub fn output(reply: &Reply) -> Vec<u8> {
    let value = reply.get("output").unwrap_or_else(|| panic!("the answer has no output: {reply:?}"));
    Vec::try_from(value.try_clone().unwrap()).unwrap()
}

/// The signers out of Verify's answer.
pub fn signers(reply: &Reply) -> Vec<Reply> {
    Vec::try_from(reply["signers"].try_clone().unwrap()).unwrap()
}

/// A connection of a program.
#[derive(Clone, Debug)]
pub struct Caller {
    connection: Connection,
}

impl Caller {
    /// Connects to the bus at `address`.
    pub async fn connect(address: &str) -> Self {
        Self { connection: zbus::connection::Builder::address(address).build().await.unwrap() }
    }

    /// Its connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Any method on any of the service's objects.
    pub async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<zbus::Message, WaferError>
    where
        B: zbus::export::serde::Serialize + zbus::wire::DynamicType,
    {
        let reply = self.connection.call_method(Some(BUS_NAME), path, Some(interface), method, body).await;
        reply.map_err(WaferError::from)
    }

    async fn answer<B>(&self, interface: &str, method: &str, body: &B) -> Result<Reply, WaferError>
    where
        B: zbus::export::serde::Serialize + zbus::wire::DynamicType,
    {
        let reply = self.call(ROOT_PATH, interface, method, body).await?;
        Ok(reply.body().deserialize().unwrap())
    }

    /// A method with an input, an output and options: Sign, Encrypt, Decrypt.
    pub async fn run(
        &self,
        interface: &str,
        method: &str,
        input: Variant<'static>,
        output: Variant<'static>,
        options: Options,
    ) -> Result<Reply, WaferError> {
        self.answer(interface, method, &(input, output, options)).await
    }

    /// `Mail.Sign`, inline both ways.
    pub async fn sign(&self, message: &[u8], options: Options) -> Result<Vec<u8>, WaferError> {
        self.run(MAIL, "Sign", inline(message), answer_inline(), options).await.map(|reply| output(&reply))
    }

    /// The same beside the test's own work.
    pub fn signing(&self, message: Vec<u8>, options: Options) -> JoinHandle<Result<Vec<u8>, WaferError>> {
        let caller = self.clone();
        tokio::spawn(async move { caller.sign(&message, options).await })
    }

    /// `Mail.Verify` of an inline message.
    pub async fn verify(&self, message: &[u8], options: Options) -> Result<Reply, WaferError> {
        self.answer(MAIL, "Verify", &(inline(message), options)).await
    }

    /// `Mail.Verify` of any input.
    pub async fn verify_input(&self, input: Variant<'static>, options: Options) -> Result<Reply, WaferError> {
        self.answer(MAIL, "Verify", &(input, options)).await
    }

    /// `Cms.Verify`.
    pub async fn verify_cms(
        &self,
        signature: Variant<'static>,
        content: Variant<'static>,
        options: Options,
    ) -> Result<Reply, WaferError> {
        self.answer(CMS, "Verify", &(signature, content, options)).await
    }

    /// `Mail.Inspect` of an inline message.
    pub async fn inspect(&self, message: &[u8]) -> Result<Reply, WaferError> {
        self.answer(MAIL, "Inspect", &(inline(message), Options::new())).await
    }

    /// `Mail.Cancel`.
    pub async fn cancel(&self, cancellation_id: &str) -> Result<(), WaferError> {
        self.call(ROOT_PATH, MAIL, "Cancel", &cancellation_id).await.map(drop)
    }

    /// `Service.LockAll`.
    pub async fn lock_all(&self) -> Result<(), WaferError> {
        self.call(ROOT_PATH, "org.waferd.Wafer1.Service", "LockAll", &()).await.map(drop)
    }

    /// The objects below the root: for each its interfaces with their properties.
    pub async fn objects(&self) -> HashMap<OwnedObjectPath, HashMap<String, Reply>> {
        let manager = "org.freedesktop.DBus.ObjectManager";
        let reply = self.call(ROOT_PATH, manager, "GetManagedObjects", &()).await.unwrap();
        reply.body().deserialize().unwrap()
    }

    /// The identity whose label is `label`, once it is there.
    pub async fn identity(&self, label: &str) -> OwnedObjectPath {
        let found = self.objects().await.into_iter().find(|(_, interfaces)| {
            interfaces
                .get("org.waferd.Wafer1.Identity")
                .is_some_and(|properties| text(properties, "Label") == label)
        });
        found.unwrap_or_else(|| panic!("there is no identity {label}")).0
    }

    /// The only token.
    pub async fn token(&self) -> OwnedObjectPath {
        let objects = self.objects().await;
        let mut tokens = objects.keys().filter(|path| path.as_str().contains("/token/"));
        let token = tokens.next().expect("there is no token").clone();
        assert!(tokens.next().is_none(), "there is more than one token");
        token
    }
}

/// Fails unless `result` is an error of `kind`; gives the error.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, WaferError>, kind: ErrorKind) -> WaferError {
    let error = result.expect_err("the call must fail");
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.message.len() > 10 && error.message.contains(' '), "not a sentence: {error:?}");
    error
}

//! `org.waferd.Wafer1.Mail`: whole messages. What each method does, its options and results stand in
//! `dbus/org.waferd.Wafer1.Mail.xml`.

use std::collections::HashMap;

use wafer_client::WaferError;
use wafer_smime::algorithm::Container;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant};

use super::answer::Answer;
use super::door::Door;
use super::options::{ENCRYPT, HEADER_PROTECTION, Options, SIGN, features};
use super::stream::MessageArgument;
use super::{protect, reading, work};

/// The interface on one connection.
pub(super) struct Mail(pub(super) Door);

/// Options as they come.
pub(super) type RawOptions = HashMap<String, OwnedVariant>;

#[zbus::interface(name = "org.waferd.Wafer1.Mail")]
impl Mail {
    #[zbus(out_args("result"))]
    async fn sign(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        output: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, &[&SIGN[..], &[HEADER_PROTECTION]].concat())?;
        work::sign(&self.0, &header, connection, Container::Mail, input, output, options).await
    }

    #[zbus(out_args("result"))]
    async fn encrypt(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        output: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, &[&ENCRYPT[..], &[HEADER_PROTECTION]].concat())?;
        work::encrypt(&self.0, &header, connection, Container::Mail, input, output, options).await
    }

    #[zbus(out_args("result"))]
    async fn decrypt(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        output: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, &["identity"])?;
        work::decrypt(&self.0, &header, connection, Container::Mail, input, output, options).await
    }

    #[zbus(out_args("result"))]
    async fn verify(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, &["certificates", "output", "from"])?;
        work::verify(&self.0, &header, connection, Container::Mail, input, None, options).await
    }

    #[zbus(out_args("result"))]
    async fn read(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        output: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, reading::OPTIONS)?;
        reading::read(&self.0, &header, connection, input, output, options).await
    }

    #[zbus(out_args("result"))]
    async fn inspect(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, &[])?;
        work::inspect(&self.0, &header, connection, input, options).await
    }

    #[zbus(out_args("result"))]
    async fn protect(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        outputs: Vec<MessageArgument>,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, protect::OPTIONS)?;
        protect::protect(&self.0, &header, connection, input, outputs, options).await
    }

    async fn cancel(
        &self,
        #[zbus(header)] header: Header<'_>,
        cancellation_id: String,
    ) -> Result<(), WaferError> {
        self.0.cancel(&header, cancellation_id).await
    }

    #[zbus(signal)]
    pub(super) async fn progress(
        emitter: &SignalEmitter<'_>,
        cancellation_id: &str,
        done: u64,
        total: u64,
    ) -> zbus::Result<()>;

    #[zbus(property(emits_changed_signal = "const"))]
    fn features(&self) -> Vec<String> {
        features()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

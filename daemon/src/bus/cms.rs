//! `org.waferd.Wafer1.Cms`: bare CMS over exactly the bytes given. What each method does, its options and
//! results stand in `dbus/org.waferd.Wafer1.Cms.xml`.

use wafer_client::WaferError;
use wafer_smime::algorithm::{Armor, Container};
use zbus::Connection;
use zbus::message::Header;

use super::answer::Answer;
use super::door::Door;
use super::mail::RawOptions;
use super::options::{ENCRYPT, Options, SIGN};
use super::stream::MessageArgument;
use super::work;

/// The interface on one connection.
pub(super) struct Cms(pub(super) Door);

/// Reading tells the armors apart by itself.
const ANY: Container = Container::Cms(Armor::Der);

#[zbus::interface(name = "org.waferd.Wafer1.Cms")]
impl Cms {
    #[zbus(out_args("result"))]
    async fn sign(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        input: MessageArgument,
        output: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let mut options = Options::new(options, &[&SIGN[..], &["armor"]].concat())?;
        let container = Container::Cms(options.armor()?);
        work::sign(&self.0, &header, connection, container, input, output, options).await
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
        let mut options = Options::new(options, &[&ENCRYPT[..], &["armor"]].concat())?;
        let container = Container::Cms(options.armor()?);
        work::encrypt(&self.0, &header, connection, container, input, output, options).await
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
        work::decrypt(&self.0, &header, connection, ANY, input, output, options).await
    }

    #[zbus(out_args("result"))]
    async fn verify(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
        signature: MessageArgument,
        content: MessageArgument,
        options: RawOptions,
    ) -> Result<Answer, WaferError> {
        let options = Options::new(options, &["certificates", "output"])?;
        let content = match content {
            MessageArgument::Bytes(bytes) if bytes.is_empty() => None,
            content => Some(content),
        };
        work::verify(&self.0, &header, connection, ANY, signature, content, options).await
    }
}

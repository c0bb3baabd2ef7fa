//! What `Mail.Read` found, typed.

use serde::Serialize;

use crate::WaferError;
use crate::outcome::{Reading, Signer, Status, status};
use crate::proxies::ResultMap;

/// A message was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MessageRead {
    /// How all of it is protected: `none`, `signed`, `encrypted`, `signed-then-encrypted`.
    pub whole: String,
    /// The verdict on its signature; `None` if no signature is over all of it.
    pub status: Option<Status>,
    /// All of it for a person.
    pub sentence: String,
    /// What should be known before it is believed, in words of the contract.
    pub reasons: Vec<String>,
    /// The layers, from outside in.
    pub layers: Vec<Layer>,
    /// Protected parts that were left closed.
    pub parts: Vec<Part>,
    /// Addresses of From.
    pub from: Vec<String>,
    /// Addresses of Sender.
    pub sender: Vec<String>,
    /// `clear` or `cipher` if header fields travelled within (RFC 9788).
    pub header_protection: Option<String>,
    /// These fields.
    pub headers: Vec<Header>,
    /// Paths of text parts that begin with a copy of header fields for old programs.
    pub legacy_display: Vec<String>,
    /// Bytes written.
    pub length: u64,
    /// The innermost entity, if the output was [`crate::Output::Bytes`].
    #[serde(skip)]
    pub output: Option<Vec<u8>>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Layer {
    /// `signed`, `encrypted`, `compressed`, `certificates`.
    pub kind: String,
    /// Of a signature: `clear` or `opaque`.
    pub form: Option<String>,
    /// Of a signature: it is over all that is written, with no encryption inside.
    pub counts: Option<bool>,
    /// Of a signature: the verdict.
    pub status: Option<Status>,
    /// The same for a person.
    pub sentence: Option<String>,
    /// Of a signature: who signed.
    pub signers: Vec<Signer>,
    /// Of an encryption: the cipher.
    pub content_cipher: Option<String>,
    /// Of an encryption: whether nobody without the key can have altered the content.
    pub authenticated: Option<bool>,
    /// Of an encryption: how many it is for.
    pub recipients: Option<u32>,
    /// Of an encryption: how the key was encrypted to us.
    pub key_algorithm: Option<String>,
    /// Of an encryption: object path of the identity that opened it.
    pub identity: Option<String>,
}

/// A part with a protection of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Part {
    /// Its numbers in the multiparts around it: `1.2`.
    pub path: String,
    /// `signed`, `encrypted` or `other`.
    pub kind: String,
    /// It belongs to an attached message.
    pub forwarded: bool,
}

/// A header field that travelled within.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, unfolded.
    pub value: String,
    /// It stood outside otherwise, or not at all.
    pub confidential: bool,
}

impl Reading {
    pub(crate) fn read(mut self, output: Option<Vec<u8>>) -> Result<MessageRead, WaferError> {
        let verdict: String = self.need("status")?;
        Ok(MessageRead {
            whole: self.need("whole")?,
            status: (verdict != "unsigned").then(|| status(&verdict)),
            sentence: self.need("sentence")?,
            reasons: self.take("reasons")?.unwrap_or_default(),
            layers: self.list("layers", Self::layer)?,
            parts: self.list("parts", Self::part)?,
            from: self.take("from")?.unwrap_or_default(),
            sender: self.take("sender")?.unwrap_or_default(),
            header_protection: self.take("header-protection")?,
            headers: self.list("headers", Self::header)?,
            legacy_display: self.take("legacy-display")?.unwrap_or_default(),
            length: self.need("length")?,
            output,
        })
    }

    fn layer(mut self) -> Result<Layer, WaferError> {
        let identity = self.0.contains_key("identity").then(|| self.path("identity")).transpose()?;
        Ok(Layer {
            kind: self.need("kind")?,
            form: self.take("form")?,
            counts: self.take("counts")?,
            status: self.take::<String>("status")?.map(|word| status(&word)),
            sentence: self.take("sentence")?,
            signers: self.list("signers", Self::signer)?,
            content_cipher: self.take("content-cipher")?,
            authenticated: self.take("authenticated")?,
            recipients: self.take("recipients")?,
            key_algorithm: self.take("key-algorithm")?,
            identity,
        })
    }

    fn part(mut self) -> Result<Part, WaferError> {
        Ok(Part {
            path: self.need("path")?,
            kind: self.need("kind")?,
            forwarded: self.take("forwarded")?.unwrap_or_default(),
        })
    }

    fn header(mut self) -> Result<Header, WaferError> {
        Ok(Header {
            name: self.need("name")?,
            value: self.need("value")?,
            confidential: self.take("confidential")?.unwrap_or_default(),
        })
    }

    /// A list of maps; absent is empty.
    fn list<T>(
        &mut self,
        name: &str,
        read: impl Fn(Self) -> Result<T, WaferError>,
    ) -> Result<Vec<T>, WaferError> {
        let maps: Vec<ResultMap> = self.take(name)?.unwrap_or_default();
        maps.into_iter().map(|map| read(Self(map))).collect()
    }
}

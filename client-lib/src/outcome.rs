//! Results of calls, typed. A required one that is missing or of another type is a fault of the service.

use serde::Serialize;
use zbus::{ObjectPath, OwnedVariant, Variant};

use crate::proxies::ResultMap;
use crate::{ErrorKind, WaferError};

/// A message was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signed {
    /// Object path of the identity that signed.
    pub identity: String,
    /// Digest algorithm.
    pub digest: String,
    /// Signature scheme.
    pub scheme: String,
    /// The signed message, if the output was [`crate::Output::Bytes`].
    #[serde(skip)]
    pub output: Option<Vec<u8>>,
}

/// A message was encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Encrypted {
    /// The cipher used.
    pub content_cipher: String,
    /// How many certificates it was encrypted to.
    pub recipients: u32,
    /// The encrypted message, if the output was [`crate::Output::Bytes`].
    #[serde(skip)]
    pub output: Option<Vec<u8>>,
}

/// A message was decrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decrypted {
    /// Object path of the identity that opened it.
    pub identity: String,
    /// The message's cipher.
    pub content_cipher: String,
    /// Whether nobody without the key can have altered the content.
    pub authenticated: bool,
    /// Bytes written.
    pub length: u64,
    /// The content, if the output was [`crate::Output::Bytes`].
    #[serde(skip)]
    pub output: Option<Vec<u8>>,
}

/// The word for a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All signatures good, all signers trusted, the sender is a signer.
    Valid,
    /// As above, but a person should look.
    ValidWithWarnings,
    /// Altered, or a signature or certificate is wrong.
    Invalid,
    /// It cannot be said who signed. Also any word this version does not know.
    Unknown,
}

/// A signed message was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verified {
    /// The verdict in a word.
    pub status: Status,
    /// The verdict for a person.
    pub sentence: String,
    /// Every signer.
    pub signers: Vec<Signer>,
    /// Addresses of From and Sender.
    pub from: Vec<String>,
    /// Bytes of signed content.
    pub length: u64,
    /// The signed content, if the output was [`crate::Output::Bytes`].
    #[serde(skip)]
    pub output: Option<Vec<u8>>,
}

/// One signer of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signer {
    /// `good`, `digest-mismatch`, `bad-signature`, ...
    pub outcome: String,
    /// Whether a path leads to a trusted root.
    pub trusted: bool,
    /// Why not, in a word.
    pub reason: String,
    /// The certificate's subject.
    pub subject: String,
    /// Its mail addresses.
    pub addresses: Vec<String>,
    /// Whether one of them is the sender's.
    pub address_matches: bool,
    /// The certificate, DER.
    #[serde(skip)]
    pub certificate: Option<Vec<u8>>,
    /// Digest algorithm.
    pub digest: Option<String>,
    /// Signature scheme.
    pub scheme: Option<String>,
    /// Unix seconds, by the signer's own word.
    pub signing_time: Option<i64>,
    /// What a person should look at, in words of the contract.
    pub warnings: Vec<String>,
    /// The certificate's issuer.
    pub issuer: String,
    /// Begin of validity, Unix seconds.
    pub not_before: Option<i64>,
    /// End of validity, Unix seconds.
    pub not_after: Option<i64>,
    /// `good`, `revoked`, `not-checked`, `off`, `not-asked`.
    pub revocation: String,
    /// What is known of revocation, for a person; may be empty.
    pub revocation_sentence: String,
    /// `mozilla`, `folder`, `person`: why the root is one; empty without a path.
    pub anchor: String,
    /// The path, DER: the certificate first, the root last.
    #[serde(skip)]
    pub path: Vec<Vec<u8>>,
}

/// A message was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspected {
    /// `plain`, `clear-signed`, `opaque-signed`, `certificates-only`, `enveloped`, `auth-enveloped`,
    /// `compressed`.
    pub layer: String,
    /// All layers that can be seen without a key, from outside in; empty for a plain message.
    pub layers: Vec<String>,
    /// Cipher of an encrypted layer.
    pub content_cipher: Option<String>,
    /// Recipients of an encrypted layer.
    pub recipients: u32,
    /// Object paths of the person's identities that open it.
    pub identities: Vec<String>,
    /// Whether the token of one of these is present.
    pub token_present: bool,
}

/// Reads a result map, from which each value is taken once.
pub(crate) struct Reading(pub(crate) ResultMap);

impl Reading {
    pub(crate) fn signed(mut self, output: Option<Vec<u8>>) -> Result<Signed, WaferError> {
        Ok(Signed {
            identity: self.path("identity")?,
            digest: self.need("digest")?,
            scheme: self.need("scheme")?,
            output,
        })
    }

    pub(crate) fn encrypted(mut self, output: Option<Vec<u8>>) -> Result<Encrypted, WaferError> {
        Ok(Encrypted {
            content_cipher: self.need("content-cipher")?,
            recipients: self.need("recipients")?,
            output,
        })
    }

    pub(crate) fn decrypted(mut self, output: Option<Vec<u8>>) -> Result<Decrypted, WaferError> {
        Ok(Decrypted {
            identity: self.path("identity")?,
            content_cipher: self.need("content-cipher")?,
            authenticated: self.need("authenticated")?,
            length: self.need("length")?,
            output,
        })
    }

    pub(crate) fn verified(mut self, output: Option<Vec<u8>>) -> Result<Verified, WaferError> {
        let signers: Vec<ResultMap> = self.need("signers")?;
        Ok(Verified {
            status: status(&self.need::<String>("status")?),
            sentence: self.need("sentence")?,
            signers: signers.into_iter().map(|map| Self(map).signer()).collect::<Result<_, _>>()?,
            from: self.take("from")?.unwrap_or_default(),
            length: self.take("length")?.unwrap_or_default(),
            output,
        })
    }

    pub(crate) fn inspected(mut self) -> Result<Inspected, WaferError> {
        let identities: Vec<ObjectPath<'static>> = self.take("identities")?.unwrap_or_default();
        Ok(Inspected {
            layer: self.need("layer")?,
            layers: self.take("layers")?.unwrap_or_default(),
            content_cipher: self.take::<String>("content-cipher")?.filter(|cipher| !cipher.is_empty()),
            recipients: self.take("recipients")?.unwrap_or_default(),
            identities: identities.iter().map(ToString::to_string).collect(),
            token_present: self.take("token-present")?.unwrap_or_default(),
        })
    }

    pub(crate) fn signer(mut self) -> Result<Signer, WaferError> {
        Ok(Signer {
            outcome: self.need("outcome")?,
            trusted: self.need("trusted")?,
            reason: self.take("reason")?.unwrap_or_default(),
            subject: self.take("subject")?.unwrap_or_default(),
            addresses: self.take("addresses")?.unwrap_or_default(),
            address_matches: self.take("address-matches")?.unwrap_or_default(),
            certificate: self.take::<Vec<u8>>("certificate")?.filter(|der| !der.is_empty()),
            digest: self.take("digest")?,
            scheme: self.take("scheme")?,
            signing_time: self.take("signing-time")?,
            warnings: self.take("warnings")?.unwrap_or_default(),
            issuer: self.take("issuer")?.unwrap_or_default(),
            not_before: self.take("not-before")?,
            not_after: self.take("not-after")?,
            revocation: self.take("revocation")?.unwrap_or_default(),
            revocation_sentence: self.take("revocation-sentence")?.unwrap_or_default(),
            anchor: self.take("anchor")?.unwrap_or_default(),
            path: self.take("path")?.unwrap_or_default(),
        })
    }

    pub(crate) fn path(&mut self, name: &str) -> Result<String, WaferError> {
        self.need::<ObjectPath<'static>>(name).map(|path| path.to_string())
    }

    pub(crate) fn need<T: TryFrom<Variant<'static>>>(&mut self, name: &str) -> Result<T, WaferError> {
        self.take(name)?.ok_or_else(|| odd_answer(name))
    }

    pub(crate) fn take<T: TryFrom<Variant<'static>>>(&mut self, name: &str) -> Result<Option<T>, WaferError> {
        let value = self.0.remove(name).map(|value: OwnedVariant| T::try_from(value.into()));
        value.transpose().map_err(|_| odd_answer(name))
    }
}

/// The word for a verdict.
pub(crate) fn status(word: &str) -> Status {
    match word {
        "valid" => Status::Valid,
        "valid-with-warnings" => Status::ValidWithWarnings,
        "invalid" => Status::Invalid,
        _ => Status::Unknown,
    }
}

fn odd_answer(name: &str) -> WaferError {
    WaferError::new(ErrorKind::Failed, format!("The service answered without a proper \"{name}\"."))
}

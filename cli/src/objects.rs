//! Tokens and identities as objects: listed, and found by the names that people use.

use std::collections::HashMap;

use serde_json::{Map, Value};
use wafer_client::{Client, ErrorKind, WaferError};
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use crate::{json, text};

const TOKEN: &str = "org.waferd.Wafer1.Token";
const IDENTITY: &str = "org.waferd.Wafer1.Identity";

/// One token or identity.
pub(crate) struct Object {
    pub(crate) path: OwnedObjectPath,
    properties: HashMap<String, OwnedVariant>,
}

impl Object {
    /// A property that is a string or a path; empty if it is not there.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.properties.get(name).map(|value| &**value) {
            Some(Variant::Str(text)) => text.to_string(),
            Some(Variant::ObjectPath(path)) => path.to_string(),
            _ => String::new(),
        }
    }

    /// A property that is a list of strings.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let value = self.properties.get(name).and_then(|value| value.try_clone().ok());
        value.and_then(|value| Vec::try_from(value).ok()).unwrap_or_default()
    }

    /// A property that is a time in Unix seconds.
    pub(crate) fn time(&self, name: &str) -> i64 {
        match self.properties.get(name).map(|value| &**value) {
            Some(Variant::I64(seconds)) => *seconds,
            _ => 0,
        }
    }

    /// Whether it, or its token, is there.
    pub(crate) fn is_present(&self) -> bool {
        matches!(self.properties.get("Present").map(|value| &**value), Some(Variant::Bool(true)))
    }

    /// Everything, with the object's path.
    pub(crate) fn json(&self) -> Value {
        let mut all: Map<String, Value> =
            self.properties.iter().map(|(name, property)| (name.clone(), json::value(property))).collect();
        all.insert("Path".to_owned(), Value::String(self.path.to_string()));
        Value::Object(all)
    }

    fn is_called(&self, name: &str) -> bool {
        let last = self.path.as_str().rsplit('/').next().unwrap_or_default();
        let hex = name.to_ascii_lowercase().replace(':', "");
        self.path.as_str() == name
            || last == name
            || ["Label", "Serial"].iter().any(|property| self.text(property) == name)
            || hex.len() >= 8 && self.text("Fingerprint").starts_with(&hex)
    }
}

/// The tokens, in the order of their paths.
pub(crate) async fn tokens(client: &Client) -> Result<Vec<Object>, WaferError> {
    with_interface(client, TOKEN).await
}

/// Those that are present.
pub(crate) async fn present_tokens(client: &Client) -> Result<Vec<Object>, WaferError> {
    let mut tokens = tokens(client).await?;
    tokens.retain(Object::is_present);
    Ok(tokens)
}

/// The identities, in the order of their paths.
pub(crate) async fn identities(client: &Client) -> Result<Vec<Object>, WaferError> {
    with_interface(client, IDENTITY).await
}

/// The only token called `name`.
pub(crate) async fn token(client: &Client, name: &str) -> Result<Object, WaferError> {
    only(tokens(client).await?, name, ErrorKind::NoToken)
}

/// The only token called `name`; without a name the only one that is present.
pub(crate) async fn token_or_only(client: &Client, name: Option<&str>) -> Result<Object, WaferError> {
    let Some(name) = name else {
        let mut tokens = present_tokens(client).await?.into_iter();
        return match (tokens.next(), tokens.next()) {
            (Some(token), None) => Ok(token),
            (None, _) => Err(WaferError::new(ErrorKind::NoToken, text::NO_TOKENS)),
            (Some(_), Some(_)) => Err(WaferError::new(ErrorKind::InvalidArgument, text::WHICH_TOKEN)),
        };
    };
    token(client, name).await
}

/// The only identity called `name`.
pub(crate) async fn identity(client: &Client, name: &str) -> Result<OwnedObjectPath, WaferError> {
    only(identities(client).await?, name, ErrorKind::NoIdentity).map(|object| object.path)
}

async fn with_interface(client: &Client, interface: &str) -> Result<Vec<Object>, WaferError> {
    let objects = client.objects().await?.into_iter();
    let mut found: Vec<Object> = objects
        .filter_map(|(path, mut interfaces)| {
            let name = interfaces.keys().find(|name| name.as_str() == interface)?.clone();
            Some(Object { path, properties: interfaces.remove(&name)? })
        })
        .collect();
    found.sort_by(|left, right| left.path.as_str().cmp(right.path.as_str()));
    Ok(found)
}

fn only(objects: Vec<Object>, name: &str, none: ErrorKind) -> Result<Object, WaferError> {
    let mut called = objects.into_iter().filter(|object| object.is_called(name));
    match (called.next(), called.next()) {
        (Some(object), None) => Ok(object),
        (None, _) => Err(WaferError::new(none, text::nothing_called(name))),
        (Some(_), Some(_)) => Err(WaferError::new(ErrorKind::InvalidArgument, text::several_called(name))),
    }
}

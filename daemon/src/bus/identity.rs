//! `org.waferd.Wafer1.Identity`: one object for each certificate with a key
//! (`dbus/org.waferd.Wafer1.Identity.xml`).

use std::sync::Arc;

use wafer_client::keeper::KeyKind;
use wafer_client::names::TOKEN_PATH_PREFIX;
use zbus::OwnedObjectPath;

use super::answer::path;
use super::work::unix_seconds;
use crate::identity::Identity as Known;

/// An identity on one connection.
pub(super) struct Identity(pub(super) Arc<Known>);

#[zbus::interface(name = "org.waferd.Wafer1.Identity")]
impl Identity {
    #[zbus(property)]
    fn certificate(&self) -> Vec<u8> {
        self.0.certificate.der.clone()
    }

    #[zbus(property)]
    fn subject(&self) -> &str {
        &self.0.certificate.subject
    }

    #[zbus(property)]
    fn issuer(&self) -> &str {
        &self.0.certificate.issuer
    }

    #[zbus(property)]
    fn serial_number(&self) -> &str {
        &self.0.certificate.serial
    }

    #[zbus(property)]
    fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.0.certificate.addresses.clone()
    }

    #[zbus(property)]
    fn usages(&self) -> Vec<String> {
        self.0.usages().into_iter().map(str::to_owned).collect()
    }

    #[zbus(property)]
    fn not_before(&self) -> i64 {
        unix_seconds(self.0.certificate.not_before)
    }

    #[zbus(property)]
    fn not_after(&self) -> i64 {
        unix_seconds(self.0.certificate.not_after)
    }

    #[zbus(property)]
    fn token(&self) -> OwnedObjectPath {
        path(TOKEN_PATH_PREFIX, &self.0.token)
    }

    #[zbus(property)]
    fn key_kind(&self) -> &'static str {
        match self.0.kind {
            KeyKind::Rsa => "rsa",
            KeyKind::Ec => "ec",
        }
    }

    #[zbus(property)]
    fn label(&self) -> &str {
        &self.0.label
    }
}

//! `org.waferd.Wafer1.Identity`: one object for each certificate with a key
//! (`dbus/org.waferd.Wafer1.Identity.xml`).

use std::sync::Arc;

use wafer_client::keeper::KeyKind;
use wafer_client::names::TOKEN_PATH_PREFIX;
use zbus::OwnedObjectPath;

use super::answer::path;
use super::answer::unix_seconds;
use super::door::Door;
use crate::identity::Identity as Known;

/// An identity on one connection.
pub(super) struct Identity {
    pub(super) door: Door,
    pub(super) known: Arc<Known>,
}

#[zbus::interface(name = "org.waferd.Wafer1.Identity")]
impl Identity {
    #[zbus(property)]
    fn certificate(&self) -> Vec<u8> {
        self.known.certificate.der.clone()
    }

    #[zbus(property)]
    fn subject(&self) -> &str {
        &self.known.certificate.subject
    }

    #[zbus(property)]
    fn issuer(&self) -> &str {
        &self.known.certificate.issuer
    }

    #[zbus(property)]
    fn serial_number(&self) -> &str {
        &self.known.certificate.serial
    }

    #[zbus(property)]
    fn fingerprint(&self) -> &str {
        &self.known.fingerprint
    }

    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        self.known.certificate.addresses.clone()
    }

    #[zbus(property)]
    fn usages(&self) -> Vec<String> {
        self.known.usages().into_iter().map(str::to_owned).collect()
    }

    #[zbus(property)]
    fn not_before(&self) -> i64 {
        unix_seconds(self.known.certificate.not_before)
    }

    #[zbus(property)]
    fn not_after(&self) -> i64 {
        unix_seconds(self.known.certificate.not_after)
    }

    #[zbus(property)]
    fn token(&self) -> OwnedObjectPath {
        path(TOKEN_PATH_PREFIX, &self.known.token)
    }

    #[zbus(property)]
    fn key_kind(&self) -> &'static str {
        match self.known.kind {
            KeyKind::Rsa => "rsa",
            KeyKind::Ec => "ec",
            KeyKind::Ed25519 => "ed25519",
            KeyKind::X25519 => "x25519",
        }
    }

    #[zbus(property)]
    fn present(&self) -> bool {
        self.door.service.rooms.keepers.is_present(&self.known.token)
    }

    #[zbus(property)]
    fn label(&self) -> &str {
        &self.known.label
    }
}

//! What a program needs to speak with Wafer: the D-Bus names, the values that
//! cross the bus, typed proxies, and [`Client`], the paved path.
//!
//! Two contracts live here. The public one (`org.waferd.Wafer1`, described in
//! `dbus/*.xml`) is spoken by mail programs. The internal one
//! (`org.waferd.Keeper1`, module [`keeper`]) is spoken between `waferd` and its
//! `wafer-keeper` processes over a socketpair; it may change with every release.

pub mod client;
pub mod error;
pub mod keeper;
pub mod memory;
pub mod names;
pub mod options;
pub mod outcome;
pub mod proxies;
pub mod read;
pub mod stream;

pub use client::{Changes, Client, Progress};
pub use error::{ErrorKind, WaferError};
pub use options::{Armor, ContentCipher, Digest, Form, HeaderProtection, Options};
pub use outcome::{Decrypted, Encrypted, Inspected, Signed, Signer, Status, Verified};
pub use read::MessageRead;
pub use stream::{Input, Output};

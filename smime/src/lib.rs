//! The message engine: MIME and CMS as S/MIME uses them (RFC 8551, RFC 5652).
//!
//! Streams in, typed private-key requests out. The engine opens no file, knows no
//! card, no bus and no clock; memory stays flat whatever a message's size.
//! Nothing is written before every cryptographic check that can fail is done:
//! so each use case reads its [`Source`] twice, once to prove and once to write.
//!
//! | to | call | the private key is asked |
//! |---|---|---|
//! | sign | [`sign::prepare`], then [`sign::Prepared::write`] | between the two, with [`sign::Prepared::request`] |
//! | encrypt | [`encrypt::encrypt`] | never |
//! | compress | [`compress::compress`] | never |
//! | decrypt | [`decrypt::open`], then [`decrypt::Sealed::decrypt`] | between the two, with one of [`decrypt::Sealed::recipients`] |
//! | verify | [`verify::verify`] | never |
//! | read all layers | [`read::Reading`] | once for each encrypted layer |
//! | look | [`inspect::inspect`] | never |
//! | take certificates out | [`certificates::certificates`] | never |

pub mod algorithm;
mod asn1;
pub mod capabilities;
pub mod certificates;
mod cms;
pub mod compress;
mod crypto;
pub mod decrypt;
pub mod encrypt;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
mod key;
mod mime;
pub mod read;
pub mod sign;
pub mod source;
pub mod verify;

pub use error::Error;
pub use key::{KeyError, PrivateKey};
pub use source::Source;
pub use zeroize::Zeroizing;

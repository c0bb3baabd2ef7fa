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
//!
//! A letter signed with a key in memory, and verified:
//!
//! ```
//! use std::time::SystemTime;
//!
//! use rcgen::{CertificateParams, KeyPair, SigningKey};
//! use wafer_smime::algorithm::{Container, DigestAlgorithm, SignatureScheme};
//! use wafer_smime::verify::{Content, Outcome};
//! use wafer_smime::{KeyError, PrivateKey, Zeroizing, decrypt, sign, verify};
//!
//! struct InMemory(KeyPair);
//!
//! impl PrivateKey for InMemory {
//!     fn sign(&mut self, request: &sign::Request) -> Result<Vec<u8>, KeyError> {
//!         Ok(self.0.sign(&request.message)?) // rcgen hashes the message itself
//!     }
//!
//!     fn decrypt(&mut self, _: &decrypt::Request) -> Result<Zeroizing<Vec<u8>>, KeyError> {
//!         Err("this key only signs".into())
//!     }
//! }
//!
//! let key = KeyPair::generate()?; // P-256
//! let options = sign::Options {
//!     container: Container::Mail,
//!     form: sign::Form::Clear,
//!     digest: DigestAlgorithm::Sha256,
//!     scheme: SignatureScheme::Ecdsa,
//!     certificate: CertificateParams::default().self_signed(&key)?.der().to_vec(),
//!     chain: vec![],
//!     signing_time: SystemTime::now(),
//!     style: sign::Style::default(),
//! };
//! let mut letter = &b"From: anna@example.org\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"[..];
//! let mut signed = Vec::new();
//! sign::sign(&mut letter, &options, &mut InMemory(key), &mut signed)?;
//!
//! let mut content = Vec::new();
//! let attached = Content::Attached;
//! let verified = verify::verify(&mut &*signed, attached, Container::Mail, &[], Some(&mut content))?;
//! assert_eq!(verified.signers[0].outcome, Outcome::Good);
//! assert_eq!(content, b"Content-Type: text/plain\r\n\r\nHello.\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod algorithm;
mod asn1;
pub mod capabilities;
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

//! The message engine: MIME and CMS as S/MIME uses them (RFC 8551, RFC 5652).
//!
//! Streams in, typed private-key requests out. The engine opens no file, knows no
//! card, no bus and no clock; memory stays flat whatever a message's size.
//! Nothing is written before every cryptographic check that can fail is done:
//! so each use case reads its [`Source`] twice, once to prove and once to write.
//!
//! | to | call | step by step, where a private key takes its time |
//! |---|---|---|
//! | sign | [`sign::sign`] | [`sign::prepare`], [`sign::Prepared::request`], [`sign::Prepared::write`] |
//! | encrypt | [`encrypt::encrypt`] | |
//! | compress | [`compress::compress`] | |
//! | decrypt | [`decrypt::decrypt`] | [`decrypt::open`], [`decrypt::Sealed::recipients`], [`decrypt::Sealed::decrypt`] |
//! | verify | [`verify::verify`] | |
//! | read all layers, and judge them | | [`read::Reading`], which asks once for each encrypted layer |
//! | look | [`inspect::inspect`] | |
//! | take certificates out | [`certificates::certificates`] | |
//!
//! Certificates go in and come out as DER. Whether to trust a signer's is not judged here: the engine says whose
//! signature is over which bytes, and hands out the certificate.
//!
//! # Sign and verify
//! A private key is whatever implements [`PrivateKey`]; these examples use one in memory
//! (`examples/software_key/mod.rs`).
//! ```
//! # mod software_key { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/software_key/mod.rs")); }
//! use std::time::SystemTime;
//! use wafer_smime::algorithm::{Container, SignatureScheme};
//! use wafer_smime::{sign, verify};
//!
//! # fn main() -> Result<(), wafer_smime::KeyError> {
//! let mut key = software_key::SoftwareKey::generate("anna@example.org")?;
//! let mut letter: &[u8] = b"From: anna@example.org\nSubject: hello\nContent-Type: text/plain\n\nHello Bert\n";
//!
//! let options = sign::Options::new(key.certificate.clone(), SignatureScheme::RsaPkcs1, SystemTime::now());
//! let mut signed = Vec::new();
//! sign::sign(&mut letter, &options, &mut key, &mut signed)?;
//!
//! let mut content = Vec::new();
//! let attached = verify::Content::Attached;
//! let verified =
//!     verify::verify(&mut signed.as_slice(), attached, Container::Mail, &[], Some(&mut content))?;
//! assert_eq!(verified.signers[0].outcome, verify::Outcome::Good);
//! assert_eq!(verified.signers[0].certificate.as_ref(), Some(&key.certificate));
//! assert_eq!(verified.from, ["anna@example.org"]);
//! // Exactly what was signed: the MIME entity, with the line ends of mail.
//! assert_eq!(content, b"Content-Type: text/plain\r\n\r\nHello Bert\r\n");
//! # Ok(())
//! # }
//! ```
//!
//! # Encrypt and decrypt
//! ```
//! # mod software_key { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/software_key/mod.rs")); }
//! use wafer_smime::algorithm::Container;
//! use wafer_smime::{decrypt, encrypt, inspect};
//!
//! # fn main() -> Result<(), wafer_smime::KeyError> {
//! let mut bert = software_key::SoftwareKey::generate("bert@example.org")?;
//! let mut letter: &[u8] = b"Subject: hello\nContent-Type: text/plain\n\nFor your eyes only\n";
//!
//! let mut sealed = Vec::new();
//! encrypt::encrypt(&mut letter, &encrypt::Options::new(vec![bert.certificate.clone()]), &mut sealed)?;
//!
//! // What it is shows without a key.
//! let seen = inspect::inspect(&mut sealed.as_slice())?;
//! assert_eq!(seen.layer, inspect::Layer::AuthEnveloped);
//! assert!(seen.recipients[0].matches(&bert.certificate));
//!
//! let mut opened = Vec::new();
//! let certificate = bert.certificate.clone();
//! let found =
//!     decrypt::decrypt(&mut sealed.as_slice(), Container::Mail, &certificate, &mut bert, &mut opened)?;
//! assert!(found.authenticated);
//! assert!(opened.ends_with(b"For your eyes only\r\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # Read a message with all its layers
//! ```
//! # mod software_key { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/software_key/mod.rs")); }
//! use std::time::SystemTime;
//! use wafer_smime::algorithm::SignatureScheme;
//! use wafer_smime::read::{Next, Protection, Reading};
//! use wafer_smime::{PrivateKey, encrypt, sign};
//!
//! # fn main() -> Result<(), wafer_smime::KeyError> {
//! let mut key = software_key::SoftwareKey::generate("anna@example.org")?;
//! let mut letter: &[u8] = b"From: anna@example.org\nContent-Type: text/plain\n\nHello Bert\n";
//! let options = sign::Options::new(key.certificate.clone(), SignatureScheme::RsaPkcs1, SystemTime::now());
//! let (mut signed, mut message) = (Vec::new(), Vec::new());
//! sign::sign(&mut letter, &options, &mut key, &mut signed)?;
//! let recipients = encrypt::Options::new(vec![key.certificate.clone()]);
//! encrypt::encrypt(&mut signed.as_slice(), &recipients, &mut message)?;
//!
//! let mut source = message.as_slice();
//! let mut reading = Reading::new(Vec::new());
//! while reading.advance(&mut source)? == Next::Sealed {
//!     let recipients = reading.sealed().unwrap().recipients();
//!     let mine = recipients.iter().position(|one| one.id.matches(&key.certificate)).unwrap();
//!     let secret = key.decrypt(recipients[mine].request.as_ref().unwrap())?;
//!     reading.unlock(mine, secret, &mut source)?;
//! }
//! let report = reading.report().unwrap();
//! assert_eq!(report.protection, Protection::SignedThenEncrypted);
//! let mut innermost = Vec::new();
//! reading.write(&mut source, &mut innermost)?;
//! assert!(innermost.ends_with(b"Hello Bert\r\n"));
//! # Ok(())
//! # }
//! ```
//!
//! # A source of your own
//! Any reader that can start again will do; byte slices are sources already.
//! ```
//! use std::fs::File;
//! use std::io::{self, Read};
//! use std::path::PathBuf;
//!
//! struct OnDisk(PathBuf);
//!
//! impl wafer_smime::Source for OnDisk {
//!     fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
//!         Ok(Box::new(File::open(&self.0)?))
//!     }
//! }
//! ```

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
pub mod headers;
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

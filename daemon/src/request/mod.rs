//! The use cases, one per file. Here a message is a [`Supply`] and a [`Sink`]; what they are made of only
//! `bus/` knows.

pub mod call;
pub mod cancel;
pub mod consent;
pub mod decrypt;
pub mod encrypt;
pub mod failure;
pub mod files;
pub mod identities;
pub mod inspect;
pub mod judge;
pub mod oneself;
pub mod protect;
pub mod read;
pub mod recipients;
mod scratch;
pub mod sign;
mod standing;
pub mod trust;
pub mod turns;
pub mod verify;
pub mod whole;

use std::io::{self, Read, Write};
use std::sync::Arc;

use wafer_client::WaferError;
use wafer_client::keeper::Digest;
use wafer_smime::Source;
use wafer_smime::algorithm::DigestAlgorithm;
use wafer_smime::error::{Error, Result};

use crate::config::Live;
use crate::directory::Directory;
use crate::keepers::Keepers;
use crate::text;
use crate::trust::{Decisions, PathValidator};

pub use call::Call;

/// The rooms that the use cases go through.
pub struct Rooms {
    /// Tokens and their keys.
    pub keepers: Arc<Keepers>,
    /// Judges signers.
    pub validator: Arc<dyn PathValidator>,
    /// What the person decided about certificates; `None` if the file cannot be read.
    pub decisions: Option<Arc<Decisions>>,
    /// Recipients' certificates.
    pub directory: Directory,
    /// The settings, which change while waferd runs.
    pub live: Arc<Live>,
    /// Which of the person's own certificates are trusted.
    pub trusted: identities::Trusted,
    /// What the person decided about programs.
    pub consents: consent::Consents,
}

/// A message that comes in.
pub trait Supply: Source + Send {
    /// The call succeeded: leaves the client's descriptor at the end.
    fn finish(&mut self) {}
}

/// Where a result goes.
pub trait Sink: Write + Send {
    /// All was written: leaves the client's descriptor at the end, hands the inline answer over.
    ///
    /// # Errors
    /// What was written did not arrive.
    fn finish(&mut self) -> io::Result<()>;

    /// The call failed: takes back what can be taken back (a regular file is cut back to where it started).
    fn abandon(&mut self);
}

/// Lets `write` write to `sink`, and takes back what it wrote if it fails.
fn deliver<T>(sink: &mut dyn Sink, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let written = write(sink).and_then(|result| sink.finish().map(|()| result).map_err(Error::Output));
    if written.is_err() {
        sink.abandon();
    }
    written
}

/// All that is in `supply`; `None` if it is longer than `most`.
async fn whole_of(
    call: &Arc<Call>,
    mut supply: Box<dyn Supply>,
    most: usize,
) -> std::result::Result<Option<Vec<u8>>, WaferError> {
    let bytes = call
        .engine(move || {
            let mut bytes = Vec::new();
            let mut input = supply.open().map_err(Error::Input)?.take(most as u64 + 1);
            input.read_to_end(&mut bytes).map_err(Error::Input)?;
            drop(input);
            supply.finish();
            Ok(bytes)
        })
        .await?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= most))
}

/// A digest algorithm in the words of the keeper link.
fn digest_on_the_link(digest: DigestAlgorithm) -> std::result::Result<Digest, WaferError> {
    Ok(match digest {
        DigestAlgorithm::Sha1 => Digest::Sha1,
        DigestAlgorithm::Sha224 => Digest::Sha224,
        DigestAlgorithm::Sha256 => Digest::Sha256,
        DigestAlgorithm::Sha384 => Digest::Sha384,
        DigestAlgorithm::Sha512 => Digest::Sha512,
        other => return Err(text::unsupported_algorithm(other.name())),
    })
}

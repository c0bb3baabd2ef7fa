//! Why the engine refused, sorted by whose fault it is.

use std::io;

use crate::key::KeyError;

/// A failure of the engine. On every one of them nothing usable has been written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source failed; the inner error is the reader's own.
    #[error("the message could not be read: {0}")]
    Input(#[source] io::Error),
    /// The sink failed; the inner error is the writer's own.
    #[error("the result could not be written: {0}")]
    Output(#[source] io::Error),
    /// The input is not what the call needs: which structure, and what is wrong with it.
    #[error("not a well-formed message: {0}")]
    Malformed(String),
    /// An algorithm that is not supported: its name, or its dotted OID.
    #[error("the algorithm {0} is not supported")]
    UnsupportedAlgorithm(String),
    /// The message could not be decrypted. One name for wrong key, bad padding, bad tag.
    #[error("the message could not be decrypted")]
    Decryption,
    /// A certificate handed in cannot serve: which, and why (no key usage, unknown key, unreadable).
    #[error("the certificate {subject} cannot be used: {reason}")]
    Certificate {
        /// The certificate's subject, or its number in the list if it cannot be read.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The private key was not used, as its owner says.
    #[error("the private key was not used: {0}")]
    PrivateKey(#[source] KeyError),
    /// The input changed between the two readings.
    #[error("the message changed while it was read")]
    Changed,
    /// A limit was passed: which.
    #[error("the message passes a limit: {0}")]
    Limit(&'static str),
    /// The crypto provider failed (out of memory, no randomness).
    #[error("the crypto provider failed: {0}")]
    Crypto(&'static str),
}

/// A result with the engine's error.
pub type Result<T> = std::result::Result<T, Error>;

//! The engine's and the streams' errors as callers see them.

use std::error::Error as _;
use std::io;

use wafer_client::WaferError;
use wafer_smime::Error;

use super::cancel::Reason;
use crate::text;

/// The engine's error.
pub(super) fn of_engine(error: &Error) -> WaferError {
    tracing::info!(%error, cause = error.source().map(tracing::field::display), "the engine refused");
    match error {
        Error::Input(error) => of_stream(error, text::input_failed),
        Error::Output(error) => of_stream(error, text::output_failed),
        Error::Malformed(problem) => text::invalid_message(problem),
        Error::UnsupportedAlgorithm(name) => text::unsupported_algorithm(name),
        Error::Decryption => text::decryption_failed(),
        Error::Certificate { subject, reason } => text::certificate_unusable(subject, reason),
        Error::Changed => text::input_failed(&io::Error::other("it changed while it was read")),
        Error::Limit(which) => text::invalid_message(&format!("it passes a limit ({which})")),
        Error::Crypto(problem) => text::internal(problem),
        _ => text::internal("the message engine refused"),
    }
}

/// A stream's error: ended calls, time-outs and refusals that carry their own sentence shine through.
fn of_stream(error: &io::Error, other: fn(&io::Error) -> WaferError) -> WaferError {
    if error.kind() == io::ErrorKind::TimedOut {
        return text::stream_stood_still();
    }
    let inner = error.get_ref();
    if let Some(reason) = inner.and_then(|inner| inner.downcast_ref::<Reason>()) {
        return reason.error();
    }
    if inner.is_some_and(|inner| inner.is::<TooLongForInline>()) {
        return text::invalid_argument("output", text::INLINE_ANSWER_TOO_LONG);
    }
    if error.kind() == io::ErrorKind::BrokenPipe {
        return text::reader_gone();
    }
    other(error)
}

/// The result is too long to be answered inline.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too long for an inline answer")]
pub struct TooLongForInline;

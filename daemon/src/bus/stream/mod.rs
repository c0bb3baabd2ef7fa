//! What an input and an output are: a descriptor of the client's, or bytes in the call itself.
//!
//! Descriptors belong to the client: their flags are never changed. Files are read and written at offsets
//! of our own (pread, pwrite); pipes and terminals are opened anew, non-blocking, through
//! `/proc/self/fd`; sockets are used with MSG_DONTWAIT.

mod argument;
mod descriptor;
mod file;
mod inline;
mod live;
mod spooled;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use wafer_client::WaferError;
use wafer_client::names::INLINE_MAX;
use zeroize::Zeroizing;

use crate::request::{Call, Sink, Supply};
use crate::text;

pub(super) use crate::spool::Contents;
pub(super) use argument::MessageArgument;
use descriptor::{Identity, Opened};
pub(super) use live::reader_closed;

/// An output, and what the call's handler needs of it.
pub(super) struct Output {
    /// Where the result is written.
    pub(super) sink: Box<dyn Sink>,
    /// Filled when an inline result is finished.
    pub(super) inline: InlineAnswer,
    /// A descriptor that tells when the reading end is closed, for pipes and sockets.
    pub(super) watch: Option<OwnedFd>,
    /// Which file it is; none if it is inline.
    pub(super) identity: Option<Identity>,
}

/// Where an inline result appears; stays empty for descriptors.
#[derive(Clone, Default)]
pub(super) struct InlineAnswer(Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>);

impl InlineAnswer {
    /// The result, once.
    pub(super) fn take(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, bytes: Zeroizing<Vec<u8>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }
}

/// What an input is, for comparing with the output.
pub(super) struct Input {
    /// The message.
    pub(super) supply: Box<dyn Supply>,
    /// Which file it is; none if it came inline.
    pub(super) identity: Option<Identity>,
}

/// Makes the argument `name` an input.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn input(
    name: &str,
    argument: MessageArgument,
    contents: Contents,
    call: &Arc<Call>,
) -> Result<Input, WaferError> {
    let refuse = |problem: &str| text::invalid_argument(name, problem);
    match argument {
        MessageArgument::Bytes(bytes) if bytes.len() > INLINE_MAX => Err(refuse(text::INLINE_TOO_LONG)),
        MessageArgument::Bytes(bytes) => {
            let supply = Box::new(inline::InlineSupply(bytes));
            Ok(Input { supply, identity: None })
        }
        MessageArgument::Descriptor(fd) => {
            let (opened, identity) = descriptor::for_reading(fd).map_err(refuse)?;
            let supply: Box<dyn Supply> = match opened {
                Opened::File(file) => Box::new(file::FileSupply::new(file, call.clone())),
                Opened::Live(stream) => Box::new(spooled::SpooledSupply::new(stream, contents, call.clone())),
            };
            Ok(Input { supply, identity: Some(identity) })
        }
        MessageArgument::Other => Err(refuse(text::NOT_A_STREAM)),
    }
}

/// Makes the argument `name` an output; it must not be one of `inputs`.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn output(
    name: &str,
    argument: MessageArgument,
    inputs: &[Option<Identity>],
    call: &Arc<Call>,
) -> Result<Output, WaferError> {
    let refuse = |problem: &str| text::invalid_argument(name, problem);
    let inline = InlineAnswer::default();
    match argument {
        MessageArgument::Bytes(bytes) if !bytes.is_empty() => Err(refuse(text::OUTPUT_NOT_EMPTY)),
        MessageArgument::Bytes(_) => {
            let sink = Box::new(inline::InlineSink::new(inline.clone()));
            Ok(Output { sink, inline, watch: None, identity: None })
        }
        MessageArgument::Descriptor(fd) => {
            let (opened, identity) = descriptor::for_writing(fd).map_err(|problem| match problem {
                text::READER_CLOSED => text::reader_gone(),
                problem => refuse(problem),
            })?;
            if inputs.iter().flatten().any(|input| input.same_file(&identity)) {
                return Err(refuse(text::SAME_FILE));
            }
            let (sink, watch): (Box<dyn Sink>, _) = match opened {
                Opened::File(file) => (Box::new(file::FileSink::new(file, call.clone())), None),
                Opened::Live(stream) => {
                    let watch = stream.watch();
                    (Box::new(live::LiveSink::new(stream, call.clone())), watch)
                }
            };
            Ok(Output { sink, inline, watch, identity: Some(identity) })
        }
        MessageArgument::Other => Err(refuse(text::NOT_A_STREAM)),
    }
}

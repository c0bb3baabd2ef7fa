//! An open connection to a card, in a thread of its own: PC/SC blocks without a way out when another program
//! holds the card or the card falls silent. Whoever waits here gives up in time and leaves the thread behind;
//! it ends as soon as PC/SC lets it. A connection that nobody uses is closed, so that a program that wants
//! the card for itself alone gets it.

use std::ffi::{CStr, CString};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State, Transaction};
use zeroize::Zeroizing;

use super::apdu::Channel;
use crate::card::CardError;

/// A card that another program holds is waited for so long, where there is time for it.
const BUSY: Duration = Duration::from_secs(5);
/// While it is held, how often to look.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// A connection is closed after so long without use.
const OPEN_FOR: Duration = Duration::from_millis(1500);

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a card that another program holds.
    busy: Duration,
    /// For a card that is powered up.
    open: Duration,
    /// For one answer.
    answer: Duration,
}

impl Patience {
    /// So that opening, waiting and one answer that does not come all fit into `limit`.
    pub(super) fn within(limit: Duration) -> Self {
        Self { busy: BUSY.min(limit / 6), open: limit / 3, answer: limit / 3 }
    }
}

type Answer<T> = Sender<Result<T, CardError>>;

enum Request {
    /// Begin a transaction; true: the card was reset since the last one.
    Begin(Answer<bool>),
    Exchange(Zeroizing<Vec<u8>>, Answer<Zeroizing<Vec<u8>>>),
    /// End the transaction; with a reset of the card, or leaving it as it is.
    End(Disposition),
}

/// The caller's end. Dropped inside a transaction, the card is reset: nothing stays unlocked.
pub(super) struct Line {
    requests: Sender<Request>,
    extended: bool,
    patience: Patience,
}

impl Line {
    /// Connects to the card in `reader`, beside others.
    pub(super) fn open(reader: &CStr, patience: Patience) -> Result<Self, CardError> {
        let (requests, wanted) = channel();
        let (opened, is_open) = channel();
        let reader = reader.to_owned();
        let thread = std::thread::Builder::new().name("card".to_owned());
        let thread = thread.spawn(move || attend(&reader, patience.busy, &opened, &wanted));
        thread.map_err(|error| CardError::Failed(error.to_string()))?;
        let extended = wait(&is_open, patience.open)??;
        Ok(Self { requests, extended, patience })
    }

    /// Begins a transaction; true: the card was reset since the last one. `None`: the connection was closed
    /// meanwhile.
    pub(super) fn begin(&mut self) -> Option<Result<bool, CardError>> {
        let (answer, answered) = channel();
        self.requests.send(Request::Begin(answer)).ok()?;
        match answered.recv_timeout(self.patience.busy) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => Some(Err(CardError::Busy(String::new()))),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Ends the transaction; `reset` the card where it cannot be shut otherwise.
    pub(super) fn end(&mut self, reset: bool) {
        let disposition = if reset { Disposition::ResetCard } else { Disposition::LeaveCard };
        // A thread that is gone has ended it.
        drop(self.requests.send(Request::End(disposition)));
    }
}

impl Channel for Line {
    fn extended(&self) -> bool {
        self.extended
    }

    fn exchange(&mut self, apdu: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let (answer, answered) = channel();
        self.requests.send(Request::Exchange(apdu, answer)).map_err(|_| CardError::Gone)?;
        wait(&answered, self.patience.answer)?
    }
}

fn wait<T>(answered: &Receiver<T>, time: Duration) -> Result<T, CardError> {
    answered.recv_timeout(time).map_err(|error| match error {
        RecvTimeoutError::Timeout => CardError::Failed("the card does not answer".to_owned()),
        RecvTimeoutError::Disconnected => CardError::Gone,
    })
}

/// The thread: connects, and serves until nobody wants anything for a while.
fn attend(reader: &CStr, busy: Duration, opened: &Answer<bool>, requests: &Receiver<Request>) {
    let mut card = match connect(reader, busy) {
        Ok(card) => card,
        Err(error) => return drop(opened.send(Err(error))),
    };
    let status = card.status2_owned();
    let extended = status.is_ok_and(|status| says_extended(status.atr()));
    if opened.send(Ok(extended)).is_ok() {
        while let Ok(Request::Begin(answer)) = requests.recv_timeout(OPEN_FOR) {
            if !hold(&mut card, &answer, requests) {
                break;
            }
        }
    }
    if let Err((_, error)) = card.disconnect(Disposition::LeaveCard) {
        tracing::debug!(%error, "a card's connection did not close");
    }
}

fn connect(reader: &CStr, busy: Duration) -> Result<pcsc::Card, CardError> {
    let context = Context::establish(Scope::User).map_err(trouble)?;
    let end = Instant::now() + busy;
    loop {
        match context.connect(reader, ShareMode::Shared, Protocols::ANY) {
            Err(Error::SharingViolation) if Instant::now() < end => another_look(&context, reader)?,
            result => return result.map_err(trouble),
        }
    }
}

/// Waits for a change of the reader's state, and not for long: not every pcscd tells that a card became free.
fn another_look(context: &Context, reader: &CStr) -> Result<(), CardError> {
    let mut states = [ReaderState::new(CString::from(reader), State::UNAWARE)];
    context.get_status_change(Duration::ZERO, &mut states).map_err(trouble)?;
    states[0].sync_current_state();
    match context.get_status_change(LOOK_AGAIN, &mut states) {
        Ok(()) | Err(Error::Timeout) => Ok(()),
        Err(error) => Err(trouble(error)),
    }
}

/// One transaction; false if the connection is of no more use.
fn hold(card: &mut pcsc::Card, begun: &Answer<bool>, requests: &Receiver<Request>) -> bool {
    let (transaction, reset) = match begin(card) {
        Ok(begun) => begun,
        Err(error) => {
            drop(begun.send(Err(error)));
            return false;
        }
    };
    if begun.send(Ok(reset)).is_err() {
        return false;
    }
    let mut buffer = Zeroizing::new(vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED]);
    let disposition = loop {
        match requests.recv() {
            Ok(Request::Exchange(apdu, answer)) => {
                let result = transaction.transmit(&apdu, &mut buffer).map_err(trouble);
                drop(apdu);
                if answer.send(result.map(|answer| Zeroizing::new(answer.to_vec()))).is_err() {
                    break None;
                }
            }
            Ok(Request::End(disposition)) => break Some(disposition),
            Ok(Request::Begin(_)) | Err(_) => break None,
        }
    };
    let ended = transaction.end(disposition.unwrap_or(Disposition::ResetCard));
    disposition.is_some() && ended.is_ok()
}

fn begin(card: &mut pcsc::Card) -> Result<(Transaction<'_>, bool), CardError> {
    match card.transaction2() {
        Ok(transaction) => Ok((transaction, false)),
        Err((card, Error::ResetCard)) => {
            card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).map_err(trouble)?;
            Ok((card.transaction().map_err(trouble)?, true))
        }
        Err((_, error)) => Err(trouble(error)),
    }
}

/// What PC/SC's error means. After a removal some calls still say other things for up to half a second: all
/// that may mean it is taken for it, and the next connection tells.
pub(super) fn trouble(error: Error) -> CardError {
    match error {
        Error::NoSmartcard
        | Error::RemovedCard
        | Error::ResetCard
        | Error::UnpoweredCard
        | Error::NotTransacted
        | Error::InvalidHandle
        | Error::ReaderUnavailable
        | Error::UnknownReader
        | Error::NoReadersAvailable
        | Error::NoService
        | Error::ServiceStopped
        | Error::CommError => CardError::Gone,
        Error::SharingViolation => CardError::Busy(String::new()),
        error => CardError::Failed(format!("PC/SC: {error}")),
    }
}

/// Whether the answer to reset says that the card takes extended lengths: the third octet of the card
/// capabilities (73) among the historical bytes (ISO 7816-4 section 12.1.1).
fn says_extended(atr: &[u8]) -> bool {
    let Some(history) = historical_bytes(atr) else { return false };
    // Category indicator 80 (or 00, with three octets of status at the end): compact TLV follows.
    let Some((0x80 | 0x00, mut objects)) = history.split_first() else { return false };
    while let Some((head, rest)) = objects.split_first() {
        let Some((value, rest)) = rest.split_at_checked(usize::from(head & 0x0f)) else { return false };
        if head >> 4 == 7 {
            return value.get(2).is_some_and(|third| third & 0x40 != 0);
        }
        objects = rest;
    }
    false
}

/// ISO 7816-3 section 8.2: the interface characters come before them.
fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let count = usize::from(atr.get(1)? & 0x0f);
    let (mut present, mut at) = (atr.get(1)? >> 4, 2);
    while present != 0 {
        at += usize::try_from((present & 7).count_ones()).ok()?;
        present = if present & 8 != 0 {
            let next = atr.get(at)? >> 4;
            at += 1;
            next
        } else {
            0
        };
    }
    atr.get(at..at + count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_answer_to_reset_tells_of_extended_length() {
        for (atr, extended) in [
            // YubiKey 5, Nitrokey 3, an Oberthur card of the US government, nonsense.
            ("3bfd1300008131fe158073c021c057597562694b657940", true),
            ("3b8f01805d4e6974726f6b657900000000006a", false),
            ("3bdb9600801fb10331c0640061b0ec92e004", false),
            ("3b951381018073ff0100", false),
            ("3bff", false),
            ("", false),
        ] {
            assert_eq!(says_extended(&octets(atr)), extended, "{atr}");
        }
    }
}

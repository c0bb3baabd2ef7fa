//! A visit to the card: one transaction. It begins with SELECT and, on a connection that is new or a card that
//! was reset, with the question whether it is still the same card; it ends with the card shut.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::apdu::{Channel, SELECT, get_data, send};
use super::line::{Line, Patience};
use super::objects::{self, CHUID, Chuid, PinReference};
use super::pin::{self, State};
use crate::card::CardError;
use crate::pin::secret::Secret;

/// Others wait for the card no longer than this, however many operations of ours are queued.
const LONGEST_VISIT: Duration = Duration::from_millis(500);
/// The kept PIN goes to the card only while so many tries remain (pin-rules 2).
const SAFE_TRIES: u32 = 3;

/// The way to one card, between visits and in one.
pub(super) struct Visitor {
    reader: CString,
    patience: Patience,
    /// Who must be there; nobody in particular for a first look.
    expected: Option<Option<Chuid>>,
    pin: PinReference,
    in_reader: Arc<AtomicBool>,
    /// The most tries that the card ever told of.
    most_tries: u32,
    line: Option<Line>,
    visit: Option<Visit>,
    /// How often this card was found reset.
    pub(super) resets: u32,
}

struct Visit {
    since: Instant,
    /// The PIN was verified in this visit, by us.
    open: bool,
}

impl Visitor {
    /// To whatever card is in `reader`.
    pub(super) fn new(reader: CString, patience: Patience) -> Self {
        Self {
            reader,
            patience,
            expected: None,
            pin: PinReference::Application,
            in_reader: Arc::new(AtomicBool::new(true)),
            most_tries: 0,
            line: None,
            visit: None,
            resets: 0,
        }
    }

    /// From now on only this card will do, opened by this PIN, until it is not `in_reader` any more.
    pub(super) fn expect(&mut self, chuid: Option<Chuid>, pin: PinReference, in_reader: Arc<AtomicBool>) {
        self.expected = Some(chuid);
        self.pin = pin;
        self.in_reader = in_reader;
    }

    /// Which PIN opens the card.
    pub(super) fn pin(&self) -> PinReference {
        self.pin
    }

    /// Works with the card, in a visit that has begun or begins now. [`Self::leave`] ends it.
    pub(super) fn visit<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, CardError>,
    ) -> Result<T, CardError> {
        if self.visit.as_ref().is_some_and(|visit| visit.since.elapsed() > LONGEST_VISIT) {
            self.leave();
        }
        let result = match self.visit {
            _ if !self.in_reader.load(Ordering::SeqCst) => Err(CardError::Gone),
            Some(_) => Ok(()),
            None => self.enter(),
        };
        let result = result.and_then(|()| work(self));
        if matches!(result, Err(CardError::Gone | CardError::Failed(_) | CardError::Busy(_))) {
            self.drop_line();
        }
        result
    }

    /// The card, in a visit.
    pub(super) fn channel(&mut self) -> Result<&mut dyn Channel, CardError> {
        match &mut self.line {
            Some(line) => Ok(line),
            None => Err(CardError::Gone),
        }
    }

    /// Ends the visit, with the card shut.
    pub(super) fn leave(&mut self) {
        let Some(visit) = self.visit.take() else { return };
        let pin = self.pin;
        let Some(line) = &mut self.line else { return };
        let shut = if visit.open { pin::shut(line, pin) } else { Ok(true) };
        match shut {
            Ok(shut) => line.end(!shut),
            Err(_) => self.line = None,
        }
    }

    /// Closes the connection at once; inside a visit the card is reset.
    pub(super) fn drop_line(&mut self) {
        self.line = None;
        self.visit = None;
    }

    /// Tries left. A card that somebody else has verified is shut first: it grants nothing, and tells nothing.
    pub(super) fn tries(&mut self) -> Result<u32, CardError> {
        let reference = self.pin;
        for _ in 0..2 {
            if let State::Tries(tries) = pin::state(self.channel()?, reference)? {
                self.most_tries = self.most_tries.max(tries);
                return Ok(tries);
            }
            self.shut()?;
        }
        Err(CardError::Failed("the card does not shut".to_owned()))
    }

    /// Verifies a PIN that the person entered just now.
    pub(super) fn verify(&mut self, secret: &Secret) -> Result<(), CardError> {
        let reference = self.pin;
        pin::verify(self.channel()?, reference, secret)?;
        if let Some(visit) = &mut self.visit {
            visit.open = true;
        }
        Ok(())
    }

    /// Verifies the PIN that was kept, unless it was verified in this visit; not where that could cost the
    /// last tries.
    pub(super) fn verify_kept(&mut self, secret: &Secret) -> Result<(), CardError> {
        if self.visit.as_ref().is_some_and(|visit| visit.open) {
            return Ok(());
        }
        self.verify_confirmed(secret)
    }

    /// The same, also where it was verified in this visit: some keys want that right before each use.
    pub(super) fn verify_confirmed(&mut self, secret: &Secret) -> Result<(), CardError> {
        if self.tries()? < SAFE_TRIES.min(self.most_tries) {
            return Err(CardError::NeedsLogin);
        }
        self.verify(secret)
    }

    /// Takes a verification back, ours or another's, and stays in the visit.
    pub(super) fn shut(&mut self) -> Result<(), CardError> {
        let reference = self.pin;
        let shut = pin::shut(self.channel()?, reference)?;
        if let Some(visit) = &mut self.visit {
            visit.open = false;
        }
        if !shut {
            if let Some(line) = &mut self.line {
                line.end(true);
            }
            self.visit = None;
            self.enter()?;
        }
        Ok(())
    }

    /// Sets another PIN. Some cards count as verified afterwards: it is taken back like any other.
    pub(super) fn change_pin(&mut self, old: &Secret, new: &Secret) -> Result<(), CardError> {
        self.visit(|visitor| {
            let reference = visitor.pin;
            pin::change(visitor.channel()?, reference, old, new)?;
            visitor.shut()
        })
    }

    /// Sets a new PIN by the PUK.
    pub(super) fn unblock(&mut self, puk: &Secret, new: &Secret) -> Result<(), CardError> {
        self.visit(|visitor| {
            pin::unblock(visitor.channel()?, puk, new)?;
            visitor.shut()
        })
    }

    fn enter(&mut self) -> Result<(), CardError> {
        let is_new = self.begin()?;
        self.visit = Some(Visit { since: Instant::now(), open: false });
        send(self.channel()?, SELECT)?.ok().map_err(|error| match error {
            CardError::Gone => CardError::Gone,
            _ => CardError::Unsupported("PIV".to_owned()),
        })?;
        if is_new {
            self.check()?;
        }
        Ok(())
    }

    /// Begins a transaction; true if the card may be another one than before.
    fn begin(&mut self) -> Result<bool, CardError> {
        if let Some(line) = &mut self.line
            && let Some(begun) = line.begin()
        {
            self.resets += u32::from(begun == Ok(true));
            return begun;
        }
        let line = self.line.insert(Line::open(&self.reader, self.patience)?);
        line.begin().unwrap_or(Err(CardError::Gone)).map(|_| true)
    }

    /// Whether the card that was expected is there.
    fn check(&mut self) -> Result<(), CardError> {
        let Some(expected) = self.expected.clone() else { return Ok(()) };
        let found = read_chuid(self.channel()?)?;
        if found == expected {
            return Ok(());
        }
        tracing::warn!("another card is in the reader");
        self.leave();
        Err(CardError::Gone)
    }
}

/// The card's CHUID; `None` if it has none, or one that says nothing.
pub(super) fn read_chuid(channel: &mut dyn Channel) -> Result<Option<Chuid>, CardError> {
    let answer = get_data(channel, CHUID)?;
    Ok(answer.as_deref().and_then(|answer| objects::content(answer)).and_then(objects::chuid))
}

//! The readers and the PIV cards in them.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use wafer_client::keeper::ReaderInfo;

use super::apdu::{Channel, SELECT, get_data, send};
use super::line::{Patience, trouble};
use super::objects::{self, Chuid, DISCOVERY, PinReference};
use super::visit::{Visitor, read_chuid};
use super::{PivCard, Remembered, contents, tlv};
use crate::card::readers::Occupied;
use crate::card::{Card, CardError, Contents, Identity, Source};

/// Every reader of pcscd.
pub struct Readers {
    /// The source's name in waferd's settings.
    name: String,
    patience: Patience,
    occupied: Occupied,
    known: HashMap<CString, Seen>,
}

/// What was found in a reader.
struct Seen {
    /// pcscd's count of insertions and removals when it was looked at: the card is not touched again while
    /// that stays.
    count: u32,
    /// The PIV card, if it is one.
    card: Option<Found>,
}

/// A PIV card as it was read first.
#[derive(Clone)]
struct Found {
    identity: Identity,
    chuid: Option<Chuid>,
    pin: PinReference,
    contents: Contents,
    /// It was not pulled since.
    in_reader: Arc<AtomicBool>,
}

impl Readers {
    /// The readers; pcscd is not spoken with before the first listing. No call takes longer than `limit`
    /// because a card does not answer.
    pub fn new(name: &str, limit: Duration) -> Self {
        Self {
            name: name.to_owned(),
            patience: Patience::within(limit),
            occupied: Occupied::default(),
            known: HashMap::new(),
        }
    }

    /// The readers with a card in them, each with its count of insertions and removals.
    fn occupied(&mut self) -> Result<Vec<(CString, u32)>, CardError> {
        let looked = self.occupied.look();
        if looked.anew {
            self.forget(|_, _| true);
        }
        looked.readers.map_err(trouble)
    }

    /// Forgets cards that are gone, and lets those who still work with them know.
    fn forget(&mut self, is_gone: impl Fn(&CStr, &Seen) -> bool) {
        self.known.retain(|reader, seen| {
            let gone = is_gone(reader, seen);
            if gone && let Some(card) = &seen.card {
                card.in_reader.store(false, Ordering::SeqCst);
            }
            !gone
        });
    }

    /// Looks at the card in a reader unless it was looked at already.
    fn look(&mut self, reader: &CStr, count: u32) -> Result<Option<Found>, CardError> {
        if let Some(seen) = self.known.get(reader) {
            return Ok(seen.card.clone());
        }
        let mut visitor = Visitor::new(reader.to_owned(), self.patience);
        let name = &self.name;
        let found = visitor.visit(|visitor| read(visitor.channel()?, name));
        visitor.leave();
        let card = match found {
            Ok(found) => Some(found),
            Err(error @ (CardError::Gone | CardError::Busy(_))) => return Err(error),
            // Another kind of card, or one that is broken: not touched again while it stays in.
            Err(error) => {
                tracing::info!(%error, reader = %reader.to_string_lossy(), "no PIV card that can be used");
                None
            }
        };
        self.known.insert(reader.to_owned(), Seen { count, card: card.clone() });
        Ok(card)
    }
}

impl Source for Readers {
    fn present(&mut self) -> Result<Vec<(Identity, String)>, CardError> {
        let occupied = self.occupied()?;
        // One that was out of its reader, however short, is another insertion: its PIN is forgotten.
        self.forget(|reader, seen| {
            !occupied.iter().any(|(name, count)| **name == *reader && *count == seen.count)
        });
        let mut present: Vec<(Identity, String)> = Vec::new();
        for (reader, count) in occupied {
            let name = reader.to_string_lossy().into_owned();
            match self.look(&reader, count) {
                Ok(Some(found)) if present.iter().all(|(known, _)| known.id != found.identity.id) => {
                    present.push((found.identity, name));
                }
                Ok(_) => {}
                Err(error) => tracing::info!(%error, reader = name, "the card in this reader cannot be read"),
            }
        }
        Ok(present)
    }

    fn is_removable(&self) -> bool {
        true
    }

    fn readers(&self) -> Vec<ReaderInfo> {
        let info = |(reader, seen): (&CString, &Seen)| ReaderInfo {
            name: reader.to_string_lossy().into_owned(),
            count: seen.count,
            taken: seen.card.is_some(),
        };
        self.known.iter().map(info).collect()
    }

    fn open(&mut self, identity: &Identity) -> Result<Box<dyn Card>, CardError> {
        let found = self.known.iter().find_map(|(reader, seen)| {
            let card = seen.card.as_ref().filter(|card| card.identity.id == identity.id)?;
            Some((reader, card))
        });
        let (reader, card) = found.ok_or(CardError::Gone)?;
        let mut visitor = Visitor::new(reader.clone(), self.patience);
        visitor.expect(card.chuid.clone(), card.pin, Arc::clone(&card.in_reader));
        // What was just read serves the first listing.
        let contents = Remembered { contents: card.contents.clone(), when: Instant::now(), resets: 0 };
        Ok(Box::new(PivCard { token: identity.id.clone(), visitor, contents: Some(contents) }))
    }
}

/// Reads a card that was just selected for the first time.
fn read(channel: &mut dyn Channel, source: &str) -> Result<Found, CardError> {
    let template = send(channel, SELECT)?.ok()?;
    let chuid = read_chuid(channel)?;
    let discovery = get_data(channel, DISCOVERY)?;
    let pin = discovery.as_deref().map_or(PinReference::Application, |answer| objects::pin_reference(answer));
    let mut contents = contents::read(channel, "")?;
    let id = id(source, chuid.as_ref(), &contents).ok_or(CardError::NoKey)?;
    for key in &mut contents.keys {
        key.id.insert_str(0, &id);
    }
    let serial = chuid.as_ref().map_or(&[][..], |chuid| &chuid.guid);
    let identity = Identity {
        id,
        label: contents::holder(&contents).unwrap_or_else(|| "PIV card".to_owned()),
        serial: serial.iter().map(|octet| format!("{octet:02X}")).collect(),
        model: model(&template),
        manufacturer: String::new(),
    };
    Ok(Found { identity, chuid, pin, contents, in_reader: Arc::new(AtomicBool::new(true)) })
}

/// A card's name for ever: from its CHUID, or where it has none (fresh from the shop, then loaded with a
/// certificate only) from its first certificate. A card with neither is of no use here.
fn id(source: &str, chuid: Option<&Chuid>, contents: &Contents) -> Option<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in ["piv", source] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    match chuid {
        Some(chuid) => [&chuid.fasc_n, &chuid.guid].into_iter().for_each(|part| {
            context.update(part);
            context.update(&[0]);
        }),
        None => context.update(&contents.keys.first()?.certificate),
    }
    Some(context.finish().as_ref()[..10].iter().map(|octet| format!("{octet:02x}")).collect())
}

/// The application label in the application property template (SP 800-73-5 part 2, table 3).
fn model(template: &[u8]) -> String {
    let label = tlv::find(template, 0x61).and_then(|template| tlv::find(template, 0x50));
    let text = String::from_utf8_lossy(label.unwrap_or_default()).into_owned();
    let text: String = text.chars().filter(|character| !character.is_control()).take(64).collect();
    if text.is_empty() { "PIV".to_owned() } else { text }
}

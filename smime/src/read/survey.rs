//! One look at all of the innermost entity: its digest, the protected parts in it, and whether it looks like
//! plaintext that was tampered with.

use std::io::Cursor;

use crate::algorithm::DigestAlgorithm;
use crate::asn1::oid;
use crate::cms::outline::content_type;
use crate::crypto::hash::{Digests, Hashers};
use crate::error::Result;
use crate::mime::content_type::ContentType;
use crate::mime::head::Head;
use crate::mime::kind::{Kind, Transfer};
use crate::mime::walk::{Event, Place, Walker};
use crate::read::layer::{Part, PartKind};

/// Protected parts that are listed.
const PARTS: usize = 64;

/// Bytes of a CMS body that are looked at.
const GLANCE: usize = 256;

/// By which the innermost entity is known again.
pub(super) const DIGEST: DigestAlgorithm = DigestAlgorithm::Sha256;

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) digests: Digests,
    pub(super) length: u64,
    /// Parts with a protection of their own.
    pub(super) parts: Vec<Part>,
    /// Bytes that a head does not allow for.
    pub(super) garbled: bool,
    /// Paths of the parts with a legacy display element (RFC 9788 section 5.2.2).
    pub(super) legacy_display: Vec<String>,
}

/// The look in progress.
pub(super) struct Survey {
    hashers: Hashers,
    walker: Walker,
    notes: Notes,
    length: u64,
}

#[derive(Default)]
struct Notes {
    seen: Seen,
    encoding: Encoding,
    /// A CMS part whose head does not say of which kind it is: the beginning of its body.
    glance: Option<(Place, Transfer, Vec<u8>)>,
}

/// Which bytes a body may have.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    SevenBit,
    EightBit,
    Binary,
}

impl Survey {
    /// Starts in front of the entity's head.
    pub(super) fn new() -> Self {
        Self {
            hashers: Hashers::new(&[DIGEST]),
            walker: Walker::default(),
            notes: Notes::default(),
            length: 0,
        }
    }

    /// Looks at `bytes`.
    ///
    /// # Errors
    /// None of its own.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.hashers.update(bytes);
        self.length += bytes.len() as u64;
        let notes = &mut self.notes;
        self.walker.feed(bytes, &mut |event| {
            notes.take(event);
            Ok(())
        })
    }

    /// What was seen.
    ///
    /// # Errors
    /// None of its own.
    pub(super) fn finish(mut self) -> Result<Seen> {
        let notes = &mut self.notes;
        self.walker.finish(&mut |event| {
            notes.take(event);
            Ok(())
        })?;
        self.notes.end_glance();
        Ok(Seen { digests: self.hashers.finish(), length: self.length, ..self.notes.seen })
    }
}

impl Notes {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Head { raw, head, place, container } => {
                self.end_glance();
                self.seen.garbled |= std::str::from_utf8(raw).is_err() || raw.iter().any(is_control);
                self.encoding = if container { Encoding::EightBit } else { encoding(head) };
                self.head(head, place);
            }
            Event::Body(bytes) => {
                self.seen.garbled |= !self.encoding.allows(bytes);
                if let Some((.., start)) = &mut self.glance {
                    let room = GLANCE.saturating_sub(start.len()).min(bytes.len());
                    start.extend_from_slice(&bytes[..room]);
                }
            }
            Event::Between(bytes) => self.seen.garbled |= !Encoding::EightBit.allows(bytes),
        }
    }

    fn head(&mut self, head: &Head, place: &Place) {
        let content_type = ContentType::parse(&head.value("Content-Type").unwrap_or_default());
        if content_type.parameter("hp-legacy-display") == Some("1") && self.seen.legacy_display.len() < PARTS
        {
            self.seen.legacy_display.push(path(place));
        }
        // The content itself was judged before.
        let root = place.path.is_empty() && !place.forwarded;
        match Kind::of(head) {
            _ if root => {}
            Ok(Kind::Clear { .. }) => self.part(place, PartKind::Signed),
            Ok(Kind::Cms(_)) if content_type.kind.ends_with("pkcs7-signature") || place.of_signed => {}
            Ok(Kind::Cms(transfer)) => match content_type.parameter("smime-type") {
                Some(kind) if kind.eq_ignore_ascii_case("signed-data") => self.part(place, PartKind::Signed),
                Some(kind) if kind.eq_ignore_ascii_case("enveloped-data") => {
                    self.part(place, PartKind::Encrypted);
                }
                Some(kind) if kind.eq_ignore_ascii_case("authEnveloped-data") => {
                    self.part(place, PartKind::Encrypted);
                }
                Some(kind) if kind.eq_ignore_ascii_case("certs-only") => {}
                _ => self.glance = Some((place.clone(), transfer, Vec::new())),
            },
            Ok(Kind::Plain) | Err(_) => {}
        }
    }

    fn part(&mut self, place: &Place, kind: PartKind) {
        if self.seen.parts.len() < PARTS {
            self.seen.parts.push(Part { path: path(place), kind, forwarded: place.forwarded });
        }
    }

    /// Judges a CMS part by the beginning of its body.
    fn end_glance(&mut self) {
        let Some((place, transfer, start)) = self.glance.take() else { return };
        let kind = match cms_type(transfer, start) {
            Some(oid::ID_SIGNED_DATA) => PartKind::Signed,
            Some(oid::ID_ENVELOPED_DATA | oid::ID_AUTH_ENVELOPED_DATA) => PartKind::Encrypted,
            _ => PartKind::Other,
        };
        self.part(&place, kind);
    }
}

fn cms_type(transfer: Transfer, start: Vec<u8>) -> Option<const_oid::ObjectIdentifier> {
    content_type(transfer.decoded(Box::new(Cursor::new(start))).ok()?).ok()
}

fn path(place: &Place) -> String {
    let numbers: Vec<String> = place.path.iter().map(u32::to_string).collect();
    numbers.join(".")
}

fn encoding(head: &Head) -> Encoding {
    let value = ContentType::parse(&head.value("Content-Transfer-Encoding").unwrap_or_default());
    match value.kind.as_str() {
        "8bit" => Encoding::EightBit,
        "binary" => Encoding::Binary,
        _ => Encoding::SevenBit,
    }
}

impl Encoding {
    fn allows(self, bytes: &[u8]) -> bool {
        match self {
            Self::SevenBit => bytes.is_ascii() && !bytes.iter().any(is_control),
            Self::EightBit => !bytes.iter().any(is_control),
            Self::Binary => true,
        }
    }
}

/// Control characters that no text has: all but tab, line ends, form feed and escape (ISO 2022).
fn is_control(byte: &u8) -> bool {
    matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31 | 127)
}

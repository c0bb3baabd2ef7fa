//! Header protection as it is written (RFC 9788): a message whose Content-Type says `hp` has its header fields
//! within what is signed or encrypted, too.

use crate::mime::content_type::ContentType;
use crate::mime::head::{Field, Head};

/// What `hp` says (RFC 9788 section 2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The message is to be signed: the fields inside are those outside.
    Clear,
    /// The message is to be encrypted: outside, what is confidential is hidden.
    Cipher,
}

impl Mode {
    /// The mode that the entity of this head asks for, or was written in.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let content_type = ContentType::parse(&head.value("Content-Type")?);
        match content_type.parameter("hp")?.to_ascii_lowercase().as_str() {
            "cipher" => Some(Self::Cipher),
            "clear" => Some(Self::Clear),
            _ => None,
        }
    }
}

/// The fields that go inside beside `Content-*`: copies of the outer ones and, if some are hidden, how they stand
/// outside (section 2.2).
pub(crate) fn inner(head: &Head) -> Vec<u8> {
    let Some(mode) = Mode::of(head) else { return Vec::new() };
    let protected = |field: &&Field| is_protected(field) && !field.is("HP-Outer");
    let mut fields: Vec<u8> =
        head.fields().filter(protected).flat_map(|field| field.raw().to_vec()).collect();
    if mode == Mode::Cipher {
        for field in head.fields().filter(protected) {
            if let Some(outside) = confidential(field) {
                fields.extend_from_slice(b"HP-Outer: ");
                fields.extend_from_slice(&outside);
            }
        }
    }
    fields
}

/// The fields that stand outside of what is sealed.
pub(crate) fn outer(head: &Head) -> Vec<u8> {
    match Mode::of(head) {
        Some(Mode::Cipher) => {
            let outside = head.fields().filter(|field| is_outer(field) && !field.is("HP-Outer"));
            outside.filter_map(confidential).flatten().collect()
        }
        _ => head.outer(),
    }
}

/// A field as it stands outside of an encrypted message; `None` if it does not (`hcp_baseline`, section 3.2.1).
fn confidential(field: &Field) -> Option<Vec<u8>> {
    match field {
        _ if field.is("Subject") => Some(b"Subject: [...]\r\n".to_vec()),
        _ if field.is("Keywords") || field.is("Comments") => None,
        _ => Some(field.raw().to_vec()),
    }
}

fn is_outer(field: &Field) -> bool {
    !field.is_content() && !field.is("MIME-Version")
}

/// Bcc goes nowhere but to the submission server, which takes it off; inside nobody would.
fn is_protected(field: &Field) -> bool {
    is_outer(field) && !field.is("Bcc")
}

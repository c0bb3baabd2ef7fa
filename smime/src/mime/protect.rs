//! Header protection as it is written (RFC 9788): a message whose Content-Type says `hp` has its header fields
//! within what is signed or encrypted, too.

use crate::headers::{HeaderConfidentiality, HeaderProtection};
use crate::mime::confidential::outside;
use crate::mime::content_type::{ContentType, with_parameter, without_parameter};
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

/// Lets `head` ask for the protection that `how` says.
pub(crate) fn ask(head: &mut Head, how: HeaderProtection) {
    let mode = match how {
        HeaderProtection::AsWritten => return,
        HeaderProtection::Outside => None,
        HeaderProtection::Clear => Some("clear"),
        HeaderProtection::Cipher(_) => Some("cipher"),
    };
    let written = head.raw_value("Content-Type");
    if mode.is_none() && written.is_none() {
        return;
    }
    let plain = without_parameter(&written.unwrap_or_else(|| "text/plain".to_owned()), "hp");
    let asking = mode.map_or_else(|| plain.clone(), |mode| with_parameter(&plain, "hp", mode));
    head.set("Content-Type", &asking);
}

/// The policy that goes with `how`.
pub(crate) fn policy(how: HeaderProtection) -> HeaderConfidentiality {
    match how {
        HeaderProtection::Cipher(policy) => policy,
        _ => HeaderConfidentiality::default(),
    }
}

/// The fields that go inside beside `Content-*`: copies of the outer ones and, if some are hidden, how they stand
/// outside (section 2.2).
pub(crate) fn inner(head: &Head, policy: HeaderConfidentiality) -> Vec<u8> {
    let Some(mode) = Mode::of(head) else { return Vec::new() };
    let protected = |field: &&Field| is_protected(field) && !field.is("HP-Outer");
    let mut fields: Vec<u8> =
        head.fields().filter(protected).flat_map(|field| field.raw().to_vec()).collect();
    if mode == Mode::Cipher {
        for field in head.fields().filter(protected) {
            if let Some(outside) = outside(field, policy) {
                fields.extend_from_slice(b"HP-Outer: ");
                fields.extend_from_slice(&outside);
            }
        }
    }
    fields
}

/// The fields that stand outside of what is sealed.
pub(crate) fn outer(head: &Head, policy: HeaderConfidentiality) -> Vec<u8> {
    match Mode::of(head) {
        Some(Mode::Cipher) => {
            let kept = head.fields().filter(|field| is_outer(field) && !field.is("HP-Outer"));
            kept.filter_map(|field| outside(field, policy)).flatten().collect()
        }
        _ => head.outer(),
    }
}

fn is_outer(field: &Field) -> bool {
    !field.is_content() && !field.is("MIME-Version")
}

/// Bcc goes nowhere but to the submission server, which takes it off; inside nobody would.
fn is_protected(field: &Field) -> bool {
    is_outer(field) && !field.is("Bcc")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const CIPHER: HeaderProtection = HeaderProtection::Cipher(HeaderConfidentiality::Baseline);

    fn content_type(head: &str, how: HeaderProtection) -> Option<String> {
        let mut head = Head::read(&mut head.as_bytes()).unwrap();
        ask(&mut head, how);
        head.value("Content-Type")
    }

    #[test]
    fn the_message_is_made_to_ask_and_not_to_ask() {
        let plain = "Subject: x\nContent-Type: text/plain; charset=\"a;b\"; (hp=no) format=flowed;\n";
        let asking = "text/plain; charset=\"a;b\"; (hp=no) format=flowed; hp=\"cipher\"";
        assert_eq!(content_type(plain, CIPHER).unwrap(), asking);
        let clear = "Content-Type: text/plain;\n HP=clear; hp-legacy-display=1; charset=utf-8\n";
        assert_eq!(
            content_type(clear, CIPHER).unwrap(),
            "text/plain; hp-legacy-display=1; charset=utf-8; hp=\"cipher\""
        );
        let outside = content_type(clear, HeaderProtection::Outside).unwrap();
        assert_eq!(outside, "text/plain; hp-legacy-display=1; charset=utf-8");
        assert_eq!(
            content_type(clear, HeaderProtection::AsWritten).unwrap(),
            "text/plain; HP=clear; hp-legacy-display=1; charset=utf-8"
        );
        assert_eq!(
            content_type("Subject: x\n", HeaderProtection::Clear).unwrap(),
            "text/plain; hp=\"clear\""
        );
        assert_eq!(content_type("Subject: x\n", HeaderProtection::Outside), None);
    }
}

//! Whom a message says to come from, and when.

use std::time::{Duration, SystemTime};

use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};

use crate::mime::head::Head;

/// Addresses that are read; a person writes from one.
const LIMIT: usize = 256;

/// The addresses of all `From` and `Sender` fields, without doubles, their domains in lower case
/// (RFC 5321 section 2.4: the local part belongs to the domain's own host).
pub(crate) fn senders(head: &Head) -> Vec<String> {
    senders_in(head, &["From", "Sender"])
}

/// Whether programs may differ in whom they show as the sender: a field is there twice, or From names several
/// people (RFC 5322 section 3.6.2 allows that, but nobody writes it).
pub(crate) fn names_several_senders(head: &Head) -> bool {
    let twice = |name: &str| head.fields().filter(|field| field.is(name)).count() > 1;
    twice("From") || twice("Sender") || senders_in(head, &["From"]).len() > 1
}

/// As [`senders`], of these fields only: `From`, `Sender` or both.
pub(crate) fn senders_in(head: &Head, names: &[&str]) -> Vec<String> {
    let mut fields: Vec<u8> = head
        .fields()
        .filter(|field| names.iter().any(|name| field.is(name)))
        .flat_map(|field| field.raw().iter().copied())
        .collect();
    fields.extend_from_slice(b"\r\n");
    let Some(message) = MessageParser::default().parse_headers(&fields) else { return Vec::new() };
    let mut senders: Vec<String> = Vec::new();
    for header in message.headers() {
        if let (HeaderName::From | HeaderName::Sender, HeaderValue::Address(addresses)) =
            (&header.name, &header.value)
        {
            for sender in listed(addresses) {
                if senders.len() < LIMIT && !senders.contains(&sender) {
                    senders.push(sender);
                }
            }
        }
    }
    senders
}

/// The time that `Date` says; `None` if it cannot be read, or lies before 1970.
pub(crate) fn date(head: &Head) -> Option<SystemTime> {
    let field = head.fields().find(|field| field.is("Date"))?;
    let text = [field.raw(), b"\r\n"].concat();
    let message = MessageParser::default().parse_headers(&text)?;
    let seconds = message.date().filter(|date| date.is_valid())?.to_timestamp();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

fn listed(addresses: &Address<'_>) -> Vec<String> {
    addresses.iter().filter_map(|one| one.address()).filter_map(normal).collect()
}

/// `None` for what is no address. One with control characters in it counts, but equals none that is.
fn normal(address: &str) -> Option<String> {
    let (local, domain) = address.trim().rsplit_once('@')?;
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    Some(format!("{local}@{}", domain.to_ascii_lowercase()).replace(char::is_control, "\u{fffd}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn finds_every_sender() {
        let head = "From: =?utf-8?q?=C3=84?= (c) <Anna@Example.ORG>,\n \"x@y\" <b@c.d>\nTo: z@z.z\nSender: b@C.d\nFrom: e@f";
        let head = Head::read(&mut head.as_bytes()).unwrap();
        assert_eq!(senders(&head), ["Anna@example.org", "b@c.d", "e@f"]);
        assert_eq!(senders(&Head::default()), Vec::<String>::new());
        assert!(names_several_senders(&head) && !names_several_senders(&Head::default()));
    }

    #[test]
    fn knows_when() {
        let at = |text: &str| date(&Head::read(&mut text.as_bytes()).unwrap());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_438_283);
        assert_eq!(at("Date: Mon, 26 Jan 2026\n 15:38:03 +0100 (MEZ)"), Some(time));
        assert_eq!(at("Date: yesterday"), None);
        assert_eq!(at("Date: Mon, 1 Jan 1900 00:00:00 +0000"), None);
        assert_eq!(at("From: x"), None);
    }

    /// Found by fuzzing: an address of two lines.
    #[test]
    fn an_address_has_no_control_characters() {
        let head = Head::read(&mut &b"From: \"a\rb\"@c.d, <e\x1b@f>"[..]).unwrap();
        let found = senders(&head);
        assert!(!found.is_empty() && !found.concat().contains(char::is_control), "{found:?}");
    }
}

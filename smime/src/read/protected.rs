//! Header protection (RFC 9788): the fields that travelled with the content, and how they differ from those
//! outside.

use crate::mime::address::senders_in;
use crate::mime::head::{Field, Head};
use crate::mime::protect::Mode;
use crate::read::layer::{Concern, ProtectedHeaders};

/// The protected fields of the innermost entity, if it says to have them (section 2.1.1).
pub(super) fn protected(head: &Head) -> Option<ProtectedHeaders> {
    let cipher = Mode::of(head)? == Mode::Cipher;
    let outer = outer_fields(head);
    let fields: Vec<(String, String)> = head
        .fields()
        .filter(|field| !is_structural(field))
        .map(|field| (field.name_text(), field.value()))
        .collect();
    // Section 4.1.2: what HP-Outer does not show with the same value was not seen outside.
    let confidential = fields.iter().filter(|(name, value)| {
        cipher && !outer.iter().any(|(known, seen)| known.eq_ignore_ascii_case(name) && seen == value)
    });
    let confidential = confidential.map(|(name, _)| name.clone()).collect();
    Some(ProtectedHeaders { cipher, fields, confidential })
}

/// How `inner`'s protected fields and the message's own differ without the sender's having said so.
pub(super) fn mismatches(outer: &Head, inner: &Head) -> Vec<Concern> {
    let Some(headers) = protected(inner) else { return Vec::new() };
    let mut concerns = Vec::new();
    let (outside, inside) = (senders_in(outer, &["From"]), senders_in(inner, &["From"]));
    if outer.has("From") && inner.has("From") && outside != inside {
        concerns.push(Concern::FromMismatch);
    }
    let meant = headers.confidential.iter().any(|name| name.eq_ignore_ascii_case("Subject"));
    let (outside, inside) = (outer.value("Subject"), inner.value("Subject"));
    if outside.is_some() && inside.is_some() && outside != inside && !meant {
        concerns.push(Concern::SubjectMismatch);
    }
    concerns
}

/// The fields as the sender says that they stood outside: name and value of each HP-Outer (section 2.2).
fn outer_fields(head: &Head) -> Vec<(String, String)> {
    let values = head.fields().filter(|field| field.is("HP-Outer")).map(Field::value);
    let split = |value: String| {
        let (name, value) = value.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    values.filter_map(split).collect()
}

/// Fields that belong to the MIME structure, or to header protection itself (section 1.1.1).
fn is_structural(field: &Field) -> bool {
    field.is_content() || field.is("MIME-Version") || field.is("HP-Outer")
}

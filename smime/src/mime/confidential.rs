//! What a Header Confidentiality Policy leaves outside of an encrypted message (RFC 9788 section 3.2).

use mail_parser::{Address, DateTime, HeaderValue, MessageParser};

use crate::headers::HeaderConfidentiality;
use crate::mime::head::Field;

/// Addresses that are written anew; a field with more is left as it is.
const ADDRESSES: usize = 1024;

/// Columns of a line (RFC 5322 section 2.1.1).
const COLUMNS: usize = 78;

/// `field` as it stands outside; `None` if it does not.
pub(super) fn outside(field: &Field, policy: HeaderConfidentiality) -> Option<Vec<u8>> {
    let as_it_is = || Some(field.raw().to_vec());
    match policy {
        HeaderConfidentiality::Nothing => as_it_is(),
        _ if field.is("Subject") => Some(b"Subject: [...]\r\n".to_vec()),
        _ if field.is("Keywords") || field.is("Comments") => None,
        HeaderConfidentiality::Shy => shy(field).or_else(as_it_is),
        HeaderConfidentiality::Baseline => as_it_is(),
    }
}

/// `hcp_shy` (section 3.2.2): addresses without names, the date in UTC. `None` for other fields, and for what cannot be
/// read for certain: it is better told than garbled.
fn shy(field: &Field) -> Option<Vec<u8>> {
    let text = [field.raw(), b"\r\n"].concat();
    let parsed = MessageParser::default().parse_headers(&text)?;
    let value = &parsed.headers().first()?.value;
    let written = match value {
        HeaderValue::Address(Address::List(all)) if field.is("To") || field.is("Cc") => {
            let all = all.iter().map(|one| addr_spec(one.address.as_deref()?));
            folded(&field.name_text(), &all.collect::<Option<Vec<_>>>()?)?
        }
        HeaderValue::Address(Address::List(all)) if field.is("From") && all.len() == 1 => {
            format!("{}: {}\r\n", field.name_text(), addr_spec(all.first()?.address.as_deref()?)?)
        }
        HeaderValue::DateTime(date) if field.is("Date") => {
            format!("{}: {}\r\n", field.name_text(), utc(date)?)
        }
        _ => return None,
    };
    Some(written.into_bytes())
}

/// An address that needs no quotes.
fn addr_spec(address: &str) -> Option<&str> {
    let (local, domain) = address.rsplit_once('@')?;
    let atom = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    (local.split('.').all(atom) && domain.split('.').all(atom)).then_some(address)
}

fn folded(name: &str, addresses: &[&str]) -> Option<String> {
    if addresses.is_empty() || addresses.len() > ADDRESSES {
        return None;
    }
    let mut text = format!("{name}:");
    let mut column = text.len();
    for (number, address) in addresses.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        if number > 0 && column + address.len() + 3 > COLUMNS {
            text.push_str("\r\n");
            column = 0;
        }
        text.push(' ');
        text.push_str(address);
        column += address.len() + 2;
    }
    Some(text + "\r\n")
}

/// RFC 5322 section 3.3.
fn utc(date: &DateTime) -> Option<String> {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = DateTime::from_timestamp(Some(date).filter(|date| date.is_valid())?.to_timestamp());
    let day = DAYS.get(usize::from(date.day_of_week()))?;
    let month = MONTHS.get(usize::from(date.month).checked_sub(1)?)?;
    let (year, hour, minute, second) = (date.year, date.hour, date.minute, date.second);
    Some(format!("{day}, {} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000", date.day))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::mime::head::Head;

    fn shown(text: &str, policy: HeaderConfidentiality) -> Option<String> {
        let head = Head::read(&mut text.as_bytes()).unwrap();
        let field = head.fields().next().unwrap();
        outside(field, policy).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_shy_policy_hides_names_and_time_zone() {
        let shy = |text: &str| shown(text, HeaderConfidentiality::Shy).unwrap();
        assert_eq!(shy("From: \"Alice, A.\" <alice@smime.example>"), "From: alice@smime.example\r\n");
        assert_eq!(
            shy("To: Bob <b@x.test>,\n =?utf-8?q?=C3=84?= <c.d@x.test>"),
            "To: b@x.test, c.d@x.test\r\n"
        );
        assert_eq!(
            shy("Date: Sat, 20 Feb 2021 10:12:02 -0500 (EST)"),
            "Date: Sat, 20 Feb 2021 15:12:02 +0000\r\n"
        );
        assert_eq!(shy("Date: Sat, 20 Feb 2021 23:12:02 -0500"), "Date: Sun, 21 Feb 2021 04:12:02 +0000\r\n");
        assert_eq!(shy("Subject: secret"), "Subject: [...]\r\n");
        assert_eq!(shown("Keywords: a", HeaderConfidentiality::Shy), None);
    }

    #[test]
    fn what_cannot_be_written_anew_stays() {
        for text in [
            "From: A <a@b.test>, C <c@d.test>",
            "To: friends: A <a@b.test>, C <c@d.test>;",
            "To: Odd <\"x y\"@b.test>",
            "Cc: undisclosed-recipients:;",
            "Date: yesterday",
            "Message-ID: <1@b.test>",
            "Reply-To: A <a@b.test>",
        ] {
            assert_eq!(shown(text, HeaderConfidentiality::Shy).unwrap(), format!("{text}\r\n"));
        }
        assert_eq!(shown("Subject: open", HeaderConfidentiality::Nothing).unwrap(), "Subject: open\r\n");
    }

    #[test]
    fn long_lists_are_folded() {
        let list: Vec<String> = (0..50).map(|number| format!("P <person{number}@example.test>")).collect();
        let shown = shown(&format!("To: {}", list.join(", ")), HeaderConfidentiality::Shy).unwrap();
        assert!(shown.lines().all(|line| line.len() <= COLUMNS), "{shown}");
        assert_eq!(shown.matches('@').count(), 50);
    }
}

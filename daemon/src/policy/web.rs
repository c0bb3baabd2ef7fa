//! Web pages as callers: the origin of a page (RFC 6454), and the rules for it. Pure.

use std::fmt;

/// The longest origin taken: a host name has at most 253 letters (RFC 1035 section 2.3.4).
const LONGEST: usize = 270;
const SCHEME: &str = "https://";

/// A web page's origin: `https`, a host, and a port unless it is the usual one. Without TLS anybody on the way could
/// be the page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebOrigin(String);

/// Not the origin of a page that is served over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be as \"https://mail.example.org\"")]
pub struct NoOrigin;

impl WebOrigin {
    /// Reads `text` as browsers write origins: lower case, without a path; a name of other scripts in Punycode.
    ///
    /// # Errors
    /// It is none, or not one of `https`.
    pub fn parse(text: &str) -> Result<Self, NoOrigin> {
        let rest = text.strip_prefix(SCHEME).filter(|_| text.len() <= LONGEST).ok_or(NoOrigin)?;
        let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
        if !host.split('.').all(is_label) || port.is_some_and(|port| !is_port(port)) {
            return Err(NoOrigin);
        }
        Ok(Self(if port == Some("443") { format!("{SCHEME}{host}") } else { text.to_owned() }))
    }

    /// Whether `pattern` means it: an origin, or `https://*.example.org` for everything below a domain.
    pub fn fits(&self, pattern: &str) -> bool {
        match pattern.strip_prefix("https://*.") {
            Some(domain) => self.0.strip_suffix(domain).is_some_and(|start| {
                start.len() > SCHEME.len() + 1 && start.ends_with('.') && domain.split('.').count() > 1
            }),
            None => Self::parse(pattern).is_ok_and(|own| own == *self),
        }
    }

    /// Whether a list of patterns, as an administrator writes it, lets it ask at all. An empty list lets every one.
    pub fn may_ask(&self, patterns: &[String]) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| self.fits(pattern))
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 1123 section 2.1: letters, digits, and hyphens inside.
fn is_label(label: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(letter)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for origin in ["https://mail.example.org", "https://localhost:8443", "https://xn--mller-kva.example"]
        {
            assert_eq!(WebOrigin::parse(origin).unwrap().to_string(), origin);
        }
        let usual = WebOrigin::parse("https://mail.example.org:443").unwrap();
        assert_eq!(usual, WebOrigin::parse("https://mail.example.org").unwrap());
        for wrong in [
            "",
            "null",
            "http://mail.example.org",
            "HTTPS://mail.example.org",
            "https://Mail.example.org",
            "https://mail.example.org/",
            "https://mail.example.org/owa",
            "https://user@mail.example.org",
            "https://mail.example.org:",
            "https://mail.example.org:0443",
            "https://mail.example.org:99999",
            "https://mail..example.org",
            "https://-mail.example.org",
            "https://mail.example.org in path:/usr/bin/firefox",
            "https://m\u{e4}il.example.org",
            "https://",
        ] {
            assert_eq!(WebOrigin::parse(wrong), Err(NoOrigin), "{wrong}");
        }
        assert!(WebOrigin::parse(&format!("https://{}", "a.".repeat(200))).is_err());
    }

    #[test]
    fn a_pattern_means_one_origin_or_all_below_a_domain() {
        let mail = WebOrigin::parse("https://mail.example.org").unwrap();
        for pattern in ["https://mail.example.org", "https://mail.example.org:443", "https://*.example.org"] {
            assert!(mail.fits(pattern), "{pattern}");
        }
        for pattern in [
            "https://example.org",
            "https://*.mail.example.org",
            "https://*.ample.org",
            "https://*.org",
            "https://mail.example.org:8443",
            "mail.example.org",
            "*",
            "https://*.",
        ] {
            assert!(!mail.fits(pattern), "{pattern}");
        }
        assert!(!WebOrigin::parse("https://example.org").unwrap().fits("https://*.example.org"));
        let other_port = WebOrigin::parse("https://mail.example.org:8443").unwrap();
        assert!(!other_port.fits("https://*.example.org") && other_port.fits("https://*.example.org:8443"));
    }

    #[test]
    fn an_administrators_list_shuts_out_all_others() {
        let [mail, other] = ["https://mail.example.org", "https://mail.example.net"]
            .map(|text| WebOrigin::parse(text).unwrap());
        let list = ["https://*.example.org".to_owned()];
        assert!(mail.may_ask(&list) && !other.may_ask(&list));
        assert!(mail.may_ask(&[]) && other.may_ask(&[]));
    }
}

//! Addresses that waferd calls: which hosts and networks a certificate can make it reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An http address, taken apart (RFC 3986). No other scheme, no user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// A name or an address in letters, lower case, without the brackets of IPv6.
    pub(super) host: String,
    /// The TCP port.
    pub(super) port: u16,
    /// Path and query, beginning with `/`.
    pub(super) target: String,
}

/// The longest address read, in bytes.
const URL_MAX: usize = 2048;

impl Url {
    /// Reads `text`; `None` if it is no http address.
    pub(super) fn read(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        let scheme = text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        if !printable || !scheme || text.len() > URL_MAX {
            return None;
        }
        let rest = text[7..].split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = split_port(authority)?;
        let separator = if target.starts_with('/') { "" } else { "/" };
        Some(Self { host, port, target: format!("{separator}{target}") })
    }

    /// The address that a redirection from `self` to `location` means.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        match location.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => {
                Self::read(&format!("http://{}{location}", self.authority()))
            }
            _ => Self::read(location),
        }
    }

    /// Host and port as the Host field has them (RFC 9110 section 7.2).
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

fn split_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
        None if port.is_empty() => 80,
        None => return None,
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(allowed)).then(|| (host.to_ascii_lowercase(), port))
}

/// What kind of network an address is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// Anybody can reach it.
    Public,
    /// Inside a house or a company (RFC 1918, RFC 4193, RFC 6598).
    Private,
    /// This machine, this link, many at once, or nothing.
    Forbidden,
}

/// The network of `address`; an IPv4 address inside an IPv6 one counts as what it is.
pub(super) fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_v4(address),
        IpAddr::V6(address) => embedded(address).map_or_else(|| network_v6(address), network_v4),
    }
}

fn network_v4(address: Ipv4Addr) -> Network {
    let [first, second, third, _] = address.octets();
    let private = address.is_private()
        || first == 100 && (64..128).contains(&second) // RFC 6598
        || first == 198 && (18..20).contains(&second); // RFC 2544
    let forbidden = address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || first == 0
        || first >= 240
        || (first, second, third) == (192, 0, 0); // RFC 6890
    match (forbidden, private) {
        (true, _) => Network::Forbidden,
        (false, true) => Network::Private,
        (false, false) => Network::Public,
    }
}

fn network_v6(address: Ipv6Addr) -> Network {
    let [first, second, ..] = address.segments();
    let documentation = first == 0x2001 && second == 0xdb8;
    match first {
        _ if address.is_loopback() || address.is_unspecified() || address.is_multicast() => {
            Network::Forbidden
        }
        _ if documentation || address.is_unicast_link_local() => Network::Forbidden,
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Network::Private,
        _ => Network::Public,
    }
}

/// The IPv4 address inside `address`: mapped or compatible (RFC 4291), translated (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let read = |text: &str| Url::read(text).map(|url| (url.host, url.port, url.target));
        let parts = |host: &str, port, target: &str| Some((host.to_owned(), port, target.to_owned()));
        assert_eq!(read("http://CRL.example.org/a?b#c"), parts("crl.example.org", 80, "/a?b"));
        assert_eq!(read("HTTP://host:8080"), parts("host", 8080, "/"));
        assert_eq!(read("http://[::1]:80?x"), parts("::1", 80, "/?x"));
        for bad in [
            "https://host/",
            "ftp://host/",
            "http://user@host/",
            "http://",
            "http://:80/",
            "http://host:0/",
            "http://host:99999/",
            "http://[zz]/",
            "http://[::1]x/",
            "http://ho st/",
            "http://host/\r\nX: y",
            "http://h\u{fc}st/",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let from = Url::read("http://host:81/x").unwrap();
        assert_eq!(from.join("/y").unwrap().authority(), "host:81");
        assert_eq!(from.join("http://[::1]/z").unwrap().authority(), "[::1]");
        assert!(from.join("//other/z").is_none() && from.join("https://host/").is_none());
    }

    #[test]
    fn networks_are_told_apart_also_inside_ipv6() {
        let of = |address: &str| network(address.parse().unwrap());
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8"] {
            assert_eq!(of(public), Network::Public, "{public}");
        }
        for private in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
        ] {
            assert_eq!(of(private), Network::Private, "{private}");
        }
        for forbidden in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert_eq!(of(forbidden), Network::Forbidden, "{forbidden}");
        }
    }
}

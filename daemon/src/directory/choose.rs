//! Which of an address's certificates is encrypted to, and whether something changed that a person should
//! look at.

use std::time::SystemTime;

use super::entry::Entry;

/// Why an address cannot be encrypted to. Of several the greatest is said: it is nearest to success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingReason {
    /// `no-certificate`: no certificate has the address.
    NoCertificate,
    /// `wrong-usage`: those that have it are not for encrypting mail.
    WrongUsage,
    /// `not-yet-valid`: those that have it and fit have not begun.
    NotYetValid,
    /// `expired`: those that have it and fit have expired.
    Expired,
    /// `changed`: the only ones that are usable have another key or issuer than before and were not accepted.
    Changed,
    /// `distrusted`: the person distrusts the chosen one, or one of its issuers.
    Distrusted,
    /// `revoked`: an issuer took the chosen one back.
    Revoked,
    /// `revocation-unknown`: the settings want to know that it was not, and nobody says so.
    RevocationUnknown,
}

impl MissingReason {
    /// The word of the D-Bus contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::WrongUsage => "wrong-usage",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::Changed => "changed",
            Self::Distrusted => "distrusted",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
        }
    }
}

/// A known address has a certificate with another key or issuer, which was not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Fingerprint of the accepted one.
    pub old: String,
    /// Fingerprint of the new one.
    pub new: String,
}

/// What was chosen for one address.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    /// The certificate, or why there is none.
    pub(super) best: Result<&'a Entry, MissingReason>,
    /// What changed.
    pub(super) changed: Option<Changed>,
}

/// Chooses for one address among `known`, which all have it: of those that are accepted and usable at `now`
/// the one from the best source, and of those the one that began last.
pub(super) fn choose<'a>(known: &[&'a Entry], now: SystemTime) -> Choice<'a> {
    let usable = |entry: &&&'a Entry| entry.hindrance(now).is_none();
    let rank = |entry: &&Entry| (entry.source, entry.not_before, entry.since);
    let accepted = || known.iter().filter(|entry| entry.accepted);
    let best = accepted().filter(usable).copied().max_by_key(rank);
    let newest = known.iter().filter(|entry| !entry.accepted).filter(usable).copied();
    let newest = newest.max_by_key(|entry| (entry.not_before, entry.since));
    let old = best.or_else(|| accepted().filter(|entry| entry.encrypt).copied().max_by_key(rank));
    let changed = newest
        .zip(old)
        .map(|(new, old)| Changed { old: old.fingerprint.clone(), new: new.fingerprint.clone() });
    let reason = || {
        let hindrances = accepted().filter_map(|entry| entry.hindrance(now)).max();
        let reason = hindrances.unwrap_or(MissingReason::NoCertificate);
        if newest.is_some() { MissingReason::Changed } else { reason }
    };
    Choice { best: best.ok_or_else(reason), changed }
}

/// Whether `new` may be used without a question, given what is `known` of its addresses.
pub(super) fn accepts(known: &[&Entry], new: &Entry) -> bool {
    let mut accepted = known.iter().filter(|entry| entry.accepted && entry.encrypt).peekable();
    // A directory speaks for its people: what it says now takes the place of what it said before.
    let by_directory = |entry: &&&Entry| entry.source <= new.source && new.source == super::Source::Directory;
    accepted.peek().is_none()
        || accepted.clone().any(|entry| entry.is_same_holder(new))
        || accepted.all(|entry| by_directory(&entry))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::directory::entry::Source;

    fn entry(name: &str, key: &str, source: Source, years: std::ops::Range<i64>) -> Entry {
        Entry {
            addresses: vec!["a@example.org".to_owned()],
            subject: String::new(),
            issuer: "CN=Authority".to_owned(),
            fingerprint: name.to_owned(),
            key: key.to_owned(),
            key_kind: "ec".to_owned(),
            not_before: years.start,
            not_after: years.end,
            encrypt: true,
            source,
            accepted: true,
            since: 0,
            ciphers: Vec::new(),
        }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn the_best_source_wins_then_the_newest() {
        let old = entry("old", "k", Source::Imported, 0..100);
        let new = entry("new", "k", Source::Imported, 10..100);
        let mail = entry("mail", "k", Source::Harvested, 20..100);
        let choice = choose(&[&old, &mail, &new], at(50));
        assert_eq!(choice.best.map(|entry| entry.fingerprint.as_str()), Ok("new"));
        assert_eq!(choice.changed, None);
        assert_eq!(choose(&[&old, &new], at(101)).best, Err(MissingReason::Expired));
        assert_eq!(choose(&[&new], at(5)).best, Err(MissingReason::NotYetValid));
        assert_eq!(choose(&[], at(5)).best, Err(MissingReason::NoCertificate));
    }

    #[test]
    fn another_key_waits_for_a_yes_and_is_told() {
        let old = entry("old", "k", Source::Harvested, 0..50);
        let mut new = entry("new", "other", Source::Harvested, 10..100);
        assert!(!accepts(&[&old], &new));
        new.accepted = false;
        let changed = Some(Changed { old: "old".into(), new: "new".into() });
        let choice = choose(&[&old, &new], at(20));
        assert_eq!(choice.best.map(|entry| entry.fingerprint.as_str()), Ok("old"));
        assert_eq!(choice.changed, changed);
        let choice = choose(&[&old, &new], at(60));
        assert_eq!((choice.best, choice.changed), (Err(MissingReason::Changed), changed));
    }

    #[test]
    fn what_is_no_change_is_accepted() {
        let old = entry("old", "k", Source::Imported, 0..50);
        let same_key = entry("new", "k", Source::Harvested, 0..90);
        assert!(accepts(&[&old], &same_key));
        let other_issuer = Entry { issuer: "CN=Other".into(), ..same_key.clone() };
        assert!(!accepts(&[&old], &other_issuer));
        assert!(accepts(&[], &other_issuer), "the first one of an address");
        let directory = entry("new", "other", Source::Directory, 0..90);
        assert!(!accepts(&[&old], &directory), "what was imported by hand is not replaced");
        let before = Entry { source: Source::Directory, ..old.clone() };
        assert!(accepts(&[&before], &directory), "the directory speaks for itself");
        let mail = entry("mail", "other", Source::Harvested, 0..90);
        assert!(!accepts(&[&before], &mail), "a mail does not replace what the directory says");
    }
}

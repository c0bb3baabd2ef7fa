//! Which of a person's identities signs, or is encrypted to, for an address; and why not the others.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::SystemTime;

use wafer_client::keeper::KeyKind;

use super::Identity;

/// What an identity is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing mail.
    Sign,
    /// Being encrypted to, and decrypting.
    Decrypt,
}

/// What is known of an identity beside its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its token is there.
    pub present: bool,
    /// Its key is on hardware, not in a file.
    pub hardware: bool,
    /// A path leads from its certificate to a trusted root.
    pub trusted: bool,
}

/// What is asked for, and what the person or an administrator decided.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Addresses, one of which it must have; any identity without.
    pub addresses: Vec<String>,
    /// Beginnings of fingerprints that were chosen by hand for one of the addresses.
    pub chosen: Vec<String>,
    /// Keys in files do not serve.
    pub smart_card_only: bool,
}

/// Something that speaks against an identity, or for it. In the order of what counts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// `no-address`: it has none of the addresses. Rules it out.
    NoAddress,
    /// `wrong-usage`: its certificate is not for this. Rules it out.
    WrongUsage,
    /// `not-hardware`: its key is in a file, and only cards may be used. Rules it out.
    NotHardware,
    /// `chosen`: by hand, in the settings. Before all others.
    Chosen,
    /// `expired`.
    Expired,
    /// `not-yet-valid`.
    NotYetValid,
    /// `token-absent`: its card would have to be inserted.
    TokenAbsent,
    /// `not-trusted`: others cannot check its certificate by the roots known here.
    NotTrusted,
    /// `older`: another that is as good began later.
    Older,
    /// `weaker`: another that is as good has a stronger key.
    Weaker,
}

impl Reason {
    /// The word of the D-Bus contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoAddress => "no-address",
            Self::WrongUsage => "wrong-usage",
            Self::NotHardware => "not-hardware",
            Self::Chosen => "chosen",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::TokenAbsent => "token-absent",
            Self::NotTrusted => "not-trusted",
            Self::Older => "older",
            Self::Weaker => "weaker",
        }
    }

    /// Whether it rules an identity out, whatever else speaks for it.
    pub fn rules_out(self) -> bool {
        self <= Self::NotHardware
    }
}

/// An identity and what speaks for and against it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The identity.
    pub identity: Arc<Identity>,
    /// The reasons.
    pub reasons: Vec<Reason>,
}

impl Candidate {
    /// Whether it may serve at all.
    pub fn serves(&self) -> bool {
        !self.reasons.iter().any(|reason| reason.rules_out())
    }

    /// Whether nothing but age and strength tells them apart.
    pub fn is_like(&self, other: &Self) -> bool {
        let counts = |reason: &&Reason| **reason < Reason::Older;
        self.reasons.iter().filter(counts).eq(other.reasons.iter().filter(counts))
    }

    fn has(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason)
    }

    /// Best first.
    fn rank(&self) -> impl Ord + use<> {
        let certificate = &self.identity.certificate;
        (
            !self.serves(),
            !self.has(Reason::Chosen),
            self.has(Reason::Expired) || self.has(Reason::NotYetValid),
            self.has(Reason::TokenAbsent),
            self.has(Reason::NotTrusted),
            Reverse(certificate.not_before),
            Reverse(strength(&self.identity)),
            self.identity.id.clone(),
        )
    }
}

/// Every identity as a candidate for `purpose`, the best first. The first one is chosen if it serves.
pub fn candidates(
    identities: Vec<Arc<Identity>>,
    purpose: Purpose,
    wish: &Wish,
    facts: &dyn Fn(&Identity) -> Facts,
    now: SystemTime,
) -> Vec<Candidate> {
    let judge = |identity: Arc<Identity>| {
        let reasons = reasons(&identity, purpose, wish, facts(&identity), now);
        Candidate { identity, reasons }
    };
    let mut all: Vec<Candidate> = identities.into_iter().map(judge).collect();
    all.sort_by_cached_key(Candidate::rank);
    if let Some(best) = all.first().cloned() {
        for other in all.iter_mut().skip(1).filter(|other| other.is_like(&best)) {
            let (one, two) = (&best.identity.certificate, &other.identity.certificate);
            other.reasons.push(if two.not_before < one.not_before { Reason::Older } else { Reason::Weaker });
        }
    }
    all
}

fn reasons(identity: &Identity, purpose: Purpose, wish: &Wish, facts: Facts, now: SystemTime) -> Vec<Reason> {
    let certificate = &identity.certificate;
    let usage = match purpose {
        Purpose::Sign => certificate.usage.sign,
        Purpose::Decrypt => certificate.usage.encrypt,
    };
    let addressed = wish.addresses.iter().any(|address| certificate.has_address(address));
    let found = [
        (Reason::NoAddress, !wish.addresses.is_empty() && !addressed),
        (Reason::WrongUsage, !usage),
        (Reason::NotHardware, wish.smart_card_only && !facts.hardware),
        (Reason::Chosen, wish.chosen.iter().any(|start| identity.fingerprint.starts_with(start.as_str()))),
        (Reason::Expired, now > certificate.not_after),
        (Reason::NotYetValid, now < certificate.not_before),
        (Reason::TokenAbsent, !facts.present),
        (Reason::NotTrusted, !facts.trusted),
    ];
    found.into_iter().filter_map(|(reason, holds)| holds.then_some(reason)).collect()
}

/// Of keys of one kind the larger one is stronger, and the smallest EC key is stronger than usual RSA keys. Keys on
/// Curve25519 come last: few mail programs read them yet.
fn strength(identity: &Identity) -> (u8, usize) {
    let kind = match identity.kind {
        KeyKind::Ec => 2,
        KeyKind::Rsa => 1,
        KeyKind::Ed25519 | KeyKind::X25519 => 0,
    };
    (kind, identity.certificate.der.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use rcgen::{KeyUsagePurpose, date_time_ymd};
    use wafer_client::keeper::KeyInfo;

    use super::*;
    use crate::trust::testing::{Authority, year};

    const GOOD: Facts = Facts { present: true, hardware: true, trusted: true };

    fn identity(label: &str, certificate: Vec<u8>) -> Arc<Identity> {
        let (id, label) = (label.to_owned(), label.to_owned());
        let key = KeyInfo { id, label, kind: KeyKind::Ec, certificate, always_authenticate: false };
        Arc::new(Identity::read("token", &key).unwrap())
    }

    fn wish() -> Wish {
        Wish { addresses: vec!["a@example.org".to_owned()], ..Wish::default() }
    }

    fn order(
        identities: &[Arc<Identity>],
        wish: &Wish,
        facts: &dyn Fn(&Identity) -> Facts,
    ) -> Vec<(String, Vec<&'static str>)> {
        let all = candidates(identities.to_vec(), Purpose::Sign, wish, facts, year(2030));
        let words = |one: &Candidate| one.reasons.iter().map(|reason| reason.word()).collect();
        all.iter().map(|one| (one.identity.label.clone(), words(one))).collect()
    }

    #[test]
    fn each_reason_moves_a_candidate_down() {
        let root = Authority::root("Root");
        let person = |change: fn(&mut rcgen::CertificateParams)| root.person_with("a@example.org", change);
        let all = [
            identity("other", root.person("b@example.org")),
            identity("encrypts", person(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
            identity("expired", person(|params| params.not_after = date_time_ymd(2025, 1, 1))),
            identity("absent", person(|_| {})),
            identity("untrusted", person(|_| {})),
            identity("older", person(|_| {})),
            identity("newer", person(|params| params.not_before = date_time_ymd(2024, 1, 1))),
        ];
        let facts = |identity: &Identity| Facts {
            present: identity.label != "absent",
            trusted: identity.label != "untrusted",
            ..GOOD
        };
        let ordered = order(&all, &wish(), &facts);
        let expected: [(&str, &[&str]); 7] = [
            ("newer", &[]),
            ("older", &["older"]),
            ("untrusted", &["not-trusted"]),
            ("absent", &["token-absent"]),
            ("expired", &["expired"]),
            ("encrypts", &["wrong-usage"]),
            ("other", &["no-address"]),
        ];
        let mut ruled_out: Vec<_> = ordered[5..].to_vec();
        ruled_out.sort_by(|left, right| left.0.cmp(&right.0));
        for ((label, words), (expected_label, expected_words)) in
            ordered[..5].iter().chain(&ruled_out).zip(expected)
        {
            assert_eq!((label.as_str(), words.as_slice()), (expected_label, expected_words));
        }
    }

    #[test]
    fn what_was_chosen_by_hand_wins_and_a_file_does_not_where_cards_are_asked_for() {
        let root = Authority::root("Root");
        let (card, file) = (root.person("a@example.org"), root.person("a@example.org"));
        let all = [identity("card", card), identity("file", file)];
        let facts = |identity: &Identity| Facts { hardware: identity.label == "card", ..GOOD };
        let chosen = Wish { chosen: vec![all[1].fingerprint[..16].to_owned()], ..wish() };
        assert_eq!(order(&all, &chosen, &facts)[0], ("file".to_owned(), vec!["chosen"]));
        let only = Wish { smart_card_only: true, ..chosen };
        let ordered = order(&all, &only, &facts);
        assert_eq!(ordered[0].0, "card");
        assert_eq!(ordered[1], ("file".to_owned(), vec!["not-hardware", "chosen"]));
    }
}

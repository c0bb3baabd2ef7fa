//! Whether an authority took a certificate back: revocation lists and responders, from the message, from the
//! cache on disk or from the network.
//!
//! Only certificates of a path that already holds are asked about, so that a stranger's message cannot make
//! waferd call anybody: every address comes from a certificate that leads to a trusted root.

pub(super) mod crl;
mod lists;
mod ocsp;
mod places;
#[cfg(test)]
mod tests;

use std::time::{Instant, SystemTime};

use x509_cert::ext::pkix::CrlReason;
use x509_cert::name::Name;

use super::known::Known;
use super::path::{Found, Search};
use super::web::Web;
use super::{Origin, Purpose, text};
use crl::Crl;
use lists::{ListIssuers, Subject, may_sign_lists};

pub(super) use places::{host, issuers};

/// Most lists or answers of a message that are looked at.
const EVIDENCE_MAX: usize = 32;

/// What is done about revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is asked.
    Off,
    /// Whoever is known to be revoked is refused; what cannot be found out is said.
    #[default]
    Soft,
    /// Whoever is not known to be good is not trusted.
    Hard,
}

/// What a message brings along, and how long may be waited for the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Revocation lists, DER.
    pub crls: &'a [Vec<u8>],
    /// OCSP responses, DER.
    pub responses: &'a [Vec<u8>],
    /// Until when to wait for the network; `None`: not at all. What comes later is kept for the next time.
    pub deadline: Option<Instant>,
}

/// What is known of a path's revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// `not-asked`: the question did not ask, or no path holds.
    NotAsked,
    /// `off`: the settings say not to ask.
    Off,
    /// `good`: every certificate below the root was found good.
    Good,
    /// `revoked`: a certificate of the path is revoked.
    Revoked {
        /// Whose certificate, for people.
        whose: String,
        /// Since when.
        since: SystemTime,
        /// Why, in the words of RFC 5280 section 5.3.1, in kebab case.
        reason: &'static str,
        /// Whether what was signed before `since` may still be believed: the key is not in wrong hands.
        key_was_safe: bool,
    },
    /// `not-checked`: of a certificate of the path nothing could be found out.
    NotChecked(Unchecked),
}

/// Why nothing could be found out. The words of the D-Bus contract stand beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// `no-address`: the certificate names no place to ask.
    NoAddress,
    /// `offline`: the settings say to stay offline, and the cache has nothing new enough.
    Offline,
    /// `unreachable`: the server did not answer, or not properly; its host.
    Unreachable(String),
    /// `too-slow`: the answer did not come in time; its host.
    TooSlow(String),
    /// `not-allowed`: the address is one that waferd does not call; its host.
    NotAllowed(String),
    /// `bad-answer`: what was answered does not speak for the certificate, or is too old; its host.
    BadAnswer(String),
}

impl Revocation {
    /// The word of the D-Bus contract.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::Off => "off",
            Self::Good => "good",
            Self::Revoked { .. } => "revoked",
            Self::NotChecked(_) => "not-checked",
        }
    }

    /// The reason in one word; empty if there is none to give.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Revoked { reason, .. } => reason,
            Self::NotChecked(why) => why.word(),
            _ => "",
        }
    }

    /// A sentence for a person; empty if there is nothing to say.
    pub fn sentence(&self) -> String {
        text::revocation(self)
    }
}

impl Unchecked {
    fn word(&self) -> &'static str {
        match self {
            Self::NoAddress => "no-address",
            Self::Offline => "offline",
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow(_) => "too-slow",
            Self::NotAllowed(_) => "not-allowed",
            Self::BadAnswer(_) => "bad-answer",
        }
    }
}

/// What is known of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    Revoked { since: SystemTime, reason: CrlReason },
}

/// Looks up the certificates of paths.
pub(super) struct Checker<'a> {
    search: &'a Search<'a>,
    crls: Vec<Crl>,
    responses: &'a [Vec<u8>],
    web: Option<&'a Web>,
    now: SystemTime,
    deadline: Instant,
}

impl<'a> Checker<'a> {
    /// A checker with what `evidence` brings; without `web` it stays offline and without a cache.
    pub(super) fn new(
        search: &'a Search<'a>,
        evidence: Evidence<'a>,
        web: Option<&'a Web>,
        now: SystemTime,
    ) -> Self {
        let crls =
            evidence.crls.iter().take(EVIDENCE_MAX).filter_map(|der| Crl::read(der.clone()).ok()).collect();
        let responses = &evidence.responses[..evidence.responses.len().min(EVIDENCE_MAX)];
        Self { search, crls, responses, web, now, deadline: evidence.deadline.unwrap_or_else(Instant::now) }
    }

    /// What is known of every certificate of `found` below its root.
    pub(super) fn check(&self, found: &Found) -> Revocation {
        let mut unchecked = None;
        let subjects = found.chain.iter().zip(found.chain.iter().skip(1));
        // From the root downwards: who is revoked says nothing about others any more.
        for (certificate, issuer) in subjects.rev() {
            let subject = Subject { certificate, issuer };
            match self.standing(subject, found) {
                Ok(Standing::Good) => {}
                Ok(Standing::Revoked { since, reason }) => return revoked(certificate, since, reason),
                // That one names no place to ask is how its authority wants it; of others the reason matters.
                Err(why) if matches!(unchecked, None | Some(Unchecked::NoAddress)) => unchecked = Some(why),
                Err(_) => {}
            }
        }
        unchecked.map_or(Revocation::Good, Revocation::NotChecked)
    }

    fn standing(&self, subject: Subject<'_>, found: &Found) -> Result<Standing, Unchecked> {
        let answered = self.responses.iter().filter_map(|answer| ocsp::standing(subject, answer, self.now));
        let issuers = Issuers { search: self.search, found };
        let listed = lists::standing(subject, &self.crls, self.now, &issuers);
        // Whoever signs chooses what goes along: of two that contradict each other the worse counts.
        let known = answered.chain(listed).max_by_key(|standing| *standing != Standing::Good);
        match (known, self.web) {
            (Some(standing), _) => Ok(standing),
            (None, None) => Err(Unchecked::Offline),
            (None, Some(web)) => self.ask(web, subject, &issuers, found.origin),
        }
    }

    /// Asks the responder that the certificate names, else fetches its lists.
    fn ask(
        &self,
        web: &Web,
        subject: Subject<'_>,
        issuers: &dyn ListIssuers,
        origin: Origin,
    ) -> Result<Standing, Unchecked> {
        let mut why = Unchecked::NoAddress;
        for url in places::responders(subject.certificate) {
            match self.ask_responder(web, subject, &url, origin) {
                Ok(standing) => return Ok(standing),
                Err(problem) => why = problem,
            }
        }
        let mut fetched = Vec::new();
        for url in places::lists(subject.certificate) {
            match web.list(&url, origin, self.deadline, self.now) {
                Ok(crl) => fetched.push(crl),
                Err(problem) => why = problem,
            }
            if let Some(standing) = lists::standing(subject, &fetched, self.now, issuers) {
                return Ok(self.with_deltas(web, subject, fetched, issuers, origin).unwrap_or(standing));
            }
        }
        if let Some(url) = places::lists(subject.certificate).first().filter(|_| !fetched.is_empty()) {
            web.forget_list(url);
            why = Unchecked::BadAnswer(host(url));
        }
        Err(why)
    }

    fn ask_responder(
        &self,
        web: &Web,
        subject: Subject<'_>,
        url: &str,
        origin: Origin,
    ) -> Result<Standing, Unchecked> {
        let bad = || Unchecked::BadAnswer(host(url));
        let query = ocsp::query(subject).ok_or_else(bad)?;
        let id = query.id.clone();
        if let Some(standing) =
            web.kept_answer(url, &id).and_then(|kept| ocsp::standing(subject, &kept, self.now))
        {
            return Ok(standing);
        }
        let nonce = query.nonce;
        let fits = move |answer: &[u8]| ocsp::answers(answer, &nonce);
        let answer = web.ask(url, &id, query.der, origin, self.deadline, Box::new(fits))?;
        let standing = ocsp::standing(subject, &answer, self.now);
        if standing.is_none() {
            web.forget_answer(url, &id);
        }
        standing.ok_or_else(bad)
    }

    /// The standing after the newest differences to `fetched`, where the certificate or a list names any that
    /// can be had in time.
    fn with_deltas(
        &self,
        web: &Web,
        subject: Subject<'_>,
        mut fetched: Vec<Crl>,
        issuers: &dyn ListIssuers,
        origin: Origin,
    ) -> Option<Standing> {
        let urls = places::deltas(subject.certificate, &fetched);
        if urls.is_empty() {
            return None;
        }
        fetched.extend(urls.iter().filter_map(|url| web.list(url, origin, self.deadline, self.now).ok()));
        lists::standing(subject, &fetched, self.now, issuers)
    }
}

/// Signers of lists that are not the issuer itself: their own path must lead to the same root.
struct Issuers<'a> {
    search: &'a Search<'a>,
    found: &'a Found,
}

impl ListIssuers for Issuers<'_> {
    fn named(&self, name: &Name) -> Vec<Known> {
        let pool = self.search.others.iter().chain(&self.found.chain);
        let named =
            pool.filter(|known| certval::compare_names(known.subject(), name) && may_sign_lists(known));
        named.filter(|known| self.leads_to_the_root(known)).cloned().collect()
    }
}

impl Issuers<'_> {
    fn leads_to_the_root(&self, known: &Known) -> bool {
        let Some(root) = self.found.chain.last() else { return false };
        if known.facts.der == root.facts.der {
            return true;
        }
        let same_root = |path: Found| match path.chain.last() {
            Some(end) if end.facts.der == root.facts.der => Ok(()),
            _ => Err(known.fault(super::Reason::UnknownIssuer)),
        };
        self.search.run(known, Purpose::Any, &mut { same_root }).is_ok()
    }
}

fn revoked(certificate: &Known, since: SystemTime, reason: CrlReason) -> Revocation {
    let (word, key_was_safe) = match reason {
        CrlReason::Unspecified | CrlReason::RemoveFromCRL => ("unspecified", false),
        CrlReason::KeyCompromise => ("key-compromise", false),
        CrlReason::CaCompromise => ("ca-compromise", false),
        CrlReason::AaCompromise => ("aa-compromise", false),
        CrlReason::AffiliationChanged => ("affiliation-changed", true),
        CrlReason::Superseded => ("superseded", true),
        CrlReason::CessationOfOperation => ("cessation-of-operation", true),
        CrlReason::CertificateHold => ("certificate-hold", false),
        CrlReason::PrivilegeWithdrawn => ("privilege-withdrawn", false),
    };
    let whose = certificate.facts.display_name().to_owned();
    Revocation::Revoked { whose, since, reason: word, key_was_safe }
}

//! The path validator: roots from the stores, paths through certval, revocation.

use std::path::PathBuf;
use std::sync::Arc;

use super::decisions::Decisions;
use super::files::certificates_in;
use super::known::Known;
use super::mozilla::Mozilla;
use super::path::{Fault, Found, PolicyInputs, Search};
use super::revocation::{Checker, Evidence, Mode, Revocation, issuers};
use super::store::Store;
use super::web::Web;
use super::{Finding, PathValidator, Question, Reason, Trust, text};

/// Validates against the roots of the stores, as they are at each question.
pub struct Validator {
    store: Store,
    inputs: PolicyInputs,
    mode: Mode,
    web: Option<Web>,
    chase: bool,
}

/// Most issuers looked for in the network, one above the other.
const CHASE_MAX: usize = 4;

impl Validator {
    /// A validator over the roots in `folders`, which asks nobody about revocation.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        let store = Store::of_folders(folders);
        Self { store, inputs: PolicyInputs::default(), mode: Mode::Off, web: None, chase: false }
    }

    /// With inputs about policies.
    #[must_use]
    pub fn with_inputs(self, inputs: PolicyInputs) -> Self {
        Self { inputs, ..self }
    }

    /// With revocation: `web` fetches what a message does not bring along.
    #[must_use]
    pub fn with_revocation(self, mode: Mode, web: Option<Web>) -> Self {
        Self { mode, web, ..self }
    }

    /// With issuers that a message leaves out fetched from where its certificates say, though nothing vouches
    /// for these addresses: whoever writes a message can so make waferd call a public web server.
    #[must_use]
    pub fn with_chasing(self, chase: bool) -> Self {
        Self { chase, ..self }
    }

    /// With Mozilla's authorities for mail.
    #[must_use]
    pub fn with_mozilla(mut self, mozilla: Option<Mozilla>) -> Self {
        self.store.mozilla = mozilla;
        self
    }

    /// With what the person decided by hand.
    #[must_use]
    pub fn with_decisions(mut self, decisions: Arc<Decisions>) -> Self {
        self.store.decisions = Some(decisions);
        self
    }

    fn search(&self, signer: &Known, question: &Question<'_>, others: &[Vec<u8>]) -> Finding {
        let anchors = self.store.anchors();
        let search = Search::new(others, &anchors, &self.inputs, question.at);
        let checker =
            question.revocation.map(|known| Checker::new(&search, known, self.web.as_ref(), question.at));
        let mut turned_down = None;
        let mut accept = |found: Found| {
            let revocation = match (&checker, self.mode) {
                (None, _) => Revocation::NotAsked,
                (Some(_), Mode::Off) => Revocation::Off,
                (Some(checker), _) => checker.check(&found),
            };
            let reason = match (&revocation, self.mode) {
                (Revocation::Revoked { .. }, _) => Reason::Revoked,
                (Revocation::NotChecked(_), Mode::Hard) => Reason::RevocationUnknown,
                _ => return Ok(trusted(found, revocation)),
            };
            let fault = signer.fault(reason);
            turned_down.get_or_insert_with(|| turned_down_for(reason, found, revocation));
            Err(fault)
        };
        let examined = search.run(signer, question.purpose, &mut accept);
        // A path that held but for revocation says more than one that did not hold at all.
        examined.unwrap_or_else(|fault| turned_down.unwrap_or_else(|| refused(&fault)))
    }

    /// The issuers above `signer`, as far as its own and their addresses lead.
    fn chased(&self, signer: &Known, evidence: Evidence<'_>) -> Vec<Vec<u8>> {
        let (Some(web), Some(deadline)) = (self.web.as_ref().filter(|_| self.chase), evidence.deadline)
        else {
            return Vec::new();
        };
        let mut chain: Vec<Vec<u8>> = Vec::new();
        let mut top = signer.clone();
        while chain.len() < CHASE_MAX {
            let fetched = issuers(&top).into_iter().filter_map(|url| web.certificate(&url, deadline).ok());
            let known = fetched.flat_map(|bytes| certificates_in(&bytes)).filter_map(|der| Known::read(&der));
            let Some(next) = known.into_iter().find(|known| known.issued(&top)) else { break };
            if chain.contains(&next.facts.der) {
                break;
            }
            chain.push(next.facts.der.clone());
            top = next;
        }
        chain
    }
}

impl PathValidator for Validator {
    fn examine(&self, question: &Question<'_>) -> Finding {
        let Some(signer) = Known::read(question.certificate) else {
            return refused(&Fault { reason: Reason::Malformed, certificate: String::new() });
        };
        let finding = self.search(&signer, question, question.others);
        let Trust::Untrusted { reason: Reason::UnknownIssuer, .. } = &finding.trust else { return finding };
        let chased = question.revocation.map_or(Vec::new(), |evidence| self.chased(&signer, evidence));
        if chased.is_empty() {
            return finding;
        }
        // Those found go first: a message may bring more than are looked at.
        let others: Vec<Vec<u8>> = chased.iter().chain(question.others).cloned().collect();
        self.search(&signer, question, &others)
    }
}

fn trusted(found: Found, revocation: Revocation) -> Finding {
    Finding { trust: Trust::Trusted, origin: Some(found.origin), path: path_of(found), revocation }
}

fn turned_down_for(reason: Reason, found: Found, revocation: Revocation) -> Finding {
    let trust = Trust::Untrusted { reason, sentence: revocation.sentence() };
    Finding { trust, origin: Some(found.origin), path: path_of(found), revocation }
}

fn refused(fault: &Fault) -> Finding {
    let trust = Trust::Untrusted { reason: fault.reason, sentence: text::untrusted(fault) };
    Finding { trust, path: Vec::new(), origin: None, revocation: Revocation::NotAsked }
}

fn path_of(found: Found) -> Vec<Vec<u8>> {
    found.chain.into_iter().map(|known| known.facts.der).collect()
}

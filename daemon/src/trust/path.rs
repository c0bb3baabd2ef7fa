//! Paths to the roots: found here, validated by `certval` (RFC 5280 section 6.1).
//!
//! certval's own path finder wants its stores prepared ahead; a message brings its own handful of
//! certificates, so candidates are found here by their names and each is handed to certval whole.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, PDVTrustAnchorChoice,
    PathValidationStatus, PkiEnvironment, TimeOfInterest, enforce_trust_anchor_constraints,
    validate_path_rfc5280,
};
use const_oid::ObjectIdentifier;

use super::anchors::{Anchors, Origin, Root};
use super::known::Known;
use super::{Purpose, Reason, signature};

/// Most certificates between a signer and a root.
const DEPTH_MAX: usize = 8;
/// Most candidate paths tried for one signer: a stranger chooses the certificates.
const PATHS_MAX: usize = 32;
/// Most certificates of a message that are looked at.
pub(super) const OTHERS_MAX: usize = 64;

/// The inputs to path validation that are about policies (RFC 5280 section 6.1.1 (c) to (g)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyInputs {
    /// user-initial-policy-set; empty: any policy.
    pub policies: Vec<ObjectIdentifier>,
    /// initial-explicit-policy: the path must be valid for one of `policies`.
    pub explicit: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_mapping: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any: bool,
}

/// The certificates of `pool` that lead from `certificate` upwards, nearest first, without it and
/// without self-signed ones: what a signer includes in a message.
pub fn issuers(certificate: &[u8], pool: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pool: Vec<Known> = pool.iter().filter_map(|der| Known::read(der)).collect();
    let mut chain: Vec<Vec<u8>> = Vec::new();
    let mut last = Known::read(certificate);
    while let Some(current) = last.take() {
        let next = pool.iter().find(|known| {
            known.facts.usage.issue
                && known.issued(&current)
                && !known.is_self_issued()
                && known.facts.der != certificate
                && !chain.contains(&known.facts.der)
        });
        if let Some(next) = next.filter(|_| chain.len() < DEPTH_MAX) {
            chain.push(next.facts.der.clone());
            last = Some(next.clone());
        }
    }
    chain
}

/// Why a path does not hold, and which certificate is at fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    /// Whose certificate, for people; empty if none in particular.
    pub(super) certificate: String,
}

/// A path that holds.
pub(super) struct Found {
    /// The certificate first, the root last.
    pub(super) chain: Vec<Known>,
    /// Why the root is one.
    pub(super) origin: Origin,
}

/// What every path from one message is held against.
pub(super) struct Search<'a> {
    /// Certificates that a path may lead through.
    pub(super) others: Vec<Known>,
    /// The roots, and what is distrusted.
    pub(super) anchors: &'a Anchors,
    /// Inputs about policies.
    pub(super) inputs: &'a PolicyInputs,
    /// The time at which a path must hold.
    pub(super) at: SystemTime,
}

impl<'a> Search<'a> {
    /// A search through `others` (DER; unreadable ones are passed over).
    pub(super) fn new(
        others: &[Vec<u8>],
        anchors: &'a Anchors,
        inputs: &'a PolicyInputs,
        at: SystemTime,
    ) -> Self {
        // One that comes twice would double the paths through it.
        let mut seen = HashSet::new();
        let once = others.iter().take(OTHERS_MAX).filter(|der| seen.insert(der.as_slice()));
        let others = once.filter_map(|der| Known::read(der)).collect();
        // X.509 has no fractions of a second: a certificate is valid to the end of its last one.
        let at = at
            .duration_since(UNIX_EPOCH)
            .map_or(UNIX_EPOCH, |since| UNIX_EPOCH + Duration::from_secs(since.as_secs()));
        Self { others, anchors, inputs, at }
    }

    /// Tries candidate paths from `signer`, shortest first, until one holds and `accept` takes it; else the
    /// first candidate's fault.
    pub(super) fn run<T>(
        &self,
        signer: &Known,
        purpose: Purpose,
        accept: &mut dyn FnMut(Found) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.check_not_distrusted(signer)?;
        signer.check_signer(purpose, self.at)?;
        // A signer's own certificate among the roots was put there on purpose.
        if let Some(origin) = self.anchors.origin_of(&signer.facts.der) {
            return accept(Found { chain: vec![signer.clone()], origin });
        }
        let mut first_fault = None;
        let mut tried = 0;
        // Each entry: positions in `others`, from the signer upwards.
        let mut open: VecDeque<Vec<usize>> = [Vec::new()].into();
        while let Some(steps) = open.pop_front() {
            let top = steps.last().map_or(signer, |index| &self.others[*index]);
            for root in self.anchors.issuing(top) {
                tried += 1;
                match self.holds(signer, &steps, &root, purpose).and_then(&mut *accept) {
                    Ok(accepted) => return Ok(accepted),
                    Err(fault) => first_fault = first_fault.or(Some(fault)),
                }
            }
            if tried + open.len() >= PATHS_MAX {
                break;
            }
            if steps.len() < DEPTH_MAX {
                let next = (0..self.others.len()).filter(|index| self.leads_on(top, *index, &steps));
                open.extend(next.map(|index| [steps.as_slice(), &[index]].concat()));
            }
        }
        Err(first_fault.unwrap_or_else(|| signer.fault(Reason::UnknownIssuer)))
    }

    fn leads_on(&self, top: &Known, index: usize, steps: &[usize]) -> bool {
        let next = &self.others[index];
        // Self-issued ones are allowed: an authority signs its new key with its old one (RFC 5280 section 3.2).
        next.issued(top) && !steps.contains(&index)
    }

    fn holds(&self, signer: &Known, steps: &[usize], root: &Root, purpose: Purpose) -> Result<Found, Fault> {
        let root_known = &root.known;
        // certval wants them from the root downwards.
        let between: Vec<&Known> = steps.iter().rev().map(|index| &self.others[*index]).collect();
        for issuer in [root_known].into_iter().chain(between.iter().copied()) {
            self.check_not_distrusted(issuer)?;
            issuer.check_issuer(purpose, self.at)?;
        }
        if root.distrust_after.is_some_and(|after| signer.facts.not_before > after) {
            return Err(root_known.fault(Reason::Distrusted));
        }
        let malformed = |_| root_known.fault(Reason::Malformed);
        let anchor = PDVTrustAnchorChoice::try_from(root_known.facts.der.as_slice()).map_err(malformed)?;
        let settings = enforce_trust_anchor_constraints(&self.settings(), &anchor)
            .map_err(|_| root_known.fault(Reason::Constraint))?;
        let chain = between.iter().map(|known| known.parsed.clone()).collect();
        let path = CertificationPath::new(anchor, chain, signer.parsed.clone());
        let mut results = CertificationPathResults::new();
        let environment = environment();
        let down: Vec<&Known> = [root_known].into_iter().chain(between).chain([signer]).collect();
        match environment.validate_path(&environment, &settings, &path, &mut results) {
            Ok(()) => {
                let chain = down.into_iter().rev().cloned().collect();
                Ok(Found { chain, origin: root.origin })
            }
            Err(error) => {
                // Counted from the root, which is 0.
                let index = results.get_failure_index().unwrap_or(0) as usize;
                let at_fault = down.get(index).copied().unwrap_or(signer);
                let issuer = index.checked_sub(1).and_then(|above| down.get(above)).copied();
                Err(at_fault.fault(reason(error, at_fault, issuer.unwrap_or(root_known))))
            }
        }
    }

    fn check_not_distrusted(&self, known: &Known) -> Result<(), Fault> {
        match self.anchors.is_distrusted(&known.facts.der) {
            true => Err(known.fault(Reason::Distrusted)),
            false => Ok(()),
        }
    }

    fn settings(&self) -> CertificationPathSettings {
        let mut settings = CertificationPathSettings::new();
        let seconds = self.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // certval takes 0 for "do not look at the time".
        if let Ok(time) = TimeOfInterest::from_unix_secs(seconds.max(1)) {
            settings.set_time_of_interest(time);
        }
        settings.set_enforce_trust_anchor_constraints(true);
        // The anchors are chosen here; certval has no store of its own to compare with.
        settings.set_require_ta_store(false);
        settings.set_check_revocation_status(false);
        if !self.inputs.policies.is_empty() {
            settings.set_initial_policy_set_from_oid_set(self.inputs.policies.iter().copied().collect());
        }
        settings.set_initial_explicit_policy_indicator(self.inputs.explicit);
        settings.set_initial_policy_mapping_inhibit_indicator(self.inputs.inhibit_mapping);
        settings.set_initial_inhibit_any_policy_indicator(self.inputs.inhibit_any);
        settings
    }
}

fn environment() -> PkiEnvironment {
    let mut environment = PkiEnvironment::new();
    environment.add_validate_path_callback(validate_path_rfc5280);
    environment.add_verify_signature_message_callback(signature::verify);
    environment
}

fn reason(error: certval::Error, at_fault: &Known, issuer: &Known) -> Reason {
    let certval::Error::PathValidation(status) = error else { return Reason::Malformed };
    match status {
        PathValidationStatus::SignatureVerificationFailure => {
            let known = signature::is_supported(at_fault.parsed.decoded().signature_algorithm());
            match known && !issuer.facts.strength.is_weak() {
                true => Reason::BadSignature,
                false => Reason::UnsupportedAlgorithm,
            }
        }
        PathValidationStatus::InvalidNotBeforeDate => Reason::NotYetValid,
        PathValidationStatus::InvalidNotAfterDate => Reason::Expired,
        PathValidationStatus::InvalidKeyUsage => Reason::WrongUsage,
        PathValidationStatus::EncodingError => Reason::Malformed,
        PathValidationStatus::InsufficientKeySize => Reason::UnsupportedAlgorithm,
        _ => Reason::Constraint,
    }
}

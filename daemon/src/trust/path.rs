//! Paths to the roots of the trust folders: found here, validated by `certval` (RFC 5280 section 6.1).
//!
//! certval's own path finder wants its stores prepared ahead; a message brings its own handful of
//! certificates, so candidates are found here by their names and each is handed to certval whole.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, PDVCertificate,
    PDVTrustAnchorChoice, PathValidationStatus, PkiEnvironment, TimeOfInterest, compare_names,
    enforce_trust_anchor_constraints, validate_path_rfc5280,
};

use super::certificate::Certificate;
use super::files::read_folder;
use super::{PathValidator, Reason, Trust, signature, text};

/// Most certificates between a signer and a root.
const DEPTH_MAX: usize = 8;
/// Most candidate paths tried for one signer: a stranger chooses the certificates.
const PATHS_MAX: usize = 32;
/// Most certificates of a message that are looked at.
const OTHERS_MAX: usize = 64;

/// Validates against the roots in the trust folders, which are read afresh each time.
#[derive(Clone, Debug)]
pub struct FolderValidator {
    folders: Vec<PathBuf>,
}

impl FolderValidator {
    /// A validator over the roots in `folders`.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }
}

impl PathValidator for FolderValidator {
    fn validate(&self, certificate: &[u8], others: &[Vec<u8>], at: SystemTime) -> Trust {
        let roots: Vec<Vec<u8>> = self.folders.iter().flat_map(|folder| read_folder(folder)).collect();
        match validate(certificate, others, &roots, at) {
            Ok(()) => Trust::Trusted,
            Err(fault) => Trust::Untrusted { reason: fault.reason, sentence: text::untrusted(&fault) },
        }
    }
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

/// A certificate in the forms that the search (facts) and certval (parsed) need.
#[derive(Clone)]
struct Known {
    facts: Certificate,
    parsed: PDVCertificate,
}

impl Known {
    fn read(der: &[u8]) -> Option<Self> {
        let facts = Certificate::read(der).ok()?;
        Some(Self { facts, parsed: PDVCertificate::try_from(der).ok()? })
    }

    fn issued(&self, other: &Self) -> bool {
        let issuer = other.parsed.decoded().tbs_certificate().issuer();
        compare_names(self.parsed.decoded().tbs_certificate().subject(), issuer)
    }

    fn is_self_issued(&self) -> bool {
        self.issued(self)
    }

    fn fault(&self, reason: Reason) -> Fault {
        Fault { reason, certificate: self.facts.display_name().to_owned() }
    }

    /// The checks that need no other certificate.
    fn check(&self, allowed: bool, at: SystemTime) -> Result<(), Fault> {
        if at < self.facts.not_before {
            return Err(self.fault(Reason::NotYetValid));
        }
        if at > self.facts.not_after {
            return Err(self.fault(Reason::Expired));
        }
        if !allowed { Err(self.fault(Reason::WrongUsage)) } else { Ok(()) }
    }
}

fn validate(certificate: &[u8], others: &[Vec<u8>], roots: &[Vec<u8>], at: SystemTime) -> Result<(), Fault> {
    let malformed = || Fault { reason: Reason::Malformed, certificate: String::new() };
    let signer = Known::read(certificate).ok_or_else(malformed)?;
    signer.check(signer.facts.usage.sign, at)?;
    // A signer's own certificate among the roots was put there on purpose.
    if roots.iter().any(|root| root == certificate) {
        return Ok(());
    }
    let search = Search {
        others: others.iter().take(OTHERS_MAX).filter_map(|der| Known::read(der)).collect(),
        roots: roots
            .iter()
            .filter_map(|der| Known::read(der))
            .filter(|root| root.facts.usage.issue)
            .collect(),
        environment: environment(),
        at,
    };
    search.run(&signer)
}

fn environment() -> PkiEnvironment {
    let mut environment = PkiEnvironment::new();
    environment.add_validate_path_callback(validate_path_rfc5280);
    environment.add_verify_signature_message_callback(signature::verify);
    environment
}

struct Search {
    others: Vec<Known>,
    roots: Vec<Known>,
    environment: PkiEnvironment,
    at: SystemTime,
}

impl Search {
    /// Tries candidate paths, shortest first, until one holds; else the first candidate's fault.
    fn run(&self, signer: &Known) -> Result<(), Fault> {
        let mut first_fault = None;
        let mut tried = 0;
        // Each entry: positions in `others`, from the signer upwards.
        let mut open: std::collections::VecDeque<Vec<usize>> = [Vec::new()].into();
        while let Some(steps) = open.pop_front() {
            let top = steps.last().map_or(signer, |index| &self.others[*index]);
            for root in self.roots.iter().filter(|root| root.issued(top)) {
                tried += 1;
                match self.holds(signer, &steps, root) {
                    Ok(()) => return Ok(()),
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

    fn holds(&self, signer: &Known, steps: &[usize], root: &Known) -> Result<(), Fault> {
        // certval wants them from the root downwards.
        let between: Vec<&Known> = steps.iter().rev().map(|index| &self.others[*index]).collect();
        root.check(root.facts.usage.mail, self.at)?;
        for issuer in &between {
            issuer.check(issuer.facts.usage.issue && issuer.facts.usage.mail, self.at)?;
        }
        let malformed = |_| root.fault(Reason::Malformed);
        let anchor = PDVTrustAnchorChoice::try_from(root.facts.der.as_slice()).map_err(malformed)?;
        let settings = enforce_trust_anchor_constraints(&settings(self.at), &anchor)
            .map_err(|_| root.fault(Reason::Constraint))?;
        let chain = between.iter().map(|known| known.parsed.clone()).collect();
        let path = CertificationPath::new(anchor, chain, signer.parsed.clone());
        let mut results = CertificationPathResults::new();
        match self.environment.validate_path(&self.environment, &settings, &path, &mut results) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Counted from the root, which is 0.
                let at_fault = results.get_failure_index().unwrap_or(0) as usize;
                let chain: Vec<&Known> = [root].into_iter().chain(between).chain([signer]).collect();
                let at_fault = chain.get(at_fault).copied().unwrap_or(signer);
                Err(at_fault.fault(reason(error, at_fault)))
            }
        }
    }
}

fn settings(at: SystemTime) -> CertificationPathSettings {
    let mut settings = CertificationPathSettings::new();
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // certval takes 0 for "do not look at the time".
    if let Ok(time) = TimeOfInterest::from_unix_secs(seconds.max(1)) {
        settings.set_time_of_interest(time);
    }
    settings.set_enforce_trust_anchor_constraints(true);
    // The anchors are chosen here, from the folders; certval has no store of its own to compare with.
    settings.set_require_ta_store(false);
    settings.set_check_revocation_status(false);
    settings
}

fn reason(error: certval::Error, at_fault: &Known) -> Reason {
    let certval::Error::PathValidation(status) = error else { return Reason::Malformed };
    match status {
        PathValidationStatus::SignatureVerificationFailure => {
            match signature::is_supported(at_fault.parsed.decoded().signature_algorithm()) {
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

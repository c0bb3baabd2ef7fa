//! Whether a certificate is on a revocation list that speaks for it (RFC 5280 section 6.3.3): complete,
//! indirect and delta lists, and lists for some reasons only.

use std::cmp::Reverse;
use std::time::SystemTime;

use certval::compare_names;
use const_oid::db::rfc5280::{ID_CE_BASIC_CONSTRAINTS, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_KEY_USAGE};
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, ReasonFlags, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    BasicConstraints, CrlDistributionPoints, CrlReason, IssuingDistributionPoint, KeyUsage,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

use super::Standing;
use super::crl::{Crl, Entry, is_directory};
use crate::trust::known::Known;

/// Finds who may have signed a list: certificates of the name, whose own path to the same root holds.
pub(super) trait ListIssuers {
    /// Certificates with the subject `name` that may sign lists.
    fn named(&self, name: &Name) -> Vec<Known>;
}

/// One certificate and the certificate that issued it, from a path that holds.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) certificate: &'a Known,
    pub(super) issuer: &'a Known,
}

/// What `crls` say of `subject` at the time `at`; `None` if they do not speak for it, or not for all reasons.
pub(super) fn standing(
    subject: Subject<'_>,
    crls: &[Crl],
    at: SystemTime,
    issuers: &dyn ListIssuers,
) -> Option<Standing> {
    let mut covered = ReasonFlags::default();
    let mut complete: Vec<&Crl> =
        crls.iter().filter(|crl| crl.base.is_none() && crl.is_current(at)).collect();
    // The newest of an issuer counts, and the issuer's own before that of another of its name.
    complete.sort_by_cached_key(|crl| (!is_signed_by_issuer(crl, subject.issuer), Reverse(crl.this_update)));
    for point in distribution_points(subject.certificate) {
        for crl in &complete {
            let Some(reasons) = reasons_in_scope(subject.certificate, &point, crl) else { continue };
            if covered.contains(reasons) || !is_authentic(crl, subject.issuer, issuers) {
                continue;
            }
            let deltas = crls.iter().filter(|delta| {
                delta.is_delta_to(crl) && delta.is_current(at) && is_authentic(delta, subject.issuer, issuers)
            });
            let Some(entry) = entry_with_deltas(subject.certificate, crl, deltas) else { continue };
            if let Some(Entry { since, reason }) = entry {
                return Some(Standing::Revoked { since, reason });
            }
            covered |= reasons;
        }
    }
    covered.contains(all_reasons()).then_some(Standing::Good)
}

/// The certificate's distribution points, and the one that every certificate has: a list in its issuer's
/// own name (RFC 5280 section 6.3.3, last paragraph).
pub(super) fn distribution_points(certificate: &Known) -> Vec<DistributionPoint> {
    let named = certificate.extension::<CrlDistributionPoints>(ID_CE_CRL_DISTRIBUTION_POINTS);
    let mut points = named.and_then(Result::ok).map_or(Vec::new(), |points| points.0);
    let own_name = GeneralName::DirectoryName(certificate.issuer().clone());
    points.push(DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![own_name])),
        reasons: None,
        crl_issuer: None,
    });
    points
}

/// The entry of a complete list as its deltas change it. `None`: one of them cannot be used.
fn entry_with_deltas<'a>(
    certificate: &Known,
    complete: &Crl,
    deltas: impl Iterator<Item = &'a Crl>,
) -> Option<Option<Entry>> {
    let look = |crl: &Crl| crl.entry(certificate.issuer(), certificate.serial()).ok();
    let mut entry = look(complete)?;
    if let Some(delta) = deltas.max_by_key(|delta| delta.this_update)
        && let Some(changed) = look(delta)?
    {
        entry = (changed.reason != CrlReason::RemoveFromCRL).then_some(changed);
    }
    Some(entry)
}

/// The reasons for which `crl` speaks of `certificate` by way of `point`; `None` if it does not.
fn reasons_in_scope(certificate: &Known, point: &DistributionPoint, crl: &Crl) -> Option<ReasonFlags> {
    let scope = crl.scope.as_ref();
    let indirect = scope.is_some_and(|scope| scope.indirect_crl);
    let issued_here = match &point.crl_issuer {
        Some(names) => indirect && names.iter().any(|name| is_directory(name, &crl.issuer)),
        None => compare_names(&crl.issuer, certificate.issuer()),
    };
    if !issued_here {
        return None;
    }
    if let Some(scope) = scope {
        let authority = certificate.extension::<BasicConstraints>(ID_CE_BASIC_CONSTRAINTS);
        let authority = authority.and_then(Result::ok).is_some_and(|basic| basic.ca);
        let wrong_kind = scope.only_contains_attribute_certs
            || scope.only_contains_user_certs && authority
            || scope.only_contains_ca_certs && !authority;
        if wrong_kind || !same_point(certificate, point, scope, &crl.issuer) {
            return None;
        }
    }
    let of_point = point.reasons.unwrap_or_else(all_reasons);
    let of_list = scope.and_then(|scope| scope.only_some_reasons).unwrap_or_else(all_reasons);
    Some(of_point & of_list & all_reasons())
}

/// Whether one of the names of the list's distribution point is one of the certificate's.
fn same_point(
    certificate: &Known,
    point: &DistributionPoint,
    scope: &IssuingDistributionPoint,
    list_issuer: &Name,
) -> bool {
    let Some(name) = &scope.distribution_point else { return true };
    let of_list = full_names(name, list_issuer);
    let of_point = match (&point.distribution_point, &point.crl_issuer) {
        (Some(name), Some(issuers)) => {
            let issuer = issuers.iter().find_map(|issuer| match issuer {
                GeneralName::DirectoryName(name) => Some(name),
                _ => None,
            });
            full_names(name, issuer.unwrap_or(certificate.issuer()))
        }
        (Some(name), None) => full_names(name, certificate.issuer()),
        (None, issuers) => issuers.clone().unwrap_or_default(),
    };
    of_list.iter().any(|name| of_point.iter().any(|other| same_name(name, other)))
}

fn full_names(name: &DistributionPointName, issuer: &Name) -> Vec<GeneralName> {
    match name {
        DistributionPointName::FullName(names) => names.clone(),
        DistributionPointName::NameRelativeToCRLIssuer(relative) => {
            vec![GeneralName::DirectoryName(below(issuer, relative))]
        }
    }
}

fn below(issuer: &Name, relative: &RelativeDistinguishedName) -> Name {
    let mut names = RdnSequence::default();
    for rdn in issuer.iter_rdn() {
        names.push(rdn.clone());
    }
    names.push(relative.clone());
    Name::hazmat_from_rdn_sequence(names)
}

fn same_name(left: &GeneralName, right: &GeneralName) -> bool {
    match right {
        GeneralName::DirectoryName(name) => is_directory(left, name),
        _ => left == right,
    }
}

/// Whether somebody who may have signed `crl`: the certificate's own issuer, or another of its name.
fn is_authentic(crl: &Crl, issuer: &Known, issuers: &dyn ListIssuers) -> bool {
    is_signed_by_issuer(crl, issuer)
        || issuers.named(&crl.issuer).iter().any(|known| crl.is_signed_by(known.key()))
}

fn is_signed_by_issuer(crl: &Crl, issuer: &Known) -> bool {
    compare_names(issuer.subject(), &crl.issuer) && may_sign_lists(issuer) && crl.is_signed_by(issuer.key())
}

/// Whether the key usage, if there is one, lets the certificate's key sign lists.
pub(super) fn may_sign_lists(certificate: &Known) -> bool {
    match certificate.extension::<KeyUsage>(ID_CE_KEY_USAGE) {
        Some(usage) => usage.is_ok_and(|usage| usage.crl_sign()),
        None => true,
    }
}

/// Every reason that a list can be limited to: all but "unused".
fn all_reasons() -> ReasonFlags {
    Reasons::KeyCompromise
        | Reasons::CaCompromise
        | Reasons::AffiliationChanged
        | Reasons::Superseded
        | Reasons::CessationOfOperation
        | Reasons::CertificateHold
        | Reasons::PrivilegeWithdrawn
        | Reasons::AaCompromise
}

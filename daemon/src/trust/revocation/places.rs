//! Where certificates and lists say that revocation can be asked about: http addresses only. Everything that
//! is fetched is signed, so that http loses nothing, and asking over TLS would need answers first.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_FRESHEST_CRL,
    ID_PE_AUTHORITY_INFO_ACCESS,
};
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints};

use super::crl::Crl;
use crate::trust::known::Known;

/// Most addresses of one kind that are tried for one certificate.
const PLACES_MAX: usize = 4;

/// OCSP responders.
pub(super) fn responders(certificate: &Known) -> Vec<String> {
    access(certificate, ID_AD_OCSP)
}

/// Where the issuer's certificate can be had.
pub(in crate::trust) fn issuers(certificate: &Known) -> Vec<String> {
    access(certificate, ID_AD_CA_ISSUERS)
}

/// Revocation lists.
pub(super) fn lists(certificate: &Known) -> Vec<String> {
    let points = certificate.extension::<CrlDistributionPoints>(ID_CE_CRL_DISTRIBUTION_POINTS);
    of_points(points.and_then(Result::ok).map_or(Vec::new(), |points| points.0).iter())
}

/// The newest differences to `lists`.
pub(super) fn deltas(certificate: &Known, lists: &[Crl]) -> Vec<String> {
    let named = certificate.extension::<CrlDistributionPoints>(ID_CE_FRESHEST_CRL);
    let named = named.and_then(Result::ok).map_or(Vec::new(), |points| points.0);
    of_points(named.iter().chain(lists.iter().flat_map(|list| &list.freshest)))
}

/// The host of an address, for people.
pub(in crate::trust) fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest).to_owned()
}

fn access(certificate: &Known, method: ObjectIdentifier) -> Vec<String> {
    let access = certificate.extension::<AuthorityInfoAccessSyntax>(ID_PE_AUTHORITY_INFO_ACCESS);
    let access = access.and_then(Result::ok).map_or(Vec::new(), |access| access.0);
    let places = access.iter().filter(|place| place.access_method == method);
    places.filter_map(|place| http(&place.access_location)).take(PLACES_MAX).collect()
}

fn of_points<'a>(points: impl Iterator<Item = &'a DistributionPoint>) -> Vec<String> {
    let names = points.filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        _ => None,
    });
    names.flatten().filter_map(http).take(PLACES_MAX).collect()
}

fn http(name: &GeneralName) -> Option<String> {
    let GeneralName::UniformResourceIdentifier(uri) = name else { return None };
    let uri = uri.as_str();
    let is_http = uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    is_http.then(|| uri.to_owned())
}

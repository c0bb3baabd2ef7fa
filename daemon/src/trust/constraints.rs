//! Whether an authority's name constraints are constraints at all (RFC 5280 section 4.2.1.10): `certval` takes
//! some malformed ones for none, and so would let pass what was to be kept out.

use const_oid::db::rfc5280::ID_CE_NAME_CONSTRAINTS;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use super::known::Known;

/// Whether `authority` has no name constraints, or well-formed ones.
pub(super) fn are_well_formed(authority: &Known) -> bool {
    let Some(constraints) = authority.extension::<NameConstraints>(ID_CE_NAME_CONSTRAINTS) else {
        return true;
    };
    let Ok(NameConstraints { permitted_subtrees, excluded_subtrees }) = constraints else { return false };
    let lists = [permitted_subtrees, excluded_subtrees];
    let well_formed =
        |list: &Vec<GeneralSubtree>| !list.is_empty() && list.iter().all(|tree| is_bound(&tree.base));
    lists.iter().any(Option::is_some) && lists.iter().flatten().all(well_formed)
}

/// Whether `base` bounds anything.
fn is_bound(base: &GeneralName) -> bool {
    match base {
        GeneralName::IpAddress(range) => is_range(range.as_bytes()),
        // An address, a host or a domain; an empty one is neither.
        GeneralName::Rfc822Name(bound) => !bound.as_str().is_empty(),
        _ => true,
    }
}

/// An address of IPv4 or IPv6 and a mask: ones, then zeros.
fn is_range(range: &[u8]) -> bool {
    let mask = &range[range.len() / 2..];
    let ones: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    let leading = mask.iter().take_while(|octet| **octet == 0xff).count();
    let next = mask.get(leading).map_or(0, |octet| octet.leading_ones());
    matches!(range.len(), 8 | 32)
        && usize::try_from(ones).is_ok_and(|ones| ones == 8 * leading + next as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_an_address_and_a_mask_without_holes() {
        let with = |mask: [u8; 4]| is_range(&[&[10, 0, 0, 0], &mask[..]].concat());
        for mask in [[0, 0, 0, 0], [128, 0, 0, 0], [255, 255, 0, 0], [255, 255, 254, 0], [255; 4]] {
            assert!(with(mask), "{mask:?}");
        }
        for mask in [[0, 255, 0, 0], [255, 0, 255, 0], [254, 128, 0, 0], [0, 0, 0, 1], [255, 253, 0, 0]] {
            assert!(!with(mask), "{mask:?}");
        }
        assert!(is_range(&[0; 32]) && !is_range(&[]) && !is_range(&[0; 10]) && !is_range(&[0; 16]));
    }
}

//! The card's data objects, read: CHUID, discovery object, key history, certificates (SP 800-73-5 part 1,
//! section 3 and appendix A). Everything here is a stranger's octets in, typed values out.

use std::io::Read;

use flate2::read::GzDecoder;

use super::tlv;

/// Tags of the objects (SP 800-73-5 part 1, table 3).
pub(super) const CHUID: u32 = 0x5f_c102;
pub(super) const DISCOVERY: u32 = 0x7e;
pub(super) const KEY_HISTORY: u32 = 0x5f_c10c;
/// A certificate larger than this is left out, also once it is decompressed.
const LARGEST_CERTIFICATE: u64 = 16 * 1024;
/// The template that GET DATA wraps an object in.
const DATA: u32 = 0x53;

/// Which card this is: the two identifiers in its CHUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chuid {
    /// FASC-N, or nothing.
    pub fasc_n: Vec<u8>,
    /// GUID: a UUID on cards since FIPS 201-2, often zeros before.
    pub guid: Vec<u8>,
}

/// Which PIN opens the card (P2 of VERIFY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinReference {
    /// The PIV card application's own PIN.
    Application = 0x80,
    /// The card's global PIN.
    Global = 0x00,
}

/// What GET DATA answered, without the template around it. The discovery object has none.
pub fn content(answer: &[u8]) -> Option<&[u8]> {
    tlv::find(answer, DATA)
}

/// Reads a CHUID's content.
pub fn chuid(content: &[u8]) -> Option<Chuid> {
    let part = |tag| tlv::find(content, tag).unwrap_or_default();
    let chuid = Chuid { fasc_n: part(0x30).to_vec(), guid: part(0x34).to_vec() };
    let says_something = |octets: &[u8]| octets.iter().any(|octet| *octet != 0);
    (says_something(&chuid.guid) || says_something(&chuid.fasc_n)).then_some(chuid)
}

/// Reads what the discovery object says about PINs: the global one is asked for where it satisfies the
/// card's access rules and is the primary one (SP 800-73-5 part 1, section 3.3.2). A card without a
/// discovery object has its application PIN.
pub fn pin_reference(answer: &[u8]) -> PinReference {
    let policy = tlv::find(answer, DISCOVERY).and_then(|template| tlv::find(template, 0x5f2f));
    match policy {
        Some([satisfies, 0x20, ..]) if satisfies & 0x20 != 0 => PinReference::Global,
        _ => PinReference::Application,
    }
}

/// How many retired keys have their certificate on the card, as the key history's content says.
pub fn retired_certificates(content: &[u8]) -> Option<u8> {
    match tlv::find(content, 0xc1)? {
        [count] => Some(*count),
        _ => None,
    }
}

/// The certificate (DER) in a certificate object's content; decompressed if need be.
pub fn certificate(content: &[u8]) -> Option<Vec<u8>> {
    let value = tlv::find(content, 0x70)?;
    // CertInfo: the lowest bit says gzip (SP 800-73-5 part 1, appendix A; older cards say 1 in two bits).
    let compressed = tlv::find(content, 0x71).and_then(<[u8]>::first).is_some_and(|info| info & 1 != 0);
    let mut certificate = Vec::new();
    if compressed {
        GzDecoder::new(value).take(LARGEST_CERTIFICATE + 1).read_to_end(&mut certificate).ok()?;
    } else {
        certificate.extend(value);
    }
    let fits =
        u64::try_from(certificate.len()).is_ok_and(|length| (1..=LARGEST_CERTIFICATE).contains(&length));
    fits.then_some(certificate)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn object(value: &[u8], info: u8) -> Vec<u8> {
        [tlv::encode(0x70, value), tlv::encode(0x71, &[info]), tlv::encode(0xfe, &[])].concat()
    }

    #[test]
    fn a_compressed_certificate_is_bounded() {
        assert_eq!(certificate(&object(b"certificate", 0)).unwrap(), b"certificate");
        assert_eq!(certificate(&object(&gzip(b"certificate"), 1)).unwrap(), b"certificate");
        assert_eq!(certificate(&object(&gzip(&vec![0; 1 << 20]), 1)), None, "a bomb");
        assert_eq!(certificate(&object(b"not gzip", 1)), None);
        assert_eq!(certificate(&object(&gzip(b"certificate")[..12], 1)), None, "cut off");
        assert_eq!(certificate(&object(b"", 0)), None);
        assert_eq!(certificate(&[]), None);
    }

    fn discovery(policy: &[u8]) -> Vec<u8> {
        tlv::encode(0x7e, &[tlv::encode(0x4f, &[0xa0; 11]), tlv::encode(0x5f2f, policy)].concat())
    }

    #[test]
    fn the_discovery_object_says_which_pin() {
        use PinReference::{Application, Global};
        for (first, second, pin) in [
            // The application's only, the global one too, with fingerprints, virtual contacts, a pairing code.
            (0x40, 0x00, Application),
            (0x40, 0x10, Application),
            (0x60, 0x10, Application),
            (0x60, 0x20, Global),
            (0x50, 0x10, Application),
            (0x70, 0x10, Application),
            (0x70, 0x20, Global),
            (0x48, 0x00, Application),
            (0x4c, 0x00, Application),
            (0x68, 0x20, Global),
            (0x6c, 0x20, Global),
            (0x7c, 0x20, Global),
            // A primary PIN that does not satisfy the card's rules is of no use.
            (0x40, 0x20, Application),
            (0x50, 0x20, Application),
        ] {
            assert_eq!(pin_reference(&discovery(&[first, second])), pin, "{first:02x} {second:02x}");
        }
    }

    #[test]
    fn no_other_policy_makes_the_global_pin_the_primary_one() {
        for policy in 0..=u16::MAX {
            let [satisfies, primary] = policy.to_be_bytes();
            let global = satisfies & 0x20 != 0 && primary == 0x20;
            let pin = pin_reference(&discovery(&[satisfies, primary]));
            assert_eq!(pin == PinReference::Global, global, "{policy:04x}");
        }
        for broken in [&discovery(&[]), &discovery(&[0x60]), &discovery(&[0x60, 0x20])[..12], &[0x7e, 0]] {
            assert_eq!(pin_reference(broken), PinReference::Application, "{broken:x?}");
        }
        assert_eq!(pin_reference(&[]), PinReference::Application);
    }

    #[test]
    fn a_chuid_of_zeros_names_no_card() {
        let chuid_of =
            |fasc_n: &[u8], guid: &[u8]| [tlv::encode(0x30, fasc_n), tlv::encode(0x34, guid)].concat();
        assert_eq!(chuid(&chuid_of(&[0; 25], &[0; 16])), None);
        assert_eq!(chuid(&chuid_of(&[7; 25], &[0; 16])).unwrap().fasc_n, [7; 25]);
        assert_eq!(chuid(&chuid_of(&[], &[9; 16])).unwrap().guid, [9; 16]);
        assert_eq!(chuid(&[]), None);
    }
}

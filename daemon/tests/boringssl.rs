//! BoringSSL's tables of certificates' parts, row by row: name constraints on mail addresses, malformed constraints
//! and policies, malformed certificates, and names that are the same though written otherwise. (Its revocation lists
//! are read beside the code that reads them, and every file once more without a verdict in `chains.rs`.)
//!
//! The vectors lie in the folder `WAFER_VECTORS` (in `boringssl-pki/`). They hold the parts; what must come of them
//! stands in their names, in their `ERRORS` blocks, or follows from the rule named beside each table.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why"
)]

mod vectors;

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use vectors::{Row, Tally, at, folder};
use waferd::trust::{Finding, Purpose};
use x509_cert::der::Decode;
use x509_cert::name::Name;

/// 2030-01-01.
const TIME: u64 = 1_893_456_000;
const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const POLICIES: &[u64] = &[2, 5, 29, 32];

/// Addresses of `san-rfc822name*.pem` that are none (RFC 5321 section 4.1.2): a certificate with one is not valid
/// under a constraint on addresses, whatever that says.
const NO_ADDRESSES: [&str; 6] = [
    "",
    "@example.com",
    "example.com",
    "subdomain.example.com",
    "foo@bar@example.com",
    "foo@bar@subdomain.example.com",
];

/// RFC 5280 section 4.2.1.10: a mailbox, all of a host, or all below a domain; the host in any case, the local part
/// in its own. An empty constraint is none of them, and its authority none.
#[test]
fn constraints_on_addresses_hold_as_the_rule_says() {
    let Some(folder) = folder("boringssl-pki/name_constraints_unittest") else { return };
    let mut tally = Tally::default();
    for constraint in files(&folder, "rfc822name-") {
        let (kind, bound) = constraint_of(&constraint);
        for names in files(&folder, "san-rfc822name") {
            let addresses = quoted(&names);
            let id = format!("{} {}", stem(&constraint), stem(&names));
            let fits =
                |address: &String| !NO_ADDRESSES.contains(&address.as_str()) && is_within(address, &bound);
            let expected = !bound.is_empty()
                && match kind {
                    Kind::Permitted => addresses.iter().all(fits),
                    Kind::Excluded => !addresses.iter().any(|address| {
                        NO_ADDRESSES.contains(&address.as_str()) || is_within(address, &bound)
                    }),
                };
            let found = Built::constrained(&block(&constraint, "NAME CONSTRAINTS"))
                .judge(&block(&names, "SUBJECT ALTERNATIVE NAME"), None);
            tally.note(&id, expected, &found, &[]);
        }
    }
    tally.finish(14 * 14, &[]);
}

/// Constraints that are wrong though their name does not say so, or right though ours to refuse, and why.
const CONSTRAINTS_OTHERWISE: &[(&str, &str)] = &[
    ("directoryname_and_dnsname", TRAILING_DOT),
    ("directoryname_and_dnsname_and_ipaddress", TRAILING_DOT),
    ("dnsname", TRAILING_DOT),
    ("dnsname-exclude_dot", TRAILING_DOT),
    ("dnsname-permitted_two_dot", TRAILING_DOT),
    (
        "dnsname-excluded_with_leading_dot",
        "no host name begins with a dot: that is the form for addresses and URIs",
    ),
    ("dnsname-permitted_with_leading_dot", "the same"),
    ("dnsname-with_max", BOUNDS),
    ("dnsname-with_min_0_and_max", BOUNDS),
    ("dnsname-with_min_1", BOUNDS),
    ("dnsname-with_min_1_and_max", BOUNDS),
    ("edipartyname-excluded", UNREADABLE),
    ("edipartyname-permitted", UNREADABLE),
    ("othername-excluded", UNREADABLE),
    ("othername-permitted", UNREADABLE),
    ("x400address-excluded", UNREADABLE),
    ("x400address-permitted", UNREADABLE),
];
const TRAILING_DOT: &str = "no host name ends with a dot (RFC 5280 section 4.2.1.6, preferred name syntax)";
const BOUNDS: &str = "minimum is 0 and maximum absent wherever RFC 5280 is followed";
const UNREADABLE: &str = "the name in it is not of its type's form (no explicit tag inside)";

#[test]
fn an_authority_with_malformed_constraints_is_none() {
    let Some(folder) = folder("boringssl-pki/name_constraints_unittest") else { return };
    let mut tally = Tally::default();
    let names = block(&folder.join("san-rfc822name.pem"), "SUBJECT ALTERNATIVE NAME");
    for constraint in files(&folder, "") {
        let text = fs::read_to_string(&constraint).unwrap();
        if stem(&constraint).starts_with("rfc822name") || !text.contains("-----BEGIN NAME CONSTRAINTS-----") {
            continue;
        }
        let expected = !stem(&constraint).contains("invalid");
        let found = Built::constrained(&block(&constraint, "NAME CONSTRAINTS")).judge(&names, None);
        tally.note(&stem(&constraint), expected, &found, CONSTRAINTS_OTHERWISE);
    }
    tally.finish(44, CONSTRAINTS_OTHERWISE);
}

/// Names that are told apart, or taken for the same, otherwise than their files say, and why.
const NAMES_OTHERWISE: &[(&str, &str)] = &[
    (
        "ascii-UNIVERSALSTRING-unmangled ascii-UNIVERSALSTRING-unmangled",
        "UniversalString is not read; RFC 5280 section 4.1.2.4 let nobody begin to use it since 2004",
    ),
    (
        "ascii-PRINTABLESTRING-rdn_sorting_1 ascii-PRINTABLESTRING-rdn_sorting_2",
        "SETs out of their order are not DER",
    ),
    ("ascii-mixed-rdn_dupetype_sorting_1 ascii-mixed-rdn_dupetype_sorting_2", "the same"),
    ("invalid-RDN-empty invalid-RDN-empty", "a part without anything in it tells no name from another"),
];

/// RFC 5280 section 7.1. Each name in three spellings of its kind of string; those that have one attribute more are
/// others.
#[test]
fn names_are_the_same_whatever_their_case_and_spaces() {
    let Some(folder) = folder("boringssl-pki/verify_name_match_unittest/names") else { return };
    let read = |name: &str| Name::from_der(&block(&folder.join(format!("{name}.pem")), "NAME"));
    let mut tally = Tally::default();
    let mut row = |one: &str, two: &str, expected: bool| {
        let same = match (read(one), read(two)) {
            (Ok(one), Ok(two)) => certval::compare_names(&one, &two),
            _ => false,
        };
        tally.note_outcome(&format!("{one} {two}"), expected, same, "", NAMES_OTHERWISE);
    };
    for kind in ["PRINTABLESTRING", "UTF8", "T61STRING", "BMPSTRING", "UNIVERSALSTRING"] {
        let plain = format!("ascii-{kind}-unmangled");
        // What is said of case and spaces is said of strings that can be compared by letters.
        let letters = matches!(kind, "PRINTABLESTRING" | "UTF8");
        row(&plain, &plain, true);
        for spelling in ["case_swap", "extra_whitespace"] {
            row(&plain, &format!("ascii-{kind}-{spelling}"), letters);
        }
        for spelling in ["unmangled", "case_swap", "extra_whitespace"] {
            for more in ["extra_attr", "extra_rdn", "dupe_attr"] {
                row(&plain, &format!("ascii-{kind}-{spelling}-{more}"), false);
            }
        }
    }
    row("ascii-PRINTABLESTRING-unmangled", "ascii-UTF8-unmangled", true);
    row("ascii-PRINTABLESTRING-rdn_sorting_1", "ascii-PRINTABLESTRING-rdn_sorting_2", true);
    row("ascii-mixed-rdn_dupetype_sorting_1", "ascii-mixed-rdn_dupetype_sorting_2", true);
    for name in
        ["valid-minimal", "valid-Name-empty", "unicode_bmp-UTF8-unmangled", "custom-custom-normalized"]
    {
        row(name, name, true);
    }
    for file in files(&folder, "invalid-") {
        row(&stem(&file), &stem(&file), false);
    }
    tally.finish(75, NAMES_OTHERWISE);
}

/// Policies that come out otherwise than their name says, and why.
const POLICIES_OTHERWISE: &[(&str, &str)] = &[
    ("invalid-anypolicy_with_custom_qualifier", "qualifiers are notices to people, and are not looked at"),
    ("invalid-policy_1_2_3_with_empty_qualifiers_sequence", "the same"),
    ("invalid-empty", "no policy is what a certificate without the extension has"),
    ("invalid-policy_1_2_3_dupe", "a policy that is named twice is the same policy"),
];

#[test]
fn malformed_policies_make_a_certificate_invalid() {
    let Some(folder) = folder("boringssl-pki") else { return };
    let names = folder.join("name_constraints_unittest/san-rfc822name.pem");
    let names = block(&names, "SUBJECT ALTERNATIVE NAME");
    let mut tally = Tally::default();
    for policies in files(&folder.join("certificate_policies_unittest"), "") {
        let expected = !stem(&policies).starts_with("invalid");
        let found = Built::with(Vec::new()).judge(&names, Some(&block(&policies, "CERTIFICATE POLICIES")));
        tally.note(&stem(&policies), expected, &found, POLICIES_OTHERWISE);
    }
    tally.finish(14, POLICIES_OTHERWISE);
}

/// Certificates that are read though BoringSSL finds fault with them, or the other way, and why.
const CERTIFICATES_OTHERWISE: &[(&str, &str)] = &[
    ("authority_key_identifier_not_sequence", AKI),
    ("subject_key_identifier_not_octet_string", AKI),
    ("bad_key_usage", "no bit is set: its key may be used for nothing"),
    ("bad_policy_qualifiers", USE),
    ("name_constraints_bad_ip", USE),
    ("policy_constraints_empty", USE),
    ("policy_qualifiers_empty_sequence", USE),
    ("extension_critical_0", "a default that is written out is read as what it says"),
    ("extensions_empty_sequence", "no extension is what a certificate without the list has"),
    ("issuer_bad_printable_string", STRING),
    ("subject_not_ascii", STRING),
    ("subject_not_printable_string", STRING),
    ("serial_37_bytes", SERIAL),
    ("serial_negative", SERIAL),
    ("serial_zero", SERIAL),
    ("serial_zero_padded_21_bytes", SERIAL),
    ("subject_blank_subjectaltname_not_critical", "whoever is named there is the same, critical or not"),
    ("subjectaltname_bad_ip", "only addresses of mail are looked at"),
    (
        "subjectaltname_general_names_empty_sequence",
        "a certificate without an address is read, and fits no sender",
    ),
    ("cert_skeleton", SKELETON),
    ("signature_algorithm_null", SKELETON),
    ("failed_signature_algorithm", "BoringSSL asks here for the outermost SEQUENCE only"),
];
const AKI: &str = "identifiers of keys help to find issuers elsewhere; here names and signatures do";
const USE: &str = "it is read, and refused where a path would need what the extension says";
const STRING: &str = "names are shown and compared, in whatever letters";
const SERIAL: &str = "authorities have issued such numbers; they are compared, not counted with";
const SKELETON: &str = "BoringSSL asks here for the outermost SEQUENCE and its three members only";

#[test]
fn malformed_certificates_are_not_read() {
    let Some(folder) = folder("boringssl-pki/parse_certificate_unittest") else { return };
    let mut tally = Tally::default();
    for file in files(&folder, "") {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            continue;
        }
        let expected = !text.contains("-----BEGIN ERRORS-----");
        let read = waferd::trust::Certificate::read(&block(&file, "CERTIFICATE"));
        let detail = format!("{read:?}");
        tally.note_outcome(&stem(&file), expected, read.is_ok(), &detail, CERTIFICATES_OTHERWISE);
    }
    tally.finish(71, CERTIFICATES_OTHERWISE);
}

/// What a constraint is.
#[derive(Clone, Copy)]
enum Kind {
    Permitted,
    Excluded,
}

/// The only constraint in a file, from its name and its text.
fn constraint_of(file: &Path) -> (Kind, String) {
    let kind = if stem(file).contains("permitted") { Kind::Permitted } else { Kind::Excluded };
    (kind, quoted(file).remove(0))
}

fn is_within(address: &str, bound: &str) -> bool {
    let (local, host) = address.rsplit_once('@').unwrap_or(("", address));
    let host = host.to_ascii_lowercase();
    match bound.rsplit_once('@') {
        Some((bound_local, bound_host)) => local == bound_local && host == bound_host,
        None if bound.starts_with('.') => host.ends_with(bound),
        None => host == bound,
    }
}

/// An authority below a root, for one row.
struct Built {
    root: Vec<u8>,
    middle: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Built {
    fn constrained(constraints: &[u8]) -> Self {
        Self::with(vec![extension(NAME_CONSTRAINTS, constraints)])
    }

    fn with(extensions: Vec<CustomExtension>) -> Self {
        let (root_params, root_key) = (authority("Root"), KeyPair::generate().unwrap());
        let root = root_params.self_signed(&root_key).unwrap().der().to_vec();
        let (mut params, key) = (authority("Middle"), KeyPair::generate().unwrap());
        params.custom_extensions = extensions;
        let root_issuer = Issuer::new(root_params, root_key);
        let middle = params.signed_by(&key, &root_issuer).unwrap().der().to_vec();
        Self { root, middle, issuer: Issuer::new(params, key) }
    }

    /// What is said of a person with these names, and these policies if any. The subject is empty: constraints on it
    /// are another table's.
    fn judge(&self, names: &[u8], policies: Option<&[u8]>) -> Finding {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.custom_extensions = vec![extension(SUBJECT_ALT_NAME, names)];
        params.custom_extensions.extend(policies.map(|policies| extension(POLICIES, policies)));
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap();
        let others = vec![self.middle.clone()];
        let mut row = Row::new(vec![self.root.clone()], certificate.der().to_vec(), others, at(TIME));
        row.purpose = Purpose::SignMail;
        row.examine()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A critical extension.
fn extension(id: &[u64], content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(id, content.to_vec());
    extension.set_criticality(true);
    extension
}

/// The files in `folder` whose names begin so, sorted.
fn files(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        all.filter(|path| path.is_file() && stem(path).starts_with(begin)).collect();
    found.sort();
    found
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The DER in the PEM block with this label.
fn block(file: &Path, label: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let base64 = text.split_once(&begin).unwrap().1.split_once(&end).unwrap().0;
    let base64: Vec<u8> = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64_simd::STANDARD.decode_to_vec(&base64).unwrap()
}

/// The strings in the description that stands in front of the block; an empty one where there is none.
fn quoted(file: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let description = text.split("-----BEGIN").next().unwrap();
    let found: Vec<String> = description
        .lines()
        .filter_map(|line| Some(line.split_once('"')?.1.rsplit_once('"')?.0.replace("\\\"", "\"")))
        .collect();
    if found.is_empty() { vec![String::new()] } else { found }
}

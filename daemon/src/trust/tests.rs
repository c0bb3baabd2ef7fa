#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use der::EncodePem;
use der::pem::LineEnding;
use rcgen::{
    BasicConstraints, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints, SanType, date_time_ymd,
};
use wafer_smime::algorithm::{DigestAlgorithm, SignatureScheme, Weakness};
use wafer_smime::verify::{Outcome, RevocationInfo, Signer, Verified};

use super::testing::{Authority, self_signed, year};
use super::*;

/// A trust folder with these roots.
struct Roots {
    _folder: tempfile::TempDir,
    validator: Validator,
}

impl Roots {
    fn new(roots: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (number, root) in roots.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.der")), root).unwrap();
        }
        let validator = Validator::new(vec![folder.path().join("absent"), folder.path().to_owned()]);
        Self { _folder: folder, validator }
    }

    fn reason(&self, signer: &[u8], others: &[Vec<u8>]) -> Option<Reason> {
        self.reason_at(signer, others, year(2030))
    }

    fn reason_at(&self, signer: &[u8], others: &[Vec<u8>], at: SystemTime) -> Option<Reason> {
        match self.validator.validate(signer, others, at) {
            Trust::Trusted => None,
            Trust::Untrusted { reason, sentence } => {
                assert!(sentence.ends_with('.'), "{sentence}");
                Some(reason)
            }
        }
    }
}

#[test]
fn a_path_leads_to_a_root_directly_and_through_issuers_in_any_order() {
    let root = Authority::root("Root");
    let middle = root.below("Middle", |_| {});
    let low = middle.below("Low", |_| {});
    let roots = Roots::new(&[&root.der]);
    assert_eq!(roots.reason(&root.person("a@example.org"), &[]), None);
    let person = low.person("a@example.org");
    assert_eq!(roots.reason(&person, &[low.der.clone(), middle.der.clone()]), None);
    let garbage = vec![0x30, 0x03, 1, 2, 3];
    assert_eq!(roots.reason(&person, &[garbage, middle.der.clone(), low.der.clone()]), None);
    assert_eq!(roots.reason(&person, std::slice::from_ref(&low.der)), Some(Reason::UnknownIssuer));
    assert_eq!(
        Roots::new(&[]).reason(&person, &[middle.der, low.der, root.der]),
        Some(Reason::UnknownIssuer)
    );
}

#[test]
fn time_decides_at_every_step() {
    let root = Authority::root("Root");
    let old = root.below("Old", |params| params.not_after = date_time_ymd(2025, 1, 1));
    let roots = Roots::new(&[&root.der]);
    let (direct, through_old) = (root.person("a@example.org"), old.person("a@example.org"));
    assert_eq!(roots.reason_at(&direct, &[], year(2019)), Some(Reason::NotYetValid));
    assert_eq!(roots.reason_at(&direct, &[], year(2041)), Some(Reason::Expired));
    assert_eq!(roots.reason_at(&through_old, std::slice::from_ref(&old.der), year(2024)), None);
    assert_eq!(roots.reason_at(&through_old, &[old.der], year(2030)), Some(Reason::Expired));
}

#[test]
fn only_certificates_for_mail_sign_mail() {
    let root = Authority::root("Root");
    let roots = Roots::new(&[&root.der]);
    let server = root.person_with("a@example.org", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let receiver = root.person_with("a@example.org", |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    });
    let servers = root.below("Servers", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let general = root.person_with("a@example.org", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    });
    assert_eq!(roots.reason(&server, &[]), Some(Reason::WrongUsage));
    assert_eq!(roots.reason(&receiver, &[]), Some(Reason::WrongUsage));
    assert_eq!(roots.reason(&servers.person("a@example.org"), &[servers.der]), Some(Reason::WrongUsage));
    assert_eq!(roots.reason(&general, &[]), None);
}

#[test]
fn only_authorities_issue() {
    let root = Authority::root("Root");
    let roots = Roots::new(&[&root.der]);
    let no_authority = root.below("Person", |params| params.is_ca = IsCa::ExplicitNoCa);
    let person = no_authority.person("a@example.org");
    assert_eq!(roots.reason(&person, std::slice::from_ref(&no_authority.der)), Some(Reason::WrongUsage));
    // Nor does a person's certificate in the trust folder make that person an authority.
    assert_eq!(Roots::new(&[&no_authority.der]).reason(&person, &[]), Some(Reason::UnknownIssuer));
    let short = root.below("Short", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let below = short.below("Below", |_| {});
    let person = below.person("a@example.org");
    assert_eq!(roots.reason(&person, &[short.der, below.der]), Some(Reason::Constraint));
}

#[test]
fn a_forged_issuer_is_found_out() {
    let (root, forged) = (Authority::root("Root"), Authority::root("Root"));
    let roots = Roots::new(&[&root.der]);
    let person = forged.person("a@example.org");
    assert_eq!(roots.reason(&person, std::slice::from_ref(&forged.der)), Some(Reason::BadSignature));
    // The true root of the same name is found all the same.
    assert_eq!(Roots::new(&[&root.der, &forged.der]).reason(&person, &[]), None);
}

#[test]
fn name_constraints_hold_for_addresses() {
    let root = Authority::root_with("Root", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::Rfc822Name("example.org".into())],
            excluded_subtrees: vec![],
        });
    });
    let roots = Roots::new(&[&root.der]);
    assert_eq!(roots.reason(&root.person("a@example.org"), &[]), None);
    assert_eq!(roots.reason(&root.person("a@example.com"), &[]), Some(Reason::Constraint));
}

#[test]
fn a_certificate_put_among_the_roots_is_trusted_itself() {
    let own = self_signed("a@example.org");
    assert_eq!(Roots::new(&[&own]).reason(&own, &[]), None);
    assert_eq!(Roots::new(&[&self_signed("a@example.org")]).reason(&own, &[]), Some(Reason::UnknownIssuer));
    assert_eq!(Roots::new(&[&own]).reason_at(&own, &[], year(2041)), Some(Reason::Expired));
}

#[test]
fn many_like_named_certificates_cost_little() {
    let root = Authority::root("Root");
    let like_named: Vec<Vec<u8>> = (0..40)
        .map(|_| {
            Authority::root("Other")
                .below("Same", |params| {
                    params.distinguished_name.push(DnType::CommonName, "Same");
                })
                .der
        })
        .collect();
    let person = Authority::root("Other").below("Same", |_| {}).person("a@example.org");
    assert_eq!(Roots::new(&[&root.der]).reason(&person, &like_named), Some(Reason::UnknownIssuer));
}

#[test]
fn pem_files_hold_many_and_odd_files_are_passed_over() {
    let (first, second) = (Authority::root("First"), Authority::root("Second"));
    let pem = |der: &[u8]| {
        use der::Decode;
        x509_cert::Certificate::from_der(der).unwrap().to_pem(LineEnding::CRLF).unwrap()
    };
    let text = format!("# our roots\n{}noise\n{}", pem(&first.der), pem(&second.der));
    assert_eq!(files::certificates_in(text.as_bytes()), [first.der.clone(), second.der]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder.pem")).unwrap();
    fs::write(folder.path().join(".hidden"), &first.der).unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    fs::write(folder.path().join("torn"), &text[..60]).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(files::read_folder(folder.path()).is_empty());
}

#[test]
fn issuers_for_a_message_are_found_nearest_first_without_the_root() {
    let root = Authority::root("Root");
    let middle = root.below("Middle", |_| {});
    let low = middle.below("Low", |_| {});
    let person = low.person("a@example.org");
    let pool = [root.der, Authority::root("Other").der, middle.der.clone(), person.clone(), low.der.clone()];
    assert_eq!(path::issuers(&person, &pool), [low.der, middle.der]);
    assert!(path::issuers(b"nonsense", &pool).is_empty());
}

#[test]
fn facts_of_a_certificate() {
    let root = Authority::root("Root");
    let der = root.person_with("Anna.Smith@EXAMPLE.org", |params| {
        params.distinguished_name.push(DnType::CommonName, "boss@example.org");
        let utf8 = rcgen::OtherNameValue::Utf8String("münchen@example.org".into());
        params.subject_alt_names.push(SanType::OtherName((vec![1, 3, 6, 1, 5, 5, 7, 8, 9], utf8)));
    });
    let facts = Certificate::read(&der).unwrap();
    assert_eq!(facts.addresses, ["Anna.Smith@example.org", "münchen@example.org"]);
    assert!(facts.has_address("Anna.Smith@Example.Org"));
    assert!(!facts.has_address("anna.smith@example.org"), "a local part's case counts");
    assert!(!facts.has_address("boss@example.org"), "a common name is no address");
    assert!(facts.usage.sign && facts.usage.encrypt && !facts.usage.issue);
    assert_eq!(facts.key, certificate::PublicKeyKind::Ec);
    assert_eq!(facts.issuer, "CN=Root");
    let authority = Certificate::read(&root.der).unwrap();
    assert!(authority.usage.issue && !authority.usage.sign);
}

fn verified(certificate: Option<Vec<u8>>, outcome: Outcome) -> Verified {
    let signer = Signer {
        certificate,
        digest: Some(DigestAlgorithm::Sha256),
        scheme: Some(SignatureScheme::Ecdsa),
        signing_time: Some(year(2030)),
        ..Signer::new(outcome)
    };
    Verified {
        signers: vec![signer],
        certificates: vec![],
        revocation: RevocationInfo::default(),
        from: vec![],
        content_length: 0,
    }
}

fn senders(address: &str) -> Vec<String> {
    vec![address.to_owned()]
}

#[test]
fn a_weak_signature_is_a_warning_and_says_why() {
    let root = Authority::root("Root");
    let roots = Roots::new(&[&root.der]);
    let mut good = verified(Some(root.person("a@example.org")), Outcome::Good);
    good.signers[0].weaknesses = vec![Weakness::Digest(DigestAlgorithm::Sha1), Weakness::ShortRsa(1024)];
    let verdict = judge(&good, Some(&senders("a@example.org")), &roots.validator, year(2031));
    assert_eq!(verdict.status, Status::ValidWithWarnings);
    assert!(verdict.sentence.contains("SHA-1 and RSA with 1024 bits"), "{}", verdict.sentence);
    good.signers[0].outcome = Outcome::BadSignature;
    let verdict = judge(&good, Some(&senders("a@example.org")), &roots.validator, year(2031));
    assert_eq!(verdict.status, Status::Invalid);
}

#[test]
fn the_verdict_is_valid_only_for_the_senders_own_trusted_signature() {
    let root = Authority::root("Root");
    let roots = Roots::new(&[&root.der]);
    let good = verified(Some(root.person("a@example.org")), Outcome::Good);
    let judge = |senders: Option<&[String]>| judge(&good, senders, &roots.validator, year(2031));
    let verdict = judge(Some(&senders("a@EXAMPLE.org")));
    assert_eq!(verdict.status, Status::Valid);
    assert!(verdict.signers[0].trusted && verdict.signers[0].address_matches);
    assert!(verdict.sentence.contains("a@example.org"));
    let verdict = judge(Some(&senders("boss@example.org")));
    assert_eq!(verdict.status, Status::ValidWithWarnings);
    assert!(verdict.sentence.contains("a@example.org") && verdict.sentence.contains("boss@example.org"));
    assert_eq!(judge(Some(&[])).status, Status::ValidWithWarnings);
    assert_eq!(judge(None).status, Status::Valid);
}

#[test]
fn an_expired_certificate_is_a_warning_if_it_was_valid_when_signed() {
    let root = Authority::root("Root");
    let roots = Roots::new(&[&root.der]);
    let good = verified(Some(root.person("a@example.org")), Outcome::Good);
    let from = senders("a@example.org");
    let verdict = judge(&good, Some(&from), &roots.validator, year(2041));
    assert_eq!((verdict.status, verdict.signers[0].trusted), (Status::ValidWithWarnings, false));
    assert_eq!(verdict.signers[0].reason, "expired");
    let mut late = good.clone();
    late.signers[0].signing_time = Some(year(2041));
    assert_eq!(judge(&late, Some(&from), &roots.validator, year(2042)).status, Status::Unknown);
    let stranger = Roots::new(&[]);
    let verdict = judge(&good, Some(&from), &stranger.validator, year(2031));
    assert_eq!((verdict.status, verdict.signers[0].reason.as_str()), (Status::Unknown, "unknown-issuer"));
}

#[test]
fn a_signature_that_is_not_good_is_never_valid() {
    let root = Authority::root("Root");
    let roots = Roots::new(&[&root.der]);
    let from = senders("a@example.org");
    for (outcome, status, word) in [
        (Outcome::DigestMismatch, Status::Invalid, "digest-mismatch"),
        (Outcome::BadSignature, Status::Invalid, "bad-signature"),
        (Outcome::Malformed("x".into()), Status::Invalid, "malformed"),
        (Outcome::NoCertificate, Status::Unknown, "no-certificate"),
        (Outcome::UnsupportedAlgorithm("1.2.3".into()), Status::Unknown, "unsupported-algorithm"),
    ] {
        let certificate = (outcome != Outcome::NoCertificate).then(|| root.person("a@example.org"));
        let verdict = judge(&verified(certificate, outcome), Some(&from), &roots.validator, year(2031));
        assert_eq!((verdict.status, verdict.signers[0].outcome), (status, word));
    }
    let mut two = verified(Some(root.person("a@example.org")), Outcome::Good);
    two.signers.extend(verified(Some(root.person("b@example.org")), Outcome::BadSignature).signers);
    assert_eq!(judge(&two, Some(&from), &roots.validator, year(2031)).status, Status::Invalid);
    two.signers.clear();
    assert_eq!(judge(&two, Some(&from), &roots.validator, year(2031)).status, Status::Unknown);
}

#[test]
fn an_authority_that_is_phased_out_is_none_for_what_begins_later() {
    let root = Authority::root("Root");
    let (mut anchors, inputs) = (Anchors::default(), PolicyInputs::default());
    anchors.add_until(root.der.clone(), Origin::Mozilla, Some(year(2025)));
    let search = path::Search::new(&[], &anchors, &inputs, year(2030));
    let examine = |first: i32| {
        let der = root.person_with("a@example.org", |params| params.not_before = date_time_ymd(first, 6, 1));
        let known = known::Known::read(&der).unwrap();
        search.run(&known, Purpose::SignMail, &mut |found| Ok(found.origin)).map_err(|fault| fault.reason)
    };
    assert_eq!(examine(2024), Ok(Origin::Mozilla));
    assert_eq!(examine(2025), Err(Reason::Distrusted));
}

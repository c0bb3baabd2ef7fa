//! The roots that paths may end at, and the certificates that none may lead through.

use std::collections::HashSet;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use super::known::Known;

/// Why a root is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `mozilla`: Mozilla's list of authorities for mail.
    Mozilla,
    /// `folder`: a file in a trust folder, put there by the administrator or the person.
    Folder,
    /// `person`: the person's own decision (`wafer trust add`).
    Person,
}

impl Origin {
    /// The word of the D-Bus contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mozilla => "mozilla",
            Self::Folder => "folder",
            Self::Person => "person",
        }
    }

    /// Whether the person or the administrator chose the root: its servers may be in a private network.
    pub fn is_own(self) -> bool {
        self != Self::Mozilla
    }
}

/// SHA-256 of a certificate's DER.
pub type Fingerprint = [u8; 32];

/// SHA-256 of `der`.
pub fn fingerprint(der: &[u8]) -> Fingerprint {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, der).as_ref());
    fingerprint
}

/// Roots and distrusted certificates, as they are at one time.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    anchors: Vec<Anchor>,
    distrusted: HashSet<Fingerprint>,
}

/// One root, unparsed: most are never needed.
#[derive(Clone, Debug)]
struct Anchor {
    der: Vec<u8>,
    origin: Origin,
    distrust_after: Option<SystemTime>,
    /// The subject in a form in which equal names are equal.
    name: String,
}

/// A root, parsed.
pub(super) struct Root {
    pub(super) known: Known,
    pub(super) origin: Origin,
    /// No certificate of a person's that begins later leads to it.
    pub(super) distrust_after: Option<SystemTime>,
}

impl Anchors {
    /// Adds certificates (DER); what cannot be read is passed over. An earlier origin stays.
    pub fn add(&mut self, certificates: impl IntoIterator<Item = Vec<u8>>, origin: Origin) {
        for der in certificates {
            self.add_until(der, origin, None);
        }
    }

    /// Adds one certificate, which is no root for what begins after `distrust_after`.
    pub fn add_until(&mut self, der: Vec<u8>, origin: Origin, distrust_after: Option<SystemTime>) {
        if let Some(name) = subject_key(&der).filter(|_| self.origin_of(&der).is_none()) {
            self.anchors.push(Anchor { der, origin, distrust_after, name });
        }
    }

    /// Lets no path lead through the certificate with this fingerprint.
    pub fn distrust(&mut self, certificate: Fingerprint) {
        self.distrusted.insert(certificate);
    }

    /// Whether no path may lead through `der`.
    pub fn is_distrusted(&self, der: &[u8]) -> bool {
        !self.distrusted.is_empty() && self.distrusted.contains(&fingerprint(der))
    }

    /// Why `der` is one of the roots; `None` if it is none.
    pub fn origin_of(&self, der: &[u8]) -> Option<Origin> {
        self.anchors.iter().find(|anchor| anchor.der == der).map(|anchor| anchor.origin)
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether there is no root.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The roots that have the name of the issuer of `certificate`, and may issue.
    pub(super) fn issuing(&self, certificate: &Known) -> Vec<Root> {
        let name = name_key(certificate.issuer());
        let named = self.anchors.iter().filter(|anchor| anchor.name == name);
        named
            .filter_map(|anchor| {
                let (origin, distrust_after) = (anchor.origin, anchor.distrust_after);
                Some(Root { known: Known::read(&anchor.der)?, origin, distrust_after })
            })
            .filter(|root| root.known.facts.usage.issue && root.known.issued(certificate))
            .collect()
    }
}

fn subject_key(der: &[u8]) -> Option<String> {
    use der::Decode;
    use x509_cert::certificate::{CertificateInner, Raw};
    let parsed = CertificateInner::<Raw>::from_der(der).ok()?;
    Some(name_key(parsed.tbs_certificate().subject()))
}

/// A name without what comparing names passes over (RFC 5280 section 7.1): case and white space.
fn name_key(name: &x509_cert::name::Name) -> String {
    let text = name.to_string().to_lowercase();
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

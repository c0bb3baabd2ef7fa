//! A certificate in the two forms that path work needs: Wafer's facts, and certval's parsed form.

use std::time::SystemTime;

use certval::{PDVCertificate, compare_names};
use const_oid::ObjectIdentifier;
use der::Decode;
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::certificate::Certificate;
use super::constraints;
use super::path::Fault;
use super::{Purpose, Reason};

/// A certificate that was read; nothing about it has been proved.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) facts: Certificate,
    pub(super) parsed: PDVCertificate,
}

impl Known {
    /// Reads `der`; `None` if either form cannot be made of it.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let facts = Certificate::read(der).ok()?;
        Some(Self { facts, parsed: PDVCertificate::try_from(der).ok()? })
    }

    pub(super) fn subject(&self) -> &Name {
        self.parsed.decoded().tbs_certificate().subject()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.parsed.decoded().tbs_certificate().issuer()
    }

    pub(super) fn key(&self) -> &SubjectPublicKeyInfoOwned {
        self.parsed.decoded().tbs_certificate().subject_public_key_info()
    }

    /// Content octets of the serial number, as they stand in the certificate.
    pub(super) fn serial(&self) -> &[u8] {
        self.parsed.decoded().tbs_certificate().serial_number().as_bytes()
    }

    /// The extension `oid`, decoded; `Some(Err)` if it is there and malformed.
    pub(super) fn extension<'a, T: Decode<'a, Error = der::Error>>(
        &'a self,
        oid: ObjectIdentifier,
    ) -> Option<der::Result<T>> {
        let extensions = self.parsed.decoded().tbs_certificate().extensions()?;
        let found = extensions.iter().find(|extension| extension.extn_id == oid)?;
        Some(T::from_der(found.extn_value.as_bytes()))
    }

    /// Whether this certificate's subject is the issuer that `other` names.
    pub(super) fn issued(&self, other: &Self) -> bool {
        compare_names(self.subject(), other.issuer())
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.issued(self)
    }

    pub(super) fn fault(&self, reason: Reason) -> Fault {
        Fault { reason, certificate: self.facts.display_name().to_owned() }
    }

    /// Whether the certificate may end a path for `purpose`, and its dates allow it.
    pub(super) fn check_signer(&self, purpose: Purpose, at: SystemTime) -> Result<(), Fault> {
        let usage = &self.facts.usage;
        let allowed = match purpose {
            Purpose::SignMail => usage.sign,
            Purpose::EncryptMail => usage.encrypt,
            Purpose::Any => true,
        };
        self.check(allowed, at)
    }

    /// Whether the certificate may issue others for `purpose`, and its dates allow it.
    pub(super) fn check_issuer(&self, purpose: Purpose, at: SystemTime) -> Result<(), Fault> {
        let usage = &self.facts.usage;
        self.check(usage.issue && (usage.mail || purpose == Purpose::Any), at)?;
        if constraints::are_well_formed(self) { Ok(()) } else { Err(self.fault(Reason::Malformed)) }
    }

    fn check(&self, allowed: bool, at: SystemTime) -> Result<(), Fault> {
        if at < self.facts.not_before {
            return Err(self.fault(Reason::NotYetValid));
        }
        if at > self.facts.not_after {
            return Err(self.fault(Reason::Expired));
        }
        if allowed { Ok(()) } else { Err(self.fault(Reason::WrongUsage)) }
    }
}

//! One certificate revocation list, read without building its entries (RFC 5280 section 5): lists of large
//! authorities have a million of them.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use certval::{PkiEnvironment, compare_names};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CERTIFICATE_ISSUER, ID_CE_CRL_NUMBER, ID_CE_CRL_REASONS,
    ID_CE_DELTA_CRL_INDICATOR, ID_CE_FRESHEST_CRL, ID_CE_INVALIDITY_DATE, ID_CE_ISSUING_DISTRIBUTION_POINT,
};
use der::asn1::{AnyRef, BitString, ContextSpecific, Uint};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::certificate::Raw;
use x509_cert::crl::RevokedCert;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{CrlDistributionPoints, CrlReason, IssuingDistributionPoint};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use crate::trust::signature;

/// The longest list read, in bytes.
pub(in crate::trust) const CRL_MAX: usize = 32 * 1024 * 1024;
/// How long a list without nextUpdate is taken for new: the S/MIME baseline requirements (section 4.9.7)
/// have authorities publish one at least every seven days.
const WITHOUT_NEXT_UPDATE: Duration = Duration::from_secs(7 * 86_400);

/// A list whose signature has not been looked at.
pub(in crate::trust) struct Crl {
    der: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) this_update: SystemTime,
    pub(super) next_update: Option<SystemTime>,
    /// issuingDistributionPoint; absent: the list is complete for its issuer.
    pub(super) scope: Option<IssuingDistributionPoint>,
    /// The issuingDistributionPoint as it stands in the list: a delta must have the same.
    scope_der: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
    pub(super) number: Option<Uint>,
    /// The number of the complete list that this one is the difference to.
    pub(super) base: Option<Uint>,
    /// Where the newest differences are.
    pub(super) freshest: Vec<DistributionPoint>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
    /// Where the revokedCertificates stand in `der`.
    entries: Range<usize>,
}

/// What a list says of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) since: SystemTime,
    pub(super) reason: CrlReason,
}

/// A list that is no list, or has a rule in it that Wafer does not know (a critical extension).
#[derive(Debug, thiserror::Error)]
#[error("the revocation list cannot be used: {0}")]
pub(in crate::trust) struct Unusable(String);

impl From<der::Error> for Unusable {
    fn from(error: der::Error) -> Self {
        Self(error.to_string())
    }
}

type Result<T> = std::result::Result<T, Unusable>;

impl Crl {
    /// Reads `der`.
    pub(in crate::trust) fn read(der: Vec<u8>) -> Result<Self> {
        if der.len() > CRL_MAX {
            return Err(unusable("it is too long"));
        }
        let outer = AnyRef::from_der(&der)?;
        outer.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(outer.value())?;
        let body = reader.tlv_bytes()?;
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader)?;
        let signature = BitString::decode(&mut reader)?;
        reader.finish()?;
        let body = Body::read(body)?;
        if body.algorithm != algorithm {
            return Err(unusable("it names two different signature algorithms"));
        }
        let entries = range_of(body.entries, &der);
        let mut crl = Self {
            issuer: body.issuer,
            this_update: body.this_update.to_system_time(),
            next_update: body.next_update.map(|time| time.to_system_time()),
            scope: None,
            scope_der: None,
            authority_key: None,
            number: None,
            base: None,
            freshest: Vec::new(),
            algorithm,
            signature,
            entries,
            der: Vec::new(),
        };
        crl.apply(&body.extensions)?;
        crl.der = der;
        Ok(crl)
    }

    /// Whether the list speaks for the time `at`.
    pub(in crate::trust) fn is_current(&self, at: SystemTime) -> bool {
        let until = self.next_update.unwrap_or(self.this_update + WITHOUT_NEXT_UPDATE);
        self.this_update <= at && at <= until
    }

    /// Whether the owner of `key` signed the list.
    pub(super) fn is_signed_by(&self, key: &SubjectPublicKeyInfoOwned) -> bool {
        let Some(body) = AnyRef::from_der(&self.der)
            .ok()
            .and_then(|outer| SliceReader::new(outer.value()).ok()?.tlv_bytes().ok())
        else {
            return false;
        };
        let environment = PkiEnvironment::new();
        signature::verify(&environment, body, &self.signature, &self.algorithm, key).is_ok()
    }

    /// Whether `self` is a difference to `complete` (RFC 5280 section 5.2.4).
    pub(super) fn is_delta_to(&self, complete: &Self) -> bool {
        let (Some(base), Some(number), Some(complete_number)) = (&self.base, &self.number, &complete.number)
        else {
            return false;
        };
        complete.base.is_none()
            && compare_names(&self.issuer, &complete.issuer)
            && self.scope_der == complete.scope_der
            && self.authority_key == complete.authority_key
            && magnitude(base) <= magnitude(complete_number)
            && magnitude(complete_number) <= magnitude(number)
    }

    /// The entry of the certificate with `serial` issued by `issuer`.
    ///
    /// Every entry is looked at: a critical extension that is not known makes the whole list unusable
    /// (RFC 5280 section 5.3).
    pub(super) fn entry(&self, issuer: &Name, serial: &[u8]) -> Result<Option<Entry>> {
        let mut reader = SliceReader::new(&self.der[self.entries.clone()])?;
        // Of an indirect list, an entry without a certificateIssuer has that of the entry before.
        let mut ours = compare_names(&self.issuer, issuer);
        let indirect = self.scope.as_ref().is_some_and(|scope| scope.indirect_crl);
        let mut found = None;
        while !reader.is_finished() {
            let entry = RevokedCert::<Raw>::decode(&mut reader)?;
            let facts = EntryFacts::read(entry.crl_entry_extensions.as_ref())?;
            match &facts.issuer {
                Some(_) if !indirect => return Err(unusable("an entry names another issuer")),
                Some(named) => ours = named.iter().any(|name| is_directory(name, issuer)),
                None => {}
            }
            if ours && entry.serial_number.as_bytes() == serial {
                let since = entry.revocation_date.to_system_time();
                found = Some(Entry { since, reason: facts.reason });
            }
        }
        Ok(found)
    }

    fn apply(&mut self, extensions: &[Extension]) -> Result<()> {
        let mut seen: Vec<ObjectIdentifier> = Vec::new();
        for extension in extensions {
            if seen.contains(&extension.extn_id) {
                return Err(unusable("it has an extension twice"));
            }
            seen.push(extension.extn_id);
            self.apply_one(extension)?;
        }
        Ok(())
    }

    fn apply_one(&mut self, extension: &Extension) -> Result<()> {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            ID_CE_ISSUING_DISTRIBUTION_POINT => {
                let scope = IssuingDistributionPoint::from_der(value)?;
                check_scope(&scope)?;
                self.scope = Some(scope);
                self.scope_der = Some(value.to_vec());
            }
            ID_CE_DELTA_CRL_INDICATOR => self.base = Some(Uint::from_der(value)?),
            // Never critical (RFC 5280 section 5.2.3): where it is, the list means something else.
            ID_CE_CRL_NUMBER if !extension.critical => self.number = Some(Uint::from_der(value)?),
            ID_CE_AUTHORITY_KEY_IDENTIFIER => self.authority_key = Some(value.to_vec()),
            ID_CE_FRESHEST_CRL => self.freshest = CrlDistributionPoints::from_der(value)?.0,
            other if extension.critical => {
                return Err(unusable(format!("it has the critical extension {other}")));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The inner part of a list.
struct Body<'a> {
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: Time,
    next_update: Option<Time>,
    entries: &'a [u8],
    extensions: Vec<Extension>,
}

impl<'a> Body<'a> {
    fn read(der: &'a [u8]) -> Result<Self> {
        let outer = AnyRef::from_der(der)?;
        outer.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(outer.value())?;
        let second_version = next_is(&reader, Tag::Integer);
        if second_version && u8::decode(&mut reader)? != 1 {
            return Err(unusable("it has an unknown version"));
        }
        let algorithm = AlgorithmIdentifierOwned::decode(&mut reader)?;
        let issuer = Name::decode(&mut reader)?;
        let this_update = Time::decode(&mut reader)?;
        let dated = next_is(&reader, Tag::UtcTime) || next_is(&reader, Tag::GeneralizedTime);
        let next_update = if dated { Some(Time::decode(&mut reader)?) } else { None };
        let entries = match next_is(&reader, Tag::Sequence) {
            true => AnyRef::decode(&mut reader)?.value(),
            false => &[],
        };
        let extensions = ContextSpecific::<Extensions>::decode_explicit(&mut reader, TagNumber(0))?
            .map(|field| field.value);
        reader.finish()?;
        if extensions.is_some() && !second_version {
            return Err(unusable("it has extensions, which its version does not allow"));
        }
        let extensions = extensions.unwrap_or_default();
        Ok(Self { algorithm, issuer, this_update, next_update, entries, extensions })
    }
}

/// What an entry's extensions say.
struct EntryFacts {
    reason: CrlReason,
    issuer: Option<Vec<GeneralName>>,
}

impl EntryFacts {
    fn read(extensions: Option<&Extensions>) -> Result<Self> {
        let mut facts = Self { reason: CrlReason::Unspecified, issuer: None };
        for extension in extensions.map_or(&[] as &[Extension], |all| all.as_slice()) {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                ID_CE_CRL_REASONS => facts.reason = CrlReason::from_der(value)?,
                ID_CE_CERTIFICATE_ISSUER => facts.issuer = Some(Vec::from_der(value)?),
                ID_CE_INVALIDITY_DATE => {}
                other if extension.critical => {
                    return Err(unusable(format!("an entry has the critical extension {other}")));
                }
                _ => {}
            }
        }
        Ok(facts)
    }
}

/// Whether `name` is the directory name `directory`.
pub(super) fn is_directory(name: &GeneralName, directory: &Name) -> bool {
    matches!(name, GeneralName::DirectoryName(named) if compare_names(named, directory))
}

fn check_scope(scope: &IssuingDistributionPoint) -> Result<()> {
    let only =
        [scope.only_contains_user_certs, scope.only_contains_ca_certs, scope.only_contains_attribute_certs];
    if only.iter().filter(|only| **only).count() > 1 {
        return Err(unusable("it is only for two kinds of certificates at once"));
    }
    let says_nothing = !only.contains(&true)
        && !scope.indirect_crl
        && scope.only_some_reasons.is_none()
        && scope.distribution_point.is_none();
    // RFC 5280 section 5.2.5: the extension may not be empty.
    if says_nothing { Err(unusable("its scope is empty")) } else { Ok(()) }
}

/// Where `part`, a piece of `whole`, stands in it.
fn range_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

fn next_is(reader: &SliceReader<'_>, tag: Tag) -> bool {
    Tag::peek(reader).ok() == Some(tag)
}

/// A number's bytes in a form that compares as the number does.
fn magnitude(number: &Uint) -> (usize, &[u8]) {
    let bytes = number.as_bytes();
    (bytes.len(), bytes)
}

fn unusable(what: impl Into<String>) -> Unusable {
    Unusable(what.into())
}

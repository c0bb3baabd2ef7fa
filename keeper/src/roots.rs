//! `wafer-keeper roots`: reads Mozilla's authorities for mail out of `libnssckbi`, writes them as PEM to its
//! standard output, and ends. It has no PIN, no dialog and no link.
//!
//! The module holds certificates and, beside them, trust objects (NSS `pkcs11n.h`): a certificate is an
//! authority for mail if the trust object of its issuer and serial number says "trusted delegator" for
//! emailProtection. A collection that calls every root good for everything (p11-kit's) has no such objects.
//!
//! An authority that is being phased out has a date (CKA_NSS_EMAIL_DISTRUST_AFTER): people's certificates that begin
//! later are not to be trusted. It stands in a line of its own in front of that certificate, as
//! `distrust-after: YYMMDDHHMMSSZ`.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::pem::{LineEnding, encode_string};

/// NSS's part of the vendors' numbers.
const NSS: u64 = 0xCE53_4350;
/// CKO_NSS_TRUST.
const TRUST_OBJECT: u64 = NSS + 3;
/// CKA_TRUST_EMAIL_PROTECTION.
const TRUST_FOR_MAIL: u64 = NSS + 0x2000 + 11;
/// CKA_NSS_EMAIL_DISTRUST_AFTER.
const DISTRUST_AFTER: u64 = NSS + 36;
/// CKT_NSS_TRUSTED_DELEGATOR: an authority for this use.
const TRUSTED_DELEGATOR: u64 = NSS + 2;

/// Stands before the date of a certificate that has one.
const DATE: &str = "distrust-after: ";

/// What tells one certificate from another: issuer and serial number, DER.
type Name = (Vec<u8>, Vec<u8>);

/// Writes every authority for mail in `module` to `output`, as PEM.
///
/// # Errors
/// The module cannot be loaded or read, or has no authority for mail: a sentence for the journal.
pub fn write(module: &Path, output: &mut dyn Write) -> Result<(), String> {
    let found = read(module).map_err(|error| format!("{}: {error}", module.display()))?;
    if found.is_empty() {
        return Err(format!("{} has no authority for mail", module.display()));
    }
    for authority in found {
        let text = authority.text().map_err(|error| error.to_string())?;
        output.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    }
    output.flush().map_err(|error| error.to_string())
}

/// The authorities for mail.
fn read(module: &Path) -> cryptoki::error::Result<Vec<Found>> {
    let pkcs11 = Pkcs11::new(module)?;
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let mut authorities = Vec::new();
    for slot in pkcs11.get_slots_with_token()? {
        let session = pkcs11.open_ro_session(slot)?;
        let all = |class: Attribute| -> cryptoki::error::Result<Vec<Found>> {
            session.find_objects(&[class])?.into_iter().map(|handle| Found::read(&session, handle)).collect()
        };
        let trust = all(Attribute::VendorDefined((AttributeType::Class, number(TRUST_OBJECT))))?;
        let certificates = all(Attribute::Class(ObjectClass::CERTIFICATE))?;
        authorities.extend(for_mail(certificates, &trust));
    }
    Ok(authorities)
}

/// Those of `certificates` of which an object in `trust` says that they are authorities for mail.
fn for_mail(certificates: Vec<Found>, trust: &[Found]) -> impl Iterator<Item = Found> {
    let good = trust.iter().filter(|object| object.trust == number(TRUSTED_DELEGATOR));
    let names: HashSet<Name> = good.map(|object| object.name.clone()).collect();
    certificates.into_iter().filter(move |certificate| names.contains(&certificate.name))
}

/// The attributes of one object; empty where it has none.
#[derive(Clone, Default)]
struct Found {
    name: Name,
    value: Vec<u8>,
    trust: Vec<u8>,
    distrust_after: Vec<u8>,
}

impl Found {
    fn read(session: &Session, handle: ObjectHandle) -> cryptoki::error::Result<Self> {
        let wanted = [
            AttributeType::Issuer,
            AttributeType::SerialNumber,
            AttributeType::Value,
            AttributeType::VendorDefined(TRUST_FOR_MAIL),
            AttributeType::VendorDefined(DISTRUST_AFTER),
        ];
        let mut found = Self::default();
        for attribute in session.get_attributes(handle, &wanted)? {
            match attribute {
                Attribute::Issuer(issuer) => found.name.0 = issuer,
                Attribute::SerialNumber(serial) => found.name.1 = serial,
                Attribute::Value(value) => found.value = value,
                Attribute::VendorDefined((AttributeType::VendorDefined(TRUST_FOR_MAIL), trust)) => {
                    found.trust = trust;
                }
                Attribute::VendorDefined((AttributeType::VendorDefined(DISTRUST_AFTER), time)) => {
                    found.distrust_after = time;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The certificate as PEM, with its date if it has one.
    fn text(&self) -> der::pem::Result<String> {
        let pem = encode_string("CERTIFICATE", LineEnding::LF, &self.value)?;
        let date = self.date().map(|date| format!("{DATE}{date}\n")).unwrap_or_default();
        Ok(date + &pem)
    }

    /// The date: as UTCTime has it; CK_FALSE, one octet, stands for none.
    fn date(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.distrust_after).ok()?;
        let digits = text.strip_suffix('Z')?;
        (digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
    }
}

/// A CK_ULONG as it stands in memory.
fn number(value: u64) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::path::PathBuf;

    use super::*;

    /// Where Debian's libnss3 puts the module, on any architecture.
    fn module() -> PathBuf {
        let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
        let modules = folders.map(|folder| folder.join("libnssckbi.so"));
        modules
            .into_iter()
            .find(|module| module.exists())
            .unwrap_or_else(|| panic!("libnss3 is not installed"))
    }

    #[test]
    fn mozillas_authorities_for_mail_are_some_of_all() {
        let mut pem = Vec::new();
        write(&module(), &mut pem).unwrap();
        let text = String::from_utf8(pem).unwrap();
        let count = text.matches("-----BEGIN CERTIFICATE-----").count();
        let pkcs11 = Pkcs11::new(module()).unwrap();
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap_or_default();
        let all: usize = pkcs11
            .get_slots_with_token()
            .unwrap()
            .into_iter()
            .map(|slot| pkcs11.open_ro_session(slot).unwrap())
            .map(|session| session.find_objects(&[Attribute::Class(ObjectClass::CERTIFICATE)]).unwrap().len())
            .sum();
        assert!(count > 50 && count < all, "{count} of {all}");
    }

    #[test]
    fn only_a_trusted_delegator_for_mail_is_an_authority() {
        let object = |issuer: &[u8], serial: u8, trust: u64| Found {
            name: (issuer.to_vec(), vec![serial]),
            trust: number(trust),
            ..Found::default()
        };
        let certificates: Vec<Found> = [(b"A", 1), (b"A", 2), (b"A", 3), (b"B", 1), (b"C", 1)]
            .map(|(name, serial)| object(name, serial, 0))
            .into();
        // pkcs11n.h: trusted (not an authority), trusted delegator, must verify, not trusted.
        let (trusted, delegator, verify, not) = (NSS + 1, NSS + 2, NSS + 3, NSS + 10);
        let trust = [
            object(b"A", 1, delegator),
            object(b"A", 2, verify),
            object(b"A", 3, trusted),
            object(b"B", 1, not),
            object(b"B", 2, delegator),
        ];
        let names: Vec<Name> = for_mail(certificates, &trust).map(|found| found.name).collect();
        assert_eq!(names, [(b"A".to_vec(), vec![1])]);
    }

    #[test]
    fn a_date_stands_in_front_of_the_certificate_that_has_one() {
        let text = |date: &[u8]| {
            let found =
                Found { value: b"certificate".to_vec(), distrust_after: date.to_vec(), ..Found::default() };
            found.text().unwrap()
        };
        let begin = "-----BEGIN CERTIFICATE-----";
        assert!(text(b"220901000000Z").starts_with(&format!("distrust-after: 220901000000Z\n{begin}")));
        for none in [&b""[..], b"\0", b"2209010000Z", b"22090100000\nZ", b"\xff"] {
            assert!(text(none).starts_with(begin), "{none:?}");
        }
    }

    #[test]
    fn what_is_no_module_is_named() {
        let error = write(Path::new("/usr/lib/no-such-module.so"), &mut Vec::new()).unwrap_err();
        assert!(error.contains("no-such-module"), "{error}");
    }
}

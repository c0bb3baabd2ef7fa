//! `wafer-keeper roots`: reads Mozilla's authorities for mail out of `libnssckbi`, writes them as PEM to its
//! standard output, and ends. It has no PIN, no dialog and no link.
//!
//! The module holds certificates and, beside them, trust objects (NSS `pkcs11n.h`): a certificate is an
//! authority for mail if the trust object of its issuer and serial number says "trusted delegator" for
//! emailProtection. A collection that calls every root good for everything (p11-kit's) has no such objects.

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
/// CKT_NSS_TRUSTED_DELEGATOR: an authority for this use.
const TRUSTED_DELEGATOR: u64 = NSS + 2;

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
    for certificate in found {
        let pem =
            encode_string("CERTIFICATE", LineEnding::LF, &certificate).map_err(|error| error.to_string())?;
        output.write_all(pem.as_bytes()).map_err(|error| error.to_string())?;
    }
    output.flush().map_err(|error| error.to_string())
}

/// The authorities for mail, DER.
fn read(module: &Path) -> cryptoki::error::Result<Vec<Vec<u8>>> {
    let pkcs11 = Pkcs11::new(module)?;
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let mut authorities = Vec::new();
    for slot in pkcs11.get_slots_with_token()? {
        let session = pkcs11.open_ro_session(slot)?;
        let trusted = trusted_for_mail(&session)?;
        for handle in session.find_objects(&[Attribute::Class(ObjectClass::CERTIFICATE)])? {
            let found = Found::read(&session, handle)?;
            if trusted.contains(&found.name) {
                authorities.push(found.value);
            }
        }
    }
    Ok(authorities)
}

fn trusted_for_mail(session: &Session) -> cryptoki::error::Result<HashSet<Name>> {
    let class = Attribute::VendorDefined((AttributeType::Class, number(TRUST_OBJECT)));
    let mut names = HashSet::new();
    for handle in session.find_objects(&[class])? {
        let found = Found::read(session, handle)?;
        if found.trust == number(TRUSTED_DELEGATOR) {
            names.insert(found.name);
        }
    }
    Ok(names)
}

/// The attributes of one object; empty where it has none.
#[derive(Default)]
struct Found {
    name: Name,
    value: Vec<u8>,
    trust: Vec<u8>,
}

impl Found {
    fn read(session: &Session, handle: ObjectHandle) -> cryptoki::error::Result<Self> {
        let wanted = [
            AttributeType::Issuer,
            AttributeType::SerialNumber,
            AttributeType::Value,
            AttributeType::VendorDefined(TRUST_FOR_MAIL),
        ];
        let mut found = Self::default();
        for attribute in session.get_attributes(handle, &wanted)? {
            match attribute {
                Attribute::Issuer(issuer) => found.name.0 = issuer,
                Attribute::SerialNumber(serial) => found.name.1 = serial,
                Attribute::Value(value) => found.value = value,
                Attribute::VendorDefined((_, trust)) => found.trust = trust,
                _ => {}
            }
        }
        Ok(found)
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
    fn what_is_no_module_is_named() {
        let error = write(Path::new("/usr/lib/no-such-module.so"), &mut Vec::new()).unwrap_err();
        assert!(error.contains("no-such-module"), "{error}");
    }
}

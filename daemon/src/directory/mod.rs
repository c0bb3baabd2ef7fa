//! Recipients' certificates, found by mail address.
//!
//! Today there is one source: a folder that the person or an administrator fills.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::SystemTime;

use crate::trust::certificate::Certificate;
use crate::trust::files::read_folder;

/// A folder of recipients' certificates, read afresh at every look-up.
#[derive(Clone, Debug)]
pub struct Directory {
    folder: PathBuf,
}

/// Why an address cannot be encrypted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The address as it was asked for.
    pub address: String,
    /// What stands in the way.
    pub reason: MissingReason,
}

/// What stands in the way of encrypting to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingReason {
    /// No certificate has the address.
    NoCertificate,
    /// Those that have it are not for encrypting mail.
    WrongUsage,
    /// Those that have it and fit have not begun.
    NotYetValid,
    /// Those that have it and fit have expired.
    Expired,
}

impl Missing {
    /// The reason for a person.
    pub fn sentence(&self) -> String {
        let address = &self.address;
        match self.reason {
            MissingReason::NoCertificate => format!("There is no certificate for <{address}>."),
            MissingReason::WrongUsage => {
                format!("The certificate of <{address}> is not for encrypting mail.")
            }
            MissingReason::NotYetValid => format!("The certificate of <{address}> is not valid yet."),
            MissingReason::Expired => format!("The certificate of <{address}> has expired."),
        }
    }
}

impl Directory {
    /// The directory over `folder`, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// For each address, in order, the certificate (DER) to encrypt to at the time `now`: the one that
    /// began last among those that name the address, are valid and may be used for encryption.
    ///
    /// Blocks on the file system.
    pub fn lookup(&self, addresses: &[String], now: SystemTime) -> Vec<Result<Vec<u8>, Missing>> {
        let known: Vec<Certificate> =
            read_folder(&self.folder).iter().filter_map(|der| Certificate::read(der).ok()).collect();
        addresses.iter().map(|address| choose(&known, address, now)).collect()
    }
}

fn choose(known: &[Certificate], address: &str, now: SystemTime) -> Result<Vec<u8>, Missing> {
    let mut reason = MissingReason::NoCertificate;
    let mut best: Option<&Certificate> = None;
    for certificate in known.iter().filter(|certificate| certificate.has_address(address)) {
        match hindrance(certificate, now) {
            Some(found) => reason = reason.max(found),
            None if best.is_none_or(|best| best.not_before < certificate.not_before) => {
                best = Some(certificate)
            }
            None => {}
        }
    }
    best.map(|certificate| certificate.der.clone())
        .ok_or_else(|| Missing { address: address.to_owned(), reason })
}

fn hindrance(certificate: &Certificate, now: SystemTime) -> Option<MissingReason> {
    if !certificate.usage.encrypt {
        Some(MissingReason::WrongUsage)
    } else if now < certificate.not_before {
        Some(MissingReason::NotYetValid)
    } else if now > certificate.not_after {
        Some(MissingReason::Expired)
    } else {
        None
    }
}

//! Recipients' certificates, found by mail address.
//!
//! Sources, the one that counts most first: imported by hand; the folder of the settings; an LDAP directory;
//! harvested from mail whose signature was found valid. A certificate from a lesser source never takes the
//! place of one from a better source, and one with another key or issuer than before is not used until a
//! person accepted it.

mod choose;
pub mod entry;
mod find;
mod folder;
pub mod import;
pub mod ldap;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use wafer_smime::algorithm::ContentCipher;
use wafer_smime::capabilities::Capabilities;
use wafer_smime::decrypt::RecipientId;

use crate::config::Current;
pub use choose::{Changed, MissingReason};
use choose::{accepts, choose};
pub use entry::{Entry, Source};
use folder::FolderCache;
use ldap::Answer;
use store::Store;

/// The store's file in the data folder.
const STORE_FILE: &str = "recipients.jsonl";

/// Most certificates of a message that are looked at when its signer's is kept.
const OTHERS_MAX: usize = 64;

/// Recipients' certificates from every source.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    settings: Current,
    held: Mutex<Held>,
    /// What the LDAP servers said of addresses that are not in the store, and when.
    asked: Mutex<HashMap<String, (Instant, Answer)>>,
}

struct Held {
    store: Store,
    folder: FolderCache,
}

/// A certificate to encrypt to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// What is known of it.
    pub entry: Entry,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
}

/// What is known of one address.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The address as it was asked for.
    pub address: String,
    /// The certificate to encrypt to, or why there is none.
    pub found: Result<Recipient, MissingReason>,
    /// A new certificate that was not accepted yet.
    pub changed: Option<Changed>,
    /// The members, if the address is a distribution list's: they stand for it.
    pub members: Vec<Checked>,
    /// Why an LDAP server could not be asked, if that is so.
    pub trouble: Option<String>,
}

impl Checked {
    /// Whether the address, or each member of the list, can be encrypted to.
    pub fn is_encryptable(&self) -> bool {
        if self.members.is_empty() {
            self.found.is_ok()
        } else {
            self.members.iter().all(Self::is_encryptable)
        }
    }

    /// The address itself, or the members of the list.
    pub fn each(&self) -> &[Self] {
        if self.members.is_empty() { std::slice::from_ref(self) } else { &self.members }
    }

    /// As [`Self::each`], to be changed.
    pub fn each_mut(&mut self) -> &mut [Self] {
        if self.members.is_empty() { std::slice::from_mut(self) } else { &mut self.members }
    }

    /// What a person should know; empty if all is well.
    pub fn sentence(&self) -> String {
        crate::text::recipient(self)
    }
}

/// What an import did with one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What is known of it; `None` if it cannot be read.
    pub entry: Option<Entry>,
    /// `added`, `replaced` (others of its addresses were accepted before), `known`, or why not: `unreadable`,
    /// `no-address`, `wrong-usage`.
    pub outcome: &'static str,
}

impl Directory {
    /// The directory of these settings.
    pub fn new(settings: Current) -> Self {
        let store = Store::new(settings.get().data_folder.join(STORE_FILE));
        let held = Mutex::new(Held { store, folder: FolderCache::default() });
        Self(Arc::new(Inner { settings, held, asked: Mutex::default() }))
    }

    /// What is known of each address, in order. Asks no network. Blocks on the file system.
    pub fn check(&self, addresses: &[String], now: SystemTime) -> Vec<Checked> {
        let held = self.held(false, now);
        addresses.iter().map(|address| held.check(address, now)).collect()
    }

    /// What the store holds of those of `certificates` (DER) that it holds.
    pub fn known(&self, certificates: &[Vec<u8>], now: SystemTime) -> Vec<Entry> {
        let held = self.held(false, now);
        let known = |der: &Vec<u8>| held.store.with_fingerprint(&entry::fingerprint(der)).cloned();
        certificates.iter().filter_map(known).collect()
    }

    /// Every certificate kept, in no order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self, now: SystemTime) -> io::Result<Vec<Entry>> {
        let mut held = self.held(false, now);
        held.store.refresh()?;
        Ok(held.store.all().chain(held.folder.all()).cloned().collect())
    }

    /// Keeps `certificates` (DER) as imported by hand: each is accepted.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn import(&self, certificates: &[Vec<u8>], now: SystemTime) -> io::Result<Vec<Imported>> {
        let mut held = self.held(false, now);
        held.store.refresh()?;
        held.store.gather();
        let imported = certificates.iter().map(|der| held.import(der, now)).collect::<io::Result<_>>();
        held.store.keep(imported.is_ok()).and(imported)
    }

    /// Accepts the certificate with this fingerprint; `None` if it is not in the store.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn accept(&self, fingerprint: &str, now: SystemTime) -> io::Result<Option<Entry>> {
        let mut held = self.held(false, now);
        held.store.refresh()?;
        let Some(entry) = held.store.with_fingerprint(fingerprint).cloned() else { return Ok(None) };
        let certificate = held.store.certificate(fingerprint)?;
        held.import(&certificate, now)?;
        Ok(Some(entry))
    }

    /// Removes the certificate with this fingerprint; `None` if it is not in the store.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn remove(&self, fingerprint: &str, now: SystemTime) -> io::Result<Option<Entry>> {
        let mut held = self.held(false, now);
        held.store.refresh()?;
        let Some(entry) = held.store.with_fingerprint(fingerprint).cloned() else { return Ok(None) };
        held.store.remove(fingerprint)?;
        Ok(Some(entry))
    }

    /// Keeps the certificate of a mail's signer, whose signature, path and address were found good: whoever wrote
    /// can be answered in cipher. What cannot be kept is logged; nothing else depends on it.
    pub fn harvest(&self, signer: &MailSigner<'_>, now: SystemTime) {
        let Some((entry, der)) = signer.certificate_to_answer(now) else { return };
        let ciphers = signer.capabilities.map(ciphers).unwrap_or_default();
        let mut held = self.held(false, now);
        let kept = held.store.refresh().and_then(|()| held.harvest(entry, der, ciphers));
        if let Err(error) = kept {
            tracing::warn!(%error, "a signer's certificate could not be kept");
        }
    }

    /// Looks again at every file: see [`Directory::find`] for what `refresh` does beyond.
    fn held(&self, always: bool, now: SystemTime) -> MutexGuard<'_, Held> {
        let settings = self.0.settings.get();
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.folder.refresh(&settings.recipients_folder, always, now);
        if let Err(error) = held.store.refresh() {
            tracing::warn!(file = %held.store.path().display(), %error, "the recipients' store cannot be read");
        }
        held
    }
}

impl Held {
    /// Every entry that has `address`; those that have it in another case only if none has it exactly.
    fn of(&self, address: &str) -> Vec<&Entry> {
        let mut known = self.store.of(address);
        known.extend(self.folder.of(address));
        let exact = |entry: &&&Entry| {
            entry.addresses.iter().any(|own| crate::trust::certificate::same_address(own, address))
        };
        let exactly: Vec<&Entry> = known.iter().filter(exact).copied().collect();
        if exactly.is_empty() { known } else { exactly }
    }

    fn check(&self, address: &str, now: SystemTime) -> Checked {
        let known = self.of(address);
        let choice = choose(&known, now);
        let found = choice.best.and_then(|entry| {
            let certificate = self.certificate(&entry.fingerprint).ok_or(MissingReason::NoCertificate)?;
            Ok(Recipient { entry: entry.clone(), certificate })
        });
        let changed = choice.changed;
        Checked { address: address.to_owned(), found, changed, members: Vec::new(), trouble: None }
    }

    fn certificate(&self, fingerprint: &str) -> Option<Vec<u8>> {
        self.store.certificate(fingerprint).ok().or_else(|| self.folder.certificate(fingerprint))
    }

    fn import(&mut self, der: &[u8], now: SystemTime) -> io::Result<Imported> {
        let Ok(mut entry) = Entry::read(der, Source::Imported, now) else {
            return Ok(Imported { entry: None, outcome: "unreadable" });
        };
        let known = self.store.with_fingerprint(&entry.fingerprint);
        if let Some(known) = known {
            entry.addresses.clone_from(&known.addresses);
            entry.ciphers.clone_from(&known.ciphers);
        }
        let outcome = match known {
            _ if entry.addresses.is_empty() => "no-address",
            _ if !entry.encrypt => "wrong-usage",
            Some(known) if known.source == Source::Imported => "known",
            _ if self.others_of(&entry).iter().any(|other| other.accepted) => "replaced",
            _ => "added",
        };
        if matches!(outcome, "added" | "replaced") {
            self.store.put(entry.clone(), der)?;
        }
        Ok(Imported { entry: Some(entry), outcome })
    }

    /// The entries that have one of `entry`'s addresses, without itself.
    fn others_of(&self, entry: &Entry) -> Vec<&Entry> {
        let all = entry.addresses.iter().flat_map(|address| self.of(address));
        all.filter(|other| other.fingerprint != entry.fingerprint).collect()
    }

    /// Keeps a certificate that came with a mail, and what its program understands.
    fn harvest(&mut self, mut entry: Entry, der: &[u8], ciphers: Vec<String>) -> io::Result<()> {
        match self.store.with_fingerprint(&entry.fingerprint) {
            // What is known of it stays; only what its program understands may be news.
            Some(known) if known.ciphers == ciphers || ciphers.is_empty() => return Ok(()),
            Some(known) => entry = known.clone(),
            None => entry.accepted = accepts(&self.others_of(&entry), &entry),
        }
        entry.ciphers = ciphers;
        self.store.put(entry, der)
    }
}

/// The names of the ciphers that Wafer writes and `capabilities` has.
fn ciphers(capabilities: &Capabilities) -> Vec<String> {
    let written = ContentCipher::WRITTEN.into_iter();
    written.filter(|cipher| capabilities.reads(*cipher)).map(|cipher| cipher.name().to_owned()).collect()
}

/// A signer of a mail who was found to be who the mail says.
pub struct MailSigner<'a> {
    /// The signer's certificate, DER.
    pub certificate: &'a [u8],
    /// What the signer's program said it can read, if it said so.
    pub capabilities: Option<&'a Capabilities>,
    /// Which certificate the signer's program wants used for encrypting (smimeEncryptionKeyPreference, RFC 8551
    /// section 2.5.3), if it said so.
    pub preference: Option<&'a RecipientId>,
    /// Every certificate in the message, DER.
    pub others: &'a [Vec<u8>],
    /// Whether a path leads from one of `others` to a root: anybody on the way can add certificates to a message.
    pub trusts: &'a dyn Fn(&[u8]) -> bool,
}

impl<'a> MailSigner<'a> {
    /// The certificate that the signer's program prefers; else the signer's own; else another in the message. Any but
    /// the own one must have one of the signer's addresses and be trusted by itself. All must be for encrypting.
    fn certificate_to_answer(&self, now: SystemTime) -> Option<(Entry, &'a [u8])> {
        let read = |der: &'a [u8]| Some((Entry::read(der, Source::Harvested, now).ok()?, der));
        let signer = read(self.certificate)?;
        let serves = |(entry, der): &(Entry, &[u8])| {
            let shared = entry.addresses.iter().any(|address| signer.0.addresses.contains(address));
            entry.encrypt && (*der == self.certificate || shared && (self.trusts)(der))
        };
        let all =
            || [self.certificate].into_iter().chain(self.others.iter().take(OTHERS_MAX).map(Vec::as_slice));
        let preferred = |der: &&[u8]| self.preference.is_some_and(|wanted| wanted.matches(der));
        all().filter(preferred).chain(all()).filter_map(read).find(serves)
    }
}

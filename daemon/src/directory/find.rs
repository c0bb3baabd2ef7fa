//! Looking addresses up in the LDAP directories of the settings, and keeping what they say.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::choose::accepts;
use super::ldap::{self, Answer, Found, Manner};
use super::{Checked, Directory, Entry, Held, Source};

/// How long a directory's answer is believed without asking again: long enough for a person to write a mail.
const BELIEVED: Duration = Duration::from_secs(600);
/// The most answers remembered.
const REMEMBERED_MAX: usize = 10_000;

impl Directory {
    /// Like [`Directory::check`], but asks the LDAP servers of the settings for addresses that cannot be encrypted
    /// to, or for all if `again`; then files are read again too. Never fails: what could not be asked is said
    /// in [`Checked::trouble`].
    pub async fn find(&self, addresses: &[String], again: bool, now: SystemTime) -> Vec<Checked> {
        let settings = self.0.settings.get();
        let servers = &settings.ldap;
        let manner = Manner {
            list_timeout: Duration::from_secs(settings.number("recipients.list-timeout-s").into()),
            proxy_addresses: settings.flag("recipients.proxy-addresses"),
        };
        if again {
            drop(self.held(true, now));
        }
        let wanted = if servers.is_empty() { Vec::new() } else { self.wanted(addresses, again, now) };
        let mut trouble = None;
        if !wanted.is_empty() {
            let found = ldap::look_up(servers, manner, &wanted).await;
            trouble.clone_from(&found.trouble);
            self.keep(found, now);
        }
        let answers = self.answers(addresses);
        let held = self.held(false, now);
        let check = |address: &String| {
            let mut checked = held.check(address, now);
            if checked.found.is_err()
                && let Some(Answer::List(members)) = answers.get(address)
            {
                checked.members = members.iter().map(|member| held.check(&member.address, now)).collect();
            }
            if wanted.contains(address) && !checked.is_encryptable() {
                checked.trouble.clone_from(&trouble);
            }
            checked
        };
        addresses.iter().map(check).collect()
    }

    /// The addresses that a directory is to be asked for.
    fn wanted(&self, addresses: &[String], again: bool, now: SystemTime) -> Vec<String> {
        let known = self.answers(addresses);
        let held = self.held(false, now);
        let asks = |address: &&String| {
            again || (!known.contains_key(*address) && held.check(address, now).found.is_err())
        };
        addresses.iter().filter(asks).cloned().collect()
    }

    /// What the servers said of `addresses` not long ago.
    fn answers(&self, addresses: &[String]) -> HashMap<String, Answer> {
        let asked = self.0.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let recent = |address: &String| {
            let (when, answer) = asked.get(address)?;
            (when.elapsed() < BELIEVED).then(|| (address.clone(), answer.clone()))
        };
        addresses.iter().filter_map(recent).collect()
    }

    /// Keeps the certificates that came, and remembers what was said.
    fn keep(&self, found: Found, now: SystemTime) {
        let mut held = self.held(false, now);
        for (address, answer) in &found.answers {
            match answer {
                Answer::Nothing => held.keep_from_directory(address, &[], now),
                Answer::Person(certificates) => held.keep_from_directory(address, certificates, now),
                Answer::List(members) => {
                    for member in members {
                        held.keep_from_directory(&member.address, &member.certificates, now);
                    }
                }
            }
        }
        drop(held);
        let mut asked = self.0.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if asked.len() > REMEMBERED_MAX {
            asked.retain(|_, (when, _)| when.elapsed() < BELIEVED);
        }
        // The certificates are in the store now: only that there are some is remembered.
        asked.extend(found.answers.into_iter().map(|(address, answer)| (address, (Instant::now(), answer))));
    }
}

impl Held {
    /// Makes `certificates` what a directory has for `address`. A directory without any says nothing: what
    /// it said before stays.
    fn keep_from_directory(&mut self, address: &str, certificates: &[Vec<u8>], now: SystemTime) {
        let mut named = Vec::new();
        for der in certificates {
            let Ok(mut entry) = Entry::read(der, Source::Directory, now) else { continue };
            // The directory vouches for the address that it has the certificate under.
            if !entry.addresses.iter().any(|own| crate::trust::certificate::same_address(own, address)) {
                entry.addresses.push(address.to_owned());
            }
            named.push(entry.fingerprint.clone());
            let known = self.store.with_fingerprint(&entry.fingerprint);
            if known.is_some_and(|known| known.source >= Source::Directory || !entry.encrypt)
                || !entry.encrypt
            {
                continue;
            }
            entry.ciphers = known.map(|known| known.ciphers.clone()).unwrap_or_default();
            entry.accepted = accepts(&self.others_of(&entry), &entry);
            self.written(address, |held| held.store.put(entry, der));
        }
        let before = self.store.of(address).into_iter().filter(|entry| entry.source == Source::Directory);
        let gone: Vec<String> = before.map(|entry| entry.fingerprint.clone()).collect();
        for fingerprint in gone.into_iter().filter(|old| !named.is_empty() && !named.contains(old)) {
            self.written(address, |held| held.store.remove(&fingerprint));
        }
    }

    fn written(&mut self, address: &str, write: impl FnOnce(&mut Self) -> std::io::Result<()>) {
        if let Err(error) = write(self) {
            tracing::warn!(address, %error, "what a directory says could not be kept");
        }
    }
}

//! Recipients' certificates from LDAP directories (RFC 4523: `userCertificate`; RFC 2798: `userSMIMECertificate`),
//! and the members of distribution lists there.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, SearchOptions, drive, ldap_escape};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::import::certificates_of;
use crate::config::LdapServer;
use crate::trust::files::certificates_in;

/// The most entries taken for one address.
const ENTRIES_MAX: i32 = 16;
/// The most certificates taken from one entry.
const CERTIFICATES_MAX: usize = 32;
/// The most members of one list, those of lists in it included.
const MEMBERS_MAX: usize = 2000;
/// What is asked for.
const ATTRIBUTES: [&str; 8] = [
    "mail",
    "userCertificate",
    "userCertificate;binary",
    "userSMIMECertificate",
    "userSMIMECertificate;binary",
    "member",
    "uniqueMember",
    "rfc822MailMember",
];

/// How directories are asked beyond what each server's own settings say.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How long expanding the lists of one look-up may take.
    pub list_timeout: Duration,
    /// Whether `proxyAddresses` (Exchange's further addresses) are searched too.
    pub proxy_addresses: bool,
}

/// What the servers know of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No entry has it, or none with a certificate.
    Nothing,
    /// A person's certificates, DER.
    Person(Vec<Vec<u8>>),
    /// A list's members.
    List(Vec<Member>),
}

/// A member of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its address.
    pub address: String,
    /// Its certificates, DER.
    pub certificates: Vec<Vec<u8>>,
}

/// What a look-up found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// For each address that a server had an answer for.
    pub answers: HashMap<String, Answer>,
    /// What went wrong with a server, for a person.
    pub trouble: Option<String>,
}

/// Asks `servers` one after the other for `addresses`; the first that knows one is believed.
pub async fn look_up(servers: &[LdapServer], manner: Manner, addresses: &[String]) -> Found {
    let mut found = Found::default();
    let mut wanted: Vec<String> = addresses.to_vec();
    for server in servers {
        if wanted.is_empty() {
            break;
        }
        // In a task of its own: what a server sends can make the library panic, and only this look-up fails then.
        let asked = tokio::spawn(ask(server.clone(), manner, wanted.clone())).await;
        match asked.unwrap_or_else(|_| Err("its answer cannot be understood".to_owned())) {
            Ok(answers) => {
                wanted.retain(|address| matches!(answers.get(address), None | Some(Answer::Nothing)));
                found.answers.extend(answers);
            }
            Err(problem) => {
                tracing::warn!(server = server.url, problem, "an LDAP server could not be asked");
                found.trouble = Some(format!("{}: {problem}", server.url));
            }
        }
    }
    found
}

async fn ask(
    server: LdapServer,
    manner: Manner,
    addresses: Vec<String>,
) -> Result<HashMap<String, Answer>, String> {
    let asking = async {
        let mut session = Session::open(&server).await?;
        let mut entries = Vec::new();
        for address in addresses {
            let people = session.with_address(&address, manner.proxy_addresses).await?;
            entries.push((address, people));
        }
        Ok((session, entries))
    };
    let asked: Result<_, String> =
        tokio::time::timeout(server.timeout, asking).await.map_err(|_| too_slow())?;
    let (mut session, entries) = asked?;
    let until = tokio::time::Instant::now() + manner.list_timeout;
    let mut answers = HashMap::new();
    for (address, people) in entries {
        let certificates: Vec<_> = people.iter().flat_map(certificates).take(CERTIFICATES_MAX).collect();
        let answer = if certificates.is_empty() && people.iter().any(is_list) {
            let members =
                tokio::time::timeout_at(until, session.members(people)).await.map_err(|_| too_slow())?;
            Answer::List(members?)
        } else if certificates.is_empty() {
            Answer::Nothing
        } else {
            Answer::Person(certificates)
        };
        answers.insert(address, answer);
    }
    let _ = session.ldap.unbind().await;
    Ok(answers)
}

fn too_slow() -> String {
    "it does not answer in time".to_owned()
}

/// A connection to one server.
struct Session<'a> {
    server: &'a LdapServer,
    ldap: Ldap,
}

impl<'a> Session<'a> {
    async fn open(server: &'a LdapServer) -> Result<Self, String> {
        let mut settings =
            LdapConnSettings::new().set_conn_timeout(server.timeout).set_starttls(server.start_tls);
        if server.start_tls || server.url.starts_with("ldaps:") {
            settings = settings.set_config(tls(server)?);
        }
        let (connection, mut ldap) =
            LdapConnAsync::with_settings(settings, &server.url).await.map_err(|error| error.to_string())?;
        drive!(connection);
        if let Some((name, password)) = &server.bind {
            let password = std::fs::read_to_string(password)
                .map_err(|error| format!("the password file {}: {error}", password.display()))?;
            let bound = ldap.simple_bind(name, password.trim_end_matches(['\r', '\n'])).await;
            bound.and_then(ldap3::LdapResult::success).map_err(|error| error.to_string())?;
        }
        Ok(Self { server, ldap })
    }

    async fn with_address(&mut self, address: &str, proxies: bool) -> Result<Vec<SearchEntry>, String> {
        let wanted = ldap_escape(address);
        let filter = if proxies {
            format!("(|(mail={wanted})(proxyAddresses=smtp:{wanted}))")
        } else {
            format!("(mail={wanted})")
        };
        let base = self.server.base.clone();
        self.search(&base, Scope::Subtree, &filter).await
    }

    async fn search(&mut self, base: &str, scope: Scope, filter: &str) -> Result<Vec<SearchEntry>, String> {
        let options = SearchOptions::new().sizelimit(ENTRIES_MAX);
        let found =
            self.ldap.with_search_options(options).search(base, scope, filter, ATTRIBUTES.to_vec()).await;
        let found = found.map_err(|error| error.to_string())?;
        // 32: no such object; 4: more than were asked for.
        if !matches!(found.1.rc, 0 | 4 | 32) {
            return Err(found.1.to_string());
        }
        let entries = found.0.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(entries.map(SearchEntry::construct).collect())
    }

    /// Everybody in `lists`, and in the lists in them; each once.
    async fn members(&mut self, lists: Vec<SearchEntry>) -> Result<Vec<Member>, String> {
        let mut members: Vec<Member> = Vec::new();
        let mut seen: HashSet<String> = lists.iter().map(|list| list.dn.to_lowercase()).collect();
        let mut waiting: VecDeque<SearchEntry> = lists.into();
        while let Some(entry) = waiting.pop_front() {
            for name in values(&entry, &["member", "uniquemember"]) {
                if seen.insert(name.to_lowercase()) {
                    waiting.extend(self.search(&name, Scope::Base, "(objectClass=*)").await?);
                }
            }
            for address in values(&entry, &["rfc822mailmember"]) {
                if seen.insert(address.to_lowercase()) {
                    members.push(Member { address, certificates: Vec::new() });
                }
            }
            if !is_list(&entry)
                && let Some(address) = values(&entry, &["mail"]).into_iter().next()
            {
                let certificates = certificates(&entry).into_iter().take(CERTIFICATES_MAX).collect();
                members.push(Member { address, certificates });
            }
            if members.len() + waiting.len() > MEMBERS_MAX {
                return Err(format!("the list has more than {MEMBERS_MAX} members"));
            }
        }
        Ok(members)
    }
}

/// TLS by AWS-LC, the one crypto provider.
fn tls(server: &LdapServer) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let certificates: Vec<CertificateDer<'static>> = match &server.ca_file {
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            certificates_in(&bytes).into_iter().map(CertificateDer::from).collect()
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The values of the attributes with these names, options (`;binary`) and case aside.
fn values(entry: &SearchEntry, names: &[&str]) -> Vec<String> {
    let wanted = |(name, values): (&String, &Vec<String>)| is_one_of(name, names).then(|| values.clone());
    entry.attrs.iter().filter_map(wanted).flatten().collect()
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.contains(&name.split(';').next().unwrap_or_default().to_lowercase().as_str())
}

fn is_list(entry: &SearchEntry) -> bool {
    !values(entry, &["member", "uniquemember", "rfc822mailmember"]).is_empty()
}

/// The certificates of a person's entry. `userSMIMECertificate` is a SignedData.
fn certificates(entry: &SearchEntry) -> Vec<Vec<u8>> {
    const NAMES: &[&str] = &["usercertificate", "usersmimecertificate"];
    let binary = entry.bin_attrs.iter().filter(|(name, _)| is_one_of(name, NAMES));
    binary.flat_map(|(_, values)| values).flat_map(|value| certificates_of(value)).collect()
}

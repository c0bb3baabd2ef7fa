//! LDAP servers, as the settings have them.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, absolute, at_least_one};

/// One LDAP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapServer {
    /// `ldaps://host[:port]`, `ldap://host[:port]` or `ldapi://path` (the path percent-encoded).
    pub url: String,
    /// The entry below which people are looked for.
    pub base: String,
    /// Who to bind as, and the file with that one's password; anonymous without.
    pub bind: Option<(String, PathBuf)>,
    /// Authorities of the server's own certificate, PEM or DER; the system's without.
    pub ca_file: Option<PathBuf>,
    /// Whether an `ldap://` connection becomes TLS before anything is said on it.
    pub start_tls: bool,
    /// How long one look-up may take.
    pub timeout: Duration,
}

/// `[[ldap]]` in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LdapTable {
    url: Spanned<String>,
    base: String,
    bind_dn: Option<String>,
    password_file: Option<Spanned<PathBuf>>,
    ca_file: Option<Spanned<PathBuf>>,
    start_tls: Option<Spanned<bool>>,
    timeout_s: Option<Spanned<u32>>,
}

impl LdapTable {
    pub(super) fn check(self) -> Result<LdapServer, Fault> {
        let at = self.url.span().start;
        let fault = |problem: &str| Err(Fault { at, problem: problem.to_owned() });
        let url = self.url.into_inner();
        let is_plain = url.starts_with("ldap://");
        if !is_plain && !url.starts_with("ldaps://") && !url.starts_with("ldapi://") {
            return fault("an LDAP server's address begins with ldaps://, ldap:// or ldapi://");
        }
        // Without TLS anybody on the way could hand out certificates: who wants that has to say so.
        let start_tls = is_plain && self.start_tls.is_none_or(Spanned::into_inner);
        let bind = match (self.bind_dn, self.password_file) {
            (Some(name), Some(file)) => Some((name, absolute(file)?)),
            (None, None) => None,
            _ => return fault("bind-dn and password-file belong together"),
        };
        if bind.is_some() && is_plain && !start_tls {
            return fault("a password is not sent without TLS");
        }
        let timeout = at_least_one(self.timeout_s, Duration::from_secs)?.unwrap_or(Duration::from_secs(5));
        let ca_file = self.ca_file.map(absolute).transpose()?;
        Ok(LdapServer { url, base: self.base, bind, ca_file, start_tls, timeout })
    }
}

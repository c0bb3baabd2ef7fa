//! Who may do what. Pure: no I/O, no clock.
//!
//! The results are witnesses: an [`Admission`] comes only from [`admit`], an [`Allowed`] only from a
//! [`consent::Decision`] or [`consent::Answer`] that says yes, a [`Grant`] only from [`grant`], and the keepers'
//! room opens no key without one.

pub mod consent;
pub mod web;

use wafer_client::keeper::Operation;

/// Who asks, as far as policy looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user of the calling process.
    pub uid: u32,
}

/// Refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller belongs to another user")]
pub struct Denied;

/// A caller that may ask for an operation.
#[derive(Debug)]
pub struct Admission {
    operation: Operation,
}

/// A yes for one request: from the person, or from the settings.
#[derive(Debug)]
pub struct Allowed(());

impl Allowed {
    /// Logging in needs no yes of its own: the PIN is one, and each use of a key is asked for by itself.
    pub fn to_log_in() -> Self {
        Self(())
    }

    /// Changing a PIN, or unblocking it with the PUK, is the person's yes itself: the keeper's dialog names the
    /// program, and asks for the old PIN or the PUK, which only the person knows.
    pub fn to_change_pin() -> Self {
        Self(())
    }
}

/// One key, one operation, so many uses.
#[derive(Debug)]
pub struct Grant {
    key: String,
    operation: Operation,
    uses: u32,
}

/// Whether `subject` may ask for `operation` of the user `owner`'s keys at all.
///
/// # Errors
/// [`Denied`] for another user, root included.
pub fn admit(subject: Subject, owner: u32, operation: Operation) -> Result<Admission, Denied> {
    if subject.uid == owner { Ok(Admission { operation }) } else { Err(Denied) }
}

/// Whether `subject` may change what the user `owner` trusts. For now every program of the same user may; the
/// person's consent belongs here.
///
/// # Errors
/// [`Denied`] for another user, root included.
pub fn change_trust(subject: Subject, owner: u32) -> Result<(), Denied> {
    if subject.uid == owner { Ok(()) } else { Err(Denied) }
}

/// Turns an admission into a grant for `key`. An admission can grant several keys: a message may be
/// encrypted to more than one of a person's certificates.
pub fn grant(admission: &Admission, allowed: Allowed, key: &str, uses: u32) -> Grant {
    let Allowed(()) = allowed;
    Grant { key: key.to_owned(), operation: admission.operation, uses }
}

impl Admission {
    /// What was admitted.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

impl Grant {
    /// The key's (or token's) name with its keeper.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What may be done.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// How often.
    pub fn uses(&self) -> u32 {
        self.uses
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn another_user_is_denied_even_root() {
        assert_eq!(admit(Subject { uid: 0 }, 1000, Operation::Sign).unwrap_err(), Denied);
        assert_eq!(admit(Subject { uid: 1001 }, 1000, Operation::Unlock).unwrap_err(), Denied);
    }

    #[test]
    fn a_grant_names_what_was_admitted() {
        let admission = admit(Subject { uid: 7 }, 7, Operation::Decrypt).unwrap();
        let grant = grant(&admission, Allowed(()), "token/01", 3);
        assert_eq!((grant.key(), grant.operation(), grant.uses()), ("token/01", Operation::Decrypt, 3));
    }
}

//! What a person decided about programs, and what follows from it for one request. Pure: time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Allowed;
use super::web::WebOrigin;

/// After a no, how long the same program is refused without another question.
pub const QUIET: Duration = Duration::from_secs(30);

/// A program as decisions are remembered of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Program {
    /// Its stable name: `sandbox:ID`; `path:FILE` of an executable that only root can change; `hash:SHA-256` of
    /// one that the person could change; `script:INTERPRETER FILE`; `origin:ORIGIN in BROWSER` of a web page; empty
    /// if nothing is known of it.
    pub name: String,
    /// Whether a decision may outlive the session: a script's name says little about what it does.
    pub lasting: bool,
    /// The origin, if it is a web page.
    pub origin: Option<WebOrigin>,
}

impl Program {
    /// Whether `rule` means it: its name, or `origin:` and a pattern for a web page, in whatever browser.
    fn is_meant_by(&self, rule: &str) -> bool {
        let of_page = |origin: &WebOrigin| rule.strip_prefix("origin:").is_some_and(|rule| origin.fits(rule));
        !self.name.is_empty() && self.name == rule || self.origin.as_ref().is_some_and(of_page)
    }
}

/// What a program may do with whose decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Matter {
    /// [`Program::name`].
    pub program: String,
    /// The key's name with its keeper.
    pub key: String,
}

/// What a person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes, this time.
    Once,
    /// Yes, as long as waferd runs.
    Session,
    /// Yes, always.
    Always,
    /// Not now.
    No,
    /// Never.
    Never,
}

impl Answer {
    /// The yes in it.
    pub fn allowed(self) -> Option<Allowed> {
        matches!(self, Self::Once | Self::Session | Self::Always).then_some(Allowed(()))
    }

    /// The word of the D-Bus contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
            Self::No => "no",
            Self::Never => "never",
        }
    }
}

/// What follows for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go on.
    Allow,
    /// It may not.
    Forbid,
    /// It may not for now: the person has just said no.
    Quiet,
    /// The person is asked.
    Ask,
}

impl Decision {
    /// The yes in it.
    pub fn allowed(self) -> Option<Allowed> {
        (self == Self::Allow).then_some(Allowed(()))
    }
}

/// What holds where nothing was decided: the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For programs that nothing else is said of: [`Decision::Allow`], [`Decision::Forbid`], [`Decision::Ask`].
    pub otherwise: Decision,
    /// Programs that may, by name.
    pub allowed: Vec<String>,
    /// Programs that may not, by name.
    pub forbidden: Vec<String>,
}

impl Rules {
    /// Whether every program may: then nobody needs to know which one asks.
    pub fn is_open(&self) -> bool {
        self.otherwise == Decision::Allow && self.forbidden.is_empty()
    }
}

/// What the person decided: for good, for this session, and just now.
#[derive(Debug, Default)]
pub struct Decisions {
    lasting: HashMap<Matter, Answer>,
    session: HashMap<Matter, Answer>,
    refused: HashMap<String, Instant>,
}

impl Decisions {
    /// What follows for `program` that wants to use `key` at `now`.
    pub fn decide(&self, rules: &Rules, program: &Program, key: &str, now: Instant) -> Decision {
        let named = |names: &[String]| names.iter().any(|name| program.is_meant_by(name));
        if named(&rules.forbidden) {
            return Decision::Forbid;
        }
        if named(&rules.allowed) || rules.otherwise == Decision::Allow {
            return Decision::Allow;
        }
        let matter = Matter { program: program.name.clone(), key: key.to_owned() };
        match self.session.get(&matter).or(self.lasting.get(&matter)) {
            Some(Answer::Never | Answer::No) => return Decision::Forbid,
            Some(_) if !program.name.is_empty() => return Decision::Allow,
            _ => {}
        }
        if rules.otherwise == Decision::Forbid {
            return Decision::Forbid;
        }
        let quiet = |since: &Instant| now.saturating_duration_since(*since) < QUIET;
        if self.refused.get(&program.name).is_some_and(quiet) { Decision::Quiet } else { Decision::Ask }
    }

    /// Remembers what was answered, as long as it holds; says whether it is to be kept for good.
    pub fn remember(&mut self, program: &Program, key: &str, answer: Answer, now: Instant) -> bool {
        let matter = Matter { program: program.name.clone(), key: key.to_owned() };
        if matches!(answer, Answer::No | Answer::Never) {
            self.refused.insert(program.name.clone(), now);
        }
        if program.name.is_empty() || matches!(answer, Answer::Once | Answer::No) {
            return false;
        }
        if !program.lasting || answer == Answer::Session {
            self.session.insert(matter, answer);
            return false;
        }
        self.lasting.insert(matter, answer);
        true
    }

    /// Forgets what was decided for good, to read it again.
    pub fn forget_lasting(&mut self) {
        self.lasting.clear();
    }

    /// Takes up a decision that was kept.
    pub fn recall(&mut self, matter: Matter, answer: Answer) {
        self.lasting.insert(matter, answer);
    }

    /// Forgets what was decided of `program`, for `key` or for every key (empty); gives what was kept for good.
    pub fn revoke(&mut self, program: &str, key: &str) -> Vec<Matter> {
        let meant = |matter: &Matter| matter.program == program && (key.is_empty() || matter.key == key);
        self.session.retain(|matter, _| !meant(matter));
        self.refused.remove(program);
        let kept: Vec<Matter> = self.lasting.keys().filter(|matter| meant(matter)).cloned().collect();
        self.lasting.retain(|matter, _| !meant(matter));
        kept
    }

    /// Everything that holds: the matter, the answer, and whether it is kept for good.
    pub fn all(&self) -> impl Iterator<Item = (&Matter, Answer, bool)> {
        let session = self.session.iter().map(|(matter, answer)| (matter, *answer, false));
        session.chain(self.lasting.iter().map(|(matter, answer)| (matter, *answer, true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, lasting: bool) -> Program {
        Program { name: name.to_owned(), lasting, origin: None }
    }

    fn rules(otherwise: Decision) -> Rules {
        Rules { otherwise, allowed: vec!["path:/good".to_owned()], forbidden: vec!["path:/bad".to_owned()] }
    }

    #[test]
    fn the_settings_come_first() {
        let (decisions, now) = (Decisions::default(), Instant::now());
        let decide =
            |otherwise, name: &str| decisions.decide(&rules(otherwise), &program(name, true), "key", now);
        assert_eq!(decide(Decision::Ask, "path:/good"), Decision::Allow);
        assert_eq!(decide(Decision::Allow, "path:/bad"), Decision::Forbid);
        assert_eq!(decide(Decision::Ask, "path:/other"), Decision::Ask);
        assert_eq!(decide(Decision::Forbid, "path:/other"), Decision::Forbid);
        assert_eq!(decide(Decision::Allow, "path:/other"), Decision::Allow);
    }

    #[test]
    fn the_settings_name_web_pages_whatever_the_browser() {
        let now = Instant::now();
        let page = |host: &str| Program {
            name: format!("origin:https://{host} in path:/usr/bin/browser"),
            lasting: true,
            origin: WebOrigin::parse(&format!("https://{host}")).ok(),
        };
        let rules = Rules {
            otherwise: Decision::Ask,
            allowed: vec!["origin:https://mail.example.org".to_owned()],
            forbidden: vec!["origin:https://*.example.net".to_owned()],
        };
        let decide = |program: &Program| Decisions::default().decide(&rules, program, "key", now);
        assert_eq!(decide(&page("mail.example.org")), Decision::Allow);
        assert_eq!(decide(&page("mail.example.net")), Decision::Forbid);
        assert_eq!(decide(&page("mail.example.com")), Decision::Ask);
        let named_alike = program("origin:https://mail.example.org in path:/x", true);
        assert_eq!(decide(&named_alike), Decision::Ask);
    }

    #[test]
    fn each_answer_holds_as_long_as_it_says() {
        let now = Instant::now();
        for (answer, kept, then) in [
            (Answer::Once, false, Decision::Ask),
            (Answer::Session, false, Decision::Allow),
            (Answer::Always, true, Decision::Allow),
            (Answer::No, false, Decision::Quiet),
            (Answer::Never, true, Decision::Forbid),
        ] {
            let mut decisions = Decisions::default();
            let mail = program("path:/mail", true);
            assert_eq!(decisions.remember(&mail, "key", answer, now), kept, "{answer:?}");
            assert_eq!(decisions.decide(&rules(Decision::Ask), &mail, "key", now), then, "{answer:?}");
            let other =
                if matches!(answer, Answer::No | Answer::Never) { Decision::Quiet } else { Decision::Ask };
            assert_eq!(decisions.decide(&rules(Decision::Ask), &mail, "other key", now), other, "{answer:?}");
        }
    }

    #[test]
    fn a_script_is_remembered_for_the_session_and_an_unknown_program_never() {
        let now = Instant::now();
        let mut decisions = Decisions::default();
        let script = program("script:/usr/bin/python3 /x.py", false);
        assert!(!decisions.remember(&script, "key", Answer::Always, now));
        assert_eq!(decisions.decide(&rules(Decision::Ask), &script, "key", now), Decision::Allow);
        let unknown = program("", false);
        assert!(!decisions.remember(&unknown, "key", Answer::Always, now));
        assert_eq!(decisions.decide(&rules(Decision::Ask), &unknown, "key", now), Decision::Ask);
    }

    #[test]
    fn a_no_is_quiet_for_a_while_and_for_that_program_only() {
        let now = Instant::now();
        let mut decisions = Decisions::default();
        decisions.remember(&program("path:/a", true), "key", Answer::No, now);
        let decide =
            |name: &str, at| decisions.decide(&rules(Decision::Ask), &program(name, true), "key", at);
        assert_eq!(decide("path:/a", now + QUIET / 2), Decision::Quiet);
        assert_eq!(decide("path:/a", now + QUIET), Decision::Ask);
        assert_eq!(decide("path:/b", now), Decision::Ask);
    }

    #[test]
    fn what_is_revoked_is_asked_again() {
        let now = Instant::now();
        let mut decisions = Decisions::default();
        let mail = program("path:/mail", true);
        for key in ["one", "two"] {
            decisions.remember(&mail, key, Answer::Always, now);
        }
        assert_eq!(decisions.revoke("path:/mail", "one").len(), 1);
        assert_eq!(decisions.decide(&rules(Decision::Ask), &mail, "one", now), Decision::Ask);
        assert_eq!(decisions.decide(&rules(Decision::Ask), &mail, "two", now), Decision::Allow);
        assert_eq!(decisions.all().count(), 1);
        assert_eq!(decisions.revoke("path:/mail", "").len(), 1);
    }
}

//! What the dialogs say.

use wafer_client::keeper::{
    Certainty, ConsentRequest, GrantRequest, KeyInfo, Operation, Question as Consented, Requester, TriesLeft,
};

use super::ask::Question;
use crate::card::{Alphabet, Identity, PinFlags, PinFormat};
use crate::prompt::text::{Text, say, say_counted};

/// The description of a PIN dialog.
pub(super) fn description(question: &Question<'_>) -> String {
    let Question { grant, token, key, flags, others, complaint } = question;
    let count = flags.tries.count().unwrap_or_default().to_string();
    let tries = tries_name(flags.tries);
    let each_use = key.is_some_and(|key| token.asks_each_use(&key.id));
    let text = match (flags.pin_pad, others) {
        (true, _) if complaint.is_some() => Text::DialogPinPadAgain,
        (true, _) => Text::DialogPinPad,
        (false, 0) if flags.format.is_password() => Text::DialogPassword,
        (false, _) if flags.format.is_password() => Text::DialogPasswordOthers,
        (false, 0) if each_use => Text::DialogPinEachUse,
        (false, 0) => Text::DialogPin,
        (false, _) => Text::DialogPinOthers,
    };
    let pid = grant.requester.pid.to_string();
    let [certainty, program, pid, purpose] = asked_by(grant, &pid);
    let key = ("key", key.map_or("", |key| key.label.as_str()));
    let token = [("token", token.identity.label.as_str()), ("serial", token.identity.serial.as_str())];
    let tries = [("tries", tries), ("count", count.as_str())];
    let pin = ("pin", pin_name(flags));
    let parts = [certainty, program, pid, purpose, key, token[0], token[1], pin, tries[0], tries[1]];
    say_counted(text, &parts, *others)
}

/// The question whether a key that wants its PIN at every use may be used once with the kept one.
pub(super) fn confirmation(request: &GrantRequest, key: &KeyInfo, token: &Identity) -> String {
    let pid = request.requester.pid.to_string();
    let [certainty, program, pid, purpose] = asked_by(request, &pid);
    let (key, token) = (("key", key.label.as_str()), ("token", token.label.as_str()));
    say(Text::DialogConfirm, &[certainty, program, pid, purpose, key, token])
}

/// What is entered when a PIN is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The PIN as it is.
    Old,
    /// What unblocks it: PUK, or the security officer's PIN.
    Puk,
    /// The new PIN.
    New,
    /// The new PIN once more.
    Again,
}

/// The word before the entry field.
pub(super) fn prompt(entry: Entry) -> String {
    let text = match entry {
        Entry::Old => Text::PromptOld,
        Entry::Puk => Text::PromptPuk,
        Entry::New => Text::PromptNew,
        Entry::Again => Text::PromptAgain,
    };
    say(text, &[])
}

/// The description of one of the entries when a PIN is changed.
pub(super) fn pin_change(request: &GrantRequest, token: &Identity, entry: Entry, flags: PinFlags) -> String {
    let pid = request.requester.pid.to_string();
    let count = flags.tries.count().unwrap_or_default().to_string();
    let [certainty, program, pid, purpose] = asked_by(request, &pid);
    let text = match entry {
        Entry::Old | Entry::Puk => Text::DialogChange,
        Entry::New | Entry::Again => Text::DialogNewPin,
    };
    let token = [("token", token.label.as_str()), ("serial", token.serial.as_str())];
    let tries = [("tries", tries_name(flags.tries)), ("count", count.as_str())];
    let pin = ("pin", pin_name(&flags));
    say(text, &[certainty, program, pid, purpose, token[0], token[1], pin, tries[0], tries[1]])
}

/// The description of a dialog that asks for the card with this label.
pub fn insertion(request: &GrantRequest, label: &str, others: usize) -> String {
    let text = if others == 0 { Text::DialogInsert } else { Text::DialogInsertOthers };
    let pid = request.requester.pid.to_string();
    let [certainty, program, pid, purpose] = asked_by(request, &pid);
    say_counted(text, &[certainty, program, pid, purpose, ("token", label)], others)
}

/// Who asks for what, as the catalogue names it.
fn asked_by<'r>(request: &'r GrantRequest, pid: &'r str) -> [(&'static str, &'r str); 4] {
    let requester = &request.requester;
    [
        ("certainty", certainty(requester)),
        ("program", &requester.program),
        ("pid", pid),
        ("purpose", purpose(request.operation)),
    ]
}

/// Which of the card's PINs it is, as the catalogue names it.
fn pin_name(flags: &PinFlags) -> &'static str {
    if flags.global { "global" } else { "only" }
}

/// What is known of the tries, as the catalogue names it.
fn tries_name(tries: TriesLeft) -> &'static str {
    match tries {
        TriesLeft::Low => "low",
        TriesLeft::Last => "last",
        TriesLeft::Exactly(_) => "counted",
        _ => "unknown",
    }
}

/// How surely the program's name is known, as the catalogue names it.
fn certainty(requester: &Requester) -> &'static str {
    match requester.certainty {
        _ if requester.program.is_empty() => "unknown",
        Certainty::Executable => "executable",
        Certainty::Sandbox => "sandbox",
        Certainty::Page => "page",
        Certainty::Unknown => "unknown",
    }
}

/// Whether a program may do something.
pub fn consent(request: &ConsentRequest) -> String {
    ask(Text::DialogConsent, request)
}

/// For how long.
pub fn consent_time(request: &ConsentRequest) -> String {
    ask(Text::DialogConsentTime, request)
}

fn ask(text: Text, request: &ConsentRequest) -> String {
    let purpose = match request.question {
        Consented::Sign => "sign",
        Consented::Decrypt => "decrypt",
        Consented::Recipient => "recipient",
        Consented::Setting => "setting",
        Consented::Trust => "trust",
        Consented::Removal => "removal",
    };
    let requester = &request.requester;
    let pid = requester.pid.to_string();
    let parts = [
        ("certainty", certainty(requester)),
        ("program", requester.program.as_str()),
        ("pid", &pid),
        ("purpose", purpose),
        ("object", &request.object),
        ("token", &request.token),
    ];
    say(text, &parts)
}

/// The operation's name in the catalogue.
fn purpose(operation: Operation) -> &'static str {
    match operation {
        Operation::Sign => "sign",
        Operation::Decrypt => "decrypt",
        Operation::Unlock => "unlock",
        Operation::ChangePin => "change",
        Operation::UnblockPin => "unblock",
        Operation::ImportFile => "import",
    }
}

/// The warning before the last try.
pub fn last_try(token: &Identity) -> String {
    say(Text::DialogLastTry, &[("token", &token.label)])
}

/// The description of a dialog that asks for the password of a file called `name`, which is to be kept.
pub(super) fn import(request: &GrantRequest, name: &str) -> String {
    let pid = request.requester.pid.to_string();
    let [certainty, program, pid, _] = asked_by(request, &pid);
    say(Text::DialogImport, &[certainty, program, pid, ("object", name)])
}

/// What is said about a PIN that was wrong.
pub(super) fn incorrect(format: PinFormat) -> String {
    let password = format.is_password();
    say(if password { Text::ComplaintPassword } else { Text::ComplaintIncorrect }, &[])
}

/// Why a PIN of the wrong form was not sent to the card.
pub fn wrong_form(format: PinFormat) -> String {
    let alphabet = if format.alphabet == Alphabet::Digits { "digits" } else { "any" };
    let (shortest, longest) = (format.shortest.to_string(), format.longest.to_string());
    let parts = [("shortest", shortest.as_str()), ("longest", longest.as_str()), ("alphabet", alphabet)];
    say(Text::ComplaintForm, &parts)
}

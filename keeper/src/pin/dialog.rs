//! What the dialogs say.

use wafer_client::keeper::{
    Certainty, ConsentRequest, GrantRequest, KeyInfo, Operation, Question, Requester, TriesLeft,
};

use crate::card::{Alphabet, Identity, PinFormat};
use crate::prompt::text::{Text, say, say_counted};

/// The description of a PIN dialog.
pub fn description(
    request: &GrantRequest,
    key: Option<&KeyInfo>,
    token: &Identity,
    tries: TriesLeft,
    others: usize,
    pin_pad: bool,
) -> String {
    let count = tries.count().unwrap_or_default().to_string();
    let tries = match tries {
        TriesLeft::Low => "low",
        TriesLeft::Last => "last",
        TriesLeft::Exactly(_) => "counted",
        _ => "unknown",
    };
    let text = match (pin_pad, others) {
        (true, _) => Text::DialogPinPad,
        (false, 0) => Text::DialogPin,
        (false, _) => Text::DialogPinOthers,
    };
    let requester = &request.requester;
    let pid = requester.pid.to_string();
    let key = key.map_or("", |key| key.label.as_str());
    let parts = [
        ("certainty", certainty(requester)),
        ("program", &requester.program),
        ("pid", &pid),
        ("purpose", purpose(request.operation)),
        ("key", key),
        ("token", &token.label),
        ("serial", &token.serial),
        ("tries", tries),
        ("count", &count),
    ];
    say_counted(text, &parts, others)
}

/// The description of a dialog that asks for the card with this label.
pub fn insertion(request: &GrantRequest, label: &str, others: usize) -> String {
    let text = if others == 0 { Text::DialogInsert } else { Text::DialogInsertOthers };
    let requester = &request.requester;
    let pid = requester.pid.to_string();
    let parts = [
        ("certainty", certainty(requester)),
        ("program", &requester.program),
        ("pid", &pid),
        ("purpose", purpose(request.operation)),
        ("token", label),
    ];
    say_counted(text, &parts, others)
}

/// How surely the program's name is known, as the catalogue names it.
fn certainty(requester: &Requester) -> &'static str {
    match requester.certainty {
        _ if requester.program.is_empty() => "unknown",
        Certainty::Executable => "executable",
        Certainty::Sandbox => "sandbox",
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
        Question::Sign => "sign",
        Question::Decrypt => "decrypt",
        Question::Recipient => "recipient",
        Question::Setting => "setting",
        Question::Trust => "trust",
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
    }
}

/// The warning before the last try.
pub fn last_try(token: &Identity) -> String {
    say(Text::DialogLastTry, &[("token", &token.label)])
}

/// Why a PIN of the wrong form was not sent to the card.
pub fn wrong_form(format: PinFormat) -> String {
    let alphabet = if format.alphabet == Alphabet::Digits { "digits" } else { "any" };
    let (shortest, longest) = (format.shortest.to_string(), format.longest.to_string());
    let parts = [("shortest", shortest.as_str()), ("longest", longest.as_str()), ("alphabet", alphabet)];
    say(Text::ComplaintForm, &parts)
}

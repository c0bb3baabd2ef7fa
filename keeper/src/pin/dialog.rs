//! What the dialogs say.

use wafer_client::keeper::{Certainty, GrantRequest, KeyInfo, Operation, Requester, TriesLeft};

use crate::card::Identity;
use crate::prompt::text::{Text, say, say_counted};

/// Who asks, in words, with how surely it is known.
fn who(requester: &Requester) -> String {
    let pid = requester.pid.to_string();
    let text = match requester.certainty {
        _ if requester.program.is_empty() => Text::WhoUnknown,
        Certainty::Executable => Text::WhoExecutable,
        Certainty::Sandbox => Text::WhoSandbox,
        Certainty::Unknown => Text::WhoUnknown,
    };
    say(text, &[("program", &requester.program), ("pid", &pid)])
}

/// The description of a PIN dialog.
pub fn description(
    request: &GrantRequest,
    key: Option<&KeyInfo>,
    token: &Identity,
    tries: TriesLeft,
    others: usize,
    pin_pad: bool,
) -> String {
    let tries = match tries {
        TriesLeft::Low => "low",
        TriesLeft::Last => "last",
        _ => "unknown",
    };
    let text = match (pin_pad, others) {
        (true, _) => Text::DialogPinPad,
        (false, 0) => Text::DialogPin,
        (false, _) => Text::DialogPinOthers,
    };
    let who = who(&request.requester);
    let key = key.map_or("", |key| key.label.as_str());
    let parts = [
        ("who", who.as_str()),
        ("purpose", purpose(request.operation)),
        ("key", key),
        ("token", &token.label),
        ("serial", &token.serial),
        ("tries", tries),
    ];
    say_counted(text, &parts, others)
}

/// The description of a dialog that asks for the card with this label.
pub fn insertion(request: &GrantRequest, label: &str, others: usize) -> String {
    let text = if others == 0 { Text::DialogInsert } else { Text::DialogInsertOthers };
    let who = who(&request.requester);
    say_counted(text, &[("who", &who), ("purpose", purpose(request.operation)), ("token", label)], others)
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

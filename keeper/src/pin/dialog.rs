//! What a PIN dialog says.

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
    let purpose = match request.operation {
        Operation::Sign => "sign",
        Operation::Decrypt => "decrypt",
        Operation::Unlock => "unlock",
    };
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
        ("purpose", purpose),
        ("key", key),
        ("token", &token.label),
        ("serial", &token.serial),
        ("tries", tries),
    ];
    say_counted(text, &parts, others)
}

/// The warning before the last try.
pub fn last_try(token: &Identity) -> String {
    say(Text::DialogLastTry, &[("token", &token.label)])
}

//! Every sentence that `wafer` itself says. Those of the service (errors, verdicts) are shown as they come.
//!
//! Rules: say what happened, to what, and what to do next. Whole sentences with a full stop. No blame, no
//! jargon where a plain word exists. Names of files and people as they are, addresses in angle brackets.

use std::fmt::Write;
use std::io;
use std::path::Path;

use serde_json::Value;
use wafer_client::proxies::LogLine;
use wafer_client::read::Layer;
use wafer_client::{Decrypted, Encrypted, Inspected, MessageRead, Signed, Signer, Verified};

use crate::objects::Object;

/// What the program is, for `--help`.
pub(crate) const ABOUT: &str = "Sign, verify, encrypt and decrypt mail with the keys on your cards";
/// The end of `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done, and for verify and read: valid (read: or not signed). 30 the signature is invalid, 31 it cannot be said who signed,
32 valid but look closer. Failures: 1 general, 2 wrong arguments, 3 input, 4 output, 5 not such a message,
6 unsupported algorithm, 7 cannot be decrypted, 8 no identity, 9 no certificate of a recipient, 10 no token,
11 wrong token, 12 card busy, 13 wrong PIN, 14 PIN blocked, 15 token failed, 16 a dialog is needed, 17 no place
for a dialog, 18 not allowed, 19 too many calls, 20 timed out, 21 wrong settings, 130 cancelled.";
/// Two interrupts.
pub(crate) const CANCELLED: &str = "Cancelled.";
/// `wafer tokens` without any.
pub(crate) const NO_TOKENS: &str = "No token is present.";
/// `wafer trust list` without any.
pub(crate) const NO_DECISIONS: &str = "Nothing was decided by hand.";
/// `wafer identities` without any.
pub(crate) const NO_IDENTITIES: &str = "No token that is known holds a certificate with a key.";
/// `wafer log` without entries.
pub(crate) const NO_LOG: &str = "Nothing was done with your keys since the service began.";
/// `wafer lock`.
pub(crate) const LOCKED: &str = "Locked: the next use of a key asks for the PIN.";
/// `wafer unlock`.
pub(crate) const UNLOCKED: &str = "Unlocked.";

/// `wafer pin change`.
pub(crate) const PIN_CHANGED: &str = "The PIN is changed.";
/// `wafer pin unblock`.
pub(crate) const PIN_UNBLOCKED: &str = "The PIN is unblocked: it is the new one now.";
/// Several tokens and no name.
pub(crate) const WHICH_TOKEN: &str = "Several tokens are present: say which. See \"wafer tokens\".";

/// `wafer identities --for` without one that would be used.
pub(crate) const NO_CANDIDATE: &str = "None of your certificates can be used for it.";

/// A candidate for an address.
pub(crate) fn candidate(one: &Value) -> String {
    let (subject, sentence) = (field(one, "subject"), field(one, "sentence"));
    format!("{} {subject}: {sentence}", short(field(one, "fingerprint")))
}

/// `wafer recipients list` without any.
pub(crate) const NO_RECIPIENTS: &str = "No certificate of a recipient is kept.";
/// `wafer recipients accept`.
pub(crate) const ACCEPTED: &str = "Accepted: this certificate is used from now on.";
/// `wafer import`.
pub(crate) const IMPORTED: &str =
    "Imported: the keys of this file are used from now on. \"wafer identities\" lists them.";
/// `wafer forget`.
pub(crate) const FORGOTTEN: &str = "Removed: Wafer does not know this token any more.";
/// `wafer recipients remove`.
pub(crate) const REMOVED: &str = "Removed.";

/// `wafer permissions` without any.
pub(crate) const NO_PERMISSIONS: &str = "You have decided nothing about programs yet.";
/// `wafer permissions revoke`.
pub(crate) const REVOKED: &str = "Revoked: you are asked again.";

/// What was decided about a program.
pub(crate) fn permission(one: &Value) -> String {
    let key = [field(one, "label"), field(one, "key")].into_iter().find(|name| !name.is_empty());
    let answer = match field(one, "answer") {
        "session" => "allowed until logout",
        "always" => "always allowed",
        _ => "never allowed",
    };
    format!("{}: {answer}, key {}", field(one, "program"), key.unwrap_or_default())
}

/// Whether a recipient can be encrypted to.
pub(crate) fn checked(one: &Value) -> String {
    let (address, sentence) = (field(one, "address"), field(one, "sentence"));
    let mut line = match one["encryptable"] == Value::Bool(true) {
        true if one["status"] == "list" => {
            format!("{address}: a list, all of its members can be encrypted to.")
        }
        true => format!(
            "{address}: yes, {} until {} ({}, {}).",
            field(one, "content-cipher"),
            date(one["not-after"].as_i64().unwrap_or(0)),
            field(one, "source"),
            short(field(one, "fingerprint")),
        ),
        false => format!("{address}: NO."),
    };
    if !sentence.is_empty() {
        let _ = write!(line, " {sentence}");
    }
    if one["changed"] == Value::Bool(true) {
        let (old, new) = (field(one, "old-fingerprint"), field(one, "new-fingerprint"));
        let _ = write!(line, "\n  known: {old}\n  new:   {new}");
    }
    line
}

/// What an import did with one certificate.
pub(crate) fn imported(one: &Value) -> String {
    format!("{}: {}", addresses(one), field(one, "sentence"))
}

/// A recipient's certificate on one line.
pub(crate) fn certificate(one: &Value) -> String {
    let waits = if one["accepted"] == Value::Bool(false) { ", NOT ACCEPTED" } else { "" };
    format!(
        "{} {} {} ({}; until {}{waits})",
        field(one, "fingerprint"),
        addresses(one),
        field(one, "subject"),
        field(one, "source"),
        date(one["not-after"].as_i64().unwrap_or(0)),
    )
}

/// A setting on one line.
pub(crate) fn setting(one: &Value) -> String {
    let mut notes = vec![field(one, "source")];
    notes.extend((one["locked"] == Value::Bool(true)).then_some("locked"));
    notes.extend((one["passed-over"] == Value::Bool(true)).then_some("your own file's value is passed over"));
    let value = crate::settings::shown(&one["value"]);
    format!("{} = {value} ({})", field(one, "name"), notes.join(", "))
}

/// A setting with what it does and may be.
pub(crate) fn setting_with_help(one: &Value) -> String {
    format!("{}\n{} It may be {}.", setting(one), field(one, "about"), field(one, "may-be"))
}

/// The settings files are wrong.
pub(crate) fn settings_problem(problem: &str) -> String {
    format!("The settings files are wrong, so what was set before stays. {problem}")
}

/// A setting was changed.
pub(crate) fn set(name: &str) -> String {
    format!("Changed: {name}.")
}

/// A value that cannot be one of the setting.
pub(crate) fn odd_value(name: &str) -> String {
    format!("This is no value for {name}. See \"wafer settings get {name}\".")
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn addresses(value: &Value) -> String {
    let addresses = value["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    addresses.map(|address| format!("<{address}>")).collect::<Vec<_>>().join(" ")
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..20).unwrap_or(fingerprint)
}

/// A failure.
pub(crate) fn error(message: &str) -> String {
    format!("wafer: {message}")
}

/// An input that cannot be opened.
pub(crate) fn cannot_read(name: &Path, error: &io::Error) -> String {
    format!("\"{}\" cannot be read: {error}.", name.display())
}

/// An output that cannot be made.
pub(crate) fn cannot_write(name: &Path, error: &io::Error) -> String {
    format!("\"{}\" cannot be written: {error}.", name.display())
}

/// A recipient's file without a certificate.
pub(crate) fn no_certificate_in(name: &str) -> String {
    format!("\"{name}\" holds no certificate that can be read. Give an address, or a PEM or DER file.")
}

/// A token or identity that is not there.
pub(crate) fn nothing_called(name: &str) -> String {
    format!("Nothing that is present is called \"{name}\". See \"wafer tokens\" and \"wafer identities\".")
}

/// A name that fits several.
pub(crate) fn several_called(name: &str) -> String {
    format!("More than one is called \"{name}\". Give the path that \"--json\" shows.")
}

/// Work in progress.
pub(crate) fn progress(done: u64, total: u64) -> String {
    match done.min(total).saturating_mul(100).checked_div(total) {
        Some(percent) => format!("{percent} % of {}", size(total)),
        None => size(done),
    }
}

/// A message was signed.
pub(crate) fn signed(signed: &Signed) -> String {
    format!("Signed ({}, {}).", signed.scheme, signed.digest)
}

/// A message was encrypted.
pub(crate) fn encrypted(encrypted: &Encrypted) -> String {
    match encrypted.recipients {
        1 => format!("Encrypted to one recipient ({}).", encrypted.content_cipher),
        count => format!("Encrypted to {count} recipients ({}).", encrypted.content_cipher),
    }
}

/// A message was decrypted.
pub(crate) fn decrypted(decrypted: &Decrypted) -> String {
    let warning = match decrypted.authenticated {
        true => "",
        false => " Its encryption does not protect against changes on the way.",
    };
    format!("Decrypted: {} ({}).{warning}", size(decrypted.length), decrypted.content_cipher)
}

/// A verdict, with a line for each signer.
pub(crate) fn verified(verified: &Verified) -> String {
    let signers = verified.signers.iter().map(signer);
    std::iter::once(verified.sentence.clone()).chain(signers).collect::<Vec<_>>().join("\n")
}

/// A verdict on a whole message, with a line for each layer, signer and closed part.
pub(crate) fn read(read: &MessageRead) -> String {
    let mut lines = vec![read.sentence.clone()];
    for layer in &read.layers {
        lines.push(self::layer(layer));
        lines.extend(layer.signers.iter().map(|one| format!("  {}", signer(one))));
    }
    for part in &read.parts {
        let of = if part.forwarded { ", of an attached message" } else { "" };
        lines.push(format!("  part {}: {}{of}, left as it is", part.path, part.kind));
    }
    for header in read.headers.iter().filter(|header| header.confidential) {
        lines.push(format!("  {} (was hidden outside): {}", header.name, header.value));
    }
    lines.join("\n")
}

fn layer(layer: &Layer) -> String {
    let mut line = format!("  {}", layer.kind);
    if let (Some(form), Some(sentence)) = (&layer.form, &layer.sentence) {
        // Writing into a String cannot fail.
        let _ = write!(line, " ({form}): {sentence}");
    }
    if let (Some(cipher), Some(recipients)) = (&layer.content_cipher, layer.recipients) {
        let _ = write!(line, " ({cipher}), recipients: {recipients}");
    }
    if layer.authenticated == Some(false) {
        line.push_str(", not protected against changes on the way");
    }
    if layer.counts == Some(false) {
        line.push_str(" It is around an encryption and says nothing of the content.");
    }
    line
}

/// What a message is.
pub(crate) fn inspected(inspected: &Inspected) -> String {
    let mut line = inspected.layer.clone();
    for inside in inspected.layers.iter().skip(1) {
        line = line + ", within it " + inside;
    }
    if let Some(cipher) = &inspected.content_cipher {
        // Writing into a String cannot fail.
        let _ = write!(line, ", {cipher}, recipients: {}", inspected.recipients);
        line += match (inspected.identities.is_empty(), inspected.token_present) {
            (true, _) => ", none of them is an identity of yours",
            (false, true) => ", one of your identities opens it",
            (false, false) => ", one of your identities opens it, but its token is absent",
        };
    }
    line
}

/// A decision about a certificate on one line.
pub(crate) fn decision(decision: &Value) -> String {
    let text = |name: &str| decision[name].as_str().unwrap_or_default().to_owned();
    let what = match (text("choice").as_str(), decision["holds"].as_bool()) {
        ("trust", Some(true)) => "trusted",
        ("distrust", Some(true)) => "distrusted",
        ("trust", _) => "was trusted",
        ("distrust", _) => "was distrusted",
        _ => "revoked what was decided",
    };
    let fingerprint: String = text("fingerprint").chars().take(20).collect();
    let (when, who) = (date(decision["time"].as_i64().unwrap_or_default()), text("program"));
    format!("{fingerprint} {}: {what}, {when}, by {who}", text("subject"))
}

/// A token on one line.
pub(crate) fn token(token: &Object) -> String {
    let tries = match token.text("TriesLeft").as_str() {
        "low" => ", some PIN tries are used up",
        "last" => ", ONE PIN try is left",
        "none" => ", no PIN try is left",
        _ => "",
    };
    let (label, serial) = (token.text("Label"), token.text("Serial"));
    let state = if token.is_present() { token.text("PinState") } else { "absent".to_owned() };
    format!("{label} ({serial}, {}): {state}{tries}", token.text("Source"))
}

/// An identity on one line.
pub(crate) fn identity(identity: &Object) -> String {
    let addresses =
        identity.list("Addresses").iter().map(|address| format!("<{address}>")).collect::<Vec<_>>();
    let fingerprint: String = identity.text("Fingerprint").chars().take(20).collect();
    let absent = if identity.is_present() { "" } else { "; CARD ABSENT" };
    format!(
        "{fingerprint} {} {} ({}; {}; until {}{absent})",
        addresses.join(" "),
        identity.text("Subject"),
        identity.text("KeyKind"),
        identity.list("Usages").join(", "),
        date(identity.time("NotAfter")),
    )
}

/// The service's state, a line for each value.
pub(crate) fn status(lines: &[(String, Value)]) -> String {
    let line = |(name, value): &(String, Value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One line of the log.
pub(crate) fn log_line((time, token, key, event, program, outcome): &LogLine) -> String {
    let seconds = i64::try_from(time / 1000).unwrap_or(i64::MAX);
    let key = if key.is_empty() { String::new() } else { format!(" with \"{key}\"") };
    format!("{} {event}{key} on \"{token}\" for {program}: {outcome}", date(seconds))
}

fn signer(signer: &Signer) -> String {
    let mut line = format!("  {}: {}", signer.outcome, signer.subject);
    if !signer.addresses.is_empty() {
        let _ = write!(line, " <{}>", signer.addresses.join(">, <"));
    }
    if let (false, false) = (signer.trusted, signer.reason.is_empty()) {
        let _ = write!(line, ", not trusted: {}", signer.reason);
    }
    if let Some(time) = signer.signing_time {
        let _ = write!(line, ", says it signed at {}", date(time));
    }
    if !signer.warnings.is_empty() {
        let _ = write!(line, ", look at: {}", signer.warnings.join(", "));
    }
    if let (Some(from), Some(until)) = (signer.not_before, signer.not_after) {
        let _ =
            write!(line, "\n    issued by {}, valid from {} to {}", signer.issuer, date(from), date(until));
    }
    if !signer.revocation_sentence.is_empty() {
        let _ = write!(line, "\n    {}", signer.revocation_sentence);
    }
    line
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = None;
    let mut tenths = u128::from(bytes) * 10;
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = Some(next);
    }
    match unit {
        Some(unit) => format!("{}.{} {unit}", tenths / 10, tenths % 10),
        None => format!("{bytes} bytes"),
    }
}

/// A Unix time in UTC, as ISO 8601 writes it.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, counted from the first of March of the year 0.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_calendars_edges() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_795_483_267, "2026-11-24T01:21:07Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn progress_knows_and_does_not_know_the_total() {
        assert_eq!(progress(1536, 0), "1.5 KiB");
        assert_eq!(progress(512 * 1024, 2 * 1024 * 1024), "25 % of 2.0 MiB");
        assert_eq!(progress(3, 2), "100 % of 2 bytes");
    }

    #[test]
    fn the_help_names_every_exit_code() {
        for kind in wafer_client::ErrorKind::all() {
            let code = crate::exit::code(kind).to_string();
            let named = EXIT_CODES.split(|c: char| !c.is_ascii_digit()).any(|word| word == code);
            assert!(named, "{kind:?} is not in the help");
        }
    }
}

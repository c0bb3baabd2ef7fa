//! Every sentence that waferd says to a person in an error (those about trust are in `trust/text.rs`).
//! Rules: what happened, to what, what to do next; a full sentence; no blame, no jargon where a plain
//! word exists.

use wafer_client::{ErrorKind, WaferError};
use wafer_smime::read::{Layer, Report};

use crate::config::Refused;
use crate::directory::{Checked, MissingReason};
use crate::identity::choose::{Candidate, Reason};

/// The name by which logind lists us.
pub(crate) const PRODUCT: &str = "Wafer";
/// Why sleep waits for us, as `systemd-inhibit --list` shows it.
pub(crate) const WHY_INHIBIT: &str = "Forgets the PINs of smart cards before sleep";

/// The call was ended by `Cancel` or by its caller's leaving.
pub(crate) fn cancelled() -> WaferError {
    WaferError::new(ErrorKind::Cancelled, "The operation was cancelled.")
}

/// The caller's own deadline passed.
pub(crate) fn deadline_passed() -> WaferError {
    WaferError::new(ErrorKind::TimedOut, "The operation took longer than the program allowed.")
}

/// No byte moved on a stream for the time set.
pub(crate) fn stream_stood_still() -> WaferError {
    WaferError::new(ErrorKind::TimedOut, "The program stopped sending or receiving the message.")
}

/// The output's reading end was closed.
pub(crate) fn reader_gone() -> WaferError {
    WaferError::new(ErrorKind::OutputFailed, "The program that was to receive the result closed its end.")
}

/// Keys in files are not to be used.
pub(crate) fn cards_only() -> WaferError {
    WaferError::new(
        ErrorKind::AccessDenied,
        "Only keys on smart cards may be used here (the setting identities.smart-card-only), so no key file can \
         be imported.",
    )
}

/// A key file whose name the program did not say.
pub(crate) const UNNAMED_FILE: &str = "keys.p12";

/// What was to be imported is too large for a key file.
pub(crate) fn no_key_file() -> WaferError {
    WaferError::new(
        ErrorKind::InvalidMessage,
        "This is no PKCS#12 file: none is larger than 1 MiB. Nothing was imported.",
    )
}

/// A token that is present and no file cannot be removed.
pub(crate) fn not_removable() -> WaferError {
    WaferError::new(
        ErrorKind::InvalidArgument,
        "Only key files that were imported, and cards that are absent, can be removed. This token is a card that \
         is present, or belongs to a module.",
    )
}

/// An argument or option is wrong.
pub(crate) fn invalid_argument(argument: &str, problem: &str) -> WaferError {
    WaferError::new(
        ErrorKind::InvalidArgument,
        format!("The argument \"{argument}\" cannot be used: {problem}."),
    )
    .with("argument", argument.to_owned())
}

/// An option is not known.
pub(crate) fn unknown_option(option: &str) -> WaferError {
    WaferError::new(ErrorKind::UnknownOption, format!("The option \"{option}\" is not known here."))
        .with("option", option.to_owned())
}

/// Problem: the inline answer is too long.
pub(crate) const INLINE_ANSWER_TOO_LONG: &str =
    "the result is longer than 65536 bytes, so hand over a file descriptor to write it to";
/// Problem: the inline message is too long.
pub(crate) const INLINE_TOO_LONG: &str =
    "a message longer than 65536 bytes must be handed over as a file descriptor";
/// Problem: an output that holds bytes.
pub(crate) const OUTPUT_NOT_EMPTY: &str = "an inline output must be an empty byte array";
/// Problem: neither h nor ay.
pub(crate) const NOT_A_STREAM: &str = "it must be a file descriptor (h) or bytes (ay)";
/// Problem: a directory.
pub(crate) const IS_DIRECTORY: &str = "the descriptor is a directory";
/// Problem: opened with O_APPEND.
pub(crate) const IS_APPENDING: &str = "the descriptor was opened for appending (O_APPEND)";
/// Problem: not open for reading.
pub(crate) const NOT_READABLE: &str = "the descriptor is not open for reading";
/// Problem: not open for writing.
pub(crate) const NOT_WRITABLE: &str = "the descriptor is not open for writing";
/// Problem: of no kind that can carry a message.
pub(crate) const NOT_A_FILE: &str = "the descriptor is no file, pipe, socket or terminal";
/// Problem: a pipe that nobody reads.
pub(crate) const READER_CLOSED: &str = "nobody reads from it";
/// Problem: input and output are one file.
pub(crate) const SAME_FILE: &str = "input and output are the same file";
/// Problem: content twice.
pub(crate) const NO_SUCH_DECISION: &str = "not exactly one decision that holds is about such a certificate";
/// An unknown choice about a certificate.
pub(crate) const TRUST_OR_DISTRUST: &str = "it must be \"trust\" or \"distrust\"";
/// Content is inside and was given, too.
pub(crate) const CONTENT_TWICE: &str = "the signature holds its content already";

/// The input could not be read.
pub(crate) fn input_failed(error: &std::io::Error) -> WaferError {
    WaferError::new(ErrorKind::InputFailed, format!("The message could not be read: {error}."))
}

/// The output could not be written.
pub(crate) fn output_failed(error: &std::io::Error) -> WaferError {
    WaferError::new(ErrorKind::OutputFailed, format!("The result could not be written: {error}."))
}

/// The input is not what the call needs.
pub(crate) fn invalid_message(problem: &str) -> WaferError {
    WaferError::new(
        ErrorKind::InvalidMessage,
        format!("This is not a message that can be used here: {problem}."),
    )
}

/// An algorithm is unknown.
pub(crate) fn unsupported_algorithm(name: &str) -> WaferError {
    WaferError::new(
        ErrorKind::UnsupportedAlgorithm,
        format!("The message uses {name}, which is not supported."),
    )
    .with("algorithm", name.to_owned())
}

/// One sentence for every reason.
pub(crate) fn decryption_failed() -> WaferError {
    WaferError::new(ErrorKind::DecryptionFailed, "The message could not be decrypted.")
}

/// A recipient's certificate handed in cannot serve.
pub(crate) fn certificate_unusable(subject: &str, reason: &str) -> WaferError {
    WaferError::new(
        ErrorKind::NoRecipientCertificate,
        format!("The certificate of {subject} cannot be used: {reason}."),
    )
    .with("recipients", vec![subject.to_owned()])
}

/// A recipient's certificate handed in does not stand any more.
pub(crate) fn certificate_does_not_stand(subject: &str, reason: MissingReason) -> WaferError {
    let reason = match reason {
        MissingReason::Distrusted => "you decided not to trust it",
        MissingReason::Revoked => "its issuer has revoked it",
        MissingReason::RevocationUnknown => "it could not be found out whether its issuer has revoked it",
        other => other.word(),
    };
    certificate_unusable(subject, reason)
}

/// The signer's own certificate cannot serve.
pub(crate) fn own_certificate_unusable(subject: &str, reason: &str) -> WaferError {
    WaferError::new(ErrorKind::NoIdentity, format!("The certificate of {subject} cannot sign: {reason}."))
}

/// Recipients without certificates; `sentences` say why.
pub(crate) fn no_recipient_certificate(addresses: Vec<String>, sentences: &[String]) -> WaferError {
    WaferError::new(ErrorKind::NoRecipientCertificate, sentences.join(" ")).with("recipients", addresses)
}

/// What a person should know of a recipient; empty if all is well.
pub(crate) fn recipient(checked: &Checked) -> String {
    let address = &checked.address;
    if !checked.members.is_empty() {
        let sentences = checked.members.iter().map(recipient).filter(|sentence| !sentence.is_empty());
        return sentences.collect::<Vec<_>>().join(" ");
    }
    let sentence = match &checked.found {
        Ok(_) if checked.changed.is_some() => format!(
            "<{address}> has a new certificate that was not accepted yet; the one known before is used."
        ),
        Ok(_) => String::new(),
        Err(MissingReason::NoCertificate) => format!("There is no certificate for <{address}>."),
        Err(MissingReason::WrongUsage) => {
            format!("The certificate of <{address}> is not for encrypting mail.")
        }
        Err(MissingReason::NotYetValid) => format!("The certificate of <{address}> is not valid yet."),
        Err(MissingReason::Expired) => format!("The certificate of <{address}> has expired."),
        Err(MissingReason::Changed) => format!(
            "The certificate of <{address}> was replaced by one of another key or issuer. Compare its fingerprint \
             with its owner, then accept it."
        ),
        Err(MissingReason::Distrusted) => {
            format!("You decided not to trust the certificate of <{address}>, or its issuer.")
        }
        Err(MissingReason::Revoked) => {
            format!("The certificate of <{address}> has been revoked by its issuer.")
        }
        Err(MissingReason::RevocationUnknown) => format!(
            "It could not be found out whether the certificate of <{address}> has been revoked; your settings want \
             that known."
        ),
    };
    match &checked.trouble {
        Some(trouble) if checked.found.is_err() => {
            format!("{sentence} A directory could not be asked ({trouble}).")
        }
        _ => sentence,
    }
}

/// What an import did with one certificate.
pub(crate) fn imported(outcome: &str) -> &'static str {
    match outcome {
        "added" => "The certificate was added.",
        "replaced" => "The certificate was added and is used from now on.",
        "known" => "The certificate was there already.",
        "no-address" => "The certificate names no mail address and was not added.",
        "wrong-usage" => "The certificate is not for encrypting mail and was not added.",
        _ => "The certificate cannot be read and was not added.",
    }
}

/// What Wafer keeps on disk could not be read or written.
pub(crate) fn not_kept(error: &std::io::Error) -> WaferError {
    WaferError::new(ErrorKind::Failed, format!("Wafer's own files cannot be read or written: {error}."))
}

/// Problem: an administrator lets nobody choose.
pub(crate) const CHOSEN_AUTOMATICALLY: &str = "your administrator has the certificate chosen automatically";
/// Problem: a key in a file where cards are asked for.
pub(crate) const CARDS_ONLY: &str = "its key is in a file, and only keys on cards may be used";

/// Problem: nothing to import.
pub(crate) const NO_CERTIFICATE_INSIDE: &str = "no certificate is in it";
/// Problem: a fingerprint of nothing.
pub(crate) const NO_SUCH_CERTIFICATE: &str = "no certificate in the store has it";

/// A setting that does not exist.
pub(crate) fn no_such_setting(name: &str) -> WaferError {
    invalid_argument("name", &format!("there is no setting \"{name}\""))
}

/// A setting was not changed.
pub(crate) fn setting_refused(name: &str, refused: &Refused) -> WaferError {
    match refused {
        Refused::Locked => WaferError::new(
            ErrorKind::AccessDenied,
            format!("Your administrator has set \"{name}\": it cannot be changed here."),
        ),
        Refused::Kind(_) => invalid_argument("value", &refused.to_string()),
        Refused::File(error) => error.into(),
        Refused::Write(_) => WaferError::new(ErrorKind::Failed, format!("{refused}.")),
    }
}

/// No recipient was named.
pub(crate) fn no_recipient() -> WaferError {
    invalid_argument("recipients", "name at least one recipient by address or certificate")
}

/// More outputs are needed for a message and its copies.
pub(crate) fn more_outputs(needed: usize) -> WaferError {
    let problem = format!("the message and its blind copies need {needed} outputs");
    invalid_argument("outputs", &problem).with("outputs", u32::try_from(needed).unwrap_or(u32::MAX))
}

/// An administrator's rule cannot be left out.
pub(crate) fn administrator_wants(setting: &str) -> WaferError {
    WaferError::new(
        ErrorKind::AccessDenied,
        format!("Your administrator has set \"{setting}\" for every message."),
    )
}

/// A message to nobody who could read it, not even its sender.
pub(crate) fn no_own_certificate(from: &str) -> WaferError {
    WaferError::new(
        ErrorKind::NoRecipientCertificate,
        format!("No certificate of your own ({from}) was found to encrypt your copy to."),
    )
}

/// Why an identity is chosen, or is not.
pub(crate) fn candidate(candidate: &Candidate, first: bool) -> String {
    let reasons = candidate.reasons.iter().map(|reason| match reason {
        Reason::NoAddress => "it does not have the address",
        Reason::WrongUsage => "its certificate is not for this",
        Reason::NotHardware => "its key is in a file, and only keys on cards may be used",
        Reason::Chosen => "the settings choose it",
        Reason::Expired => "its certificate has expired",
        Reason::NotYetValid => "its certificate is not valid yet",
        Reason::TokenAbsent => "its card is not inserted",
        Reason::NotTrusted => "its certificate leads to no root that is trusted here",
        Reason::Older => "another one is newer",
        Reason::Weaker => "another one is at least as strong",
    });
    let reasons: Vec<&str> = reasons.collect();
    let word = match (candidate.serves(), first) {
        (false, _) => "Cannot be used",
        (true, true) => "Would be used",
        (true, false) => "Comes after others",
    };
    if reasons.is_empty() { format!("{word}.") } else { format!("{word}: {}.", reasons.join(", ")) }
}

/// No identity can sign for `from`.
pub(crate) fn no_identity_for(from: &str) -> WaferError {
    WaferError::new(
        ErrorKind::NoIdentity,
        format!("No certificate for {from} with a key that can sign was found. Insert the card that has it."),
    )
}

/// No identity can sign at all.
pub(crate) fn no_signing_identity() -> WaferError {
    WaferError::new(
        ErrorKind::NoIdentity,
        "No certificate with a key that can sign was found. Insert the card that has it.",
    )
}

/// Several identities could sign and none was chosen.
pub(crate) fn which_identity(subjects: &[String]) -> WaferError {
    WaferError::new(
        ErrorKind::InvalidArgument,
        format!(
            "Several certificates can sign ({}): say which by \"identity\" or \"from\".",
            subjects.join("; ")
        ),
    )
    .with("argument", "identity".to_owned())
}

/// The identity named is not (or no longer) there.
pub(crate) fn identity_unknown() -> WaferError {
    WaferError::new(
        ErrorKind::NoIdentity,
        "The certificate chosen is not there. Insert the card that has it.",
    )
}

/// None of the recipients is ours.
pub(crate) fn not_for_us(recipients: usize) -> WaferError {
    WaferError::new(
        ErrorKind::NoIdentity,
        "The message is encrypted, but not to a certificate on any card that is inserted.",
    )
    .with("recipients", u32::try_from(recipients).unwrap_or(u32::MAX))
}

/// The token is not there.
pub(crate) fn no_token() -> WaferError {
    WaferError::new(ErrorKind::NoToken, "The card is not inserted.")
}

/// A keeper died, hung or broke the protocol.
pub(crate) fn token_failed(module: &str) -> WaferError {
    WaferError::new(
        ErrorKind::TokenFailed,
        format!("The card's driver \"{module}\" failed and was started anew. Try again."),
    )
    .with("module", module.to_owned())
}

/// A keeper could not be started.
pub(crate) fn keeper_did_not_start(module: &str) -> WaferError {
    WaferError::new(ErrorKind::TokenFailed, format!("The card's driver \"{module}\" could not be started."))
        .with("module", module.to_owned())
}

/// Too many calls.
pub(crate) fn too_many_calls() -> WaferError {
    WaferError::new(ErrorKind::LimitsExceeded, "Too many operations are waiting already. Try again later.")
}

/// Problem: an adapter that does not say for which page it asks.
pub(crate) const ADAPTER_WITHOUT_ORIGIN: &str = "a program that speaks for web pages must say for which one";

/// A caller that names a web page, and is none of the programs that may.
pub(crate) fn no_adapter() -> WaferError {
    WaferError::new(ErrorKind::AccessDenied, "This program may not speak for web pages.")
}

/// A web page that is not on the administrator's list.
pub(crate) fn origin_shut_out(origin: &str) -> WaferError {
    WaferError::new(
        ErrorKind::AccessDenied,
        format!("{origin} is not among the web pages that the settings let use your certificates."),
    )
}

/// The caller may not.
pub(crate) fn access_denied() -> WaferError {
    WaferError::new(ErrorKind::AccessDenied, "This program may not use your keys.")
}

/// The person said no.
pub(crate) fn refused_by_person() -> WaferError {
    WaferError::new(ErrorKind::AccessDenied, "You did not allow this program to do this.")
}

/// The person said no a moment ago.
pub(crate) fn just_refused() -> WaferError {
    WaferError::new(
        ErrorKind::AccessDenied,
        "You have just not allowed this program to do this; it is not asked again for half a minute.",
    )
}

/// A question of consent where no dialog is wanted.
pub(crate) fn consent_needed() -> WaferError {
    WaferError::new(
        ErrorKind::InteractionRequired,
        "You have to be asked whether this program may do this, and the program asked for no dialog.",
    )
}

/// A question of consent without a screen.
pub(crate) fn no_place_to_ask() -> WaferError {
    WaferError::new(
        ErrorKind::NoPrompter,
        "You have to be asked whether this program may do this, but there is no screen to ask on.",
    )
}

/// A question of consent without an answer.
pub(crate) fn nobody_answered() -> WaferError {
    WaferError::new(ErrorKind::TimedOut, "Nobody answered whether this program may do this.")
}

/// A fault of ours.
pub(crate) fn internal(problem: &str) -> WaferError {
    WaferError::new(ErrorKind::Failed, format!("Wafer failed: {problem}. The journal has more."))
}

/// No signature is over the message.
pub(crate) const UNSIGNED: &str = "The message is not signed.";
/// A signature that is damaged.
pub(crate) const SIGNATURE_UNREADABLE: &str = "The message has a signature that cannot be read.";

/// What is said of a whole message: its signature, its encryption, and each of the `reasons` to look closer.
pub(crate) fn whole(signature: &str, report: &Report, reasons: &[String]) -> String {
    let was_sealed = report.layers.iter().any(|layer| matches!(layer, Layer::Encrypted(_)));
    let encryption = match (report.protection.is_encrypted(), was_sealed) {
        (true, _) => "It was encrypted.",
        (false, true) => "Do not take it for encrypted.",
        (false, false) => "It was not encrypted.",
    };
    let concerns = reasons.iter().filter_map(|reason| concern(reason));
    [signature, encryption].into_iter().chain(concerns).collect::<Vec<_>>().join(" ")
}

/// What a reason of the contract means to a person; `None` if the signature's own sentence says it.
fn concern(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "several-senders" => "It names several senders: programs differ in whom they show.",
        "ambiguous-head" => "It says twice what its content is: programs differ in what they show.",
        "too-deep" => "It has too many layers to be opened.",
        "unreadable-layer" => "A layer inside it cannot be read.",
        "signature-outside-encryption" => {
            "A signature is around the encryption: its signer need not know the content."
        }
        "nested-signatures" => "It has signatures around signatures.",
        "signed-part" => "A part of it has a signature of its own, which is not for the rest.",
        "encrypted-part" => "A part of it is encrypted; it is left closed.",
        "malleable" => "The encryption does not show whether it was changed on the way.",
        "garbled" => "It seems to have been tampered with.",
        "weak-algorithm" => "It uses an algorithm that is not safe any more.",
        "date-mismatch" => "It was signed at another time than its date says.",
        "from-mismatch" => "The sender that was signed or encrypted is another than the one outside.",
        "subject-mismatch" => "The subject that was signed or encrypted is another than the one outside.",
        "signed-by-sender" => "The signer sent it in the name of another.",
        "signing-time-in-future" => "The signer says to have signed in the future.",
        _ => return None,
    })
}

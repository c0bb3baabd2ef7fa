//! Every sentence that waferd says to a person in an error (those about trust are in `trust/text.rs`).
//! Rules: what happened, to what, what to do next; a full sentence; no blame, no jargon where a plain
//! word exists.

use wafer_client::{ErrorKind, WaferError};
use wafer_smime::read::{Layer, Report};

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

/// The signer's own certificate cannot serve.
pub(crate) fn own_certificate_unusable(subject: &str, reason: &str) -> WaferError {
    WaferError::new(ErrorKind::NoIdentity, format!("The certificate of {subject} cannot sign: {reason}."))
}

/// Recipients without certificates; `sentences` say why.
pub(crate) fn no_recipient_certificate(addresses: Vec<String>, sentences: &[String]) -> WaferError {
    WaferError::new(ErrorKind::NoRecipientCertificate, sentences.join(" ")).with("recipients", addresses)
}

/// No recipient was named.
pub(crate) fn no_recipient() -> WaferError {
    invalid_argument("recipients", "name at least one recipient by address or certificate")
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

/// The caller may not.
pub(crate) fn access_denied() -> WaferError {
    WaferError::new(ErrorKind::AccessDenied, "This program may not use your keys.")
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

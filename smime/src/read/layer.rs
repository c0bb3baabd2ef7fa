//! The verdict's vocabulary: what was found in a message, layer by layer.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::algorithm::ContentCipher;
use crate::sign::Form;
use crate::verify::{Outcome, Verified};

/// By how much Date and signing time may differ: writing, signing and sending are one act.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The verdict.
#[derive(Clone, Debug)]
pub struct Report {
    /// The layers from outside in.
    pub layers: Vec<Layer>,
    /// How the whole innermost entity is protected.
    pub protection: Protection,
    /// The layers (numbers in `layers`) whose signatures are over that entity, good or not, with no encryption
    /// inside them.
    pub signatures: Vec<usize>,
    /// What should be known before this is believed.
    pub concerns: Vec<Concern>,
    /// Parts with a protection of their own, which were left as they are.
    pub parts: Vec<Part>,
    /// Addresses in the message's From.
    pub from: Vec<String>,
    /// Addresses in the message's Sender.
    pub sender: Vec<String>,
    /// The header fields that travelled with the content.
    pub headers: Option<ProtectedHeaders>,
    /// Paths of text parts that begin with a copy of header fields for old programs (RFC 9788 section 5.2.2): a
    /// program that shows the protected headers leaves these lines out.
    pub legacy_display: Vec<String>,
    /// Bytes of the innermost entity.
    pub length: u64,
}

/// One layer around a message's content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Layer {
    /// SignedData with signers.
    Signed(SignedLayer),
    /// EnvelopedData or AuthEnvelopedData that was opened.
    Encrypted(EncryptedLayer),
    /// CompressedData.
    Compressed,
    /// SignedData without signers: certificates (DER), and nothing inside.
    Certificates(Vec<Vec<u8>>),
}

/// A signature. It covers exactly the bytes of the layers inside, which is what [`super::Reading::write`] writes of
/// the innermost.
#[derive(Clone, Debug)]
pub struct SignedLayer {
    /// `multipart/signed`, or the content inside the CMS object.
    pub form: Form,
    /// What the signers say; or why the signature cannot be read: then there is no signer.
    pub verified: Result<Verified, String>,
}

/// An encryption.
#[derive(Clone, Debug)]
pub struct EncryptedLayer {
    /// Content cipher.
    pub cipher: ContentCipher,
    /// True for an authenticated cipher with a good tag; false for CBC, whose plaintext anybody on the way may have altered.
    pub authenticated: bool,
    /// Recipient infos in the message.
    pub recipients: usize,
    /// Which of them opened it.
    pub recipient: usize,
    /// Name or OID of that one's key-encryption algorithm.
    pub key_algorithm: String,
}

impl SignedLayer {
    /// Whether every signature in this layer is good. Whether the signers are trusted is another question.
    pub fn is_good(&self) -> bool {
        self.verified.as_ref().is_ok_and(|verified| {
            !verified.signers.is_empty()
                && verified.signers.iter().all(|signer| signer.outcome == Outcome::Good)
        })
    }

    /// Whether a signer says to have signed at another time than `date`.
    pub(super) fn is_away_from(&self, date: SystemTime) -> bool {
        let away = |time: SystemTime| {
            date.duration_since(time).or_else(|_| time.duration_since(date)).is_ok_and(|away| away > HOUR)
        };
        let signers = self.verified.iter().flat_map(|verified| &verified.signers);
        signers.filter_map(|signer| signer.signing_time).any(away)
    }

    /// Whether one of its signatures has a weakness.
    pub(super) fn is_weak(&self) -> bool {
        let mut signers = self.verified.iter().flat_map(|verified| &verified.signers);
        signers.any(|signer| !signer.weaknesses.is_empty())
    }
}

impl EncryptedLayer {
    /// Whether its cipher protects badly or no longer.
    pub(super) fn is_weak(&self) -> bool {
        self.cipher.is_weak()
    }
}

/// How the message as a whole is protected: all of the innermost entity, which is what a person is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// It is not, or not all of it.
    #[default]
    None,
    /// Signed.
    Signed,
    /// Encrypted.
    Encrypted,
    /// Signed, and then encrypted with its signature.
    SignedThenEncrypted,
}

impl Protection {
    pub(super) fn new(signed: bool, encrypted: bool) -> Self {
        match (signed, encrypted) {
            (false, false) => Self::None,
            (true, false) => Self::Signed,
            (false, true) => Self::Encrypted,
            (true, true) => Self::SignedThenEncrypted,
        }
    }

    /// Whether the content has good signatures.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Signed | Self::SignedThenEncrypted)
    }

    /// Whether the content was encrypted.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Encrypted | Self::SignedThenEncrypted)
    }
}

/// Something that a person, or a program, should know before believing what the message looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Concern {
    /// More than one From or Sender field, or From names several people: programs differ in whom they show.
    SeveralSenders,
    /// A head says twice what its content is: programs differ in what they show.
    AmbiguousHead,
    /// More layers than are read: what is inside the last of them is not known.
    TooDeep,
    /// A layer is damaged, or of a kind that is not known: what is inside it is not known.
    UnreadableLayer,
    /// A signature is not good, or cannot be read.
    BadSignature,
    /// The signature is around the encryption: its signer need not know what is inside.
    SignatureOutsideEncryption,
    /// Signatures around signatures: programs differ in which they show.
    NestedSignatures,
    /// Only a part of the content is signed.
    SignedPart,
    /// Only a part of the content is encrypted. A program must not decrypt it into the rest (EFAIL).
    EncryptedPart,
    /// The cipher does not protect from being altered on the way (CBC without a good signature inside).
    Malleable,
    /// Unauthenticated plaintext with bytes that its own heads do not allow: blocks were moved about in it.
    Garbled,
    /// A digest or cipher that is not safe any more.
    WeakAlgorithm,
    /// The message's Date is more than an hour away from the time when the signer says to have signed: an old
    /// signature may have been sent again.
    DateMismatch,
    /// The protected From is another than the outer one.
    FromMismatch,
    /// The protected Subject is another than the outer one, and the sender did not mean it to be.
    SubjectMismatch,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SeveralSenders => "several-senders",
            Self::AmbiguousHead => "ambiguous-head",
            Self::TooDeep => "too-deep",
            Self::UnreadableLayer => "unreadable-layer",
            Self::BadSignature => "bad-signature",
            Self::SignatureOutsideEncryption => "signature-outside-encryption",
            Self::NestedSignatures => "nested-signatures",
            Self::SignedPart => "signed-part",
            Self::EncryptedPart => "encrypted-part",
            Self::Malleable => "malleable",
            Self::Garbled => "garbled",
            Self::WeakAlgorithm => "weak-algorithm",
            Self::DateMismatch => "date-mismatch",
            Self::FromMismatch => "from-mismatch",
            Self::SubjectMismatch => "subject-mismatch",
        })
    }
}

/// A part of the content with a protection of its own, which was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its numbers in the multiparts around it, as in `1.2`; empty for the content itself.
    pub path: String,
    /// What it is.
    pub kind: PartKind,
    /// It belongs to a message that is attached to this one.
    pub forwarded: bool,
}

/// What a protected part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartKind {
    /// Signed, clear or opaque.
    Signed,
    /// Encrypted.
    Encrypted,
    /// Compressed, or not readable.
    Other,
}

/// The header fields that travelled with the content (RFC 9788).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedHeaders {
    /// `hp="cipher"`: the sender meant the message to be encrypted; else `hp="clear"`.
    pub cipher: bool,
    /// Name and unfolded value of every protected field, in order; without `Content-*`, `MIME-Version` and
    /// `HP-Outer`.
    pub fields: Vec<(String, String)>,
    /// Names of those that stood outside otherwise, or not at all, as the sender says (`HP-Outer`): they were
    /// confidential.
    pub confidential: Vec<String>,
}

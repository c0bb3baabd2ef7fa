//! What a card says about its PIN, and what opens it for one operation.

use secrecy::ExposeSecret;
use wafer_client::keeper::TriesLeft;

use crate::pin::secret::Secret;

/// What a token says about its PIN (or its PUK).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinFlags {
    /// Private keys need a login.
    pub login_required: bool,
    /// The reader has a PIN pad: the PIN never passes through this process.
    pub pin_pad: bool,
    /// It is the card's global PIN, beside which the application has one of its own (SP 800-73-5).
    pub global: bool,
    /// Tries left, as far as the token says.
    pub tries: TriesLeft,
    /// What a PIN may look like: one that does not fit never reaches the card.
    pub format: PinFormat,
}

/// Which PINs a card takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinFormat {
    /// Fewest octets.
    pub shortest: usize,
    /// Most octets.
    pub longest: usize,
    /// Which octets.
    pub alphabet: Alphabet,
}

/// The octets of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `0` to `9` (SP 800-73-4 part 2, section 2.4.3).
    Digits,
    /// Anything.
    Any,
    /// Any text: what is called a password, and not a PIN.
    Text,
}

impl PinFormat {
    /// Any PIN that is not empty.
    pub const ANY: Self = Self { shortest: 1, longest: usize::MAX, alphabet: Alphabet::Any };

    /// A password.
    pub const PASSWORD: Self = Self { alphabet: Alphabet::Text, ..Self::ANY };

    /// Whether it is called a password.
    pub fn is_password(&self) -> bool {
        self.alphabet == Alphabet::Text
    }

    /// Whether `pin` has this form.
    pub fn admits(&self, pin: &Secret) -> bool {
        let pin = pin.expose_secret();
        let fits = (self.shortest..=self.longest).contains(&pin.len());
        fits && (self.alphabet != Alphabet::Digits || pin.iter().all(u8::is_ascii_digit))
    }
}

/// How long a PIN that the card accepted opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinUse {
    /// Until logout: the logged-in session is the cache, and no PIN is kept (PKCS#11).
    Session,
    /// For one visit: the card is shut after each, so the keeper keeps the PIN (PIV).
    EachVisit,
}

/// What opens the card for one private-key operation.
#[derive(Clone, Copy, Debug)]
pub enum Authentication<'p> {
    /// The login that the card itself keeps ([`PinUse::Session`]), or none where none is needed.
    Session,
    /// The PIN that the keeper kept since the card accepted it ([`PinUse::EachVisit`]). It goes to this very
    /// card once, and only while the card says that enough tries are left (pin-rules 2); else the answer is
    /// [`super::CardError::NeedsLogin`] and costs no try.
    Kept(&'p Secret),
    /// That PIN, for a key that wants it at every use: the person has allowed this one use. Verified right before the
    /// operation, under the same conditions.
    Confirmed(&'p Secret),
    /// A PIN that the person entered just now: verified right before the operation, nothing in between.
    Entered(&'p Secret),
    /// The same, entered at the reader's own PIN pad while the operation runs.
    PinPad,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_format_says_which_pins_fit() {
        let piv = PinFormat { shortest: 6, longest: 8, alphabet: Alphabet::Digits };
        for (pin, fits) in
            [("123456", true), ("12345678", true), ("12345", false), ("123456789", false), ("12345a", false)]
        {
            assert_eq!(piv.admits(&Secret::from_bytes(pin.as_bytes()).unwrap()), fits, "{pin}");
        }
        assert!(!PinFormat::ANY.admits(&Secret::with_capacity(1).unwrap()), "an empty PIN is none");
        assert!(PinFormat::ANY.admits(&Secret::from_bytes("pässwörd".as_bytes()).unwrap()));
    }
}

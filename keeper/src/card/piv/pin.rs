//! The card's PIN and PUK: what goes to the card, and when (SP 800-73-5 part 2, section 3.2).

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::apdu::{Channel, Command, meaning, send};
use super::objects::PinReference;
use crate::card::{Alphabet, CardError, PinFormat};
use crate::pin::secret::Secret;

/// What a PIN or PUK may look like. The standard's PINs are digits; YubiKey and Nitrokey take any octets.
pub(super) const FORMAT: PinFormat = PinFormat { shortest: 6, longest: 8, alphabet: Alphabet::Any };
/// Octets of a PIN on its way, and what fills it up.
const LENGTH: usize = 8;
const FILL: u8 = 0xff;
const VERIFY: u8 = 0x20;
const CHANGE_REFERENCE_DATA: u8 = 0x24;
const RESET_RETRY_COUNTER: u8 = 0x2c;

/// What an empty VERIFY says; it costs no try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// So many tries are left.
    Tries(u32),
    /// Somebody has verified the PIN already, which hides the tries.
    Open,
}

/// Asks for the state of a PIN.
pub(super) fn state(channel: &mut dyn Channel, pin: PinReference) -> Result<State, CardError> {
    let answer = send(channel, Command { header: [VERIFY, 0, pin as u8], data: &[], answers: false })?;
    match answer.status {
        0x9000 => Ok(State::Open),
        0x6983 => Ok(State::Tries(0)),
        status @ 0x63c0..=0x63cf => Ok(State::Tries(u32::from(status & 0x0f))),
        status => Err(CardError::Failed(format!("the card does not tell its tries ({status:04X})"))),
    }
}

/// Verifies a PIN: one try.
pub(super) fn verify(
    channel: &mut dyn Channel,
    reference: PinReference,
    pin: &Secret,
) -> Result<(), CardError> {
    let data = filled(&[pin])?;
    send(channel, Command { header: [VERIFY, 0, reference as u8], data: &data, answers: false })?
        .ok()
        .map(drop)
}

/// Takes a verification back; false if the card knows no such command (it is new in SP 800-73-4).
pub(super) fn shut(channel: &mut dyn Channel, pin: PinReference) -> Result<bool, CardError> {
    let answer = send(channel, Command { header: [VERIFY, 0xff, pin as u8], data: &[], answers: false })?;
    Ok(answer.status == 0x9000)
}

/// Sets another PIN.
pub(super) fn change(
    channel: &mut dyn Channel,
    pin: PinReference,
    old: &Secret,
    new: &Secret,
) -> Result<(), CardError> {
    replace(channel, [CHANGE_REFERENCE_DATA, 0, pin as u8], old, new)
}

/// Sets a new PIN by the PUK.
pub(super) fn unblock(channel: &mut dyn Channel, puk: &Secret, new: &Secret) -> Result<(), CardError> {
    replace(channel, [RESET_RETRY_COUNTER, 0, PinReference::Application as u8], puk, new)
}

fn replace(channel: &mut dyn Channel, header: [u8; 3], old: &Secret, new: &Secret) -> Result<(), CardError> {
    if !FORMAT.admits(new) {
        return Err(CardError::PinForm);
    }
    let data = filled(&[old, new])?;
    let answer = send(channel, Command { header, data: &data, answers: false })?;
    match answer.status {
        0x9000 => Ok(()),
        // The card has rules of its own for a new PIN (length, digits only, not one of the last).
        0x6a80 => Err(CardError::PinForm),
        // Without a count some cards say only that it was wrong.
        0x6300 => Err(CardError::PinIncorrect),
        status => Err(meaning(status)),
    }
}

/// Each PIN filled up to eight octets. One that does not fit the form never reaches the card.
fn filled(pins: &[&Secret]) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let mut data = Zeroizing::new(Vec::with_capacity(LENGTH * pins.len()));
    for (number, pin) in pins.iter().enumerate() {
        if !FORMAT.admits(pin) {
            return Err(CardError::PinIncorrect);
        }
        data.extend(pin.expose_secret());
        data.resize(LENGTH * (number + 1), FILL);
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::card::piv::apdu::Script;

    fn secret(pin: &str) -> Secret {
        Secret::from_bytes(pin.as_bytes()).unwrap()
    }

    #[test]
    fn a_pin_is_filled_up_and_sent_once() {
        let mut script = Script::new(&[&[0x63, 0xc2]]);
        let result = verify(&mut script, PinReference::Application, &secret("123456"));
        assert_eq!(result, Err(CardError::PinIncorrect));
        assert_eq!(script.asked, [b"\x00\x20\x00\x80\x08123456\xff\xff"]);
    }

    #[test]
    fn a_pin_of_another_form_never_reaches_the_card() {
        for wrong in ["", "12345", "123456789"] {
            let mut script = Script::new(&[]);
            let result = verify(&mut script, PinReference::Global, &secret(wrong));
            assert_eq!(result, Err(CardError::PinIncorrect));
            assert!(script.asked.is_empty(), "{wrong}");
        }
        let mut script = Script::new(&[]);
        let result = change(&mut script, PinReference::Application, &secret("123456"), &secret("1"));
        assert_eq!(result, Err(CardError::PinForm));
        assert!(script.asked.is_empty());
    }

    #[test]
    fn the_state_is_read_from_the_status_word() {
        for (answer, expected) in [
            ([0x63, 0xc3], State::Tries(3)),
            ([0x63, 0xc0], State::Tries(0)),
            ([0x69, 0x83], State::Tries(0)),
            ([0x90, 0x00], State::Open),
        ] {
            let mut script = Script::new(&[&answer]);
            assert_eq!(state(&mut script, PinReference::Application).unwrap(), expected);
            assert_eq!(script.asked, [[0, 0x20, 0, 0x80]]);
        }
    }

    #[test]
    fn unblocking_sends_puk_and_pin() {
        let mut script = Script::new(&[&[0x90, 0]]);
        unblock(&mut script, &secret("12345678"), &secret("654321")).unwrap();
        assert_eq!(script.asked, [b"\x00\x2c\x00\x80\x1012345678654321\xff\xff"]);
    }
}

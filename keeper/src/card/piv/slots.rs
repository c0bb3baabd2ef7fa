//! The card's asymmetric keys and where their certificates lie (SP 800-73-5 part 1, table 4).

/// A key's place: its reference (P2 of GENERAL AUTHENTICATE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u8);

/// The first and last retired key management key.
const FIRST_RETIRED: u8 = 0x82;
const LAST_RETIRED: u8 = 0x95;

impl Slot {
    /// PIV authentication, digital signature, key management, card authentication.
    pub(super) const CURRENT: [Self; 4] = [Self(0x9a), Self(0x9c), Self(0x9d), Self(0x9e)];

    /// Retired key management keys, oldest place first.
    pub(super) fn retired() -> impl Iterator<Item = Self> {
        (FIRST_RETIRED..=LAST_RETIRED).map(Self)
    }

    /// From the last part of a key's name.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let reference = u8::from_str_radix(text, 16).ok()?;
        Self::CURRENT.into_iter().chain(Self::retired()).find(|slot| slot.0 == reference)
    }

    /// The last part of a key's name.
    pub(super) fn to_hex(self) -> String {
        format!("{:02x}", self.0)
    }

    /// The key reference.
    pub(super) fn reference(self) -> u8 {
        self.0
    }

    /// The object that holds its certificate.
    pub(super) fn certificate(self) -> u32 {
        match self.0 {
            0x9a => 0x5f_c105,
            0x9c => 0x5f_c10a,
            0x9d => 0x5f_c10b,
            0x9e => 0x5f_c101,
            retired => 0x5f_c10d + u32::from(retired - FIRST_RETIRED),
        }
    }

    /// The standard's name for the key, as a label for people.
    pub(super) fn label(self) -> String {
        match self.0 {
            0x9a => "PIV Authentication".to_owned(),
            0x9c => "Digital Signature".to_owned(),
            0x9d => "Key Management".to_owned(),
            0x9e => "Card Authentication".to_owned(),
            retired => format!("Retired Key Management {}", retired - FIRST_RETIRED + 1),
        }
    }

    /// The card wants the PIN right before every use (SP 800-73-5 part 1, table 5: "PIN Always").
    pub(super) fn always_authenticate(self) -> bool {
        self.0 == 0x9c
    }

    /// The card wants no PIN.
    pub(super) fn is_open(self) -> bool {
        self.0 == 0x9e
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_lead_back_and_objects_are_the_standard_s() {
        for slot in Slot::CURRENT.into_iter().chain(Slot::retired()) {
            assert_eq!(Slot::from_hex(&slot.to_hex()), Some(slot));
        }
        assert_eq!(Slot::from_hex("82").unwrap().certificate(), 0x5f_c10d);
        assert_eq!(Slot::from_hex("95").unwrap().certificate(), 0x5f_c120);
        assert_eq!(Slot::from_hex("95").unwrap().label(), "Retired Key Management 20");
        for wrong in ["", "9b", "96", "81", "xx", "19a"] {
            assert_eq!(Slot::from_hex(wrong), None, "{wrong}");
        }
    }
}

//! The PIN tries that the tokens saw, by their own diaries, against what the person entered.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hw_sim::piv;
use wafer_test_card::Exchange;

use crate::ground::Ground;

/// A full retry counter of the simulated card.
const FULL: u32 = 3;
const VERIFY: u8 = 0x20;
const CHANGE_REFERENCE_DATA: u8 = 0x24;

/// What was read from the card's diary so far.
#[derive(Default)]
pub(crate) struct Tries {
    card: Mutex<Seen>,
    /// Wrong PINs of the PKCS#11 token that the person entered.
    pub(crate) wrong_for_module: AtomicUsize,
}

struct Seen {
    left: u32,
    failed: usize,
    values: BTreeSet<Vec<u8>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { left: FULL, failed: 0, values: BTreeSet::new() }
    }
}

impl Tries {
    /// Whether the card's counter is full: only then somebody may err.
    pub(crate) fn are_full(&self, ground: &Ground) -> bool {
        let mut seen = self.card.lock().unwrap();
        seen.read(ground.card.card.diary().take_answered());
        seen.left == FULL
    }

    /// Compares in the end.
    pub(crate) fn settle(&self, ground: &Ground) {
        self.are_full(ground);
        let (seen, pins, accounts) = (self.card.lock().unwrap(), ground.pins.lock(), &ground.accounts);
        let group = "PIN tries";
        accounts.add(group, "wrong on the card", seen.failed);
        accounts.add(group, "wrong by the person", pins.wrong);
        accounts.add(group, "changes elsewhere", pins.changes);
        let elsewhere = seen.failed.saturating_sub(pins.wrong);
        accounts.add(group, "after a change elsewhere", elsewhere);
        let nobody_s = elsewhere.saturating_sub(pins.changes + pins.overtaken);
        accounts.add(group, "that nobody entered", nobody_s);
        accounts.check(nobody_s == 0, || format!("{nobody_s} PIN tries that nobody entered"));
        let known = [pins.right(), pins.next(), piv::WRONG_PIN];
        for value in &seen.values {
            let is_known = known.iter().any(|pin| pin.as_bytes() == value);
            accounts.check(is_known, || format!("a PIN of {} octets that nobody typed", value.len()));
        }
        let (wrong, entered) =
            (ground.module.count("C_Login", "0xa0"), self.wrong_for_module.load(Ordering::SeqCst));
        accounts.add(group, "wrong on the module", wrong);
        accounts.check(wrong <= entered, || format!("{wrong} wrong logins, {entered} by the person"));
    }
}

impl Seen {
    fn read(&mut self, exchanges: Vec<Exchange>) {
        for one in exchanges {
            if one.is_pin_try() {
                let pin = one.command[5..].iter().copied().take_while(|octet| *octet != 0xff);
                self.values.insert(pin.collect());
            }
            match (one.instruction(), one.status()) {
                (VERIFY, 0x9000) if one.is_pin_try() => self.left = FULL,
                (CHANGE_REFERENCE_DATA, 0x9000) => self.left = FULL,
                (VERIFY, status @ (0x63c0..=0x63cf | 0x6983)) => {
                    self.failed += usize::from(one.is_pin_try());
                    self.left = if status == 0x6983 { 0 } else { u32::from(status & 0x0f) };
                }
                _ => {}
            }
        }
    }
}

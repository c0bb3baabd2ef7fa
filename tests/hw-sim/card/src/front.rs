//! What stands before the applet: what PIV cards have and this applet has not. Two things are answered here,
//! **everything else is the applet's own answer**:
//!
//! - **The global PIN** (SP 800-73-5 part 1, section 3.3.2): its VERIFY, its retry counter, its CHANGE REFERENCE
//!   DATA, and the discovery object that tells of it. Where it is right, the applet is given its own PIN.
//! - **Keys on Curve25519**, as YubiKeys have them since 5.7: GENERAL AUTHENTICATE of the slots that have one. Their
//!   certificates are objects of the applet's, and the applet's VERIFY state says whether they may be used.

use std::path::Path;

use crate::applet::Applet;
use crate::edwards::Key;
use crate::iso::Command;

const VERIFY: u8 = 0x20;
const CHANGE_REFERENCE_DATA: u8 = 0x24;
const GENERAL_AUTHENTICATE: u8 = 0x87;
const GET_DATA: u8 = 0xcb;
/// P2 of the two PINs.
const APPLICATION: u8 = 0x80;
const GLOBAL: u8 = 0;
/// The applet's own PIN, as it is made.
const APPLICATION_PIN: &[u8; 8] = b"123456\xff\xff";
/// What GET DATA asks for when it wants the discovery object.
const DISCOVERY: &[u8] = &[0x5c, 1, 0x7e];
const GLOBAL_TRIES: u8 = 3;
/// The slot whose PIN must have come right before, and the one that wants none.
const SIGNATURE: u8 = 0x9c;
const CARD_AUTHENTICATION: u8 = 0x9e;

/// A global PIN, beside the application's.
#[derive(Clone, Debug)]
pub struct GlobalPin {
    /// Six to eight octets.
    pub pin: String,
    /// Whether the discovery object says that this one is to be asked for, not the application's.
    pub primary: bool,
}

/// The card as ISO 7816's layer speaks with it.
pub(crate) struct Front<'p> {
    applet: Applet<'p>,
    keys: Vec<Key>,
    global: Option<Global>,
    /// The applet was opened by its own PIN.
    application_open: bool,
    /// The command before was a VERIFY that succeeded.
    just_verified: bool,
}

struct Global {
    pin: [u8; 8],
    primary: bool,
    tries: u8,
    open: bool,
}

type Answer = (Vec<u8>, u16);

impl<'p> Front<'p> {
    /// Before `applet`, with the keys that lie in `folder`.
    pub(crate) fn new(applet: Applet<'p>, folder: &Path, global: Option<GlobalPin>) -> Self {
        let global = global.map(|global| Global {
            pin: filled(global.pin.as_bytes()),
            primary: global.primary,
            tries: GLOBAL_TRIES,
            open: false,
        });
        Self { applet, keys: Key::all_in(folder), global, application_open: false, just_verified: false }
    }

    /// Executes a whole command; the answer's data and its status word.
    pub(crate) fn execute(&mut self, command: &Command) -> Answer {
        let just_verified = std::mem::take(&mut self.just_verified);
        let has_global = self.global.is_some();
        match (command.instruction, command.p2) {
            (VERIFY, GLOBAL) if has_global => self.verify_global(command),
            (VERIFY, APPLICATION) => self.verify_application(command),
            (CHANGE_REFERENCE_DATA, GLOBAL) if has_global => self.change_global(&command.data),
            (GET_DATA, _) if has_global && command.data == DISCOVERY => (self.discovery(), 0x9000),
            (GENERAL_AUTHENTICATE, slot) if self.keys.iter().any(|key| key.slot == slot) => {
                self.operate(command, just_verified)
            }
            _ => self.applet.execute(command),
        }
    }

    /// Forgets that PINs were verified.
    pub(crate) fn shut(&mut self) {
        self.applet.shut();
        (self.application_open, self.just_verified) = (false, false);
        if let Some(global) = &mut self.global {
            global.open = false;
        }
    }

    fn verify_application(&mut self, command: &Command) -> Answer {
        let opened_by_global =
            self.global.as_ref().is_some_and(|global| global.open) && !self.application_open;
        match (command.p1, command.data.is_empty()) {
            // The applet is open by the other PIN: that says nothing of this one.
            (0, true) if opened_by_global => {
                self.applet.shut();
                let answer = self.applet.execute(command);
                self.open_applet();
                answer
            }
            (0xff, _) if self.global.as_ref().is_some_and(|global| global.open) => {
                self.application_open = false;
                (Vec::new(), 0x9000)
            }
            _ => {
                let answer = self.applet.execute(command);
                if command.p1 == 0xff || !command.data.is_empty() {
                    self.application_open = command.p1 == 0 && answer.1 == 0x9000;
                    self.just_verified = self.application_open;
                }
                answer
            }
        }
    }

    fn verify_global(&mut self, command: &Command) -> Answer {
        let Some(global) = &mut self.global else { return (Vec::new(), 0x6a88) };
        let right = global.pin == command.data[..];
        let word = match (command.p1, command.data.is_empty()) {
            (0xff, true) => {
                global.open = false;
                if !self.application_open {
                    self.applet.shut();
                }
                0x9000
            }
            (0, true) if global.open => 0x9000,
            (0, true) => tries(global.tries),
            (0, false) if global.tries == 0 => 0x6983,
            (0, false) if right => {
                (global.tries, global.open) = (GLOBAL_TRIES, true);
                self.open_applet();
                self.just_verified = true;
                0x9000
            }
            (0, false) => {
                global.tries -= 1;
                global.open = false;
                let word = tries(global.tries);
                if !self.application_open {
                    self.applet.shut();
                }
                word
            }
            _ => 0x6a86,
        };
        (Vec::new(), word)
    }

    fn open_applet(&mut self) {
        self.applet.execute(&Command::new(VERIFY, 0, APPLICATION, APPLICATION_PIN));
    }

    fn change_global(&mut self, pins: &[u8]) -> Answer {
        let Some(global) = &mut self.global else { return (Vec::new(), 0x6a88) };
        let word = match pins.split_first_chunk::<8>() {
            _ if global.tries == 0 => 0x6983,
            Some((old, new)) if *old == global.pin => match new.try_into() {
                Ok(new) => {
                    (global.pin, global.tries) = (new, GLOBAL_TRIES);
                    0x9000
                }
                Err(_) => 0x6a80,
            },
            _ => {
                global.tries -= 1;
                tries(global.tries)
            }
        };
        (Vec::new(), word)
    }

    /// The discovery object: both PINs satisfy the card's rules, and which one is the primary.
    fn discovery(&self) -> Vec<u8> {
        let primary = if self.global.as_ref().is_some_and(|global| global.primary) { 0x20 } else { 0x10 };
        let aid = [0xa0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0];
        [&[0x7e, 0x12, 0x4f, 0x0b][..], &aid, &[0x5f, 0x2f, 2, 0x60, primary]].concat()
    }

    fn operate(&mut self, command: &Command, just_verified: bool) -> Answer {
        let allowed = match command.p2 {
            CARD_AUTHENTICATION => true,
            SIGNATURE => just_verified,
            // An empty VERIFY of the applet tells whether it is open.
            _ => self.applet.execute(&Command::new(VERIFY, 0, APPLICATION, &[])).1 == 0x9000,
        };
        if !allowed {
            return (Vec::new(), 0x6982);
        }
        let key = self.keys.iter().find(|key| key.slot == command.p2 && key.algorithm == command.p1);
        let Some(key) = key else { return (Vec::new(), 0x6a86) };
        match key.operate(&command.data) {
            Some(answer) => (answer, 0x9000),
            None => (Vec::new(), 0x6a80),
        }
    }
}

fn tries(left: u8) -> u16 {
    if left == 0 { 0x6983 } else { 0x63c0 + u16::from(left) }
}

fn filled(pin: &[u8]) -> [u8; 8] {
    let mut filled = [0xff; 8];
    filled[..pin.len()].copy_from_slice(pin);
    filled
}

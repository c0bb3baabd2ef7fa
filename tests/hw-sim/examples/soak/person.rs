//! Somebody at the terminal who errs, cancels, looks away, and mostly enters the right PIN.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use hw_sim::piv::{GRACE, WRONG_PIN};
use hw_sim::softhsm;

use crate::chance::Chance;
use crate::ground::Ground;

/// How often to see whether anybody still needs the person.
const GLANCE: Duration = Duration::from_millis(200);
/// A dialog that was answered and does not go has lost its pinentry.
const GOES_WITHIN: Duration = Duration::from_secs(4);

#[derive(Clone, Copy)]
enum Answer {
    Right,
    Wrong,
    Cancel,
    Nothing,
}

/// Reads every dialog from now on.
pub(crate) fn sit_down(ground: &Arc<Ground>, chance: Chance) -> JoinHandle<()> {
    let ground = Arc::clone(ground);
    std::thread::spawn(move || read_dialogs(&ground, chance))
}

fn read_dialogs(ground: &Ground, mut chance: Chance) {
    let mut last = 0;
    while !ground.over.load(Ordering::SeqCst) {
        let Some((number, text)) = ground.person.next_dialog(last, GLANCE) else { continue };
        last = number;
        std::thread::sleep(chance.time(0, 100));
        let is_last_try = text.contains("Only one try is left");
        let answer = match chance.below(100) {
            _ if is_last_try || ground.obliging.load(Ordering::SeqCst) => Answer::Right,
            0..70 => Answer::Right,
            70..80 => Answer::Wrong,
            80..92 => Answer::Cancel,
            _ => Answer::Nothing,
        };
        if is_last_try {
            ground.person.press("\r");
        } else if text.contains(&format!("Token: {}", GRACE.name)) {
            answer_for_card(ground, answer, number);
        } else {
            answer_for_module(ground, answer, number);
        }
    }
}

fn answer_for_card(ground: &Ground, answer: Answer, number: usize) {
    let mut pins = ground.pins.lock();
    let answer = match answer {
        Answer::Wrong if !ground.tries.are_full(ground) => Answer::Right,
        answer => answer,
    };
    let pin = if matches!(answer, Answer::Wrong) { WRONG_PIN } else { pins.right() };
    if matches!(answer, Answer::Right | Answer::Wrong) {
        pins.enters(pin);
    }
    act(ground, answer, number, pin);
}

fn answer_for_module(ground: &Ground, answer: Answer, number: usize) {
    let pin = if matches!(answer, Answer::Wrong) { softhsm::WRONG_PIN } else { softhsm::PIN };
    if matches!(answer, Answer::Wrong) {
        ground.tries.wrong_for_module.fetch_add(1, Ordering::SeqCst);
    }
    act(ground, answer, number, pin);
}

fn act(ground: &Ground, answer: Answer, number: usize, pin: &str) {
    let (name, keys) = match answer {
        Answer::Right => ("right PIN", format!("{pin}\r")),
        Answer::Wrong => ("wrong PIN", format!("{pin}\r")),
        Answer::Cancel => ("cancelled", "\t\t\r".to_owned()),
        Answer::Nothing => ("not answered", String::new()),
    };
    ground.accounts.count("dialogs", name);
    if !keys.is_empty() {
        ground.person.press(&keys);
        ground.person.is_done_within(number, GOES_WITHIN);
    }
}

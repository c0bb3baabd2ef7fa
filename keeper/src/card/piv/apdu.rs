//! Commands and answers over any channel: command chaining, extended length, GET RESPONSE (SP 800-73-5 part 2,
//! section 2.4.2; ISO 7816-4 section 5.3).

use zeroize::Zeroizing;

use super::tlv;
use crate::card::CardError;

/// An answer longer than this is no PIV object's.
const LONGEST_ANSWER: usize = 64 * 1024;
/// CLA of a command that the next one continues.
const CHAINED: u8 = 0x10;
/// Data octets of a short command.
const SHORT: usize = 255;

/// Carries one APDU to the card and its answer back.
pub(super) trait Channel {
    /// Whether the card and its reader take extended lengths.
    fn extended(&self) -> bool;
    /// The answer with its status word. The command may hold a PIN, the answer a secret.
    fn exchange(&mut self, apdu: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, CardError>;
}

/// A command without its lengths.
#[derive(Clone, Copy)]
pub(super) struct Command<'d> {
    /// INS, P1, P2.
    pub(super) header: [u8; 3],
    /// The data field.
    pub(super) data: &'d [u8],
    /// An answer is wanted.
    pub(super) answers: bool,
}

/// A whole answer.
pub(super) struct Answer {
    /// Its data.
    pub(super) data: Zeroizing<Vec<u8>>,
    /// Its status word.
    pub(super) status: u16,
}

impl Answer {
    /// The data, if the card did what it was asked. What it was asked every PIV card can.
    pub(super) fn ok(self) -> Result<Zeroizing<Vec<u8>>, CardError> {
        if self.status == 0x9000 { Ok(self.data) } else { Err(meaning_in_visit(self.status)) }
    }
}

/// What a status word says, where no command gives it another sense (SP 800-73-5 part 2, table 6).
pub(super) fn meaning(status: u16) -> CardError {
    match status {
        0x6982 => CardError::NeedsLogin,
        0x63c0..=0x63cf => CardError::PinIncorrect,
        0x6983 => CardError::PinBlocked,
        0x6a80 | 0x6a81 | 0x6a86 | 0x6d00 | 0x6985 => {
            CardError::Unsupported(format!("this operation ({status:04X})"))
        }
        0x6a88 => CardError::NoKey,
        _ => CardError::Failed(format!("the card answered {status:04X}")),
    }
}

/// The same of a command that every PIV card has: one that does not know it has lost its power and with it the
/// selected application, and nobody told.
pub(super) fn meaning_in_visit(status: u16) -> CardError {
    match status {
        0x6d00 | 0x6e00 => CardError::Failed(format!("the card lost its state ({status:04X})")),
        status => meaning(status),
    }
}

/// SELECT of the PIV card application, by its AID without the version.
pub(super) const SELECT: Command<'static> =
    Command { header: [0xa4, 4, 0], data: &[0xa0, 0, 0, 3, 8, 0, 0, 0x10, 0], answers: true };

/// Reads a data object as the card has it; `None` if it has none.
pub(super) fn get_data(channel: &mut dyn Channel, tag: u32) -> Result<Option<Zeroizing<Vec<u8>>>, CardError> {
    let tag = tag.to_be_bytes();
    let start = tag.iter().position(|octet| *octet != 0).unwrap_or_default();
    let list = tlv::encode(0x5c, &tag[start..]);
    let answer = send(channel, Command { header: [0xcb, 0x3f, 0xff], data: &list, answers: true })?;
    match answer.status {
        // An empty object is one that was deleted. Objects behind the PIN are not for listing.
        0x9000 if answer.data.len() > 2 => Ok(Some(answer.data)),
        0x9000 | 0x6a82 | 0x6a88 | 0x6982 | 0x6a80 | 0x6a86 => Ok(None),
        status => Err(meaning(status)),
    }
}

/// Sends a command and collects its answer.
pub(super) fn send(channel: &mut dyn Channel, command: Command<'_>) -> Result<Answer, CardError> {
    let mut first = if channel.extended() && (command.data.len() > SHORT || command.answers) {
        channel.exchange(extended(command))?
    } else {
        in_links(channel, command)?
    };
    let mut status = status_of(&mut first)?;
    let mut data = first;
    // 6Cxx: the same again, with the length that the card wants.
    if status >> 8 == 0x6c {
        data = channel.exchange(short(0, command, Some(low(status))))?;
        status = status_of(&mut data)?;
    }
    while status >> 8 == 0x61 {
        let more = Command { header: [0xc0, 0, 0], data: &[], answers: true };
        let mut next = channel.exchange(short(0, more, Some(low(status))))?;
        status = status_of(&mut next)?;
        data = Zeroizing::new([data.as_slice(), next.as_slice()].concat());
        if data.len() > LONGEST_ANSWER || (next.is_empty() && status >> 8 == 0x61) {
            return Err(CardError::Failed("the card's answer has no end".to_owned()));
        }
    }
    Ok(Answer { data, status })
}

/// Sends a short command, in a chain if its data do not fit into one.
fn in_links(channel: &mut dyn Channel, command: Command<'_>) -> Result<Zeroizing<Vec<u8>>, CardError> {
    let mut data = command.data;
    while data.len() > SHORT {
        let (link, rest) = data.split_at(SHORT);
        let mut answer =
            channel.exchange(short(CHAINED, Command { data: link, answers: false, ..command }, None))?;
        match status_of(&mut answer)? {
            0x9000 => data = rest,
            status => return Err(meaning(status)),
        }
    }
    channel.exchange(short(0, Command { data, ..command }, command.answers.then_some(0)))
}

fn short(class: u8, command: Command<'_>, expected: Option<u8>) -> Zeroizing<Vec<u8>> {
    let mut apdu = Zeroizing::new(Vec::with_capacity(6 + command.data.len()));
    apdu.push(class);
    apdu.extend(command.header);
    if let Ok(length @ 1..) = u8::try_from(command.data.len()) {
        apdu.push(length);
        apdu.extend(command.data);
    }
    apdu.extend(expected);
    apdu
}

fn extended(command: Command<'_>) -> Zeroizing<Vec<u8>> {
    let mut apdu = Zeroizing::new(Vec::with_capacity(9 + command.data.len()));
    apdu.push(0);
    apdu.extend(command.header);
    apdu.push(0);
    if let Ok(length @ 1..) = u16::try_from(command.data.len()) {
        apdu.extend(length.to_be_bytes());
        apdu.extend(command.data);
    }
    if command.answers {
        apdu.extend([0, 0]);
    }
    apdu
}

/// Takes the status word off an answer.
fn status_of(answer: &mut Zeroizing<Vec<u8>>) -> Result<u16, CardError> {
    let word = match answer.last_chunk() {
        Some(word) => u16::from_be_bytes(*word),
        // What some readers say of a card that is pulled while it works.
        None if answer.is_empty() => return Err(CardError::Gone),
        None => return Err(CardError::Failed("an answer without a status word".to_owned())),
    };
    let length = answer.len() - 2;
    answer.truncate(length);
    Ok(word)
}

fn low(status: u16) -> u8 {
    status.to_be_bytes()[1]
}

/// A card that answers from a list, and remembers what it was asked.
#[cfg(test)]
pub(super) struct Script {
    pub(super) answers: std::collections::VecDeque<Vec<u8>>,
    pub(super) asked: Vec<Vec<u8>>,
    pub(super) extended: bool,
}

#[cfg(test)]
impl Script {
    pub(super) fn new(answers: &[&[u8]]) -> Self {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Self { answers, asked: Vec::new(), extended: false }
    }
}

#[cfg(test)]
impl Channel for Script {
    fn extended(&self) -> bool {
        self.extended
    }

    fn exchange(&mut self, apdu: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, CardError> {
        self.asked.push(apdu.to_vec());
        self.answers.pop_front().map(Zeroizing::new).ok_or(CardError::Gone)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    const OPERATION: [u8; 3] = [0x87, 7, 0x9a];

    #[test]
    fn long_data_go_in_a_chain_and_long_answers_come_in_parts() {
        let data = [7; 300];
        let mut script = Script::new(&[
            &[0x90, 0],
            &[&[1; 256][..], &[0x61, 8]].concat(),
            &[2, 2, 2, 2, 2, 2, 2, 2, 0x90, 0],
        ]);
        let answer = send(&mut script, Command { header: OPERATION, data: &data, answers: true }).unwrap();
        assert_eq!((answer.data.len(), answer.status), (264, 0x9000));
        assert_eq!(script.asked[0][..5], [0x10, 0x87, 7, 0x9a, 255]);
        assert_eq!(script.asked[1][..5], [0, 0x87, 7, 0x9a, 45]);
        assert_eq!(script.asked[1].last(), Some(&0));
        assert_eq!(script.asked[2], [0, 0xc0, 0, 0, 8]);
    }

    #[test]
    fn extended_length_spares_them() {
        let mut script = Script::new(&[&[&[1; 264][..], &[0x90, 0]].concat()]);
        script.extended = true;
        let answer =
            send(&mut script, Command { header: OPERATION, data: &[7; 300], answers: true }).unwrap();
        assert_eq!(answer.data.len(), 264);
        assert_eq!(script.asked[0][..7], [0, 0x87, 7, 0x9a, 0, 1, 44]);
        assert_eq!(script.asked[0].len(), 4 + 3 + 300 + 2);
    }

    #[test]
    fn the_length_that_the_card_wants_is_said_at_the_second_try() {
        let mut script = Script::new(&[&[0x6c, 3], &[1, 2, 3, 0x90, 0]]);
        let answer = send(&mut script, Command { header: OPERATION, data: &[], answers: true }).unwrap();
        assert_eq!(*answer.data, [1, 2, 3]);
        assert_eq!(script.asked, [[0, 0x87, 7, 0x9a, 0], [0, 0x87, 7, 0x9a, 3]]);
    }

    #[test]
    fn a_broken_chain_an_endless_answer_and_an_empty_one_are_errors() {
        let command = Command { header: OPERATION, data: &[7; 300], answers: true };
        assert_eq!(send(&mut Script::new(&[&[0x69, 0x82]]), command).err(), Some(CardError::NeedsLogin));
        let command = Command { data: &[], ..command };
        let endless: Vec<&[u8]> = vec![&[0x61, 0]; 1000];
        assert!(matches!(send(&mut Script::new(&endless), command), Err(CardError::Failed(_))));
        assert!(matches!(send(&mut Script::new(&[&[0x90]]), command), Err(CardError::Failed(_))));
        assert_eq!(send(&mut Script::new(&[&[]]), command).err(), Some(CardError::Gone));
    }

    #[test]
    fn an_object_that_is_not_there_is_none() {
        for absent in [&[0x6a, 0x82][..], &[0x53, 0, 0x90, 0], &[0x69, 0x82]] {
            assert!(get_data(&mut Script::new(&[absent]), 0x5f_c105).unwrap().is_none());
        }
        let mut script = Script::new(&[&[0x53, 1, 7, 0x90, 0]]);
        assert_eq!(*get_data(&mut script, 0x7e).unwrap().unwrap(), [0x53, 1, 7]);
        assert_eq!(script.asked[0], [0, 0xcb, 0x3f, 0xff, 3, 0x5c, 1, 0x7e, 0]);
    }
}

//! ISO 7816-4 below the applet: short and extended lengths, command chaining, GET RESPONSE, and which applet
//! is selected. The applet itself knows whole commands only.

use crate::front::Front;

/// The PIV card application's AID without its version (SP 800-73-4 part 1, section 2.2).
const PIV_AID: &[u8] = &[0xa0, 0, 0, 3, 8, 0, 0, 0x10, 0];
/// The shortest truncation that still names it.
const SHORTEST_AID: usize = 5;
const SELECT: u8 = 0xa4;
const GET_RESPONSE: u8 = 0xc0;
/// CLA of a command that the next one continues.
const CHAINED: u8 = 0x10;

/// A command that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The data field.
    pub data: Vec<u8>,
    /// Octets of answer that are wanted at once (Ne).
    expected: usize,
}

impl Command {
    /// A command with class 00 that takes any answer.
    pub fn new(instruction: u8, p1: u8, p2: u8, data: &[u8]) -> Self {
        Self { instruction, p1, p2, data: data.to_vec(), expected: usize::from(u16::MAX) }
    }

    /// Reads CLA, and the command as it stands (maybe a part of a chain).
    fn read(apdu: &[u8]) -> Option<(u8, Self, bool)> {
        let (&[class, instruction, p1, p2], body) = apdu.split_first_chunk::<4>()?;
        let whole = |data: &[u8], expected| Self { instruction, p1, p2, data: data.to_vec(), expected };
        let short = |octet: u8| if octet == 0 { 256 } else { usize::from(octet) };
        let long = |octets: [u8; 2]| match u16::from_be_bytes(octets) {
            0 => 65_536,
            length => usize::from(length),
        };
        // A missing Le means 256 here: pcscd's clients leave it out and want the answer all the same.
        let (command, extended) = match *body {
            [] => (whole(&[], 256), false),
            [le] => (whole(&[], short(le)), false),
            [0, high, low] => (whole(&[], long([high, low])), true),
            [0, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                match *rest.get(length..)? {
                    [] => (whole(rest, 256), true),
                    [high, low] => (whole(&rest[..length], long([high, low])), true),
                    _ => return None,
                }
            }
            [length, ref rest @ ..] => match *rest.get(usize::from(length)..)? {
                [] => (whole(rest, 256), false),
                [le] => (whole(&rest[..usize::from(length)], short(le)), false),
                _ => return None,
            },
        };
        Some((class, command, extended))
    }

    /// As an extended APDU of class 00.
    pub(crate) fn extended(&self) -> Vec<u8> {
        let mut apdu = vec![0, self.instruction, self.p1, self.p2, 0];
        if !self.data.is_empty() {
            apdu.extend(u16::try_from(self.data.len()).unwrap_or(u16::MAX).to_be_bytes());
            apdu.extend(&self.data);
        }
        apdu.extend([0, 0]);
        apdu
    }
}

/// What stands between two commands.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    selected: bool,
    chain: Vec<u8>,
    rest: Vec<u8>,
    /// Whether the card takes extended lengths.
    pub(crate) extended: bool,
}

impl Layer {
    /// The card was reset, or powered off.
    pub(crate) fn reset(&mut self) {
        *self = Self { extended: self.extended, ..Self::default() };
    }

    /// The whole command, or the answer that is due already (a link of a chain, GET RESPONSE, an error).
    pub(crate) fn take(&mut self, apdu: &[u8]) -> Result<Command, Vec<u8>> {
        let Some((class, mut command, extended)) = Command::read(apdu) else { return Err(status(0x6700)) };
        if extended && !self.extended {
            return Err(status(0x6700));
        }
        if command.instruction == GET_RESPONSE {
            return Err(self.some_of_the_rest(command.expected));
        }
        self.rest.clear();
        if class & CHAINED != 0 {
            self.chain.extend(&command.data);
            return Err(status(0x9000));
        }
        let start = std::mem::take(&mut self.chain);
        command.data.splice(0..0, start);
        Ok(command)
    }

    /// Lets the right applet answer; the first part of what it says.
    pub(crate) fn answer(&mut self, command: &Command, card: &mut Front<'_>) -> Vec<u8> {
        let (data, word) = if command.instruction == SELECT {
            self.select(command, card)
        } else if self.selected {
            card.execute(command)
        } else {
            (Vec::new(), 0x6d00)
        };
        if word != 0x9000 {
            return status(word);
        }
        self.rest = data;
        self.some_of_the_rest(command.expected)
    }

    fn select(&mut self, command: &Command, card: &mut Front<'_>) -> (Vec<u8>, u16) {
        let aid = &command.data;
        let is_piv = aid.len() >= SHORTEST_AID && (PIV_AID.starts_with(aid) || aid.starts_with(PIV_AID));
        if !is_piv {
            return (Vec::new(), 0x6a82);
        }
        self.selected = true;
        // The applet knows its whole name and that without the version only.
        card.execute(&Command { data: PIV_AID.to_vec(), ..command.clone() })
    }

    fn some_of_the_rest(&mut self, expected: usize) -> Vec<u8> {
        let count = self.rest.len().min(expected);
        let mut answer: Vec<u8> = self.rest.drain(..count).collect();
        let word = match self.rest.len() {
            0 => 0x9000,
            more => 0x6100 + u16::try_from(more).unwrap_or(u16::MAX).min(0xff),
        };
        // 256 and more are said as 00.
        answer.extend(if self.rest.len() > 0xff { [0x61, 0] } else { word.to_be_bytes() });
        answer
    }
}

/// An answer without data.
pub(crate) fn status(word: u16) -> Vec<u8> {
    word.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_form_of_length_is_read() {
        for (apdu, data, expected) in [
            (&[0, 0xcb, 0x3f, 0xff][..], &[][..], 256),
            (&[0, 0xcb, 0x3f, 0xff, 0], &[], 256),
            (&[0, 0xcb, 0x3f, 0xff, 2, 7, 8], &[7, 8], 256),
            (&[0, 0xcb, 0x3f, 0xff, 2, 7, 8, 9], &[7, 8], 9),
            (&[0, 0xcb, 0x3f, 0xff, 0, 0, 0], &[], 65_536),
            (&[0, 0xcb, 0x3f, 0xff, 0, 0, 1, 5], &[5], 256),
            (&[0, 0xcb, 0x3f, 0xff, 0, 0, 1, 5, 1, 0], &[5], 256),
        ] {
            let (_, command, _) = Command::read(apdu).unwrap();
            assert_eq!((command.data.as_slice(), command.expected), (data, expected), "{apdu:x?}");
        }
        assert!(Command::read(&[0, 0xcb, 0x3f, 0xff, 5, 1]).is_none());
        assert!(Command::read(&[0, 0xcb]).is_none());
    }

    #[test]
    fn a_chain_becomes_one_command() {
        let mut layer = Layer::default();
        assert_eq!(layer.take(&[0x10, 0x87, 7, 0x9a, 2, 1, 2]), Err(vec![0x90, 0]));
        let whole = layer.take(&[0, 0x87, 7, 0x9a, 1, 3, 0]).unwrap();
        assert_eq!(whole.data, [1, 2, 3]);
        assert_eq!(layer.take(&[0, 0x87, 7, 0x9a, 0, 0, 1, 3, 0, 0]), Err(vec![0x67, 0]));
    }

    #[test]
    fn a_long_answer_comes_in_parts() {
        let mut layer = Layer { rest: vec![7; 600], ..Layer::default() };
        let first = layer.some_of_the_rest(256);
        assert_eq!((first.len(), &first[256..]), (258, &[0x61, 0][..]));
        assert_eq!(layer.take(&[0, 0xc0, 0, 0, 0]).unwrap_err()[256..], [0x61, 88]);
        assert_eq!(layer.take(&[0, 0xc0, 0, 0, 88]).unwrap_err()[88..], [0x90, 0]);
    }
}

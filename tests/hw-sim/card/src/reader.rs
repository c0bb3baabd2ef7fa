//! The card's side of vsmartcard's virtual reader: a TCP connection is a card in it. Messages have two octets
//! of length; one octet alone is a control command.
//! <https://frankmorgner.github.io/vsmartcard/virtualsmartcard/api.html>

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustix::net::sockopt::set_tcp_quickack;

/// What the reader wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Reset,
    AnswerToReset,
    Command(Vec<u8>),
}

/// Waits for the reader's next order; an error is the card's removal.
pub(crate) fn next(mut reader: &TcpStream) -> io::Result<Order> {
    loop {
        let mut length = [0; 2];
        read(reader, &mut length)?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        read(reader, &mut message)?;
        match message[..] {
            // Power off and power on: the state is lost with the first, and nothing more with the second.
            [0..=2] => return Ok(Order::Reset),
            [4] => return Ok(Order::AnswerToReset),
            [] | [_] => reader.flush()?,
            _ => return Ok(Order::Command(message)),
        }
    }
}

/// Answers an order.
pub(crate) fn answer(mut reader: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    reader.write_all(&[&length[..], bytes].concat())
}

/// The reader writes a message in two parts and waits for the first one's acknowledgement, which Linux delays
/// by 40 ms unless told otherwise, each time anew.
fn read(mut reader: &TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        set_tcp_quickack(reader, true)?;
        match reader.read(&mut buffer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(())
}

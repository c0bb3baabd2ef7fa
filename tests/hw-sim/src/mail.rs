//! Mail to sign and to seal.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use crate::pki::Somebody;

/// A whole message from `from`, with headers and a short text. Lines end in CRLF.
pub fn message(from: impl Somebody, text: &str) -> Vec<u8> {
    format!(
        "From: {}\r\nTo: carol@example.test\r\nSubject: A test\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{text}\r\n",
        from.address()
    )
    .into_bytes()
}

/// A bare MIME entity with a short text.
pub fn entity(text: &str) -> Vec<u8> {
    format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").into_bytes()
}

/// A message of about `length` bytes from `from`, whose body is lines of base64 characters.
pub fn long(from: impl Somebody, length: usize) -> Vec<u8> {
    let mut message = message(from, "");
    let line = [[b'A'; 38], [b'z'; 38]].concat();
    while message.len() < length {
        message.extend_from_slice(&line);
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// An unlinked file with `bytes` in it, to be read from its start.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// All of a file, from its start.
pub fn contents(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A pipe: its reading end, its writing end.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// A pipe that gives `bytes` and then ends, written by a thread.
pub fn pipe_with(bytes: &[u8]) -> OwnedFd {
    let (reader, writer) = pipe();
    let bytes = bytes.to_vec();
    std::thread::spawn(move || File::from(writer).write_all(&bytes));
    reader
}

//! The Assuan protocol as pinentry speaks it: one line out, lines back until OK or ERR.
//! Every buffer that may hold a PIN is guarded memory.

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::pin::secret::Secret;

/// Assuan lines have at most 1000 octets; a little more room is for the peer's mistakes.
const LINE_ROOM: usize = 2048;
/// The longest PIN taken.
const PIN_ROOM: usize = 256;

/// Why a dialog gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The person cancelled (GPG_ERR_CANCELED, GPG_ERR_FULLY_CANCELED), or said no.
    #[error("cancelled")]
    Cancelled,
    /// GPG_ERR_TIMEOUT, or our own clock.
    #[error("timed out")]
    TimedOut,
    /// No place to show it, or pinentry broke.
    #[error("{0}")]
    Failed(String),
}

impl From<std::io::Error> for PromptError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the dialog program is gone: {error}"))
    }
}

/// A conversation with one pinentry.
pub struct Assuan {
    stream: UnixStream,
    unread: Secret,
}

/// One line from pinentry.
enum Line {
    Ok,
    Error(u32),
    Data(Secret),
    Other,
}

impl Assuan {
    /// Takes the stream and reads the greeting.
    pub async fn connect(stream: UnixStream) -> Result<Self, PromptError> {
        let unread = Secret::with_capacity(LINE_ROOM).ok_or_else(no_memory)?;
        let mut assuan = Self { stream, unread };
        assuan.answer().await?;
        Ok(assuan)
    }

    /// Sends a command that answers without data. `argument` is escaped here.
    pub async fn command(&mut self, command: &str, argument: &str) -> Result<(), PromptError> {
        self.ask(command, argument).await.map(drop)
    }

    /// Sends a command; the answer's data, if it has any.
    pub async fn ask(&mut self, command: &str, argument: &str) -> Result<Option<Secret>, PromptError> {
        let mut line = command.to_owned();
        if !argument.is_empty() {
            line.push(' ');
            line.push_str(&escape(argument));
        }
        line.push('\n');
        self.stream.write_all(line.as_bytes()).await?;
        self.answer().await
    }

    /// Asks a question with three buttons; `None` is the third, which is also what closing the dialog means.
    pub async fn choose(&mut self) -> Result<Option<bool>, PromptError> {
        self.stream.write_all(b"CONFIRM\n").await?;
        loop {
            match self.line().await? {
                Line::Ok => return Ok(Some(true)),
                // GPG_ERR_NOT_CONFIRMED: the button that SETNOTOK named.
                Line::Error(code) if code & 0xffff == 114 => return Ok(Some(false)),
                Line::Error(code) => match from_code(code) {
                    PromptError::Cancelled => return Ok(None),
                    error => return Err(error),
                },
                Line::Data(_) | Line::Other => {}
            }
        }
    }

    async fn answer(&mut self) -> Result<Option<Secret>, PromptError> {
        let mut data: Option<Secret> = None;
        loop {
            match self.line().await? {
                Line::Ok => return Ok(data),
                Line::Error(code) => return Err(from_code(code)),
                Line::Data(more) => data = Some(joined(data, more)?),
                Line::Other => {}
            }
        }
    }

    async fn line(&mut self) -> Result<Line, PromptError> {
        loop {
            if let Some(end) = self.unread.expose_secret().iter().position(|byte| *byte == b'\n') {
                let line = parse(&self.unread.expose_secret()[..end]);
                self.unread.consume(end + 1);
                return line;
            }
            let room = self.unread.buffer();
            if room.is_empty() {
                return Err(PromptError::Failed("the dialog program sent an endless line".to_owned()));
            }
            let count = self.stream.read(room).await?;
            if count == 0 {
                // ^C in pinentry-curses ends it without a word; so does its crash.
                return Err(PromptError::Failed("the dialog program ended".to_owned()));
            }
            self.unread.advance(count);
        }
    }
}

fn no_memory() -> PromptError {
    PromptError::Failed("no guarded memory".to_owned())
}

fn joined(data: Option<Secret>, more: Secret) -> Result<Secret, PromptError> {
    let Some(mut data) = data else { return Ok(more) };
    if data.extend(more.expose_secret()) {
        Ok(data)
    } else {
        Err(PromptError::Failed("the PIN is too long".to_owned()))
    }
}

fn parse(line: &[u8]) -> Result<Line, PromptError> {
    if let Some(data) = line.strip_prefix(b"D ") {
        return unescape(data).map(Line::Data);
    }
    if line == b"OK" || line.starts_with(b"OK ") {
        return Ok(Line::Ok);
    }
    if let Some(rest) = line.strip_prefix(b"ERR ") {
        let code = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
        let code = std::str::from_utf8(code).ok().and_then(|code| code.parse().ok()).unwrap_or(0);
        return Ok(Line::Error(code));
    }
    Ok(Line::Other)
}

/// libgpg-error codes, without the source in the upper bits: 62 timeout, 99 cancelled, 114 not
/// confirmed, 198 fully cancelled.
fn from_code(code: u32) -> PromptError {
    match code & 0xffff {
        99 | 114 | 198 => PromptError::Cancelled,
        62 => PromptError::TimedOut,
        other => PromptError::Failed(format!("the dialog program answered error {other}")),
    }
}

fn escape(argument: &str) -> String {
    let mut line = String::with_capacity(argument.len());
    for c in argument.chars() {
        match c {
            '%' => line.push_str("%25"),
            '\n' => line.push_str("%0A"),
            '\r' => line.push_str("%0D"),
            c => line.push(c),
        }
    }
    line
}

fn unescape(data: &[u8]) -> Result<Secret, PromptError> {
    let mut plain = Secret::with_capacity(PIN_ROOM).ok_or_else(no_memory)?;
    let mut rest = data;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => (hex(*high)? << 4 | hex(*low)?, tail),
            (byte, tail) => (*byte, tail),
        };
        if !plain.extend(&[byte]) {
            return Err(PromptError::Failed("the PIN is too long".to_owned()));
        }
        rest = tail;
    }
    Ok(plain)
}

fn hex(digit: u8) -> Result<u8, PromptError> {
    let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    value.ok_or_else(|| PromptError::Failed("the dialog program sent a wrong escape".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    /// A pinentry that says `script` whatever it is asked.
    async fn talk(script: &[u8]) -> (Assuan, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"OK Pleased to meet you\n").await.unwrap();
        theirs.write_all(script).await.unwrap();
        (Assuan::connect(ours).await.unwrap(), theirs)
    }

    #[tokio::test]
    async fn a_pin_comes_back_without_its_escapes() {
        let (mut assuan, _theirs) = talk(b"# note\nS PIN_REPEATED\nD 12%2534%0a\nOK\n").await;
        let pin = assuan.ask("GETPIN", "").await.unwrap().unwrap();
        assert_eq!(pin.expose_secret(), b"12%34\n");
    }

    #[tokio::test]
    async fn errors_are_told_apart() {
        let (mut assuan, theirs) =
            talk(b"ERR 83886179 Operation cancelled\nERR 83886278 x\nERR 83886142 Timeout\nERR 1 General\n")
                .await;
        assert_eq!(assuan.ask("GETPIN", "").await.unwrap_err(), PromptError::Cancelled);
        assert_eq!(assuan.ask("GETPIN", "").await.unwrap_err(), PromptError::Cancelled);
        assert_eq!(assuan.ask("GETPIN", "").await.unwrap_err(), PromptError::TimedOut);
        assert!(matches!(assuan.ask("GETPIN", "").await, Err(PromptError::Failed(_))));
        drop(theirs);
        assert!(matches!(assuan.ask("GETPIN", "").await, Err(PromptError::Failed(_))));
    }

    #[tokio::test]
    async fn an_endless_line_or_pin_is_refused() {
        let (mut assuan, _theirs) = talk(&[b'x'; 4096]).await;
        assert!(matches!(assuan.ask("GETPIN", "").await, Err(PromptError::Failed(_))));
        let long = [b"D ".as_slice(), &[b'1'; 300], b"\nOK\n"].concat();
        let (mut assuan, _theirs) = talk(&long).await;
        assert!(matches!(assuan.ask("GETPIN", "").await, Err(PromptError::Failed(_))));
    }

    #[test]
    fn arguments_stay_on_their_line() {
        assert_eq!(escape("50%\nOPTION x"), "50%25%0AOPTION x");
    }
}

//! Dialogs over pinentry: the PIN, a question, a message that waits.

pub mod assuan;
pub mod helper;
pub mod place;
pub mod text;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{Mutex, MutexGuard};

use crate::pin::secret::Secret;
use assuan::{Assuan, PromptError};
use helper::{Helper, Start};
use place::Screen;
use text::{Text, say};

/// Shows dialogs, one at a time.
pub struct Prompter {
    helper: Mutex<Helper>,
    pinentry: PathBuf,
    timeout: Duration,
}

impl Prompter {
    /// A prompter on the helper's socket; dialogs end after `timeout`.
    pub fn new(helper: OwnedFd, pinentry: PathBuf, timeout: Duration) -> std::io::Result<Self> {
        Ok(Self { helper: Mutex::new(Helper::new(helper)?), pinentry, timeout })
    }

    /// How long a dialog may be open.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Waits until a dialog that was dropped is off the screen and its terminal in order.
    pub async fn cleared(&self) {
        if let Err(error) = self.helper.lock().await.stop().await {
            tracing::warn!(%error, "the prompt helper is gone");
        }
    }

    /// Starts pinentry at a place. What it shows disappears when the dialog is closed or dropped.
    pub async fn open(&self, screen: &Screen) -> Result<Dialog<'_>, PromptError> {
        let helper = self.helper.lock().await;
        let mut open = Open { helper, stopped: false };
        let start = Start {
            program: self.pinentry.to_string_lossy().into_owned(),
            tty: screen.tty.clone(),
            environment: screen.environment.clone(),
        };
        let Some(stdio) = open.helper.start(&start).await? else {
            open.stopped = true;
            return Err(PromptError::Failed("pinentry does not start".to_owned()));
        };
        let stream = std::os::unix::net::UnixStream::from(stdio);
        stream.set_nonblocking(true)?;
        let assuan = Assuan::connect(UnixStream::from_std(stream)?).await?;
        let mut dialog = Dialog { assuan, open, timeout: self.timeout };
        dialog.prepare(screen).await?;
        Ok(dialog)
    }
}

/// The helper while a pinentry runs under it.
struct Open<'p> {
    helper: MutexGuard<'p, Helper>,
    stopped: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.stopped {
            self.helper.stop_soon();
        }
    }
}

/// A pinentry that waits for orders.
pub struct Dialog<'p> {
    assuan: Assuan,
    open: Open<'p>,
    timeout: Duration,
}

impl Dialog<'_> {
    async fn prepare(&mut self, screen: &Screen) -> Result<(), PromptError> {
        for (name, value) in [("ttyname", &screen.tty), ("ttytype", &screen.term), ("lc-ctype", &screen.lang)]
        {
            if !value.is_empty() {
                self.option(&format!("{name}={value}")).await?;
            }
        }
        self.option("grab").await?;
        let seconds = self.timeout.as_secs().max(1).to_string();
        self.try_command("SETTIMEOUT", &seconds).await?;
        self.assuan.command("SETTITLE", &say(Text::Title, &[])).await?;
        self.assuan.command("SETPROMPT", &say(Text::PromptPin, &[])).await?;
        self.assuan.command("SETOK", &say(Text::ButtonOk, &[])).await?;
        self.assuan.command("SETCANCEL", &say(Text::ButtonCancel, &[])).await
    }

    /// Pinentries differ in the options they know: an unknown one is no reason to stop.
    async fn option(&mut self, option: &str) -> Result<(), PromptError> {
        self.try_command("OPTION", option).await
    }

    async fn try_command(&mut self, command: &str, argument: &str) -> Result<(), PromptError> {
        match self.assuan.command(command, argument).await {
            Err(PromptError::Failed(reason)) if !reason.contains("answered error") => {
                Err(PromptError::Failed(reason))
            }
            _ => Ok(()),
        }
    }

    /// Asks for a PIN; `complaint` says what was wrong with the last one.
    pub async fn pin(&mut self, description: &str, complaint: Option<&str>) -> Result<Secret, PromptError> {
        self.assuan.command("SETDESC", description).await?;
        if let Some(complaint) = complaint {
            self.assuan.command("SETERROR", complaint).await?;
        }
        let answer = self.limited("GETPIN").await?;
        match answer {
            Some(pin) => Ok(pin),
            // An empty entry comes as OK without data.
            None => {
                Secret::with_capacity(1).ok_or_else(|| PromptError::Failed("no guarded memory".to_owned()))
            }
        }
    }

    /// Names what is entered next, before the entry.
    pub async fn prompt(&mut self, prompt: &str) -> Result<(), PromptError> {
        self.assuan.command("SETPROMPT", prompt).await
    }

    /// Takes the last entry's complaint away before the next entry.
    pub async fn no_complaint(&mut self) -> Result<(), PromptError> {
        self.try_command("SETERROR", "").await
    }

    /// Asks a question; anything but yes is [`PromptError::Cancelled`].
    pub async fn confirm(&mut self, question: &str, yes: &str) -> Result<(), PromptError> {
        self.assuan.command("SETDESC", question).await?;
        self.assuan.command("SETOK", yes).await?;
        self.limited("CONFIRM").await.map(drop)
    }

    /// Asks a question with three answers: the first, the second (`Some(false)`), or the third (`None`), which
    /// is also what closing the dialog means.
    pub async fn choose(&mut self, question: &str, answers: [&str; 3]) -> Result<Option<bool>, PromptError> {
        self.assuan.command("SETDESC", question).await?;
        for (command, answer) in ["SETOK", "SETNOTOK", "SETCANCEL"].into_iter().zip(answers) {
            self.assuan.command(command, answer).await?;
        }
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.assuan.choose()).await.map_err(|_| PromptError::TimedOut)?
    }

    /// Puts the usual button back after [`Self::confirm`].
    pub async fn restore_ok(&mut self) -> Result<(), PromptError> {
        self.assuan.command("SETOK", &say(Text::ButtonOk, &[])).await
    }

    /// Shows a message until the person closes it, which is [`PromptError::Cancelled`], or it is dropped.
    pub async fn message(&mut self, message: &str) -> Result<(), PromptError> {
        self.assuan.command("SETDESC", message).await?;
        self.assuan.command("SETOK", &say(Text::ButtonCancel, &[])).await?;
        self.limited("CONFIRM --one-button").await?;
        Err(PromptError::Cancelled)
    }

    /// Ends pinentry and waits until the terminal is in order again.
    pub async fn close(mut self) {
        self.open.stopped = true;
        if let Err(error) = self.open.helper.stop().await {
            tracing::warn!(%error, "the prompt helper is gone");
        }
    }

    async fn limited(&mut self, command: &str) -> Result<Option<Secret>, PromptError> {
        tokio::time::timeout(self.timeout, self.assuan.ask(command, ""))
            .await
            .map_err(|_| PromptError::TimedOut)?
    }
}

//! One mail program. Most speak D-Bus, some are the command `wafer`; none believes what it is handed.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hw_sim::caller::{MAIL, answer_inline, descriptor, inline, output};
use hw_sim::{Caller, Options, mail, openssl};
use tempfile::TempDir;
use wafer_client::{ErrorKind, WaferError};
use zbus::Variant;

use crate::chance::Chance;
use crate::ground::Ground;
use crate::leaks;
use crate::letters::{Letter, Letters};
use crate::outcome::{self, DEADLINE, Outcome};

/// Of every so many programs one is a command.
const COMMAND_EVERY: u64 = 4;
/// What a file held before the output was added to it.
const BEFORE: &[u8] = b"before\n";

/// After the answer nobody holds the caller's descriptors for long.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// A program and what it has at hand.
pub(crate) struct Client {
    ground: Arc<Ground>,
    letters: Arc<Letters>,
    caller: Caller,
    chance: Chance,
    number: u64,
    count: u64,
    folder: TempDir,
}

/// The options of every call.
pub(crate) fn options(ground: &Ground) -> Options {
    let mut options = hw_sim::world::place(&ground.person);
    let deadline = u32::try_from(DEADLINE.as_millis()).unwrap();
    options.insert("deadline-ms", Variant::from(deadline));
    options
}

/// A message to sign.
pub(crate) fn message(from: &str, text: &str) -> Vec<u8> {
    format!("From: {from}\r\nSubject: soak\r\nContent-Type: text/plain\r\n\r\n{text}\r\n").into_bytes()
}

impl Client {
    pub(crate) async fn new(
        ground: &Arc<Ground>,
        letters: &Arc<Letters>,
        chance: Chance,
        number: u64,
    ) -> Self {
        let (ground, letters) = (Arc::clone(ground), Arc::clone(letters));
        let caller = Caller::connect(ground.bus.address()).await;
        let folder = tempfile::Builder::new().prefix("wafer-soak-client-").tempdir().unwrap();
        Self { ground, letters, caller, chance, number, count: 0, folder }
    }

    /// One thing after the other until `ended`.
    pub(crate) async fn work(mut self, ended: Arc<AtomicBool>) {
        while !ended.load(Ordering::SeqCst) {
            self.count += 1;
            let is_command = self.number.is_multiple_of(COMMAND_EVERY);
            match (self.chance.percent(50), is_command) {
                (true, false) => self.sign().await,
                (true, true) => self.sign_by_command().await,
                (false, false) => self.open().await,
                (false, true) => self.open_by_command().await,
            }
            // People pause too, and two cores are not many.
            tokio::time::sleep(self.chance.time(5, 60)).await;
        }
    }

    /// A message that no other is like, and what is only in it.
    fn fresh_message(&mut self) -> (Vec<u8>, String) {
        let signer = self.chance.below(self.letters.signers.len());
        let text = format!("number {} of program {}", self.count, self.number);
        (message(&self.letters.signers[signer], &text), text)
    }

    fn some_letter(&mut self) -> (Arc<Letters>, usize) {
        (Arc::clone(&self.letters), self.chance.below(self.letters.all.len()))
    }

    async fn sign(&mut self) {
        let (message, text) = self.fresh_message();
        let signing = self.caller.sign(&message, options(&self.ground));
        if let Outcome::Done(signed) = outcome::of(&self.ground, "sign", signing).await {
            self.judge_signature(signed, &text).await;
        }
    }

    async fn judge_signature(&self, signed: Vec<u8>, text: &str) {
        let verified = tokio::task::spawn_blocking(move || openssl::try_verify(&signed)).await.unwrap();
        let is_right = verified.as_ref().is_ok_and(|content| contains(content, text.as_bytes()));
        self.ground.accounts.count("judged", "signatures");
        self.ground.accounts.check(is_right, || format!("a wrong signature: {verified:?}"));
    }

    async fn open(&mut self) {
        let (letters, number) = self.some_letter();
        let letter = &letters.all[number];
        match self.chance.below(3) {
            0 if letter.is_short() => {
                let opening = self.decrypt(letter, answer_inline());
                let opened = outcome::of(&self.ground, "decrypt", opening).await;
                let got = if let Outcome::Done(reply) = &opened { output(reply) } else { Vec::new() };
                self.judge_plaintext(letter, &opened, &got);
            }
            1 => self.open_into_pipe(letter).await,
            _ => self.open_into_file(letter).await,
        }
    }

    async fn decrypt(&self, letter: &Letter, output: Variant<'static>) -> Result<hw_sim::Reply, WaferError> {
        let input =
            if letter.is_short() { inline(&letter.sealed) } else { descriptor(&mail::file(&letter.sealed)) };
        self.caller.run(MAIL, "Decrypt", input, output, options(&self.ground)).await
    }

    async fn open_into_file(&self, letter: &Letter) {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, BEFORE).unwrap();
        let opening = self.decrypt(letter, descriptor(&file));
        let opened = outcome::of(&self.ground, "decrypt", opening).await;
        let contents = mail::contents(&file);
        let added = contents.strip_prefix(BEFORE);
        self.ground.accounts.check(added.is_some(), || "what was in the file before is gone".to_owned());
        self.judge_plaintext(letter, &opened, added.unwrap_or_default());
    }

    async fn open_into_pipe(&self, letter: &Letter) {
        let (reader, writer) = mail::pipe();
        let inode = rustix::fs::fstat(&reader).unwrap().st_ino;
        let reading = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            File::from(reader).read_to_end(&mut bytes).unwrap();
            bytes
        });
        let opening = self.decrypt(letter, descriptor(&writer));
        drop(writer);
        let opened = outcome::of(&self.ground, "decrypt", opening).await;
        match tokio::time::timeout(CLOSED_WITHIN, reading).await {
            Ok(got) => self.judge_plaintext(letter, &opened, &got.unwrap()),
            Err(_) => {
                let holders = leaks::holders(&format!("pipe:[{inode}]"));
                self.ground.accounts.fault(format!("a leak: a caller's pipe is still open: {holders:?}"));
            }
        }
    }

    fn judge_plaintext<T>(&self, letter: &Letter, outcome: &Outcome<T>, got: &[u8]) {
        let (accounts, right) = (&self.ground.accounts, letter.opened());
        match outcome {
            Outcome::Done(_) => {
                accounts.count("judged", "plaintexts");
                accounts.check(got == right, || format!("a wrong plaintext of {} octets", got.len()));
            }
            Outcome::Refused => {
                accounts.check(got.is_empty(), || format!("partial output: {} octets", got.len()));
            }
            // Nobody is left to cut it back; what is there was proven before.
            Outcome::Died => {
                accounts.check(right.starts_with(got), || "a wrong beginning of a plaintext".to_owned());
                if !got.is_empty() && got != right {
                    accounts.count("judged", "plaintexts cut off by waferd's death");
                }
            }
        }
    }

    async fn sign_by_command(&mut self) {
        let (message, text) = self.fresh_message();
        if let Some(signed) = self.run_command("sign", "wafer sign", &message).await {
            self.judge_signature(signed, &text).await;
        }
    }

    async fn open_by_command(&mut self) {
        let (letters, number) = self.some_letter();
        let letter = &letters.all[number];
        if let Some(got) = self.run_command("decrypt", "wafer decrypt", &letter.sealed).await {
            self.judge_plaintext(letter, &Outcome::Done(()), &got);
        }
    }

    /// What the command wrote, if it succeeded. If not, it must have left nothing.
    async fn run_command(&self, name: &str, what: &'static str, input: &[u8]) -> Option<Vec<u8>> {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::write(path("in"), input).unwrap();
        let seconds = DEADLINE.as_secs().to_string();
        let mut command = hw_sim::waferd::wafer(self.ground.home(), self.ground.bus.address());
        command.args([name, "in", "-o", "out", "--deadline", &seconds]).current_dir(self.folder.path());
        command.env("GPG_TTY", self.ground.person.tty()).env("TERM", self.ground.person.term());
        let running = tokio::process::Command::from(command).kill_on_drop(true).output();
        let done = outcome::of(&self.ground, what, async {
            let output = running.await.unwrap();
            // Why is in its words; that one error is like the other is the call's own judge's affair.
            if output.status.success() {
                Ok(())
            } else {
                Err(WaferError::new(ErrorKind::Cancelled, "failed"))
            }
        });
        let done = matches!(done.await, Outcome::Done(()));
        let out = std::fs::read(path("out")).ok();
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap()).collect();
        let expected = 1 + usize::from(done);
        self.ground.accounts.check(out.is_some() == done && left.len() == expected, || {
            format!("{what} left files behind (success: {done}): {left:?}")
        });
        let _ = std::fs::remove_file(path("out"));
        out.filter(|_| done)
    }
}

fn contains(content: &[u8], text: &[u8]) -> bool {
    content.windows(text.len()).any(|window| window == text)
}

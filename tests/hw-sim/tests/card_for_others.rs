//! The card belongs to the person, not to us: while waferd is idle and while its dialog is open, other programs
//! have the card at once, also those that want it for themselves alone; and while one of those has it, we say so
//! in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hw_sim::caller::refused;
use hw_sim::pcscd::Pcscd;
use hw_sim::piv::{GRACE, PIN, yubico_piv_tool};
use hw_sim::pki::Somebody;
use hw_sim::waferd::OPENSC;
use hw_sim::wait::{until_async, within};
use hw_sim::{PivWorld, mail};
use tempfile::TempDir;
use wafer_client::ErrorKind;

/// "Without waiting": what these programs take with a card of their own, on a busy machine. Our own patience with
/// a card that is held is longer than this, and so is theirs.
const AT_ONCE: Duration = Duration::from_secs(4);
/// "In time": well before a caller would give up.
const IN_TIME: Duration = Duration::from_secs(8);

fn done(what: &str, command: &mut Command) -> String {
    let begun = Instant::now();
    let output: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(output.status.success(), "{what}: {said}");
    assert!(begun.elapsed() < AT_ONCE, "{what} had to wait: {:?}", begun.elapsed());
    said
}

/// Programs that share the card: each reads it and has it sign with a PIN of its own.
fn others_work(pcscd: &Pcscd) {
    let certificate = GRACE.certificate().display().to_string();
    let sign = ["-a", "verify-pin", "-P", PIN, "-a", "test-signature", "-s", "9a", "-i", &certificate];
    done("yubico-piv-tool", &mut yubico_piv_tool(pcscd, &sign));

    let certificates = done("pkcs15-tool", pcscd.client("pkcs15-tool").arg("--list-certificates"));
    assert!(certificates.contains("X.509 Certificate"), "{certificates}");

    let mut opensc = pcscd.client("sh");
    let script = "echo data | pkcs11-tool --module \"$0\" --login --pin \"$1\" --sign --id 01 \
                  --mechanism SHA256-RSA-PKCS --output-file /dev/null";
    done("pkcs11-tool", opensc.args(["-c", script, OPENSC, PIN]));

    let keys = done("ssh-keygen", pcscd.client("ssh-keygen").args(["-D", OPENSC]));
    assert!(keys.contains("ssh-rsa "), "{keys}");
}

/// GnuPG's daemon for cards, which takes a card for itself alone and keeps it.
struct Scdaemon {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
    _home: TempDir,
}

impl Scdaemon {
    fn start(pcscd: &Pcscd) -> Self {
        let home = tempfile::Builder::new().prefix("wafer-gnupg-").tempdir().unwrap();
        let mut command = pcscd.client("/usr/lib/gnupg/scdaemon");
        command.args(["--server", "--disable-ccid", "--homedir"]).arg(home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("scdaemon is missing: install scdaemon");
        let (says, hears) = (BufReader::new(child.stdout.take().unwrap()), child.stdin.take().unwrap());
        let mut scdaemon = Self { child, says, hears, _home: home };
        scdaemon.hear();
        scdaemon
    }

    /// Takes the card that is there, whatever application it has; what scdaemon said.
    fn take(&mut self) -> String {
        writeln!(self.hears, "SERIALNO undefined").unwrap();
        self.hear()
    }

    fn hear(&mut self) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(self.says.read_line(&mut line).unwrap() > 0, "scdaemon ended: {said}");
            said.push_str(&line);
            if line.starts_with("OK") || line.starts_with("ERR") {
                return said;
            }
        }
    }
}

impl Drop for Scdaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn world() -> PivWorld {
    let world = PivWorld::new().await;
    world.lists(1).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn others_work_while_nothing_is_done() {
    let world = world().await;
    world.log_in(GRACE).await;
    tokio::task::block_in_place(|| others_work(&world.pcscd));
    // The PIN is still kept, whatever they did to the card.
    world.caller.sign(&mail::message(GRACE, "After them."), world.place()).await.unwrap();
    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_work_while_the_dialog_is_open() {
    let world = world().await;
    let (caller, place) = (world.caller.clone(), world.place());
    let call = tokio::spawn(async move { caller.sign(&mail::message(GRACE, "Waits."), place).await });
    until_async("the dialog", || world.person.dialog(1)).await;
    tokio::task::block_in_place(|| {
        let mut scdaemon = Scdaemon::start(&world.pcscd);
        let said = scdaemon.take();
        assert!(said.contains("OK"), "for itself alone, at the first word: {said}");
        drop(scdaemon);
        others_work(&world.pcscd);
    });
    world.answers(1, PIN).await;
    within("the signature", call).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn gpg_has_the_card_soon_after_a_signature() {
    let world = world().await;
    world.log_in(GRACE).await;
    let has_it = tokio::task::block_in_place(|| {
        let begun = Instant::now();
        let mut scdaemon = Scdaemon::start(&world.pcscd);
        while !scdaemon.take().contains("OK") {
            assert!(begun.elapsed() < AT_ONCE, "gpg never had the card");
            std::thread::sleep(Duration::from_millis(50));
        }
        scdaemon
    });
    // Its owner asks for something else than we: an answer comes, and names the card.
    let begun = Instant::now();
    let error = refused(
        within("the answer", world.caller.sign(&mail::message(GRACE, "Not now."), world.place())).await,
        ErrorKind::CardBusy,
    );
    assert!(begun.elapsed() < IN_TIME, "too late: {:?}", begun.elapsed());
    assert!(error.message.contains(GRACE.name), "{error}");
    drop(has_it);
    world.caller.sign(&mail::message(GRACE, "Now."), world.place()).await.unwrap();
    assert_eq!(world.person.dialogs(), 1, "the PIN was kept meanwhile");
}

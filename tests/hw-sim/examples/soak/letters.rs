//! What is signed and opened, by which key, and what must come out.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hw_sim::caller::{MAIL, descriptor};
use hw_sim::piv::{GRACE, IVAN, JUDY};
use hw_sim::pki::{ALICE, BOB, Somebody};
use hw_sim::{Caller, mail, openssl};

use crate::client;
use crate::ground::Ground;

/// In peace everything works within this time.
const PEACE: Duration = Duration::from_secs(30);
/// One message fits into a D-Bus message and a pipe, and one does not.
const LENGTHS: [usize; 2] = [300, 150_000];

/// A sealed message.
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) sealed: Vec<u8>,
    opened: OnceLock<Vec<u8>>,
}

impl Letter {
    /// Whether it may be passed inline.
    pub(crate) fn is_short(&self) -> bool {
        self.sealed.len() < LENGTHS[1]
    }

    /// What it says.
    pub(crate) fn opened(&self) -> &[u8] {
        self.opened.get().expect("learned first")
    }
}

/// All of them.
pub(crate) struct Letters {
    pub(crate) all: Vec<Letter>,
    /// Addresses of those who sign: two on the module, one on the card.
    pub(crate) signers: Vec<String>,
}

impl Letters {
    /// OpenSSL seals them: for RSA and EC keys, on the card and on the module.
    pub(crate) fn seal() -> Self {
        let mut all = Vec::new();
        for length in LENGTHS {
            for to in [ALICE, BOB] {
                all.push(seal(to, length));
            }
            for to in [IVAN, JUDY] {
                all.push(seal(to, length));
            }
        }
        Self { all, signers: vec![ALICE.address(), BOB.address(), GRACE.address()] }
    }

    /// Opens each once in peace: from then on the answer must be the same. False if that did not work.
    pub(crate) async fn learn(&self, ground: &Arc<Ground>) -> bool {
        let caller = Caller::connect(ground.bus.address()).await;
        for letter in &self.all {
            let opened = in_peace(ground, &letter.to, || open(&caller, ground, letter)).await;
            let Some(opened) = opened else { return false };
            letter.opened.set(opened).unwrap();
        }
        true
    }

    /// Each opens and each signer signs, as before the campaign.
    pub(crate) async fn all_open(&self, ground: &Arc<Ground>) {
        let caller = Caller::connect(ground.bus.address()).await;
        for letter in &self.all {
            let opened = in_peace(ground, &letter.to, || open(&caller, ground, letter)).await;
            let is_right = opened.is_none_or(|opened| opened == letter.opened());
            ground.accounts.check(is_right, || format!("another plaintext than before, for {}", letter.to));
        }
        for signer in &self.signers {
            let message = client::message(signer, "afterwards");
            let signed = in_peace(ground, signer, || caller.sign(&message, client::options(ground))).await;
            let verified = signed.map(|signed| openssl::try_verify(&signed));
            let is_right = !matches!(verified, Some(Err(_)));
            ground.accounts.check(is_right, || format!("a wrong signature of {signer} afterwards"));
        }
    }
}

fn seal(to: impl Somebody, length: usize) -> Letter {
    let plain = mail::long(to, length);
    let sealed = openssl::encrypt(&plain, "SMIME", &[to], &["-aes-256-cbc"]);
    Letter { to: to.address(), sealed, opened: OnceLock::new() }
}

async fn open(
    caller: &Caller,
    ground: &Ground,
    letter: &Letter,
) -> Result<Vec<u8>, wafer_client::WaferError> {
    let (input, opened) = (descriptor(&mail::file(&letter.sealed)), tempfile::tempfile().unwrap());
    caller.run(MAIL, "Decrypt", input, descriptor(&opened), client::options(ground)).await?;
    Ok(mail::contents(&opened))
}

/// Again and again until it works; that it never does is a fault.
async fn in_peace<T, F>(ground: &Ground, who: &str, work: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, wafer_client::WaferError>>,
{
    let begun = Instant::now();
    loop {
        match work().await {
            Ok(done) => return Some(done),
            Err(error) if begun.elapsed() > PEACE => {
                ground.accounts.fault(format!("it does not work again by itself, for {who}: {error:?}"));
                return None;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

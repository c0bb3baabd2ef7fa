//! A fault campaign: eight mail programs sign and decrypt with a PIV card and a PKCS#11 token while everything
//! that can go wrong does. `make soak MINUTES=n SEED=s`; the seed makes the same decisions again.
//!
//! The parts are real: waferd and its keepers as the bus starts them, pcscd with a simulated PIV card, SoftHSM
//! behind the watched module, pinentry-curses at a terminal, OpenSSL as the judge. Afterwards it must hold that
//! nothing that was handed out was wrong or partial, no call waited past its deadline, no card saw a PIN that no
//! person entered, nothing leaked, and all works again by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a campaign fails by panicking")]

mod accounts;
mod chance;
mod client;
mod ground;
mod leaks;
mod letters;
mod outcome;
mod person;
mod pins;
mod tries;
mod trouble;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use accounts::Accounts;
use chance::Chance;
use client::Client;
use ground::Ground;
use hw_sim::process::Process;
use leaks::Sizes;
use letters::Letters;
use tokio::task::JoinHandle;

/// Mail programs that call at the same time.
const CLIENTS: u64 = 8;
/// They work so long undisturbed before the first fault: what they need then is what is needed.
const CALM: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    let minutes: f64 = number("MINUTES").unwrap_or(2.0);
    let seed = number("SEED").unwrap_or_else(chance::fresh_seed);
    say(&format!("seed {seed}, {minutes} min"));
    let accounts = Arc::new(Accounts::default());
    // Whatever loses its parent becomes ours: no process gets away.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let _last = Sweep;
    let ground = Arc::new(Ground::new(&accounts).await);
    tokio::select! {
        () = campaign(&ground, seed, Duration::from_secs_f64(minutes * 60.0)) => {}
        _ = tokio::signal::ctrl_c() => accounts.fault("interrupted".to_owned()),
    }
    say(&accounts.report());
    let faults = accounts.faults();
    if faults.is_empty() {
        say(&format!("everything held; again with: make soak MINUTES={minutes} SEED={seed}"));
        return ExitCode::SUCCESS;
    }
    say(&format!(
        "{} things did NOT hold; again with: make soak MINUTES={minutes} SEED={seed}",
        faults.len()
    ));
    faults.iter().for_each(|fault| say(&format!("  {fault}")));
    ground.keep_log();
    ExitCode::FAILURE
}

/// Whatever happens, nothing runs on when this program ends.
struct Sweep;

impl Drop for Sweep {
    fn drop(&mut self) {
        Process(std::process::id()).descendants().into_iter().for_each(Process::kill);
    }
}

async fn campaign(ground: &Arc<Ground>, seed: u64, time: Duration) {
    let letters = Arc::new(Letters::seal());
    let person = person::sit_down(ground, Chance::new(seed, 1));
    if letters.learn(ground).await {
        let calm = Programs::start(ground, &letters, seed, 100).await;
        tokio::time::sleep(CALM).await;
        calm.end(ground).await;
        let before = Sizes::measure(ground).await;

        let programs = Programs::start(ground, &letters, seed, 200).await;
        ground.obliging.store(false, Ordering::SeqCst);
        trouble::make(ground, Chance::new(seed, 2), time).await;
        say("the trouble is over");
        ground.heal().await;
        ground.obliging.store(true, Ordering::SeqCst);
        programs.end(ground).await;
        letters.all_open(ground).await;
        leaks::look(ground, &before).await;
        ground.tries.settle(ground);
    }
    ground.over.store(true, Ordering::SeqCst);
    person.join().unwrap();
}

/// The mail programs while they work.
struct Programs {
    ended: Arc<AtomicBool>,
    running: Vec<JoinHandle<()>>,
}

impl Programs {
    async fn start(ground: &Arc<Ground>, letters: &Arc<Letters>, seed: u64, stream: u64) -> Self {
        let (ended, mut running) = (Arc::new(AtomicBool::new(false)), Vec::new());
        for number in 0..CLIENTS {
            let client = Client::new(ground, letters, Chance::new(seed, stream + number), number).await;
            running.push(tokio::spawn(client.work(Arc::clone(&ended))));
        }
        Self { ended, running }
    }

    async fn end(self, ground: &Ground) {
        self.ended.store(true, Ordering::SeqCst);
        for program in self.running {
            if let Err(error) = program.await {
                ground.accounts.fault(format!("a program of ours: {error}"));
            }
        }
    }
}

fn number<N: std::str::FromStr>(name: &str) -> Option<N> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn say(line: &str) {
    #![expect(clippy::print_stdout, reason = "what the program is for")]
    println!("soak: {line}");
}

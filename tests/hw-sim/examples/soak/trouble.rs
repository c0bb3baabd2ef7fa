//! What goes wrong, one thing after the other, as the seed has it.

use std::future::Future;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_sim::piv::yubico_piv_tool;
use hw_sim::process::Process;
use rustix::process::Signal;
use wafer_test_card::{Effect, Fault};

use crate::chance::Chance;
use crate::ground::Ground;

const GENERAL_AUTHENTICATE: u8 = 0x87;
/// Another program that gets the card no sooner gives up.
const TOOL_PATIENCE: &str = "10";
/// A machine sleeps without a program's leave after so long (logind's InhibitDelayMaxSec is 5 s).
const SLEEP_HELD: Duration = Duration::from_secs(5);

/// The kinds of trouble.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Eject,
    Reset,
    CardForgets,
    CardSilent,
    KillKeeper,
    KillWaferd,
    KillPcscd,
    ModuleHangs,
    ModuleAborts,
    PinChanged,
    StopWaferd,
    StopKeeper,
    StopPcscd,
    StopPinentry,
    Suspend,
    Lock,
    ScreenLocked,
}

const ALL: [Trouble; 17] = [
    Trouble::Eject,
    Trouble::Reset,
    Trouble::CardForgets,
    Trouble::CardSilent,
    Trouble::KillKeeper,
    Trouble::KillPcscd,
    Trouble::ModuleHangs,
    Trouble::ModuleAborts,
    Trouble::PinChanged,
    Trouble::StopWaferd,
    Trouble::StopKeeper,
    Trouble::StopPcscd,
    Trouble::StopPinentry,
    Trouble::Suspend,
    Trouble::Lock,
    Trouble::ScreenLocked,
    Trouble::KillWaferd,
];

/// Makes trouble for so long. In the second half waferd lives on: what it loses shows in the end.
pub(crate) async fn make(ground: &Arc<Ground>, mut chance: Chance, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        tokio::time::sleep(chance.time(100, 1200)).await;
        let kinds = if begun.elapsed() < time / 2 { &ALL[..] } else { &ALL[..ALL.len() - 1] };
        let kind = chance.one(kinds);
        ground.accounts.count("trouble", format!("{kind:?}"));
        run(ground, &mut chance, kind).await;
    }
}

async fn run(ground: &Arc<Ground>, chance: &mut Chance, kind: Trouble) {
    match kind {
        Trouble::Eject => eject(ground, chance.time(20, 1500)).await,
        Trouble::Reset => drop(tool(ground, "opensc-tool", &["--reset"]).await),
        Trouble::CardForgets => ground.card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Restart)),
        Trouble::CardSilent => {
            ground.card.card.inject(Fault::once(GENERAL_AUTHENTICATE, Effect::Silence));
            tokio::time::sleep(chance.time(200, 3000)).await;
            ground.card.card.heal();
            eject(ground, chance.time(20, 500)).await;
        }
        Trouble::KillKeeper => {
            let keepers = ground.keepers().await;
            if !keepers.is_empty() {
                chance.one(&keepers).kill();
            }
        }
        Trouble::KillWaferd => ground.waferd().await.into_iter().for_each(Process::kill),
        Trouble::KillPcscd => kill_pcscd(ground, chance.time(10, 800)).await,
        Trouble::ModuleHangs => misbehave(ground, "hang", chance.time(100, 6000)).await,
        Trouble::ModuleAborts => misbehave(ground, "abort", chance.time(100, 1000)).await,
        Trouble::PinChanged => change_pin(ground).await,
        Trouble::StopWaferd => stop(ground.waferd().await, chance.time(50, 1500)).await,
        Trouble::StopKeeper => stop(ground.keepers().await, chance.time(50, 5000)).await,
        Trouble::StopPcscd => stop(named("pcscd"), chance.time(50, 3000)).await,
        Trouble::StopPinentry => stop(named("pinentry"), chance.time(50, 4000)).await,
        Trouble::Suspend => suspend(ground, chance.time(20, 500)).await,
        Trouble::Lock => ground.logind.lock().await,
        Trouble::ScreenLocked => {
            ground.logind.set_screen_locked(true).await;
            tokio::time::sleep(chance.time(50, 1500)).await;
            ground.logind.set_screen_locked(false).await;
        }
    }
}

async fn eject(ground: &Ground, time: Duration) {
    ground.card.card.pull();
    tokio::time::sleep(time).await;
    ground.plug().await;
}

async fn kill_pcscd(ground: &Ground, time: Duration) {
    ground.pcscd.lock().await.kill();
    tokio::time::sleep(time).await;
    ground.pcscd.lock().await.start_again();
    ground.plug().await;
}

async fn misbehave(ground: &Ground, how: &str, time: Duration) {
    ground.module.control(how);
    tokio::time::sleep(time).await;
    ground.module.control("normal");
}

/// Another program of the person's. Nobody types meanwhile.
async fn change_pin(ground: &Arc<Ground>) {
    let socket = ground.pcscd.lock().await;
    tokio::task::block_in_place(|| {
        let mut pins = ground.pins.lock();
        let change = ["-a", "change-pin", "-P", pins.right(), "-N", pins.next()];
        if patiently(yubico_piv_tool(&socket, &change)) {
            pins.changed();
        }
    });
}

async fn tool(ground: &Ground, program: &str, arguments: &[&str]) -> bool {
    let mut command = ground.pcscd.lock().await.client(program);
    command.args(arguments);
    tokio::task::block_in_place(|| patiently(command))
}

/// Runs `command`, but not for ever.
fn patiently(command: Command) -> bool {
    let mut limited = Command::new("timeout");
    limited.arg(TOOL_PATIENCE).arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    limited.status().unwrap().success()
}

fn named(name: &str) -> Vec<Process> {
    let below = Process(std::process::id()).descendants().into_iter();
    below.filter(|process| process.name().is_some_and(|known| known.starts_with(name))).collect()
}

async fn stop(processes: impl IntoIterator<Item = Process>, time: Duration) {
    let processes: Vec<_> = processes.into_iter().collect();
    processes.iter().for_each(|process| process.signal(Signal::STOP));
    tokio::time::sleep(time).await;
    processes.iter().for_each(|process| process.signal(Signal::CONT));
}

async fn suspend(ground: &Ground, time: Duration) {
    ground.logind.prepare_for_sleep(true).await;
    let may_sleep = async {
        while ground.logind.inhibitors().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = within(SLEEP_HELD, may_sleep).await;
    ground.accounts.check(in_time, || format!("sleep was held up for more than {SLEEP_HELD:?}"));
    tokio::time::sleep(time).await;
    ground.logind.prepare_for_sleep(false).await;
}

async fn within(time: Duration, work: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(time, work).await.is_ok()
}

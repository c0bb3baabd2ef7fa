//! How much later than a raw PC/SC client a D-Bus client hears of a card.

use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::num::NonZero;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use hw_sim::PivWorld;
use hw_sim::pcscd::Pcscd;
use hw_sim::piv::HOLDERS;
use hw_sim::wait::LONG;
use serde_json::{Value, json};
use zbus::export::futures_core::Stream;
use zbus::{MatchRule, Message, MessageStream, OwnedVariant, Variant};

use crate::now;

const TOKEN: &str = "org.waferd.Wafer1.Token";
const IDENTITY: &str = "org.waferd.Wafer1.Identity";

/// Microseconds: from pcscd's word to the token's on the bus, for insertions and removals; and from pcscd's word to the
/// last of the card's identities.
pub(crate) async fn measure(times: usize) -> Value {
    let world = PivWorld::new().await;
    world.lists(1).await;
    let (pcsc, bus) = (Raw::start(&world.pcscd), Signals::start(&world).await);
    pcsc.says("present");
    let (mut inserted, mut removed, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        world.pull();
        let (told, shown) = (pcsc.says("absent"), bus.says(TOKEN, false, 1));
        removed.push(later(told, shown));
        bus.says(IDENTITY, false, HOLDERS.len());
        world.plug();
        let (told, shown) = (pcsc.says("present"), bus.says(TOKEN, true, 1));
        inserted.push(later(told, shown));
        listed.push(later(told, bus.says(IDENTITY, true, HOLDERS.len())));
    }
    json!({ "inserted_us": inserted, "removed_us": removed, "listed_us": listed })
}

/// Whoever of two woken at once runs first is the kernel's choice.
fn later(told: u64, shown: u64) -> u64 {
    shown.saturating_sub(told) / 1000
}

/// The raw client's process, and its lines.
struct Raw {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl Raw {
    fn start(pcscd: &Pcscd) -> Self {
        let program = std::env::current_exe().unwrap().display().to_string();
        let mut command: Command = pcscd.client(&program);
        let mut process = command.arg("watch").stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (line, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|read| line.send(read)));
        Self { process, lines }
    }

    /// When it said `what`, which is the next that it says.
    fn says(&self, what: &str) -> u64 {
        let line = self.lines.recv_timeout(LONG).expect("the raw client's word");
        let (said, when) = line.split_once(' ').unwrap();
        assert_eq!(said, what);
        when.parse().unwrap()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// When which interface's `Present` became what.
struct Signals(mpsc::Receiver<(String, bool, u64)>);

impl Signals {
    async fn start(world: &PivWorld) -> Self {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface("org.freedesktop.DBus.Properties")
            .build()
            .unwrap();
        let stream =
            MessageStream::for_match_rule(rule, world.caller.connection(), NonZero::new(256)).await.unwrap();
        let (change, changes) = mpsc::channel();
        tokio::spawn(follow(stream, change));
        Self(changes)
    }

    /// When `interface` said so for the `count`th time.
    fn says(&self, interface: &str, present: bool, count: usize) -> u64 {
        let mut said = 0;
        loop {
            let (of, is, when) = self.0.recv_timeout(LONG).expect("the signal");
            if (of.as_str(), is) == (interface, present) {
                said += 1;
            }
            if said == count {
                return when;
            }
        }
    }
}

async fn follow(mut stream: MessageStream, change: mpsc::Sender<(String, bool, u64)>) {
    while let Some(Ok(message)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        let when = now();
        if let Some((interface, present)) = presence(&message)
            && change.send((interface, present, when)).is_err()
        {
            return;
        }
    }
}

fn presence(message: &Message) -> Option<(String, bool)> {
    type Changed = (String, std::collections::HashMap<String, OwnedVariant>, Vec<String>);
    let (interface, changed, _): Changed = message.body().deserialize().ok()?;
    match changed.get("Present").map(|value| &**value) {
        Some(Variant::Bool(present)) => Some((interface, *present)),
        _ => None,
    }
}

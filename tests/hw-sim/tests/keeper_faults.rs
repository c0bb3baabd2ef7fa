//! A keeper that is killed, a module that hangs or aborts: it costs the calls in flight there, nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use hw_sim::caller::{MAIL, descriptor, refused, text};
use hw_sim::pki::{ALICE, ERIN};
use hw_sim::programs::{run, workspace};
use hw_sim::wait::{until_async, within};
use hw_sim::{SoftHsm, World, mail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::task::JoinHandle;
use wafer_client::{ErrorKind, WaferError};

fn signing(world: &World) -> JoinHandle<Result<Vec<u8>, WaferError>> {
    let (caller, place) = (world.caller.clone(), world.place());
    tokio::spawn(async move { caller.sign(&mail::message(ALICE, "A fault comes."), place).await })
}

async fn begins(world: &World, times: usize) {
    until_async("C_Sign begins", || (world.module.count("C_Sign", "begin") >= times).then_some(())).await;
}

/// The next call works, after a new dialog, in a new keeper.
async fn recovers(world: &World) {
    let (dialogs, keepers) = (world.person.dialogs(), processes(world));
    world.module.control("normal");
    world.log_in().await;
    assert_eq!(world.person.dialogs(), dialogs + 1);
    assert_eq!(processes(world), keepers + 1, "a fresh keeper logged in");
}

/// How many processes have logged in so far.
fn processes(world: &World) -> usize {
    let logins = world.module.diary().into_iter().filter(|line| line.function == "C_Login");
    logins.map(|line| line.process).collect::<std::collections::HashSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_killed_in_mid_operation_fails_that_call_only() {
    let world = World::new().await;
    world.log_in().await;
    let _gate = world.module.close_gate();
    let call = signing(&world);
    begins(&world, 2).await;
    let [keeper] = world.waferd.keepers()[..] else { panic!("one keeper") };
    keeper.kill();
    refused(within("the call's end", call).await.unwrap(), ErrorKind::TokenFailed);
    recovers(&world).await;
}

/// A captured keeper: it joins its link as it should, and then sends what is no message.
#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_sends_nonsense_costs_its_own_calls_only() {
    for nonsense in [
        "head -c 5000 /dev/urandom",
        "head -c 5000 /dev/zero",
        "printf 'l\\2\\1\\1\\377\\377\\377\\377\\1\\0\\0\\0\\377\\377\\377\\377'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let keeper = folder.path().join("keeper");
        let script = format!(
            "#!/bin/sh\nprintf '\\0AUTH EXTERNAL\\r\\nDATA\\r\\nNEGOTIATE_UNIX_FD\\r\\nBEGIN\\r\\n' >&3\n\
             {nonsense} >&3\nexec cat <&3\n"
        );
        std::fs::write(&keeper, script).unwrap();
        std::fs::set_permissions(&keeper, std::fs::Permissions::from_mode(0o700)).unwrap();
        let world = World::with(|settings| settings.set("keeper", &keeper.display().to_string())).await;
        let message = mail::message(ALICE, "Nobody signs this.");
        let call = world.caller.sign(&message, world.place());
        refused(within("the call's end", call).await, ErrorKind::NoIdentity);
        let seen = within("another call", world.caller.inspect(&message)).await.unwrap();
        assert_eq!(text(&seen, "layer"), "plain");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_killed_while_it_asks_takes_its_dialog_along() {
    let world = World::new().await;
    let call = signing(&world);
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.reads_dialog(1)).await.unwrap();
    let [keeper] = world.waferd.keepers()[..] else { panic!("one keeper") };
    keeper.kill();
    refused(within("the call's end", call).await.unwrap(), ErrorKind::TokenFailed);
    until_async("pinentry's end", || world.waferd.pinentries().is_empty().then_some(())).await;
    world.log_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_hangs_fails_at_its_deadline() {
    let world = World::with(|settings| settings.set_number("module-deadline-ms", 700)).await;
    world.log_in().await;
    let [hanging] = world.waferd.keepers()[..] else { panic!("one keeper") };
    world.module.control("hang");
    let call = signing(&world);
    refused(within("the call's end", call).await.unwrap(), ErrorKind::TokenFailed);
    until_async("the hanging keeper's end", || (!hanging.runs()).then_some(())).await;
    recovers(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_aborts_fails_that_call_only() {
    let world = World::new().await;
    world.log_in().await;
    world.module.control("abort");
    refused(within("the call's end", signing(&world)).await.unwrap(), ErrorKind::TokenFailed);
    recovers(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_module_answers_while_one_hangs() {
    let second = SoftHsm::second();
    let world = World::with(|settings| settings.add_softhsm("second", &second)).await;
    world.log_in().await;
    world.with_pin(world.caller.sign(&mail::message(ERIN, "Log in there."), world.place())).await.unwrap();
    let gate = world.module.close_gate();
    let call = signing(&world);
    begins(&world, 2).await;
    for _ in 0..3 {
        let message = mail::message(ERIN, "Meanwhile.");
        let signed = world.caller.sign(&message, world.place());
        within("erin's signature", signed).await.unwrap();
    }
    assert!(!call.is_finished(), "the other one still hangs");
    world.module.control("normal");
    let opened = until_async("the gate opens", || {
        gate.open();
        (world.module.count("C_Sign", "0x0") == 2).then_some(())
    });
    opened.await;
    within("the call's end", call).await.unwrap().unwrap();
}

/// A caller whose output never ends waits for ever: nobody but waferd may hold it.
#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_starts_meanwhile_holds_nothing_of_a_caller_s() {
    let world = World::new().await;
    world.log_in().await;
    let ((input, writes), (reads, output)) = (mail::pipe(), mail::pipe());
    let caller = world.caller.clone();
    let arguments = (descriptor(&input), descriptor(&output));
    let call = tokio::spawn(async move {
        caller.run(MAIL, "Sign", arguments.0, arguments.1, hw_sim::Options::new()).await
    });
    rustix::io::write(&writes, b"From: alice@example.test\r\n").unwrap();
    until_async("waferd reads the input", || {
        (rustix::io::ioctl_fionread(&input).unwrap() == 0).then_some(())
    })
    .await;
    let [keeper] = world.waferd.keepers()[..] else { panic!("one keeper") };
    keeper.kill();
    until_async("the keeper's end", || (!keeper.runs()).then_some(())).await;
    world.log_in().await;
    drop((input, writes, output));
    drop(within("the call's end", call).await.unwrap());
    let mut read = PollFd::new(&reads, PollFlags::IN);
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    let mut byte = [0];
    loop {
        poll(std::slice::from_mut(&mut read), Some(&patience)).unwrap();
        assert!(!read.revents().is_empty(), "somebody still holds the output");
        if rustix::io::read(&reads, &mut byte).unwrap() == 0 {
            return;
        }
        read = PollFd::new(&reads, PollFlags::IN);
    }
}

#[test]
fn waferd_links_no_card_and_no_module() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = |package: &str| {
        let arguments =
            ["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none", "-p", package];
        let output = run(Command::new(&cargo).args(arguments).current_dir(workspace()));
        String::from_utf8(output.stdout).unwrap()
    };
    let names = |tree: &str| -> Vec<String> {
        tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let daemon = names(&tree("waferd"));
    assert!(daemon.iter().any(|name| name == "wafer-smime"), "{daemon:?}");
    for refused in ["cryptoki", "cryptoki-sys", "pcsc", "pcsc-sys", "wafer-keeper", "libloading"] {
        assert!(!daemon.iter().any(|name| name == refused), "waferd depends on {refused}");
    }
    assert!(
        names(&tree("wafer-keeper")).iter().any(|name| name == "cryptoki"),
        "the test looks at the right thing"
    );
}

//! The contract as others meet it: foreign clients, both doors, descriptors, ends before their time, limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use hw_sim::caller::{MAIL, answer_inline, descriptor, inline, output, refused};
use hw_sim::pki::{ALICE, BOB, CAROL};
use hw_sim::programs::run;
use hw_sim::wait::{until_async, within};
use hw_sim::{Caller, Options, World, mail, openssl, options};
use tokio::task::JoinHandle;
use wafer_client::names::{BUS_NAME, INLINE_MAX, ROOT_PATH};
use wafer_client::{ErrorKind, WaferError};
use zbus::Variant;

type Answer = JoinHandle<Result<hw_sim::Reply, WaferError>>;

fn start(
    caller: &Caller,
    method: &'static str,
    input: Variant<'static>,
    out: Variant<'static>,
    how: Options,
) -> Answer {
    let caller = caller.clone();
    tokio::spawn(async move { caller.run(MAIL, method, input, out, how).await })
}

async fn reads_dialog(world: &World, number: usize) {
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.reads_dialog(number)).await.unwrap();
}

/// Runs the Python client to its end, beside the test's other tasks.
async fn python(arguments: Vec<String>) -> serde_json::Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/client.py");
    // The distribution's Python has the distribution's python3-gi.
    let work = move || run(Command::new("/usr/bin/python3").arg(script).args(arguments));
    let output = tokio::task::spawn_blocking(work).await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_program_signs_seals_opens_and_verifies_through_both_doors() {
    let world = World::new().await;
    let (bus, private) = (world.bus.address().to_owned(), world.waferd.private_address());
    for (how, address, number) in [("bus", bus, 1), ("peer", private, 2)] {
        let file = |name: &str| world.folder().join(format!("{how}-{name}")).display().to_string();
        std::fs::write(file("plain"), mail::long(ALICE, 300_000)).unwrap();
        let call = |method: &str, source: String, target: String, more: &[String]| {
            let mut arguments = vec![how.to_owned(), address.clone(), method.to_owned(), source, target];
            arguments.extend_from_slice(more);
            python(arguments)
        };
        let place =
            [format!("tty={}", world.person.tty().display()), format!("term={}", world.person.term())];
        let sign = call("Sign", file("plain"), file("signed"), &place);
        let (answer, ()) = tokio::join!(sign, world.answers(number, hw_sim::softhsm::PIN));
        assert_eq!(answer["result"]["scheme"], "rsa-pkcs1", "{answer}");
        openssl::verify(&std::fs::read(file("signed")).unwrap());

        let to = [format!("recipients={},{}", BOB.address(), CAROL.address())];
        let answer = call("Encrypt", file("signed"), file("sealed"), &to).await;
        // And the sender, who wants to read it later.
        assert_eq!(answer["result"]["recipients"], 3, "{answer}");
        openssl::decrypt(&std::fs::read(file("sealed")).unwrap(), "SMIME", CAROL);
        let answer = call("Decrypt", file("sealed"), file("opened"), &["interactive=false".to_owned()]).await;
        assert_eq!(answer["result"]["authenticated"], true, "{answer}");
        let answer = call("Verify", file("opened"), "-".to_owned(), &[]).await;
        assert_eq!(answer["result"]["status"], "valid", "{answer}");
        let answer = call("Read", file("sealed"), file("read"), &["interactive=false".to_owned()]).await;
        assert_eq!(answer["result"]["whole"], "signed-then-encrypted", "{answer}");
        assert_eq!(answer["result"]["layers"][1]["signers"][0]["outcome"], "good", "{answer}");
        let answer = call("Inspect", file("sealed"), "-".to_owned(), &[]).await;
        assert_eq!(answer["result"]["layer"], "auth-enveloped", "{answer}");
        let answer = call("Decrypt", file("plain"), file("nothing"), &[]).await;
        assert_eq!(answer["error"], "org.waferd.Wafer1.Error.InvalidMessage", "{answer}");
        world.caller.lock_all().await.unwrap();
    }
}

fn busctl(address: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("busctl");
    command.arg(format!("--address={address}")).args(["--timeout=60"]).args(arguments);
    String::from_utf8(run(&mut command).stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn busctl_introspects_reads_properties_and_signs_through_both_doors() {
    let world = World::new().await;
    world.log_in().await;
    let identity = world.caller.identity("bob").await;
    for address in [world.bus.address().to_owned(), world.waferd.private_address()] {
        let ask = |arguments: &[&str]| {
            let (address, arguments) =
                (address.clone(), arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
            tokio::task::spawn_blocking(move || {
                busctl(&address, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
            })
        };
        let seen = ask(&["introspect", BUS_NAME, ROOT_PATH]).await.unwrap();
        for word in [MAIL, "org.waferd.Wafer1.Cms", ".Sign", ".Verify", ".Progress"] {
            assert!(seen.contains(word), "{word}: {seen}");
        }
        let features = ask(&["get-property", BUS_NAME, ROOT_PATH, MAIL, "Features"]).await.unwrap();
        assert!(features.contains("\"deadline-ms\""), "{features}");
        let label = ["get-property", BUS_NAME, identity.as_str(), "org.waferd.Wafer1.Identity", "Label"];
        assert_eq!(ask(&label).await.unwrap().trim(), "s \"bob\"");

        // A small inline Sign: "Content-Type: text/plain" and a body, byte by byte.
        let message = mail::entity("By hand.");
        let bytes: Vec<String> = message.iter().map(u8::to_string).collect();
        let (length, none) = (bytes.len().to_string(), "0");
        let mut sign = vec!["call", BUS_NAME, ROOT_PATH, MAIL, "Sign", "vva{sv}", "ay", &length];
        sign.extend(bytes.iter().map(String::as_str));
        sign.extend(["ay", none, "1", "identity", "o", identity.as_str()]);
        let answer = ask(&sign).await.unwrap();
        assert!(answer.contains("\"output\" ay") && answer.contains("\"ecdsa\""), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_the_caller_s_own_call() {
    let world = World::new().await;
    let how = world.options([("cancellation-id", Variant::from("mine"))]);
    let call = start(&world.caller, "Sign", inline(&mail::message(ALICE, "Wait.")), answer_inline(), how);
    reads_dialog(&world, 1).await;
    // Another program's Cancel of the same name is not this call's.
    let _ = world.another_caller().await.cancel("mine").await;
    assert!(!call.is_finished() && world.person.sees_dialog());
    world.caller.cancel("mine").await.unwrap();
    refused(within("the call's end", call).await.unwrap(), ErrorKind::Cancelled);
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.sees_it_close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_output_s_reading_end_ends_the_call() {
    let world = World::new().await;
    let (reader, writer) = mail::pipe();
    let out = descriptor(&writer);
    drop(writer);
    let call = start(&world.caller, "Sign", inline(&mail::message(ALICE, "Wait.")), out, world.place());
    reads_dialog(&world, 1).await;
    drop(reader);
    let error = within("the call's end", call).await.unwrap().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Cancelled | ErrorKind::OutputFailed), "{error:?}");
    let person = world.person.clone();
    tokio::task::spawn_blocking(move || person.sees_it_close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_half_way_ends_the_call() {
    let world = World::new().await;
    let (reader, writer) = mail::pipe();
    let input = mail::file(&mail::long(ALICE, 4 << 20));
    let out = descriptor(&writer);
    drop(writer);
    let to = options([("recipients", Variant::from(vec![CAROL.address()]))]);
    let call = start(&world.caller, "Encrypt", descriptor(&input), out, to);
    let mut first = [0_u8; 100];
    let reader = tokio::task::spawn_blocking(move || {
        let count = rustix::io::read(&reader, &mut first).unwrap();
        assert!(count > 0);
        reader
    });
    drop(reader.await.unwrap());
    let error = within("the call's end", call).await.unwrap().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Cancelled | ErrorKind::OutputFailed), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_call_that_waits() {
    let world = World::new().await;
    // For its input.
    let (reader, _writer) = mail::pipe();
    let soon = options([("deadline-ms", Variant::from(300_u32))]);
    let call = world.caller.run(MAIL, "Sign", descriptor(&reader), answer_inline(), soon);
    refused(within("the deadline", call).await, ErrorKind::TimedOut);
    // For a person.
    let soon = world.options([("deadline-ms", Variant::from(1500_u32))]);
    let message = mail::message(ALICE, "Soon.");
    refused(within("the deadline", world.caller.sign(&message, soon)).await, ErrorKind::TimedOut);
    until_async("pinentry's end", || world.waferd.pinentries().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stands_still_times_out() {
    let world = World::with(|settings| settings.set_number("stream-timeout-s", 1)).await;
    let (reader, _writer) = mail::pipe();
    let call = world.caller.run(MAIL, "Sign", descriptor(&reader), answer_inline(), Options::new());
    refused(within("the time-out", call).await, ErrorKind::TimedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_s_descriptors_keep_their_flags() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::message(ALICE, "Flags.");
    let flags = |fd: &dyn AsFd| rustix::fs::fcntl_getfl(fd.as_fd()).unwrap();
    let (read, write) = mail::pipe();
    let input = mail::pipe_with(&message);
    let socket = std::os::unix::net::UnixStream::pair().unwrap();
    let all: [&dyn AsFd; 4] = [&input, &write, &socket.0, &read];
    let before: Vec<_> = all.iter().map(|fd| flags(*fd)).collect();
    world.caller.run(MAIL, "Sign", descriptor(&input), descriptor(&write), Options::new()).await.unwrap();
    let input_file = mail::file(&message);
    world
        .caller
        .run(MAIL, "Sign", descriptor(&input_file), descriptor(&socket.0), Options::new())
        .await
        .unwrap();
    let after: Vec<_> = all.iter().map(|fd| flags(*fd)).collect();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_starts_at_the_offset_and_ends_at_the_end() {
    use std::io::{Seek, SeekFrom, Write};
    let world = World::new().await;
    world.log_in().await;
    let message = mail::message(ALICE, "From the middle.");
    let mut input = mail::file(&[b"not part of it", &message[..]].concat());
    input.seek(SeekFrom::Start(14)).unwrap();
    let mut signed = mail::file(b"kept:");
    signed.seek(SeekFrom::End(0)).unwrap();
    world.caller.run(MAIL, "Sign", descriptor(&input), descriptor(&signed), Options::new()).await.unwrap();
    assert_eq!(input.stream_position().unwrap(), 14 + message.len() as u64);
    let end = signed.stream_position().unwrap();
    signed.write_all(b"after").unwrap();
    let bytes = mail::contents(&signed);
    assert_eq!((&bytes[..5], &bytes[usize::try_from(end).unwrap()..]), (&b"kept:"[..], &b"after"[..]));
    openssl::verify(&bytes[5..usize::try_from(end).unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_stalled_clients_do_not_hold_up_the_next() {
    let world = World::new().await;
    world.log_in().await;
    let mut stalled: Vec<(OwnedFd, Answer)> = Vec::new();
    for number in 0..50_u8 {
        let client = world.another_caller().await;
        let (reader, writer) = mail::pipe();
        // Some send nothing, some the beginning of a message.
        if number % 2 == 0 {
            rustix::io::write(
                &writer,
                b"From: alice@example.test\r\nContent-Type: text/plain\r\n\r\nand then",
            )
            .unwrap();
        }
        stalled.push((writer, start(&client, "Sign", descriptor(&reader), answer_inline(), Options::new())));
    }
    let begun = std::time::Instant::now();
    let message = mail::message(ALICE, "The 51st.");
    within("the 51st signature", world.caller.sign(&message, Options::new())).await.unwrap();
    // An event, not a clock, says that nobody was waited for; the clock is for the log.
    for (_, call) in &mut stalled {
        assert!(!call.is_finished(), "a stalled call has ended: {:?}", call.await);
    }
    eprintln!("the 51st caller waited {} ms", begun.elapsed().as_millis());
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    // They may still finish.
    for (writer, call) in stalled {
        rustix::io::write(&writer, b"From: alice@example.test\r\nContent-Type: text/plain\r\n\r\nlate")
            .unwrap();
        drop(writer);
        let _ = within("a late call", call).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_checked_by_name_and_type() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::message(ALICE, "Options.");
    let sign = |how: Options| world.caller.sign(&message, how);
    let error = refused(sign(options([("colour", Variant::from("blue"))])).await, ErrorKind::UnknownOption);
    assert_eq!(String::try_from(error.details["option"].try_clone().unwrap()).unwrap(), "colour");
    sign(options([("x-colour", Variant::from("blue"))])).await.unwrap();
    for (name, value) in [
        ("interactive", Variant::from("yes")),
        ("form", Variant::from("round")),
        ("digest", Variant::from("md5")),
        ("deadline-ms", Variant::from("1")),
        ("identity", Variant::from("alice")),
        ("from", Variant::from(7_u32)),
    ] {
        let error = refused(sign(options([(name, value)])).await, ErrorKind::InvalidArgument);
        assert_eq!(String::try_from(error.details["argument"].try_clone().unwrap()).unwrap(), name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_go_inline_and_large_ones_do_not() {
    let world = World::new().await;
    world.log_in().await;
    let fits = mail::long(ALICE, INLINE_MAX / 2);
    let signed = world.caller.sign(&fits, Options::new()).await.unwrap();
    openssl::verify(&signed);
    // The input is too long.
    let long = mail::long(ALICE, INLINE_MAX + 1);
    let error = refused(world.caller.sign(&long, Options::new()).await, ErrorKind::InvalidArgument);
    assert!(error.message.contains("descriptor"), "{error}");
    // The input fits, the output does not.
    let full = mail::long(ALICE, INLINE_MAX - 100);
    let full = &full[..full.len().min(INLINE_MAX)];
    let error = refused(world.caller.sign(full, Options::new()).await, ErrorKind::InvalidArgument);
    assert!(error.message.contains("descriptor"), "{error}");
    // A file of any length is none of this.
    let out = mail::file(b"");
    world
        .caller
        .run(MAIL, "Sign", descriptor(&mail::file(&long)), descriptor(&out), Options::new())
        .await
        .unwrap();
    openssl::verify(&mail::contents(&out));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_encrypted_to_is_named() {
    let world = World::new().await;
    let known = CAROL.address();
    let to = |addresses: Vec<String>| options([("recipients", Variant::from(addresses))]);
    let encrypt =
        |how| world.caller.run(MAIL, "Encrypt", inline(&mail::entity("Hello.")), answer_inline(), how);
    let error = refused(
        encrypt(to(vec![known.clone(), "nobody@example.test".into()])).await,
        ErrorKind::NoRecipientCertificate,
    );
    let named = Vec::<String>::try_from(error.details["recipients"].try_clone().unwrap()).unwrap();
    assert_eq!(named, ["nobody@example.test"]);
    assert!(error.message.contains("nobody@example.test"), "{error}");
    refused(encrypt(Options::new()).await, ErrorKind::InvalidArgument);
    // A certificate given in the call needs no address.
    let given = options([("recipient-certificates", Variant::from(vec![CAROL.certificate_der()]))]);
    let reply = encrypt(given).await.unwrap();
    openssl::decrypt(&output(&reply), "SMIME", CAROL);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bus_starts_waferd_when_somebody_calls() {
    let (bus, hsm) = (hw_sim::Bus::start(), hw_sim::SoftHsm::wafer());
    let folder = tempfile::tempdir().unwrap();
    let mut settings = hw_sim::waferd::Settings::new();
    settings.add_softhsm("test", &hsm);
    bus.activate_by(&hw_sim::Waferd::command_line(folder.path(), bus.address(), &settings.text()));
    let caller = Caller::connect(bus.address()).await;
    within("the first answer", caller.identity("alice")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_said_and_not_died_of() {
    let world = World::with(|settings| settings.set("colour", "blue")).await;
    let error = refused(world.caller.inspect(&mail::entity("Hello.")).await, ErrorKind::BadSettings);
    let file = String::try_from(error.details["file"].try_clone().unwrap()).unwrap();
    assert!(file.ends_with("waferd.toml") && error.details.contains_key("line"), "{error:?}");
    assert!(world.waferd.process().runs());
}

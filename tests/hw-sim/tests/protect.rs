//! One call for an outgoing message: signed, encrypted, with blind copies, all outputs or none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::{
    CMS, MAIL, Reply, answer_inline, descriptor, flag, inline, number, output, refused, text,
};
use hw_sim::pki::{ALICE, CAROL, DAVE, ERIN, Identity};
use hw_sim::{Options, World, mail, openssl};
use wafer_client::names::ROOT_PATH;
use wafer_client::{ErrorKind, WaferError};
use zbus::Variant;

fn addresses(people: &[Identity]) -> Variant<'static> {
    people.iter().map(|person| person.address()).collect::<Vec<_>>().into()
}

async fn protect(
    world: &World,
    message: &[u8],
    outputs: Vec<Variant<'static>>,
    options: Options,
) -> Result<Reply, WaferError> {
    let body = (inline(message), outputs, options);
    let reply = world.caller.call(ROOT_PATH, MAIL, "Protect", &body).await?;
    Ok(reply.body().deserialize().unwrap())
}

fn inline_outputs(count: usize) -> Vec<Variant<'static>> {
    (0..count).map(|_| answer_inline()).collect()
}

fn copies(reply: &Reply) -> Vec<Reply> {
    Vec::try_from(reply["copies"].try_clone().unwrap()).unwrap()
}

fn list(reply: &Reply, name: &str) -> Vec<String> {
    Vec::try_from(reply[name].try_clone().unwrap()).unwrap()
}

#[tokio::test]
async fn signed_and_encrypted_with_a_copy_for_each_blind_recipient() {
    let world = World::new().await;
    let message = mail::message(ALICE, "to you all");
    let options = || {
        world.options([
            ("sign", true.into()),
            ("encrypt", true.into()),
            ("recipients", addresses(&[CAROL])),
            ("bcc", addresses(&[DAVE, ERIN])),
        ])
    };
    let too_few = protect(&world, &message, inline_outputs(2), options()).await;
    let error = refused(too_few, ErrorKind::InvalidArgument);
    assert_eq!(error.details["outputs"].downcast_ref::<u32>().unwrap(), 3);
    let reply = world.with_pin(protect(&world, &message, inline_outputs(3), options())).await.unwrap();
    assert!(flag(&reply, "signed") && flag(&reply, "encrypted"));
    let copies = copies(&reply);
    let expected = [(CAROL, &[DAVE, ERIN][..]), (DAVE, &[CAROL, ERIN]), (ERIN, &[CAROL, DAVE])];
    for (copy, (reader, _)) in copies.iter().zip(expected) {
        assert_eq!(list(copy, "addresses"), [reader.address()]);
        assert_eq!(number(copy, "recipients"), 2, "the reader, and alice herself");
        let signed = openssl::decrypt(&output(copy), "SMIME", reader);
        assert!(openssl::verify(&signed).ends_with(b"to you all\r\n"));
    }
    // Nobody's certificate is in another's copy.
    for (copy, (_, others)) in copies.iter().zip(expected) {
        for other in others {
            assert!(openssl::try_decrypt(&output(copy), *other).is_err(), "{}", other.name);
        }
    }
    // And the sender reads each.
    let opened =
        world.caller.run(MAIL, "Decrypt", inline(&output(&copies[0])), answer_inline(), world.place());
    assert!(output(&opened.await.unwrap()).windows(10).any(|part| part == b"to you all"));
}

#[tokio::test]
async fn one_blind_copy_for_all_or_one_message_for_everybody() {
    let world = World::new().await;
    let message = mail::message(ALICE, "hello");
    for (mode, sizes) in [("one-copy", &[2, 3][..]), ("together", &[4])] {
        let options = hw_sim::options([
            ("encrypt", true.into()),
            ("bcc-mode", mode.into()),
            ("recipients", addresses(&[CAROL])),
            ("bcc", addresses(&[DAVE, ERIN])),
        ]);
        let reply = protect(&world, &message, inline_outputs(3), options).await.unwrap();
        let recipients: Vec<u64> = copies(&reply).iter().map(|copy| number(copy, "recipients")).collect();
        assert_eq!(recipients, sizes, "{mode}");
        assert!(!flag(&reply, "signed"));
    }
}

#[tokio::test]
async fn when_some_recipients_have_no_certificate_the_caller_decides() {
    let world = World::new().await;
    let message = mail::message(ALICE, "hello");
    let options = |when: &'static str, people: &[&str]| {
        let people: Vec<String> = people.iter().map(|person| format!("{person}@example.test")).collect();
        hw_sim::options([
            ("encrypt", true.into()),
            ("when-missing", when.into()),
            ("recipients", people.into()),
        ])
    };
    let some = ["carol", "nobody"];
    let error = refused(
        protect(&world, &message, inline_outputs(1), options("refuse", &some)).await,
        ErrorKind::NoRecipientCertificate,
    );
    assert!(error.message.contains("<nobody@example.test>"), "{error}");
    for (when, envelope) in [("able", &["carol"][..]), ("all", &some[..])] {
        let reply = protect(&world, &message, inline_outputs(1), options(when, &some)).await.unwrap();
        let envelope: Vec<String> = envelope.iter().map(|name| format!("{name}@example.test")).collect();
        assert_eq!(list(&copies(&reply)[0], "addresses"), envelope, "{when}");
        assert_eq!(list(&reply, "missing"), ["nobody@example.test"]);
    }
    let none = protect(&world, &message, inline_outputs(1), options("all", &["nobody", "noone"])).await;
    let error = refused(none, ErrorKind::NoRecipientCertificate);
    let named = Vec::<String>::try_from(error.details["recipients"].try_clone().unwrap()).unwrap();
    assert_eq!(named, ["nobody@example.test", "noone@example.test"]);
}

#[tokio::test]
async fn triple_wrapped_is_signed_inside_and_outside() {
    let world = World::new().await;
    let options = world.options([
        ("sign", true.into()),
        ("encrypt", true.into()),
        ("triple-wrap", true.into()),
        ("recipients", addresses(&[CAROL])),
    ]);
    let message = mail::message(ALICE, "thrice");
    let reply = world.with_pin(protect(&world, &message, inline_outputs(1), options)).await.unwrap();
    let outer = output(&copies(&reply)[0]);
    let sealed = openssl::verify(&outer);
    let inner = openssl::decrypt(&sealed, "SMIME", CAROL);
    assert!(openssl::verify(&inner).ends_with(b"thrice\r\n"));
}

#[tokio::test]
async fn the_settings_hold_where_a_message_says_nothing() {
    let world = World::with(|settings| {
        settings
            .add_text("[encrypt]\nalways = true\nciphers = [\"aes128-cbc\"]\n[sign]\nreply = \"never\"\n");
    })
    .await;
    let message = mail::message(ALICE, "hello");
    let options = hw_sim::options([("recipients", addresses(&[CAROL])), ("replies-to-signed", true.into())]);
    let reply = protect(&world, &message, inline_outputs(1), options).await.unwrap();
    assert!(flag(&reply, "encrypted") && !flag(&reply, "signed"));
    assert_eq!(text(&copies(&reply)[0], "content-cipher"), "aes128-cbc");
    let plain = hw_sim::options([("encrypt", false.into())]);
    let reply = protect(&world, &message, inline_outputs(1), plain).await.unwrap();
    assert_eq!(output(&copies(&reply)[0]), message);
}

#[tokio::test]
async fn header_fields_go_within_as_they_are_wanted() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::message(ALICE, "hello");
    let wanted = |policy: &'static str, sign: bool, encrypt: bool| {
        hw_sim::options([
            ("sign", sign.into()),
            ("encrypt", encrypt.into()),
            ("recipients", addresses(&[ALICE])),
            ("header-protection", policy.into()),
        ])
    };
    for (policy, sign, encrypt, outside, within) in [
        ("baseline", true, true, "Subject: [...]", Some("cipher")),
        ("shy", false, true, "Subject: [...]", Some("cipher")),
        ("no-confidentiality", true, true, "Subject: A test", Some("cipher")),
        ("baseline", true, false, "Subject: A test", Some("clear")),
        ("none", true, true, "Subject: A test", None),
        ("as-written", true, true, "Subject: A test", None),
    ] {
        let reply =
            protect(&world, &message, inline_outputs(1), wanted(policy, sign, encrypt)).await.unwrap();
        let written = output(&copies(&reply)[0]);
        let head = String::from_utf8(written.clone()).unwrap().split("\r\n\r\n").next().unwrap().to_owned();
        assert!(head.contains(outside), "{policy}: {head}");
        let read =
            world.caller.run(MAIL, "Read", inline(&written), answer_inline(), Options::new()).await.unwrap();
        let found = read.get("header-protection").map(|_| text(&read, "header-protection"));
        assert_eq!(found.as_deref(), within, "{policy}");
        let reasons = list(&read, "reasons");
        assert!(!reasons.iter().any(|reason| reason.ends_with("-mismatch")), "{policy}: {reasons:?}");
        if within.is_some() {
            let fields: Vec<Reply> = Vec::try_from(read["headers"].try_clone().unwrap()).unwrap();
            let subject = fields.iter().find(|field| text(field, "name") == "Subject").unwrap();
            assert_eq!(text(subject, "value"), "A test");
            assert_eq!(flag(subject, "confidential"), outside.ends_with("[...]"));
        }
    }
    let wrong = protect(&world, &message, inline_outputs(1), wanted("clear", true, true)).await;
    refused(wrong, ErrorKind::InvalidArgument);
    let cms = hw_sim::options([("header-protection", Variant::from("baseline"))]);
    let sealed = world.caller.run(CMS, "Encrypt", inline(&message), answer_inline(), cms).await;
    refused(sealed, ErrorKind::UnknownOption);
}

#[tokio::test]
async fn all_outputs_or_none() {
    let world = World::new().await;
    let message = mail::message(ALICE, &"a line\r\n".repeat(1000));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let good = mail::file(b"");
    let options = hw_sim::options([
        ("encrypt", true.into()),
        ("recipients", addresses(&[CAROL])),
        ("bcc", addresses(&[DAVE])),
    ]);
    let outputs = vec![descriptor(&good), descriptor(&full)];
    refused(protect(&world, &message, outputs, options).await, ErrorKind::OutputFailed);
    assert_eq!(mail::contents(&good), b"", "the copy that could be written is taken back");
    let twice = vec![descriptor(&good), descriptor(&good)];
    let options = hw_sim::options([("encrypt", true.into()), ("recipients", addresses(&[CAROL]))]);
    refused(protect(&world, &message, twice, options).await, ErrorKind::InvalidArgument);
}

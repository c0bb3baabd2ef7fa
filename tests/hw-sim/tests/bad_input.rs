//! Hostile, broken and impossible input: one clear error, nothing written, the daemon alive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use hw_sim::caller::{CMS, MAIL, answer_inline, descriptor, inline, output, refused, text};
use hw_sim::pki::{ALICE, BOB, CAROL};
use hw_sim::programs::run;
use hw_sim::wait::within;
use hw_sim::{Options, World, mail, openssl, options};
use wafer_client::ErrorKind;
use zbus::Variant;

/// The daemon answers, is the same process as before, and its keeper too.
async fn is_alive(world: &World) {
    assert!(world.waferd.process().runs());
    world.caller.sign(&mail::message(ALICE, "Still here."), Options::new()).await.unwrap();
    assert!(!world.waferd.log().contains("panicked"), "{}", world.waferd.log());
}

/// Decrypts `sealed` into a file that already has something in it; on failure nothing of it may change.
async fn decrypt(world: &World, sealed: &[u8]) -> Result<Vec<u8>, wafer_client::WaferError> {
    let mut out = mail::file(b"before");
    out.seek(SeekFrom::End(0)).unwrap();
    let input = mail::file(sealed);
    let call = world.caller.run(MAIL, "Decrypt", descriptor(&input), descriptor(&out), Options::new());
    let result = within("decrypting", call).await;
    let bytes = mail::contents(&out);
    match result {
        Ok(_) => Ok(bytes[6..].to_vec()),
        Err(error) => {
            assert_eq!(bytes, b"before", "something was written: {error:?}");
            Err(error)
        }
    }
}

fn plain() -> Vec<u8> {
    mail::long(ALICE, 6000)
}

/// The base64 of a message's body taken apart: headers, then the CMS bytes.
fn cms_of(message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let (headers, body) = text.split_once("\n\n").or_else(|| text.split_once("\r\n\r\n")).unwrap();
    let mut decode = Command::new("openssl");
    decode.args(["base64", "-d"]);
    (format!("{headers}\n\n").into_bytes(), pipe_through(decode, body.trim().replace('\r', "").as_bytes()))
}

/// And put together again.
fn message_of(headers: &[u8], cms: &[u8]) -> Vec<u8> {
    let mut encode = Command::new("openssl");
    encode.arg("base64");
    [headers, &pipe_through(encode, cms)].concat()
}

fn pipe_through(mut command: Command, input: &[u8]) -> Vec<u8> {
    let mut folded = input.to_vec();
    folded.push(b'\n');
    let input = mail::file(if input.is_ascii() { &folded } else { input });
    run(command.stdin(input)).stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_mime_is_not_signed_or_opened() {
    let world = World::new().await;
    world.log_in().await;
    for bytes in [&b"no header here\xff\x00"[..], b"\0\0\0\0", &[0xff; 300], b"GIF89a..."] {
        let message = inline(bytes);
        let how = options([("from", Variant::from(ALICE.address()))]);
        let error = world.caller.run(MAIL, "Sign", message, answer_inline(), how).await;
        refused(error, ErrorKind::InvalidMessage);
        refused(decrypt(&world, bytes).await, ErrorKind::InvalidMessage);
    }
    // A message that is neither signed nor sealed.
    refused(decrypt(&world, &plain()).await, ErrorKind::InvalidMessage);
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_message_is_no_message() {
    let world = World::new().await;
    world.log_in().await;
    refused(decrypt(&world, b"").await, ErrorKind::InvalidMessage);
    let empty = || descriptor(&mail::file(b""));
    let sign = world.caller.run(MAIL, "Sign", empty(), answer_inline(), Options::new()).await;
    let error = sign.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidMessage | ErrorKind::NoIdentity), "{error:?}");
    refused(world.caller.verify_input(empty(), Options::new()).await, ErrorKind::InvalidMessage);
    // For bare CMS no bytes are bytes too.
    let how = options([("from", Variant::from(ALICE.address())), ("form", Variant::from("opaque"))]);
    let signed = world.caller.run(CMS, "Sign", empty(), answer_inline(), how).await.unwrap();
    assert_eq!(openssl::verify_der(&output(&signed)), b"");
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_message_is_refused_at_each_sixteenth() {
    let world = World::new().await;
    world.log_in().await;
    for cipher in ["-aes-256-gcm", "-aes-256-cbc"] {
        for more in [&[cipher][..], &[cipher, "-stream"][..]] {
            let sealed = openssl::encrypt(&plain(), "SMIME", &[ALICE, BOB], more);
            let (headers, cms) = cms_of(&sealed);
            decrypt(&world, &sealed).await.unwrap();
            decrypt(&world, &message_of(&headers, &cms)).await.unwrap();
            for part in 0..16 {
                // Cut as a mail system would, in the middle of the text ...
                let error = decrypt(&world, &sealed[..sealed.len() * part / 16]).await.unwrap_err();
                assert!(known(error.kind), "{more:?} {part}/16: {error:?}");
                // ... and cut inside, with sound base64 around it.
                let error =
                    decrypt(&world, &message_of(&headers, &cms[..cms.len() * part / 16])).await.unwrap_err();
                assert!(known(error.kind), "{more:?} {part}/16 inside: {error:?}");
            }
        }
    }
    for more in [&[][..], &["-nodetach"]] {
        let signed = openssl::sign(&plain(), "SMIME", CAROL, more);
        for part in 0..16 {
            let cut = &signed[..signed.len() * part / 16];
            match world.caller.verify_input(descriptor(&mail::file(cut)), Options::new()).await {
                Ok(verdict) => assert_ne!(text(&verdict, "status"), "valid", "{more:?} {part}/16"),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::InvalidMessage, "{more:?} {part}/16: {error:?}")
                }
            }
        }
    }
    is_alive(&world).await;
}

/// What a broken sealed message may be called.
fn known(kind: ErrorKind) -> bool {
    use ErrorKind::{DecryptionFailed, InvalidMessage, NoIdentity, UnsupportedAlgorithm};
    matches!(kind, DecryptionFailed | InvalidMessage | NoIdentity | UnsupportedAlgorithm)
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bits_never_give_other_text() {
    let world = World::new().await;
    world.log_in().await;
    let text = plain();
    for recipient in [ALICE, BOB] {
        let sealed = openssl::encrypt(&text, "SMIME", &[recipient], &["-aes-256-gcm"]);
        let (headers, cms) = cms_of(&sealed);
        let whole = decrypt(&world, &sealed).await.unwrap();
        // Dense in the structure at both ends, sparse in the content between.
        let places =
            (0..600).step_by(7).chain((600..cms.len() - 60).step_by(501)).chain(cms.len() - 60..cms.len());
        for place in places {
            let mut flipped = cms.clone();
            flipped[place] ^= 1 << (place % 8);
            match decrypt(&world, &message_of(&headers, &flipped)).await {
                Ok(bytes) => assert_eq!(bytes, whole, "another text after a flip at {place}"),
                Err(error) => assert!(known(error.kind), "a flip at {place}: {error:?}"),
            }
        }
    }
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bits_never_make_a_signature_good() {
    let world = World::new().await;
    world.log_in().await;
    let message = mail::entity(&"Signed text. ".repeat(40));
    let signed = openssl::sign(&message, "SMIME", CAROL, &["-nodetach"]);
    let (headers, cms) = cms_of(&signed);
    for place in (0..cms.len()).step_by(13) {
        let mut flipped = cms.clone();
        flipped[place] ^= 1 << (place % 8);
        let input = message_of(&headers, &flipped);
        let out = mail::file(b"");
        match world.caller.verify(&input, options([("output", descriptor(&out))])).await {
            Ok(verdict) if text(&verdict, "status") == "valid" => {
                // Bits that mean nothing to the signature may differ (a certificate that is not used, an
                // unsigned part); the text must not.
                let content = String::from_utf8_lossy(&mail::contents(&out)).replace("\r\n", "\n");
                assert_eq!(content, String::from_utf8_lossy(&message).replace("\r\n", "\n"), "at {place}");
            }
            Ok(verdict) => assert!(!text(&verdict, "sentence").is_empty()),
            Err(error) => {
                let expected =
                    matches!(error.kind, ErrorKind::InvalidMessage | ErrorKind::UnsupportedAlgorithm);
                assert!(expected, "a flip at {place}: {error:?}");
            }
        }
    }
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_somebody_else_says_so() {
    let world = World::new().await;
    world.log_in().await;
    let sealed = openssl::encrypt(&plain(), "SMIME", &[CAROL], &["-aes-256-gcm"]);
    refused(decrypt(&world, &sealed).await, ErrorKind::NoIdentity);
    assert_eq!(world.module.count("C_Decrypt", "0x0"), 0);
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_algorithm_is_named() {
    let world = World::new().await;
    world.log_in().await;
    let sealed = openssl::encrypt(&plain(), "SMIME", &[ALICE], &["-camellia256"]);
    let error = refused(decrypt(&world, &sealed).await, ErrorKind::UnsupportedAlgorithm);
    let algorithm = String::try_from(error.details["algorithm"].try_clone().unwrap()).unwrap();
    // camellia256-cbc
    assert!(
        algorithm.contains("1.2.392.200011.61.1.1.1.4") || algorithm.to_lowercase().contains("camellia"),
        "{algorithm}"
    );
    assert!(error.message.contains(&algorithm), "{error}");
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_lengths_and_depths_end_at_once() {
    let world = World::new().await;
    world.log_in().await;
    let rss = world.waferd.process().peak_rss();
    let headers = b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\n";
    let enveloped = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
    let endless: &[u8] = &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff];
    let beyond: &[u8] = &[0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let octets: &[u8] =
        &[0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x00, 0x31, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x84, 0x7f];
    for cms in [
        [endless, enveloped].concat(),
        [beyond, enveloped].concat(),
        [&[0x30, 0x80][..], enveloped, octets].concat(),
        [0x30, 0x80].repeat(20_000),
        [&[0x30, 0x80][..], enveloped, &[0xa0, 0x80].repeat(20_000)].concat(),
    ] {
        refused(decrypt(&world, &message_of(headers, &cms)).await, ErrorKind::InvalidMessage);
    }
    // MIME in MIME in MIME, and one header of a megabyte.
    let mut nested = Vec::new();
    for depth in 0..2000 {
        write!(nested, "Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n").unwrap();
    }
    let long =
        [b"Content-Type: text/plain; x=".to_vec(), vec![b'a'; 1 << 20], b"\r\n\r\nx".to_vec()].concat();
    for bytes in [nested, long] {
        let call = world.caller.verify_input(descriptor(&mail::file(&bytes)), Options::new());
        if let Err(error) = within("verifying", call).await {
            assert_eq!(error.kind, ErrorKind::InvalidMessage, "{error:?}");
        }
    }
    let grown = world.waferd.process().peak_rss().saturating_sub(rss);
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_that_cannot_serve_are_refused() {
    let world = World::new().await;
    world.log_in().await;
    let folder = world.folder();
    let message = || descriptor(&mail::file(&plain()));
    let encrypt = |input: Variant<'static>, out: Variant<'static>| {
        let to = options([("recipients", Variant::from(vec![CAROL.address()]))]);
        world.caller.run(MAIL, "Encrypt", input, out, to)
    };
    let bad = |error: wafer_client::WaferError, what: &str| {
        use ErrorKind::{InputFailed, InvalidArgument, OutputFailed};
        assert!(matches!(error.kind, InvalidArgument | InputFailed | OutputFailed), "{what}: {error:?}");
    };
    let file = folder.join("out");
    let write_only = || File::options().create(true).write(true).truncate(false).open(&file).unwrap();
    let directory = || File::open(&folder).unwrap();

    bad(encrypt(descriptor(&directory()), answer_inline()).await.unwrap_err(), "a directory as input");
    bad(encrypt(message(), descriptor(&directory())).await.unwrap_err(), "a directory as output");
    bad(encrypt(descriptor(&write_only()), answer_inline()).await.unwrap_err(), "a write-only input");
    bad(encrypt(message(), descriptor(&mail::pipe().0)).await.unwrap_err(), "a reading end as output");
    std::fs::write(&file, "kept").unwrap();
    let read_only = File::open(&file).unwrap();
    bad(encrypt(message(), descriptor(&read_only)).await.unwrap_err(), "a read-only output");
    let append = File::options().append(true).open(&file).unwrap();
    bad(encrypt(message(), descriptor(&append)).await.unwrap_err(), "an output with O_APPEND");
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");

    let path = folder.join("same");
    std::fs::write(&path, plain()).unwrap();
    let (input, out) = (File::open(&path).unwrap(), File::options().write(true).open(&path).unwrap());
    bad(encrypt(descriptor(&input), descriptor(&out)).await.unwrap_err(), "the same file");
    assert_eq!(std::fs::read(&path).unwrap(), plain());

    // An O_PATH descriptor can pass, but neither reads nor writes: as good as closed.
    let closed = rustix::fs::open(&path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    bad(encrypt(descriptor(&closed), answer_inline()).await.unwrap_err(), "a descriptor that is not open");
    // Its other end is closed already.
    let (reader, writer) = mail::pipe();
    drop(reader);
    let error = encrypt(message(), descriptor(&writer)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OutputFailed | ErrorKind::Cancelled), "{error:?}");
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_reading_costs_a_time_out() {
    let world = World::with(|settings| settings.set_number("stream-timeout-s", 1)).await;
    world.log_in().await;
    let (_reader, writer) = mail::pipe();
    let input = mail::file(&mail::long(ALICE, 2 << 20));
    let to = options([("recipients", Variant::from(vec![CAROL.address()]))]);
    let out = descriptor(&writer);
    drop(writer);
    let call = world.caller.run(MAIL, "Encrypt", descriptor(&input), out, to);
    refused(within("the time-out", call).await, ErrorKind::TimedOut);
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_takes_nothing_is_said() {
    let world = World::new().await;
    world.log_in().await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let input = mail::file(&plain());
    let call = world.caller.run(MAIL, "Sign", descriptor(&input), descriptor(&full), Options::new());
    refused(within("the call's end", call).await, ErrorKind::OutputFailed);
    is_alive(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_the_output_as_it_was() {
    let world = World::new().await;
    world.log_in().await;
    let Some((mut out, disk)) = small_disk(&world) else {
        eprintln!("skipped: mounting a small tmpfs needs root");
        return;
    };
    out.write_all(b"before").unwrap();
    let input = mail::file(&mail::long(ALICE, 4 << 20));
    for method in ["Encrypt", "Sign"] {
        let how = if method == "Encrypt" {
            options([("recipients", Variant::from(vec![CAROL.address()]))])
        } else {
            Options::new()
        };
        (&input).seek(SeekFrom::Start(0)).unwrap();
        let call = world.caller.run(MAIL, method, descriptor(&input), descriptor(&out), how);
        let error = refused(within("the call's end", call).await, ErrorKind::OutputFailed);
        assert!(error.message.contains("space") || error.message.contains("full"), "{error}");
        assert_eq!(out.metadata().unwrap().len(), 6, "{method} left something behind");
        assert_eq!(out.stream_position().unwrap(), 6);
    }
    drop(disk);
    is_alive(&world).await;
}

/// A file on a tmpfs of 1 MiB, and the mount, which goes when it is dropped.
fn small_disk(world: &World) -> Option<(File, Mount)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let place = world.folder().join("small");
    std::fs::create_dir(&place).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&place));
    let file = File::options().create_new(true).read(true).write(true).open(place.join("out")).unwrap();
    Some((file, Mount(place)))
}

struct Mount(std::path::PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

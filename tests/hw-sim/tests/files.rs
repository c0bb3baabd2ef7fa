//! Keys in files (PKCS#12), for people without a card: imported once, and a token from then on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hw_sim::caller::{MAIL, Reply, answer_inline, flag, inline, output, refused, text};
use hw_sim::pki::{ALICE, BOB, DAVE, Identity};
use hw_sim::wait::{until_async, within};
use hw_sim::{Options, Scene, mail, memory, openssl, options, pkcs12, programs};
use wafer_client::ErrorKind;
use zbus::Variant;

/// A password that is no PIN.
const PASSWORD: &str = "Pä55 wörd";

fn silent() -> Options {
    options([("interactive", Variant::from(false))])
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn write(scene: &Scene, name: &str, bytes: &[u8]) -> PathBuf {
    let path = scene.folder().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Imports a file by the command; the person enters the password.
async fn import(scene: &Scene, name: &str, file: &[u8], password: &str) {
    write(scene, name, file);
    let (texts, output) = scene.wafer_with_entries(&["import", name], &[password]).await;
    said(&output, 0);
    assert!(texts[0].contains(name) && texts[0].contains("password"), "{texts:?}");
}

/// Where imported files lie.
fn kept(scene: &Scene) -> Vec<PathBuf> {
    let folder = scene.folder().join("data/waferd/files");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn tokens(scene: &Scene) -> Vec<Reply> {
    let objects = scene.caller.objects().await.into_values();
    objects.filter_map(|mut one| one.remove("org.waferd.Wafer1.Token")).collect()
}

async fn sign(scene: &Scene, who: Identity, options: Options) -> Vec<u8> {
    let signed = scene.caller.sign(&mail::message(who, "From a file."), options).await.unwrap();
    openssl::verify(&signed);
    signed
}

/// Signs; the person enters the password.
async fn unlock(scene: &Scene, who: Identity, password: &str) {
    let (caller, place) = (scene.caller.clone(), scene.place());
    let message = mail::message(who, "From a file.");
    let call = tokio::spawn(async move { caller.sign(&message, place).await });
    scene.answers(scene.person.dialogs() + 1, password).await;
    openssl::verify(&within("the signature", call).await.unwrap().unwrap());
}

async fn opens(scene: &Scene, sealed: &[u8]) {
    let open = scene.caller.run(MAIL, "Decrypt", inline(sealed), answer_inline(), silent());
    let opened = output(&open.await.unwrap());
    assert!(String::from_utf8_lossy(&opened).contains("For a file."), "{opened:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_and_signs_and_opens_with_one_password() {
    let scene = Scene::bare(|_| {}).await;
    let file = pkcs12::export(ALICE, PASSWORD, &[]);
    import(&scene, "alice.p12", &file, PASSWORD).await;
    assert!(said(&scene.run_wafer(&["tokens"]), 0).contains("alice.p12"));
    assert!(said(&scene.run_wafer(&["identities"]), 0).contains(&ALICE.address()), "before any unlock");
    let token = &tokens(&scene).await[0];
    let is = |name: &str| text(token, name);
    let (state, tries, source) = (is("PinState"), is("TriesLeft"), is("Source"));
    assert_eq!((state.as_str(), tries.as_str(), source.as_str()), ("locked", "unknown", "files"));
    refused(scene.caller.sign(&mail::message(ALICE, "x"), silent()).await, ErrorKind::InteractionRequired);

    unlock(&scene, ALICE, PASSWORD).await;
    for _ in 0..8 {
        sign(&scene, ALICE, silent()).await;
    }
    let pss =
        options([("interactive", Variant::from(false)), ("signature-scheme", Variant::from("rsa-pss"))]);
    sign(&scene, ALICE, pss).await;
    let letter = mail::entity("For a file.");
    opens(&scene, &openssl::encrypt(&letter, "SMIME", &[ALICE], &["-aes-256-cbc"])).await;
    let oaep = ["-aes-256-gcm", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"];
    opens(&scene, &openssl::encrypt_for(&letter, ALICE, &oaep)).await;
    assert_eq!(scene.person.dialogs(), 2, "one for the import, one for everything after");

    // It lies as it came, for the person alone, and nothing else of it does.
    let mut lies = kept(&scene);
    lies.sort();
    assert_eq!(lies.len(), 2, "{lies:?}");
    for path in &lies {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read(&lies[1]).unwrap(), file);
}

#[tokio::test(flavor = "multi_thread")]
async fn elliptic_curves_sign_and_open() {
    let scene = Scene::bare(|_| {}).await;
    let letter = mail::entity("For a file.");
    for who in [BOB, DAVE] {
        let name = format!("{}.p12", who.name);
        import(&scene, &name, &pkcs12::export(who, PASSWORD, &[]), PASSWORD).await;
        unlock(&scene, who, PASSWORD).await;
        for digest in ["sha256", "sha512"] {
            let with = options([("interactive", Variant::from(false)), ("digest", Variant::from(digest))]);
            sign(&scene, who, with).await;
        }
        opens(&scene, &openssl::encrypt(&letter, "SMIME", &[who], &["-aes-128-cbc"])).await;
    }
    // P-521, with a certificate that nobody else issued.
    let files = pkcs12::own_certificate(&scene.folder(), "P-521", "own@example.test");
    import(&scene, "own.p12", &files.export("own", PASSWORD, &[]), PASSWORD).await;
    let (_, unlocked) = scene.wafer_with_entries(&["unlock", "own.p12"], &[PASSWORD]).await;
    said(&unlocked, 0);
    let message = mail::entity("From a file.");
    let from = options([("interactive", Variant::from(false)), ("from", Variant::from("own@example.test"))]);
    let signed = write(&scene, "signed", &scene.caller.sign(&message, from).await.unwrap());
    let mut check = Command::new("openssl");
    check.args(["cms", "-verify", "-noverify", "-out", "/dev/null", "-in"]);
    programs::run(check.arg(signed));
    let mut seal = Command::new("openssl");
    seal.args(["cms", "-encrypt", "-aes-128-cbc", "-in"]).arg(write(&scene, "plain", &letter));
    opens(&scene, &programs::run(seal.arg(&files.certificate)).stdout).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_a_locked_file_asks_again() {
    let scene = Scene::bare(|_| {}).await;
    write(&scene, "alice.p12", &pkcs12::export(ALICE, PASSWORD, &[]));
    let (texts, output) = scene.wafer_with_entries(&["import", "alice.p12"], &["wrong", PASSWORD]).await;
    said(&output, 0);
    assert!(texts[1].contains("password was wrong"), "{texts:?}");

    let (texts, output) = scene.wafer_with_entries(&["unlock"], &["", "wrong", PASSWORD]).await;
    said(&output, 0);
    assert!(texts[1].contains("enter the password") && texts[2].contains("wrong"), "{texts:?}");
    sign(&scene, ALICE, silent()).await;
    scene.caller.lock_all().await.unwrap();
    refused(scene.caller.sign(&mail::message(ALICE, "x"), silent()).await, ErrorKind::InteractionRequired);
    unlock(&scene, ALICE, PASSWORD).await;
    let log = said(&scene.run_wafer(&["log"]), 0);
    assert!(log.contains("import") && log.contains("PinIncorrect") && !log.contains(PASSWORD), "{log}");
    // No PIN can be changed: the file stays as it is. It is said before anything is asked.
    said(&scene.run_wafer(&["pin", "change"]), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_forgets_its_keys_after_their_time_and_over_a_restart() {
    let mut scene = Scene::bare(|settings| settings.set_pin("idle-timeout-s", 1)).await;
    import(&scene, "alice.p12", &pkcs12::export(ALICE, PASSWORD, &[]), PASSWORD).await;
    unlock(&scene, ALICE, PASSWORD).await;
    let end = std::time::Instant::now() + hw_sim::wait::LONG;
    while text(&tokens(&scene).await[0], "PinState") != "locked" {
        assert!(std::time::Instant::now() < end, "it never locked itself");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    refused(scene.caller.sign(&mail::message(ALICE, "x"), silent()).await, ErrorKind::InteractionRequired);
    scene.waferd.restart().await;
    assert_eq!(text(&tokens(&scene).await[0], "PinState"), "locked");
    unlock(&scene, ALICE, PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_leaves_nothing() {
    let scene = Scene::bare(|_| {}).await;
    let good = pkcs12::export(ALICE, PASSWORD, &[]);
    write(&scene, "noise", b"no key file");
    write(&scene, "cut", &good[..good.len() / 2]);
    write(&scene, "huge", &vec![0x30; 2 << 20]);
    for name in ["noise", "cut", "huge"] {
        let complaint = said(&scene.run_wafer(&["import", name]), 5);
        assert!(complaint.contains("PKCS#12"), "{complaint}");
    }
    said(&scene.run_wafer(&["import", "absent"]), 3);
    assert_eq!(scene.person.dialogs(), 0, "no password is asked for what is no key file");
    write(&scene, "good", &good);
    said(&scene.run_wafer(&["--non-interactive", "import", "good"]), 16);

    // Broken inside, where only the password leads: under the MAC, which tells.
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    write(&scene, "flipped", &flipped);
    let mut command = scene.wafer(&["import", "flipped"]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    scene.answers(1, PASSWORD).await;
    scene.cancels(2).await;
    said(&within("wafer", running).await.unwrap(), 130);
    // Certificates without a key.
    let mut export = Command::new("openssl");
    export.args(["pkcs12", "-export", "-nokeys", "-passout", "pass:x", "-in"]).arg(ALICE.certificate());
    write(&scene, "public", &programs::run(&mut export).stdout);
    let (_, output) = scene.wafer_with_entries(&["import", "public"], &["x"]).await;
    assert!(said(&output, 8).contains("no private key"));
    assert_eq!(kept(&scene), [] as [&Path; 0]);
    assert!(tokens(&scene).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_twice_is_one_token_and_it_can_be_removed() {
    let scene = Scene::bare(|_| {}).await;
    let file = pkcs12::export(ALICE, PASSWORD, &[]);
    import(&scene, "alice.p12", &file, PASSWORD).await;
    import(&scene, "again.p12", &file, PASSWORD).await;
    assert_eq!(tokens(&scene).await.len(), 1);
    assert_eq!(kept(&scene).len(), 2, "the file and its certificates");
    unlock(&scene, ALICE, PASSWORD).await;
    said(&scene.run_wafer(&["forget", "alice.p12"]), 0);
    assert!(tokens(&scene).await.is_empty());
    assert_eq!(kept(&scene), [] as [&Path; 0]);
    assert_eq!(fs::read(scene.folder().join("alice.p12")).unwrap(), file, "the person's own copy stays");
    refused(scene.caller.sign(&mail::message(ALICE, "x"), silent()).await, ErrorKind::NoIdentity);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_is_the_person_s_to_allow() {
    let scene = Scene::bare(hw_sim::waferd::Settings::ask_for_consent).await;
    import(&scene, "alice.p12", &pkcs12::export(ALICE, PASSWORD, &[]), PASSWORD).await;
    let before = scene.person.dialogs();
    let mut command = scene.wafer(&["forget", "alice.p12"]);
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let question = until_async("the question", || scene.person.dialog(before + 1)).await;
    assert!(question.contains("remove") && question.contains("alice.p12"), "{question}");
    scene.cancels(before + 1).await;
    said(&within("wafer", running).await.unwrap(), 18);
    assert_eq!(tokens(&scene).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_smart_cards_may_be_used_files_are_neither_imported_nor_offered() {
    let scene = Scene::bare(|_| {}).await;
    import(&scene, "alice.p12", &pkcs12::export(ALICE, PASSWORD, &[]), PASSWORD).await;
    unlock(&scene, ALICE, PASSWORD).await;
    let sealed = openssl::encrypt(&mail::entity("For a file."), "SMIME", &[ALICE], &["-aes-256-cbc"]);
    let count = async |expected: usize| {
        let end = std::time::Instant::now() + hw_sim::wait::LONG;
        while tokens(&scene).await.len() != expected {
            assert!(std::time::Instant::now() < end, "never {expected} tokens");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    said(&scene.run_wafer(&["settings", "set", "identities.smart-card-only", "true"]), 0);
    count(0).await;
    refused(scene.caller.sign(&mail::message(ALICE, "x"), silent()).await, ErrorKind::NoIdentity);
    let open = scene.caller.run(MAIL, "Decrypt", inline(&sealed), answer_inline(), silent());
    refused(open.await, ErrorKind::NoIdentity);
    write(&scene, "bob.p12", &pkcs12::export(BOB, PASSWORD, &[]));
    let complaint = said(&scene.run_wafer(&["import", "bob.p12"]), 18);
    assert!(complaint.contains("identities.smart-card-only"), "{complaint}");
    assert_eq!(kept(&scene).len(), 2, "what was imported before is not lost");

    said(&scene.run_wafer(&["settings", "set", "identities.smart-card-only", "false"]), 0);
    count(1).await;
    refused(scene.caller.sign(&mail::message(ALICE, "x"), silent()).await, ErrorKind::InteractionRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_make_are_taken() {
    let scene = Scene::bare(|_| {}).await;
    // Two keys in one file.
    let half = |who| pkcs12::export(who, PASSWORD, &["-nomac"]);
    import(&scene, "both.p12", &pkcs12::joined(&half(ALICE), &half(BOB)), PASSWORD).await;
    let identities = said(&scene.run_wafer(&["--json", "identities"]), 0);
    for name in ["alice", "bob"] {
        assert!(identities.contains(&format!("\"Label\":\"{name}\"")), "{identities}");
    }
    unlock(&scene, ALICE, PASSWORD).await;
    sign(&scene, BOB, silent()).await;
    said(&scene.run_wafer(&["forget", "both.p12"]), 0);
    // As browsers write them, with indefinite lengths; as Windows wrote them for years; without a password.
    let nss = pkcs12::by_nss(&pkcs12::export(ALICE, "x", &[]), "alice", "x");
    let old = ["-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"];
    let old = pkcs12::export(ALICE, "x", &old);
    for (name, file) in [("nss.p12", nss), ("old.pfx", old)] {
        import(&scene, name, &file, "x").await;
        unlock(&scene, ALICE, "x").await;
        said(&scene.run_wafer(&["forget", name]), 0);
    }
    let open = pkcs12::export(ALICE, "", &["-keypbe", "NONE", "-certpbe", "NONE"]);
    import(&scene, "open.p12", &open, "").await;
    assert_eq!(text(&tokens(&scene).await[0], "PinState"), "not-needed");
    sign(&scene, ALICE, silent()).await;
}

/// The password is made anew in each run, so that it is in no file either.
fn unusual() -> String {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap();
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn password_and_key_are_never_in_waferd_and_the_key_is_in_guarded_memory_only() {
    if !memory::may_look() {
        assert!(std::env::var_os("CI").is_none(), "in CI this test runs as root");
        eprintln!("skipped: only root may look into the memory of other processes");
        return;
    }
    let scene = Scene::bare(|_| {}).await;
    let password = unusual();
    import(&scene, "alice.p12", &pkcs12::export(ALICE, &password, &[]), &password).await;
    let no_dialog = || scene.waferd.pinentries().is_empty().then_some(());
    until_async("pinentry's end", no_dialog).await;
    // A part of a prime, as files have it and as the arithmetic has it.
    let mut export = Command::new("openssl");
    export.args(["pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in"]).arg(ALICE.private_key());
    let key = programs::run(&mut export).stdout;
    let prime = key[key.len() - 400..key.len() - 368].to_vec();
    let turned: Vec<u8> = prime.iter().rev().copied().collect();
    let wide: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let everywhere = |secret: &[u8]| {
        let all = scene.waferd.descendants_and_itself().into_iter();
        all.flat_map(|process| memory::find(process, secret)).collect::<Vec<_>>()
    };
    let nowhere = |when: &str, secrets: &[&[u8]]| {
        for secret in secrets {
            assert_eq!(everywhere(secret), [], "{when}");
        }
    };
    let all: [&[u8]; 4] = [password.as_bytes(), &wide, &prime, &turned];
    nowhere("after the import", &all);
    unlock(&scene, ALICE, &password).await;
    until_async("pinentry's end", no_dialog).await;
    nowhere("while unlocked", &[password.as_bytes(), &wide, &turned]);
    let found = everywhere(&prime);
    assert_eq!(found.iter().map(|hit| hit.guarded).collect::<Vec<_>>(), [true], "{found:?}");
    assert_eq!(memory::find(scene.waferd.process(), &prime), []);
    scene.caller.lock_all().await.unwrap();
    nowhere("after a lock", &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_a_card_live_side_by_side() {
    let world = hw_sim::World::new().await;
    import(&world, "dave.p12", &pkcs12::export(DAVE, PASSWORD, &[]), PASSWORD).await;
    world.log_in().await;
    unlock(&world, DAVE, PASSWORD).await;
    let count = tokens(&world).await.into_iter().filter(|token| flag(token, "Present")).count();
    assert_eq!(count, 2);
    refused(
        wafer_client::Client::over(world.caller.connection().clone())
            .remove(&world_token(&world).await.into(), &wafer_client::Options::new())
            .await,
        ErrorKind::InvalidArgument,
    );
}

/// The token that is no file.
async fn world_token(scene: &Scene) -> zbus::OwnedObjectPath {
    let is_card = |interfaces: &std::collections::HashMap<String, Reply>| {
        let token = interfaces.get("org.waferd.Wafer1.Token");
        token.is_some_and(|token| text(token, "Source") != "files")
    };
    scene.caller.objects().await.into_iter().find(|(_, one)| is_card(one)).unwrap().0
}

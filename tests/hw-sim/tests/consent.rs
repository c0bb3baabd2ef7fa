//! The person is asked before a program uses a key, or changes what protects; and what they say holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hw_sim::caller::{inline, refused};
use hw_sim::pki::{ALICE, CAROL};
use hw_sim::session::Screen;
use hw_sim::softhsm::PIN;
use hw_sim::wait::{until_async, within};
use hw_sim::{World, mail};
use wafer_client::names::ROOT_PATH;
use wafer_client::{ErrorKind, WaferError};
use zbus::Variant;

/// In a dialog with three buttons: the first, the second, the third.
const FIRST: &str = "\r";
const SECOND: &str = "\t\r";
const THIRD: &str = "\t\t\r";

async fn asking_world() -> World {
    World::with(hw_sim::waferd::Settings::ask_for_consent).await
}

async fn sign(world: &World) -> Result<Vec<u8>, WaferError> {
    world.caller.sign(&mail::message(ALICE, "hello"), world.place()).await
}

/// Runs `work` while the person presses each of `keys` in the dialogs that come, in their order.
async fn answering<T>(world: &World, keys: &[&str], work: impl Future<Output = T>) -> T {
    let before = world.person.dialogs();
    let person = async {
        for (number, keys) in keys.iter().enumerate() {
            let number = before + number + 1;
            until_async("the next dialog", || world.person.dialog(number)).await;
            world.person.press(keys);
            until_async("that dialog's end", || {
                (!world.person.sees_dialog() || world.person.dialogs() > number).then_some(())
            })
            .await;
        }
    };
    let (answer, ()) = within("the call and its dialogs", async { tokio::join!(work, person) }).await;
    assert_eq!(world.person.dialogs(), before + keys.len(), "more dialogs than were answered");
    answer
}

#[tokio::test]
async fn a_program_is_asked_about_once_and_can_be_revoked() {
    let world = asking_world().await;
    let pin = format!("{PIN}\r");
    answering(&world, &[FIRST, FIRST, &pin], sign(&world)).await.unwrap();
    answering(&world, &[], sign(&world)).await.unwrap();
    let listed = permissions(&world);
    assert_eq!((listed[0]["answer"].as_str(), listed[0]["label"].as_str()), (Some("always"), Some("alice")));
    let kept = std::fs::read_to_string(world.folder().join("data/waferd/permissions.jsonl")).unwrap();
    assert!(kept.lines().nth(1).unwrap().contains("\"answer\":\"always\""), "{kept}");
    let program = listed[0]["program"].as_str().unwrap();
    let revoked = world.run_wafer(&["permissions", "revoke", program]);
    assert!(revoked.status.success(), "{revoked:?}");
    // "Only once" is asked again the next time; the PIN is not.
    for _ in 0..2 {
        answering(&world, &[FIRST, THIRD], sign(&world)).await.unwrap();
    }
    answering(&world, &[FIRST, SECOND], sign(&world)).await.unwrap();
    answering(&world, &[], sign(&world)).await.unwrap();
}

#[tokio::test]
async fn the_question_says_who_wants_what() {
    let world = asking_world().await;
    let asked = sign(&world);
    let looks = async {
        until_async("the question", || world.person.dialog(1)).await;
        let person = world.person.clone();
        let text = tokio::task::spawn_blocking(move || person.reads_dialog(1)).await.unwrap();
        world.person.press(THIRD);
        text
    };
    let (refusal, text) = within("the question", async { tokio::join!(asked, looks) }).await;
    refused(refusal, ErrorKind::AccessDenied);
    assert!(text.contains("wants to sign with your key “alice”"), "{text}");
    assert!(text.contains("consent"), "the program's name: {text}");
}

/// A caller's terminal and display are for the PIN: who asks could answer a question there itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_never_appears_where_the_caller_wants_it() {
    let screen = Screen::new();
    let world = World::with(|settings| {
        settings.set("pinentry", &screen.pinentry());
        settings.ask_for_consent_in_the_session();
    })
    .await;
    let offered = || world.options([("display", Variant::from(":99"))]);
    let message = mail::message(ALICE, "hello");
    // Without a session of the person's there is nowhere to ask, whatever the caller offers.
    refused(world.caller.sign(&message, offered()).await, ErrorKind::NoPrompter);
    assert_eq!(screen.shown(), [""; 0]);

    let _manager = Screen::announce(&world.bus).await;
    let (signed, ()) = within("the signature", async {
        tokio::join!(world.caller.sign(&message, offered()), async {
            for number in 1..=2 {
                let asked = screen.shows(number).await;
                assert!(asked.starts_with("question :77 "), "{asked}");
                screen.says(true).await;
            }
        })
    })
    .await;
    signed.unwrap();
    assert!(screen.shows(3).await.starts_with("pin :99 "), "the PIN may be asked for there");
    assert_eq!(world.person.dialogs(), 0, "nothing was shown on the caller's terminal");
}

#[tokio::test]
async fn after_a_no_the_same_program_is_quiet_and_never_is_never() {
    let world = asking_world().await;
    refused(answering(&world, &[THIRD], sign(&world)).await, ErrorKind::AccessDenied);
    let again = refused(answering(&world, &[], sign(&world)).await, ErrorKind::AccessDenied);
    assert!(again.message.contains("half a minute"), "{again}");

    let world = asking_world().await;
    refused(answering(&world, &[SECOND], sign(&world)).await, ErrorKind::AccessDenied);
    let never = refused(answering(&world, &[], sign(&world)).await, ErrorKind::AccessDenied);
    assert!(!never.message.contains("half a minute"), "{never}");
    assert_eq!(world.module.count("C_Login", "0x0"), 0, "no PIN was asked for");
}

#[tokio::test]
async fn a_program_that_wants_no_dialog_is_told_that_one_is_needed() {
    let world = asking_world().await;
    let quiet = world.options([("interactive", Variant::from(false))]);
    let refusal = world.caller.sign(&mail::message(ALICE, "hello"), quiet).await;
    refused(refusal, ErrorKind::InteractionRequired);
    assert_eq!(world.person.dialogs(), 0);
}

#[tokio::test]
async fn no_program_changes_a_recipient_or_loosens_a_setting_without_a_yes() {
    let world = World::with(|settings| {
        settings.ask_for_consent();
        settings.set("recipients-folder", "/nonexistent");
        settings.add_text("[sign]\nalways = true\n");
    })
    .await;
    let certificate = std::fs::read(CAROL.certificate()).unwrap();
    let import = || {
        let body = (inline(&certificate), world.place());
        let world = &world;
        async move {
            let recipients = "org.waferd.Wafer1.Recipients";
            world.caller.call(ROOT_PATH, recipients, "Import", &body).await.map(drop)
        }
    };
    let set = |name: &'static str, value: bool| {
        let body = (name, Variant::from(value), world.place());
        let world = &world;
        async move { world.caller.call(ROOT_PATH, "org.waferd.Wafer1.Settings", "Set", &body).await.map(drop) }
    };
    answering(&world, &[FIRST], import()).await.unwrap();
    // To protect more needs no yes.
    answering(&world, &[], set("encrypt.always", true)).await.unwrap();
    answering(&world, &[FIRST], set("encrypt.always", false)).await.unwrap();
    refused(answering(&world, &[SECOND], set("sign.always", false)).await, ErrorKind::AccessDenied);
    refused(answering(&world, &[], set("sign.always", false)).await, ErrorKind::AccessDenied);
    let settings = world.run_wafer(&["settings", "get", "sign.always"]);
    assert!(String::from_utf8(settings.stdout).unwrap().contains("sign.always = true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_asked_about_like_a_program() {
    let world = asking_world().await;
    let (settings, pin) = (world.folder().join("waferd.toml"), format!("{PIN}\r"));
    // This test's program is the adapter; how it is named is what permissions tell.
    answering(&world, &[FIRST, FIRST, &pin], sign(&world)).await.unwrap();
    let program = permissions(&world)[0]["program"].as_str().unwrap().to_owned();
    let as_page = |page: &'static str| {
        let options = world.options([("origin", Variant::from(page))]);
        let world = &world;
        async move { world.caller.sign(&mail::message(ALICE, "hello"), options).await }
    };
    const MAIL: &str = "https://mail.example.org";
    let denied = refused(answering(&world, &[], as_page(MAIL)).await, ErrorKind::AccessDenied);
    assert!(denied.message.contains("may not speak for web pages"), "{denied}");

    let text = std::fs::read_to_string(&settings).unwrap();
    let web = format!("[web]\nadapters = [{program:?}]\norigins = [\"https://*.example.org\"]\n");
    std::fs::write(&settings, format!("{text}{web}")).unwrap();
    until_async("the new settings", || {
        let listed = String::from_utf8(world.run_wafer(&["settings"]).stdout).unwrap();
        listed.contains("web.origins = https").then_some(())
    })
    .await;
    // An adapter is never a caller of its own; and the administrator's list comes before every question.
    refused(answering(&world, &[], sign(&world)).await, ErrorKind::InvalidArgument);
    refused(answering(&world, &[], as_page("https://evil.example.net")).await, ErrorKind::AccessDenied);
    refused(answering(&world, &[], as_page("http://mail.example.org")).await, ErrorKind::InvalidArgument);

    let looks = async {
        until_async("the question", || world.person.dialog(4)).await;
        let person = world.person.clone();
        let question = tokio::task::spawn_blocking(move || person.reads_dialog(4)).await.unwrap();
        world.person.press(FIRST);
        until_async("for how long", || world.person.dialog(5)).await;
        world.person.press(FIRST);
        question
    };
    let (signed, question) = within("the signature", async { tokio::join!(as_page(MAIL), looks) }).await;
    signed.unwrap();
    assert!(question.contains("The web page https://mail.example.org"), "{question}");
    answering(&world, &[], as_page(MAIL)).await.unwrap();
    // Each page for itself.
    refused(answering(&world, &[THIRD], as_page("https://other.example.org")).await, ErrorKind::AccessDenied);
    answering(&world, &[], as_page(MAIL)).await.unwrap();
    let listed = permissions(&world);
    let page = listed.as_array().unwrap().iter().find(|one| one["program"] != program.as_str()).unwrap();
    let name = page["program"].as_str().unwrap();
    assert!(name.starts_with("origin:https://mail.example.org in "), "{name}");
    assert_eq!(page["answer"], "always");
    let revoked = world.run_wafer(&["permissions", "revoke", name]);
    assert!(revoked.status.success(), "{revoked:?}");
    refused(answering(&world, &[SECOND], as_page(MAIL)).await, ErrorKind::AccessDenied);
    refused(answering(&world, &[], as_page(MAIL)).await, ErrorKind::AccessDenied);
}

fn permissions(world: &World) -> serde_json::Value {
    serde_json::from_slice(&world.run_wafer(&["permissions", "--json"]).stdout).unwrap()
}

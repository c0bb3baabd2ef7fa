//! The simulated hardware itself: what the stories rely on, without Wafer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Child, Command, Stdio};

use hw_sim::softhsm::{PIN, WRONG_PIN};
use hw_sim::{Bus, Caller, Person, SoftHsm, TestModule};

fn pkcs11_tool(hsm: &SoftHsm, module: &TestModule, pin: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("pkcs11-tool");
    command.arg("--module").arg(TestModule::library()).args(["--login", "--pin", pin]).args(arguments);
    command.envs(module.environment()).env("SOFTHSM2_CONF", hsm.configuration());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn sign(hsm: &SoftHsm, module: &TestModule) -> Child {
    let arguments = ["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01"];
    let mut child = pkcs11_tool(hsm, module, PIN, &arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"data").unwrap();
    child
}

#[test]
fn the_module_keeps_a_diary_of_logins_and_signatures() {
    let (hsm, module) = (SoftHsm::wafer(), TestModule::new());
    assert!(sign(&hsm, &module).wait_with_output().unwrap().status.success());
    assert_eq!(module.count("C_Login", "0x0"), 1);
    assert_eq!(module.count("C_Sign", "0x0"), 1);
    assert_eq!(module.count("C_Sign", "begin"), 1);

    let wrong = pkcs11_tool(&hsm, &module, WRONG_PIN, &["--list-objects"]).output().unwrap();
    assert!(!wrong.status.success());
    assert_eq!(module.count("C_Login", "0xa0"), 1);
}

#[test]
fn the_token_holds_both_keys_with_their_certificates() {
    let (hsm, module) = (SoftHsm::wafer(), TestModule::new());
    let output = pkcs11_tool(&hsm, &module, PIN, &["--list-objects"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.matches("Private Key Object").count(), 2, "{text}");
    assert_eq!(text.matches("Certificate Object").count(), 3, "{text}");
    assert!(text.contains("derive") && text.contains("decrypt"), "{text}");
}

#[test]
fn the_module_aborts_and_hangs_and_waits_on_request() {
    let (hsm, module) = (SoftHsm::wafer(), TestModule::new());
    module.control("abort");
    let output = sign(&hsm, &module).wait_with_output().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(6));

    module.control("hang");
    let mut hanging = sign(&hsm, &module);
    module.waits_for("C_Sign", "begin", 2);
    assert!(hanging.try_wait().unwrap().is_none());
    hanging.kill().unwrap();
    hanging.wait().unwrap();

    let gate = module.close_gate();
    let waiting = sign(&hsm, &module);
    module.waits_for("C_Sign", "begin", 3);
    assert_eq!(module.count("C_Sign", "0x0"), 0);
    module.control("normal");
    hw_sim::wait::until("the gate lets the signature through", || {
        gate.open();
        (module.count("C_Sign", "0x0") == 1).then_some(())
    });
    assert!(waiting.wait_with_output().unwrap().status.success());

    module.control("removed");
    let output = pkcs11_tool(&hsm, &module, PIN, &["--list-objects"]).output().unwrap();
    assert!(!output.status.success());
}

fn pinentry(person: &Person, description: &str) -> Child {
    let mut child = Command::new("pinentry-curses")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let tty = person.tty().display();
    let lines = format!(
        "OPTION ttyname={tty}\nOPTION ttytype={}\nSETDESC {description}\nGETPIN\nBYE\n",
        person.term()
    );
    child.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    child
}

#[test]
fn a_person_reads_a_dialog_and_types_or_cancels() {
    let person = Person::new();
    let asking = pinentry(&person, "The card wants to know.%0AReally.");
    let text = person.reads(&["The card wants to know.", "Really."]);
    assert!(text.contains("<Cancel>"), "{text}");
    assert!(person.sees_dialog());
    person.types(PIN);
    let answer = String::from_utf8(asking.wait_with_output().unwrap().stdout).unwrap();
    assert!(answer.contains("D 123456"), "{answer}");

    let asking = pinentry(&person, "Again.");
    person.reads_dialog(2);
    person.cancels();
    assert!(person.sees_it_close().contains("Again."));
    let answer = String::from_utf8(asking.wait_with_output().unwrap().stdout).unwrap();
    assert!(answer.contains("ERR") && answer.contains("cancelled"), "{answer}");
    assert_eq!(person.dialogs(), 2);
}

#[tokio::test]
async fn each_bus_is_its_own() {
    let (one, other) = (Bus::start(), Bus::start());
    assert_ne!(one.address(), other.address());
    let caller = Caller::connect(one.address()).await;
    assert!(caller.connection().unique_name().is_some());
}

//! A test's whole world: bus, token, daemon, a person at a terminal, a mail program.

use std::path::PathBuf;
use std::pin::pin;
use std::process::{Command, Output, Stdio};

use zbus::Variant;

use crate::bus::Bus;
use crate::caller::{Caller, Options};
use crate::logind::Logind;
use crate::person::Person;
use crate::programs::program;
use crate::softhsm::{PIN, SoftHsm, TestModule};
use crate::waferd::{Settings, Waferd, environment};
use crate::wait::{until_async, within};

/// All of it. Parts are public: stories use what they need.
#[derive(Debug)]
pub struct World {
    /// A mail program on the bus.
    pub caller: Caller,
    /// Who reads the dialogs.
    pub person: Person,
    /// The daemon.
    pub waferd: Waferd,
    /// The watched module.
    pub module: TestModule,
    /// The token.
    pub hsm: SoftHsm,
    /// The bus.
    pub bus: Bus,
}

impl World {
    /// With the usual settings.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings that `change` changes: one module `test`, watched, in front of the token `wafer`.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::started(None, change).await
    }

    /// With logind on a system bus.
    pub async fn with_logind(logind: &Logind) -> Self {
        Self::started(Some(logind.address()), |_| {}).await
    }

    async fn started(system_bus: Option<&str>, change: impl FnOnce(&mut Settings)) -> Self {
        let (bus, hsm, module) = (Bus::start(), SoftHsm::wafer(), TestModule::new());
        let mut settings = Settings::new();
        settings.add_test_module("test", &hsm, &module);
        change(&mut settings);
        let waferd = Waferd::start_with(bus.address(), system_bus, &settings.text()).await;
        let caller = Caller::connect(bus.address()).await;
        Self { caller, person: Person::new(), waferd, module, hsm, bus }
    }

    /// Another mail program.
    pub async fn another_caller(&self) -> Caller {
        Caller::connect(self.bus.address()).await
    }

    /// The options by which the person's terminal shows the dialog.
    pub fn place(&self) -> Options {
        place(&self.person)
    }

    /// The same with further options.
    pub fn options<const N: usize>(&self, more: [(&'static str, Variant<'static>); N]) -> Options {
        let mut options = self.place();
        options.extend(more);
        options
    }

    /// Runs `work`, a call that asks for the PIN, while the person answers with the right one. A call that
    /// ends before it has asked is not waited for.
    pub async fn with_pin<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => return answer,
            () = self.answers(self.person.dialogs() + 1, PIN) => {}
        }
        within("the call after the PIN", work).await
    }

    /// Waits for dialog `number` and types `pin` into it, beside the test's other tasks.
    pub async fn answers(&self, number: usize, pin: &str) {
        until_async("a PIN dialog", || self.person.dialog(number)).await;
        let person = self.person.clone();
        let pin = pin.to_owned();
        tokio::task::spawn_blocking(move || person.types(&pin)).await.unwrap();
    }

    /// Logs in: one signature, with the dialog answered.
    pub async fn log_in(&self) {
        let message = crate::mail::message(crate::pki::ALICE, "log in");
        self.with_pin(self.caller.sign(&message, self.place())).await.unwrap();
    }

    /// The command `wafer` in this world, at the person's terminal where it asks for a PIN.
    pub fn wafer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("wafer"));
        command.args(arguments).env_clear().envs(environment(self.waferd.folder(), self.bus.address()));
        command.env("GPG_TTY", self.person.tty()).env("TERM", self.person.term());
        command.current_dir(self.folder()).stdin(Stdio::null());
        command
    }

    /// Runs `wafer` to its end.
    pub fn run_wafer(&self, arguments: &[&str]) -> Output {
        self.wafer(arguments).output().unwrap()
    }

    /// A folder for the story's own files.
    pub fn folder(&self) -> PathBuf {
        self.waferd.folder().to_owned()
    }
}

/// The options by which `person`'s terminal shows the dialog.
pub fn place(person: &Person) -> Options {
    crate::caller::options([
        ("tty", Variant::from(person.tty().display().to_string())),
        ("term", Variant::from(person.term())),
        ("lang", Variant::from("C.UTF-8")),
    ])
}

//! A test's whole world: bus, token, daemon, a person at a terminal, a mail program.

use std::path::PathBuf;
use std::pin::pin;
use std::process::{Command, Output};

use wafer_test_card::Exchange;
use zbus::Variant;

use crate::bus::Bus;
use crate::caller::{Caller, Options, Reply, flag, text};
use crate::logind::Logind;
use crate::mail;
use crate::pcscd::Pcscd;
use crate::person::Person;
use crate::piv::{GRACE, PivCard};
use crate::pki::Somebody;
use crate::softhsm::{PIN, SoftHsm, TestModule};
use crate::waferd::{PCSCD_VARIABLE, Settings, Waferd, wafer};
use crate::wait::{until_async, within};

/// All of it. Parts are public: stories use what they need.
#[derive(Debug)]
pub struct World {
    /// Everything but the token.
    pub scene: Scene,
    /// The watched module.
    pub module: TestModule,
    /// The token.
    pub hsm: SoftHsm,
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

    /// With a file of the administrator's, and the person's own one beside it.
    pub async fn administered(administrators: &str, own: &str) -> Self {
        let (bus, hsm, module) = (Bus::start(), SoftHsm::wafer(), TestModule::new());
        let mut settings = Settings::new();
        settings.add_test_module("test", &hsm, &module);
        let text = format!("{administrators}{}", settings.text());
        let waferd = Waferd::start_administered(bus.address(), &text, own).await;
        Self { scene: Scene::new(bus, waferd).await, module, hsm }
    }

    /// With logind on a system bus, and settings that `change` changes.
    pub async fn with_logind(logind: &Logind, change: impl FnOnce(&mut Settings)) -> Self {
        Self::started(Some(logind), change).await
    }

    async fn started(logind: Option<&Logind>, change: impl FnOnce(&mut Settings)) -> Self {
        let (bus, hsm, module) = (Bus::start(), SoftHsm::wafer(), TestModule::new());
        let mut settings = Settings::new();
        settings.add_test_module("test", &hsm, &module);
        change(&mut settings);
        let waferd = Waferd::start_with(bus.address(), system_bus(logind).as_slice(), &settings.text()).await;
        Self { scene: Scene::new(bus, waferd).await, module, hsm }
    }

    /// Logs in: one signature, with the dialog answered.
    pub async fn log_in(&self) {
        self.scene.log_in(crate::pki::ALICE).await;
    }
}

impl std::ops::Deref for World {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl std::ops::DerefMut for World {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

/// A world with a PIV card in a reader instead of a PKCS#11 token: `first`, if not said otherwise.
#[derive(Debug)]
pub struct PivWorld {
    /// Everything but the card.
    pub scene: Scene,
    /// The card, in reader 0.
    pub card: PivCard,
    /// The readers.
    pub pcscd: Pcscd,
}

impl PivWorld {
    /// With the usual settings.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings that `change` changes.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_card(PivCard::first(), change).await
    }

    /// With another card than `first`.
    pub async fn with_card(card: PivCard, change: impl FnOnce(&mut Settings)) -> Self {
        Self::started(card, None, change).await
    }

    /// With logind on a system bus, and settings that `change` changes.
    pub async fn with_logind(logind: &Logind, change: impl FnOnce(&mut Settings)) -> Self {
        Self::started(PivCard::first(), Some(logind), change).await
    }

    async fn started(card: PivCard, logind: Option<&Logind>, change: impl FnOnce(&mut Settings)) -> Self {
        let (bus, pcscd) = (Bus::start(), Pcscd::start());
        card.card.plug(pcscd.port(0));
        let mut settings = Settings::new();
        settings.set("recipients-folder", &crate::piv::recipients_folder().display().to_string());
        settings.set("trust-folder", &crate::piv::trust_folder().display().to_string());
        change(&mut settings);
        let socket = pcscd.socket().display().to_string();
        let variables: Vec<_> = system_bus(logind).into_iter().chain([(PCSCD_VARIABLE, &*socket)]).collect();
        let waferd = Waferd::start_with(bus.address(), &variables, &settings.text()).await;
        Self { scene: Scene::new(bus, waferd).await, card, pcscd }
    }

    /// What is said to the card for one signature of [`GRACE`]'s while its PIN is cached, until it is shut: by
    /// commands of extended length or not.
    pub async fn signature_dialogue(&self, extended: bool) -> Vec<Exchange> {
        self.pull();
        self.lists(0).await;
        self.card.card.extended(extended);
        self.plug();
        self.lists(1).await;
        self.log_in(GRACE).await;
        self.pin_is("unlocked").await;
        let diary = self.card.card.diary();
        diary.take();
        let silent = Options::from([("interactive", Variant::from(false))]);
        self.caller.sign(&mail::message(GRACE, "hello"), silent).await.unwrap();
        // VERIFY with P1=FF shuts it.
        diary.waits_for("the card is shut", |one| (one.instruction(), one.parameters().0) == (0x20, 0xff));
        diary.take()
    }

    /// Pulls the card out.
    pub fn pull(&self) {
        self.card.card.pull();
    }

    /// Puts it back, once pcscd has seen that it was out.
    pub fn plug(&self) {
        self.pcscd.is_empty(0);
        self.card.card.plug(self.pcscd.port(0));
    }

    /// Waits until `count` tokens are present.
    pub async fn lists(&self, count: usize) {
        self.waits_until(&format!("{count} tokens"), |tokens| {
            tokens.iter().filter(|token| flag(token, "Present")).count() == count
        })
        .await;
    }

    /// Waits until the PIN's state is known to be `state`: what follows from a login is done then.
    pub async fn pin_is(&self, state: &str) {
        self.waits_until(&format!("the PIN {state}"), |tokens| {
            tokens.iter().any(|token| text(token, "PinState") == state)
        })
        .await;
    }

    /// Waits until `look` likes the tokens' properties.
    pub async fn waits_until(&self, what: &str, look: impl Fn(&[Reply]) -> bool) {
        let end = std::time::Instant::now() + crate::wait::LONG;
        loop {
            let objects = self.caller.objects().await;
            let tokens = objects.into_values().filter_map(|mut one| one.remove("org.waferd.Wafer1.Token"));
            let tokens: Vec<_> = tokens.collect();
            if look(&tokens) {
                return;
            }
            assert!(std::time::Instant::now() < end, "never {what}: {tokens:?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

impl std::ops::Deref for PivWorld {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl std::ops::DerefMut for PivWorld {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

/// A bus with the daemon, a mail program, and a person at a terminal.
#[derive(Debug)]
pub struct Scene {
    /// A mail program on the bus.
    pub caller: Caller,
    /// Who reads the dialogs.
    pub person: Person,
    /// The daemon.
    pub waferd: Waferd,
    /// The bus.
    pub bus: Bus,
}

impl Scene {
    /// Without any token, with settings that `change` changes.
    pub async fn bare(change: impl FnOnce(&mut Settings)) -> Self {
        let bus = Bus::start();
        let mut settings = Settings::new();
        change(&mut settings);
        let waferd = Waferd::start(bus.address(), &settings.text()).await;
        Self::new(bus, waferd).await
    }

    async fn new(bus: Bus, waferd: Waferd) -> Self {
        let caller = Caller::connect(bus.address()).await;
        Self { caller, person: Person::new(), waferd, bus }
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

    /// Waits for dialog `number` and cancels it, beside the test's other tasks.
    pub async fn cancels(&self, number: usize) {
        until_async("a PIN dialog", || self.person.dialog(number)).await;
        let person = self.person.clone();
        tokio::task::spawn_blocking(move || person.cancels()).await.unwrap();
    }

    /// Logs in: one signature of `somebody`, with the dialog answered.
    pub async fn log_in(&self, somebody: impl Somebody) {
        let message = mail::message(somebody, "log in");
        self.with_pin(self.caller.sign(&message, self.place())).await.unwrap();
    }

    /// The command `wafer` in this world, at the person's terminal where it asks for a PIN.
    pub fn wafer(&self, arguments: &[&str]) -> Command {
        let mut command = wafer(self.waferd.folder(), self.bus.address());
        command.args(arguments).current_dir(self.folder());
        command.env("GPG_TTY", self.person.tty()).env("TERM", self.person.term());
        command
    }

    /// Runs `wafer` while the person enters `entries`, a dialog each; gives the dialogs' texts and the outcome.
    pub async fn wafer_with_entries(&self, arguments: &[&str], entries: &[&str]) -> (Vec<String>, Output) {
        let mut command = self.wafer(arguments);
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let before = self.person.dialogs();
        let mut texts = Vec::new();
        for (number, entry) in (before + 1..).zip(entries) {
            texts.push(until_async("a dialog", || self.person.dialog(number)).await);
            self.answers(number, entry).await;
        }
        (texts, within("wafer", running).await.unwrap())
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

fn system_bus(logind: Option<&Logind>) -> Option<(&'static str, &str)> {
    logind.map(|logind| ("DBUS_SYSTEM_BUS_ADDRESS", logind.address()))
}

/// The options by which `person`'s terminal shows the dialog.
pub fn place(person: &Person) -> Options {
    crate::caller::options([
        ("tty", Variant::from(person.tty().display().to_string())),
        ("term", Variant::from(person.term())),
        ("lang", Variant::from("C.UTF-8")),
    ])
}

//! The world of the campaign, and how to put it in order again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use hw_sim::pcscd::Pcscd;
use hw_sim::piv::{self, PivCard};
use hw_sim::process::Process;
use hw_sim::waferd::Settings;
use hw_sim::{Bus, Caller, Logind, Person, SoftHsm, TestModule, Waferd};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::accounts::Accounts;
use crate::pins::Pins;
use crate::tries::Tries;

/// A module or card that hangs costs a call so long.
const MODULE_DEADLINE_MS: u32 = 4000;
/// A dialog that nobody answers ends after so long.
const DIALOG_TIMEOUT_S: u32 = 3;

/// Everything there is, with nobody in it yet.
pub(crate) struct Ground {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) bus: Bus,
    pub(crate) logind: Logind,
    pub(crate) pcscd: tokio::sync::Mutex<Pcscd>,
    pub(crate) card: PivCard,
    pub(crate) module: TestModule,
    pub(crate) person: Person,
    pub(crate) pins: Pins,
    pub(crate) tries: Tries,
    /// The person always enters the right PIN.
    pub(crate) obliging: AtomicBool,
    /// Nobody needs the person any more.
    pub(crate) over: AtomicBool,
    /// The reader that the card is in, or was in last.
    reader: AtomicU16,
    folder: TempDir,
    watcher: Caller,
    _hsm: SoftHsm,
}

impl Ground {
    /// The bus starts waferd when the first program calls it, and whenever it is gone.
    pub(crate) async fn new(accounts: &Arc<Accounts>) -> Self {
        let (bus, logind, pcscd) = (Bus::start(), Logind::start().await, Pcscd::start());
        let (card, hsm, module) = (PivCard::first(), SoftHsm::wafer(), TestModule::new());
        card.card.plug(pcscd.port(0));
        let mut settings = Settings::new();
        settings.set("trust-folder", &piv::trust_folder().display().to_string());
        settings.set_number("module-deadline-ms", MODULE_DEADLINE_MS);
        settings.set_pin("dialog-timeout-s", DIALOG_TIMEOUT_S);
        settings.add_test_module("test", &hsm, &module);
        let folder = tempfile::Builder::new().prefix("wafer-soak-").tempdir().unwrap();
        let socket = pcscd.socket().display().to_string();
        let variables = [("PCSCLITE_CSOCK_NAME", &*socket), ("DBUS_SYSTEM_BUS_ADDRESS", logind.address())];
        let line = Waferd::command_line_with(folder.path(), bus.address(), &variables, &settings.text());
        bus.activate_by(&line);
        let watcher = Caller::connect(bus.address()).await;
        Self {
            accounts: Arc::clone(accounts),
            bus,
            logind,
            pcscd: tokio::sync::Mutex::new(pcscd),
            card,
            module,
            person: Person::new(),
            pins: Pins::default(),
            tries: Tries::default(),
            obliging: AtomicBool::new(true),
            over: AtomicBool::new(false),
            reader: AtomicU16::new(0),
            folder,
            watcher,
            _hsm: hsm,
        }
    }

    /// `HOME` of all programs here.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// waferd's process, if it runs.
    pub(crate) async fn waferd(&self) -> Option<Process> {
        let bus = zbus::fdo::DBusProxy::new(self.watcher.connection()).await.unwrap();
        let name = zbus::names::BusName::try_from(wafer_client::names::BUS_NAME).unwrap();
        bus.get_connection_unix_process_id(name).await.ok().map(Process)
    }

    /// The keepers' processes.
    pub(crate) async fn keepers(&self) -> Vec<Process> {
        self.waferd().await.map_or_else(Vec::new, hw_sim::waferd::keepers_below)
    }

    /// Puts the card into the other reader: one that it left in the middle of a command needs a moment.
    pub(crate) async fn plug(&self) {
        let reader = 1 - self.reader.load(Ordering::SeqCst);
        self.reader.store(reader, Ordering::SeqCst);
        let port = self.pcscd.lock().await.port(reader);
        tokio::task::block_in_place(|| self.card.card.plug(port));
    }

    /// Nothing is wrong any more from now on.
    pub(crate) async fn heal(&self) {
        self.module.control("normal");
        self.card.card.heal();
        for process in Process(std::process::id()).descendants() {
            process.signal(Signal::CONT);
        }
        self.logind.set_screen_locked(false).await;
        self.card.card.pull();
        self.plug().await;
    }

    /// What the daemon and its keepers wrote goes where a person finds it.
    pub(crate) fn keep_log(&self) {
        let kept = hw_sim::programs::made_folder().join("soak.log");
        if std::fs::copy(self.home().join("log"), &kept).is_ok() {
            crate::say(&format!("their log is {}", kept.display()));
        }
    }
}

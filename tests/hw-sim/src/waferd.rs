//! The daemon's process.

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use wafer_client::names::{BUS_NAME, PRIVATE_SOCKET};

use crate::pki;
use crate::process::Process;
use crate::programs::{folder, program, softhsm};
use crate::softhsm::{SoftHsm, TestModule};
use crate::tpm::{self, Tpm};
use crate::wait;

/// OpenSC's PKCS#11 module, where Debian puts it.
pub const OPENSC: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
/// Names pcscd's socket to its clients.
pub(crate) const PCSCD_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// The administrator's file below waferd's folder.
const ADMINISTRATORS: &str = "etc/waferd/waferd.toml";
/// The person's own file there, beside an administrator's.
const OWN: &str = "config/waferd/waferd.toml";

/// A settings file for waferd, as text that grows.
#[derive(Clone, Debug)]
pub struct Settings {
    top: String,
    pin: String,
    consent: String,
    modules: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// With the test PKI's folders, pinentry-curses, and no module.
    pub fn new() -> Self {
        // Stories about keys are not about consent: those that are ask for it.
        let consent = "programs = \"allow\"\nchanges = \"allow\"\n".to_owned();
        let mut settings = Self { top: String::new(), pin: String::new(), consent, modules: String::new() };
        settings.set("trust-folder", &pki::trust_folder().display().to_string());
        settings.set("recipients-folder", &pki::recipients_folder().display().to_string());
        settings.set("pinentry", "/usr/bin/pinentry-curses");
        // What is registered on the machine is none of the test's.
        writeln!(settings.top, "p11-kit = false").unwrap();
        settings
    }

    /// Sets a text at the top of the file, in the place of an earlier one.
    pub fn set(&mut self, key: &str, value: &str) {
        let before = format!("{key} = ");
        self.top = self.top.split_inclusive('\n').filter(|line| !line.starts_with(&before)).collect();
        writeln!(self.top, "{key} = {value:?}").unwrap();
    }

    /// Sets a number at the top of the file.
    pub fn set_number(&mut self, key: &str, value: u32) {
        writeln!(self.top, "{key} = {value}").unwrap();
    }

    /// Sets a number in the table `[pin]`.
    pub fn set_pin(&mut self, key: &str, value: u32) {
        writeln!(self.pin, "{key} = {value}").unwrap();
    }

    /// Switches PIV cards over PC/SC on or off.
    pub fn set_piv(&mut self, enabled: bool) {
        write!(self.modules, "[piv]\nenabled = {enabled}\n").unwrap();
    }

    /// Lets a click stand for a cached PIN, where a key wants it at every use: the keeper then keeps the PIN.
    pub fn keep_pins(&mut self) {
        writeln!(self.pin, "each-use = \"confirm\"").unwrap();
    }

    /// Has PINs kept where not even root can read them, if the kernel can do that.
    pub fn keep_pins_in_secret_memory(&mut self) {
        writeln!(self.pin, "secret-memory = true").unwrap();
    }

    /// Has the person asked about programs, at the program's terminal.
    pub fn ask_for_consent(&mut self) {
        self.consent = "terminal = true\n".to_owned();
    }

    /// Has the person asked about programs, in their own session only.
    pub fn ask_for_consent_in_the_session(&mut self) {
        self.consent = String::new();
    }

    /// Adds tables as text.
    pub fn add_text(&mut self, tables: &str) {
        self.modules.push_str(tables);
    }

    /// Adds SoftHSM itself, with the token of `hsm`.
    pub fn add_softhsm(&mut self, name: &str, hsm: &SoftHsm) {
        let environment = [("SOFTHSM2_CONF", hsm.configuration().display().to_string())];
        self.add(name, &softhsm(), &[hsm.state()], &environment);
    }

    /// Adds the watched module in front of the token of `hsm`.
    pub fn add_test_module(&mut self, name: &str, hsm: &SoftHsm, module: &TestModule) {
        let mut environment = module.environment();
        environment.push(("SOFTHSM2_CONF", hsm.configuration().display().to_string()));
        self.add(name, &TestModule::library(), &[hsm.state(), module.state()], &environment);
    }

    /// Adds tpm2-pkcs11 with the token on `tpm`.
    pub fn add_tpm(&mut self, name: &str, tpm: &Tpm) {
        self.add(name, Path::new(tpm::MODULE), &[tpm.state()], &tpm.environment());
    }

    /// Adds OpenSC's module.
    pub fn add_opensc(&mut self, name: &str) {
        self.add(name, Path::new(OPENSC), &[], &[]);
    }

    fn add(&mut self, name: &str, path: &Path, state: &[PathBuf], environment: &[(&str, String)]) {
        let state: Vec<String> =
            state.iter().map(|path| format!("{:?}", path.display().to_string())).collect();
        let environment: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        write!(
            self.modules,
            "[[module]]\nname = {name:?}\npath = {:?}\nstate = [{}]\nenvironment = {{ {} }}\n",
            path.display().to_string(),
            state.join(", "),
            environment.join(", ")
        )
        .unwrap();
    }

    /// The file's text.
    pub fn text(&self) -> String {
        format!("{}[pin]\n{}[consent]\n{}{}", self.top, self.pin, self.consent, self.modules)
    }
}

/// A running waferd with folders of its own. It ends with the value; if the test fails, its log is printed.
#[derive(Debug)]
pub struct Waferd {
    folder: TempDir,
    address: String,
    variables: Vec<(String, String)>,
    child: Child,
}

impl Waferd {
    /// Starts it on the bus at `address`, with `settings`; returns when it has its name there. It sees no
    /// pcscd, whatever runs on this machine.
    pub async fn start(address: &str, settings: &str) -> Self {
        Self::start_with(address, &[], settings).await
    }

    /// The same, with variables of the environment: a system bus, a pcscd; else it sees none of either,
    /// whatever runs on this machine.
    pub async fn start_with(address: &str, variables: &[(&str, &str)], settings: &str) -> Self {
        Self::start_in(own_folder(&[("waferd.toml", settings)]), address, variables).await
    }

    /// The same, with an administrator's file beside the person's own: see [`Self::administrators_file`] and
    /// [`Self::own_file`].
    pub async fn start_administered(address: &str, administrators: &str, own: &str) -> Self {
        let folder = own_folder(&[(ADMINISTRATORS, administrators), (OWN, own)]);
        // No file is named: the two usual ones are read.
        let etc = folder.path().join("etc/waferd").display().to_string();
        Self::start_in(folder, address, &[("WAFERD_CONFIG", ""), ("WAFERD_ETC", &etc)]).await
    }

    /// The administrator's settings file.
    pub fn administrators_file(&self) -> PathBuf {
        self.folder.path().join(ADMINISTRATORS)
    }

    /// The person's own settings file, beside an administrator's.
    pub fn own_file(&self) -> PathBuf {
        self.folder.path().join(OWN)
    }

    async fn start_in(folder: TempDir, address: &str, variables: &[(&str, &str)]) -> Self {
        let child = command(folder.path(), address).envs(variables.iter().copied()).spawn().unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let waferd = Self { folder, address: address.to_owned(), variables: variables.collect(), child };
        waferd.is_there().await;
        waferd
    }

    /// Ends it and starts it again, with all that it has kept.
    pub async fn restart(&mut self) {
        self.stop();
        std::fs::remove_file(self.folder.path().join("run").join(PRIVATE_SOCKET)).unwrap();
        let mut command = command(self.folder.path(), &self.address);
        self.child = command.envs(self.variables.iter().cloned()).spawn().unwrap();
        self.is_there().await;
    }

    /// A line for `Exec=` that starts it with `settings` in `folder`.
    pub fn command_line(folder: &Path, address: &str, settings: &str) -> String {
        Self::command_line_with(folder, address, &[], settings)
    }

    /// The same, with variables of the environment.
    pub fn command_line_with(
        folder: &Path,
        address: &str,
        variables: &[(&str, &str)],
        settings: &str,
    ) -> String {
        std::fs::create_dir_all(folder.join("run")).unwrap();
        std::fs::write(folder.join("waferd.toml"), settings).unwrap();
        let script = folder.join("start");
        let mut text = String::from("#!/bin/sh\nexec env -i");
        let more = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        for (name, value) in environment(folder, address).into_iter().chain(more) {
            write!(text, " {name}='{value}'").unwrap();
        }
        writeln!(text, " {} 2>>{}/log", program("waferd").display(), folder.display()).unwrap();
        std::fs::write(&script, text).unwrap();
        format!("/bin/sh {}", script.display())
    }

    async fn is_there(&self) {
        let bus = zbus::connection::Builder::address(self.address.as_str()).build().await.unwrap();
        let bus = zbus::fdo::DBusProxy::new(&bus).await.unwrap();
        let name = zbus::names::BusName::try_from(BUS_NAME).unwrap();
        let end = std::time::Instant::now() + wait::LONG;
        while !bus.name_has_owner(name.clone()).await.unwrap() {
            assert!(self.process().runs(), "waferd ended at its start:\n{}", self.log());
            assert!(std::time::Instant::now() < end, "waferd never took its name:\n{}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Its keepers: those that serve tokens, not their prompt helpers.
    pub fn keepers(&self) -> Vec<Process> {
        keepers_below(self.process())
    }

    /// The pinentry processes below it.
    pub fn pinentries(&self) -> Vec<Process> {
        let pinentry = |process: &Process| process.name().is_some_and(|name| name.starts_with("pinentry"));
        self.process().descendants().into_iter().filter(pinentry).collect()
    }

    /// It and every process below it.
    pub fn descendants_and_itself(&self) -> Vec<Process> {
        let mut all = self.process().descendants();
        all.push(self.process());
        all
    }

    /// What it and its keepers have written to stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A folder of its own: its `HOME`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The D-Bus address of its private socket.
    pub fn private_address(&self) -> String {
        format!("unix:path={}", self.folder.path().join("run").join(PRIVATE_SOCKET).display())
    }

    /// Ends it as a service manager does, and waits.
    pub fn stop(&mut self) -> ExitStatus {
        self.process().signal(Signal::TERM);
        self.child.wait().unwrap()
    }

    /// Kills it, and waits.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Waferd {
    fn drop(&mut self) {
        let keepers = self.process().descendants();
        let _ = self.child.kill();
        let _ = self.child.wait();
        keepers.into_iter().for_each(Process::kill);
        if std::thread::panicking() {
            eprintln!("--- waferd's log\n{}---", self.log());
        }
    }
}

/// What tells the command lines of keepers that serve tokens.
const KEEPERS: [&str; 3] = [" pkcs11 --module ", " pcsc --name ", " files --name "];

/// The keepers of the waferd that is `process`: those that serve tokens, not their prompt helpers.
pub fn keepers_below(process: Process) -> Vec<Process> {
    let keeper = |process: &Process| {
        process.command_line().is_some_and(|line| KEEPERS.iter().any(|kind| line.contains(kind)))
    };
    process.descendants().into_iter().filter(keeper).collect()
}

/// The command `wafer` of somebody whose home is `home`, on the bus at `address`.
pub fn wafer(home: &Path, address: &str) -> Command {
    let mut command = Command::new(program("wafer"));
    command.env_clear().envs(environment(home, address)).stdin(Stdio::null());
    command
}

/// A folder for one waferd with these files in it.
fn own_folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::Builder::new().prefix("waferd-").tempdir().unwrap();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder
}

/// waferd with nothing of the test's own environment, and with its private socket as descriptor 3, the way
/// a service manager hands it over (sd_listen_fds(3)).
fn command(home: &Path, address: &str) -> Command {
    let log: OwnedFd = File::options().create(true).append(true).open(home.join("log")).unwrap().into();
    let socket = home.join("run").join(PRIVATE_SOCKET);
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let socket: OwnedFd = UnixListener::bind(socket).unwrap().into();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3<&0 0</dev/null"]).arg(program("waferd"));
    command.env_clear().envs(environment(home, address));
    command.stdin(socket).stdout(Stdio::null()).stderr(log);
    command
}

/// The environment of a program that belongs to this test's world.
pub(crate) fn environment(home: &Path, address: &str) -> Vec<(String, String)> {
    let path = |name: &str| home.join(name).display().to_string();
    // Coverage and the like of the test itself are not the daemon's business; its log level is.
    let level =
        std::env::var("WAFER_TEST_LOG_LEVEL").unwrap_or_else(|_| "info,zbus=warn,tracing=warn".to_owned());
    [
        ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", folder().display())),
        ("HOME", home.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("XDG_RUNTIME_DIR", path("run")),
        ("XDG_CONFIG_HOME", path("config")),
        ("XDG_DATA_HOME", path("data")),
        ("DBUS_SESSION_BUS_ADDRESS", address.to_owned()),
        // The machine's own logind has no say in a test.
        ("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", path("no-system-bus"))),
        ("WAFERD_CONFIG", path("waferd.toml")),
        ("RUST_LOG", level),
        (PCSCD_VARIABLE, "/nonexistent/pcscd".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

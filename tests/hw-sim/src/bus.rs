//! A private session bus.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use wafer_client::names::BUS_NAME;

/// A dbus-daemon of the test's own. It ends with the value.
#[derive(Debug)]
pub struct Bus {
    address: String,
    folder: TempDir,
    daemon: Child,
}

impl Bus {
    /// Starts the bus; returns when it accepts connections.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("wafer-bus-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let config = folder.path().join("bus.conf");
        std::fs::write(&config, configuration(folder.path())).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is missing: install dbus-daemon");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(!address.is_empty(), "dbus-daemon did not start");
        Self { address, folder, daemon }
    }

    /// Its address, as `DBUS_SESSION_BUS_ADDRESS` has it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets the bus start Wafer by `command` when somebody calls it.
    pub fn activate_by(&self, command: &str) {
        let text = format!("[D-BUS Service]\nName={BUS_NAME}\nExec={command}\n");
        std::fs::write(self.services().join(format!("{BUS_NAME}.service")), text).unwrap();
    }

    /// The folder of its activation files.
    pub fn services(&self) -> PathBuf {
        self.folder.path().join("services")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// As /usr/share/dbus-1/session.conf, but with nothing of the machine's own in it.
fn configuration(folder: &Path) -> String {
    let limits = [
        ("max_incoming_bytes", 1_000_000_000_u64),
        ("max_incoming_unix_fds", 250_000_000),
        ("max_outgoing_bytes", 1_000_000_000),
        ("max_outgoing_unix_fds", 250_000_000),
        ("max_message_size", 1_000_000_000),
        ("service_start_timeout", 120_000),
        ("max_completed_connections", 100_000),
        ("max_connections_per_user", 100_000),
        ("max_names_per_connection", 50_000),
        ("max_match_rules_per_connection", 50_000),
        ("max_replies_per_connection", 50_000),
    ];
    let limits: String =
        limits.iter().map(|(name, value)| format!("<limit name=\"{name}\">{value}</limit>\n")).collect();
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n\
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
         <busconfig>\n<type>session</type>\n<listen>unix:path={0}/bus</listen>\n<auth>EXTERNAL</auth>\n\
         <servicedir>{0}/services</servicedir>\n\
         <policy context=\"default\"><allow user=\"*\"/><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\n{limits}</busconfig>\n",
        folder.display()
    )
}

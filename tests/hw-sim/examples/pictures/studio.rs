//! A desktop, a program that asks, and a camera.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hw_sim::desktop::{Desktop, Window};
use hw_sim::pki::Somebody;
use hw_sim::{Scene, mail};

use crate::png;

/// Between two looks at the screen: what is the same in both is drawn to the end.
const STILL: Duration = Duration::from_millis(300);

/// Where pictures are taken.
pub(crate) struct Studio {
    pub(crate) desktop: Desktop,
    bus: String,
    folder: PathBuf,
}

impl Studio {
    pub(crate) async fn open(scene: &Scene, folder: &Path) -> Self {
        let desktop = Desktop::start(&scene.bus).await;
        Self { desktop, bus: scene.bus.address().to_owned(), folder: folder.to_owned() }
    }

    /// A program that wants to sign as `somebody`. `busctl`: its path is the same everywhere.
    pub(crate) fn program_signs(&self, somebody: impl Somebody) -> Call {
        let message = mail::message(somebody, "hello");
        let mut command = Command::new("/usr/bin/busctl");
        command.args([
            "--address",
            &self.bus,
            "--timeout=120",
            "call",
            "org.waferd.Wafer1",
            "/org/waferd/Wafer1",
        ]);
        command.args(["org.waferd.Wafer1.Mail", "Sign", "vva{sv}", "ay", &message.len().to_string()]);
        command.args(message.iter().map(u8::to_string)).args(["ay", "0", "0"]);
        Call(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Takes a picture of the next dialog after `last`.
    pub(crate) async fn picture(&self, name: &str, last: Option<Window>) -> Window {
        let mut window = self.desktop.next_dialog(last).await;
        let mut seen = Vec::new();
        loop {
            tokio::time::sleep(STILL).await;
            // It may have grown while it was drawn.
            let now = self.desktop.dialog().expect("the dialog stays");
            let picture = png::of_screen(&std::fs::read(self.desktop.screen()).unwrap(), now.area);
            if now == window && picture == seen {
                break;
            }
            (window, seen) = (now, picture);
        }
        std::fs::write(self.folder.join(format!("{name}.png")), seen).unwrap();
        window
    }
}

/// A call of that program. It ends with the value.
pub(crate) struct Call(Child);

impl Call {
    /// Waits for its end, whatever came of it.
    pub(crate) fn ends(mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

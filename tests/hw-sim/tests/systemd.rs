//! Wafer as it is installed: `make install` into an unprivileged user's home, under that user's own systemd. The story
//! itself is `systemd-story`, which `with-user-systemd` runs inside; here it is prepared and its lines are read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The runner's way to say that this machine cannot do it: neither root nor systemd.
const CANNOT: i32 = 77;
/// Things the story must have seen. Fewer means that it was cut short.
const AT_LEAST: usize = 50;

#[test]
fn installed_activated_asked_killed_and_stopped() {
    let home = tempfile::Builder::new().prefix("wafer-home.").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    install_into(home.path());
    let story = copy_story(home.path());

    let output = run_inside(home.path(), &story);
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(CANNOT) {
        assert!(std::env::var_os("CI").is_none(), "in CI this must be possible: {complaints}");
        eprintln!("skipped: {complaints}");
        return;
    }
    assert!(output.status.success(), "{said}{complaints}");
    let held = said.lines().filter(|line| line.starts_with("held: ")).count();
    assert!(held >= AT_LEAST, "only {held} things held:\n{said}{complaints}");
}

fn install_into(home: &Path) {
    for program in ["wafer", "waferd", "wafer-keeper"] {
        let path = built().join(program);
        assert!(path.exists(), "{} is missing: cargo build --workspace makes it", path.display());
    }
    let prefix = home.join(".local");
    let output = Command::new("make")
        .args(["--no-print-directory", "install", "DESTDIR="])
        .arg(format!("PREFIX={}", prefix.display()))
        .arg(format!("HOME={}", home.display()))
        .arg(format!("BUILT={}", built().display()))
        .current_dir(workspace())
        .output()
        .expect("make is there");
    assert!(output.status.success(), "make install: {}", String::from_utf8_lossy(&output.stderr));
    for file in [
        "bin/wafer",
        "libexec/waferd/waferd",
        "libexec/waferd/wafer-keeper",
        "share/systemd/user/waferd.service",
    ] {
        assert!(prefix.join(file).exists(), "{file} was not installed");
    }
}

/// The unprivileged user may not be able to read the checkout: it gets a copy.
fn copy_story(home: &Path) -> PathBuf {
    let story = home.join("systemd-story");
    std::fs::copy(crate_folder().join("systemd-story"), &story).unwrap();
    std::fs::copy(crate_folder().join("python/same-user"), home.join("same-user")).unwrap();
    std::fs::copy(workspace().join("scripts/lab.py"), home.join("lab.py")).unwrap();
    story
}

fn run_inside(home: &Path, story: &Path) -> Output {
    let runner = crate_folder().join("with-user-systemd");
    // Namespaces and another uid need root; a person who may use sudo without a password gets the test too.
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { Command::new("env") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "env"]);
    }
    command
        .arg("/usr/bin/python3")
        .arg(runner)
        .arg("--home")
        .arg(home)
        .arg("/usr/bin/python3")
        .arg(story)
        .arg(home);
    let output = command.output().expect("env or sudo is there");
    match output.status.code() {
        // sudo's own refusal is 1 with a word of its own; then nothing was run.
        Some(1) if !root && output.stdout.is_empty() => {
            Output { status: std::os::unix::process::ExitStatusExt::from_raw(CANNOT << 8), ..output }
        }
        _ => output,
    }
}

/// Where cargo put the programs: beside the folder of this test.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_owned()
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workspace() -> &'static Path {
    crate_folder().ancestors().nth(2).expect("tests/hw-sim is two below")
}

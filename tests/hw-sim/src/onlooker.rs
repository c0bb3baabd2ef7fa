//! A story of an unprivileged user, with root looking on.
//!
//! On Linux credentials belong to threads. A story's threads give root's up before anything is started, so that bus,
//! waferd, keepers, dialogs, card and mail programs are all the user's, as on a person's machine; one thread keeps them
//! and looks into memory for the story.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::memory::{self, Hit};
use crate::pcscd;
use crate::process::Process;
use crate::programs::{made_folder_of, program};

/// The user of these stories: `nobody`.
pub const NOBODY: u32 = 65534;

type Look = Box<dyn FnOnce() + Send>;

/// Root, who looks on.
#[derive(Clone, Debug)]
pub struct Onlooker {
    looks: mpsc::Sender<Look>,
}

impl Onlooker {
    /// [`memory::find`], by root.
    pub fn find(&self, process: Process, secret: &[u8]) -> Vec<Hit> {
        let secret = secret.to_owned();
        self.look(move || memory::find(process, &secret))
    }

    /// [`memory::has_secret_memory`], by root.
    pub fn sees_secret_memory(&self, process: Process) -> bool {
        self.look(move || memory::has_secret_memory(process))
    }

    /// What `look` gives, by root.
    pub fn look<T: Send + 'static>(&self, look: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let look = move || drop(answer.send(look()));
        self.looks.send(Box::new(look)).expect("the onlooker is there");
        answered.recv().expect("the onlooker's look panicked")
    }
}

/// Tells `story` as [`NOBODY`], on a runtime of several threads. Who is not root cannot: then it says so and passes,
/// except where `CI` is set.
pub fn told<S: Future<Output = ()>>(story: impl FnOnce(Onlooker) -> S + Send + 'static) {
    if !memory::may_look() {
        assert!(std::env::var_os("CI").is_none(), "in CI this test runs as root");
        eprintln!("skipped: only root may look into the memory of other processes");
        return;
    }
    make_room();
    let (looks, asked) = mpsc::channel::<Look>();
    let telling = thread::spawn(move || {
        become_nobody();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(story(Onlooker { looks }));
    });
    // Until the story and all that it has lent the onlooker to are gone.
    let looking = thread::spawn(move || asked.into_iter().for_each(|look| look()));
    for thread in [telling, looking] {
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
}

/// What the user cannot make in root's folders.
fn make_room() {
    let made = made_folder_of(NOBODY);
    fs::create_dir_all(&made).unwrap();
    std::os::unix::fs::chown(&made, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(pcscd::folder_of_ports(), fs::Permissions::from_mode(0o777)).unwrap();
}

fn become_nobody() {
    set_thread_groups(&[]).unwrap();
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
    // The change has closed this process to its new user, whose programs may look at who calls them.
    set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
    let daemon = program("waferd");
    assert!(fs::File::open(&daemon).is_ok(), "{}: other users cannot reach it", daemon.display());
}

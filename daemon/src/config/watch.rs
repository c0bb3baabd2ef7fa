//! Following the settings files: what changes takes effect without a restart; a file that is wrong changes
//! nothing and says so.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::Interest;
use tokio::sync::watch;

use super::{Current, Places, Settings, SettingsError};
use crate::sys;

/// After the first sign of a change, how long further ones are waited for: editors write in several steps.
const SETTLED: Duration = Duration::from_millis(50);

/// The settings in force, and what is wrong with the files if something is.
#[derive(Debug)]
pub struct Live {
    places: Places,
    settings: watch::Sender<Arc<Settings>>,
    problem: watch::Sender<Option<SettingsError>>,
    /// Whether the files were right once: then what they said stays when they become wrong.
    were_right: AtomicBool,
}

impl Live {
    /// Reads the files of `places`. If they are wrong, the defaults hold and [`Self::problem`] says why.
    pub fn load(places: Places) -> Arc<Self> {
        let (settings, problem) = match Settings::load(&places) {
            Ok(settings) => (settings, None),
            Err(error) => {
                tracing::error!(%error, "the settings are wrong: every call will say so");
                (Settings::defaults(&places), Some(error))
            }
        };
        let were_right = AtomicBool::new(problem.is_none());
        let (settings, problem) = (watch::Sender::new(Arc::new(settings)), watch::Sender::new(problem));
        Arc::new(Self { places, settings, problem, were_right })
    }

    /// A view for those that need settings.
    pub fn current(&self) -> Current {
        Current::of(&self.settings)
    }

    /// The settings in force now.
    pub fn get(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Where the files are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// What is wrong with the files if they never were right: no call is served then.
    ///
    /// # Errors
    /// That.
    pub fn usable(&self) -> Result<(), SettingsError> {
        match self.problem() {
            Some(error) if !self.were_right.load(Ordering::Acquire) => Err(error),
            _ => Ok(()),
        }
    }

    /// What is wrong with the files now.
    pub fn problem(&self) -> Option<SettingsError> {
        self.problem.borrow().clone()
    }

    /// Moves with every change of the settings.
    pub fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// Moves when the files become wrong or right.
    pub fn problems(&self) -> watch::Receiver<Option<SettingsError>> {
        self.problem.subscribe()
    }

    /// Reads the files again.
    pub fn reload(&self) {
        match Settings::load(&self.places) {
            Ok(settings) => {
                self.were_right.store(true, Ordering::Release);
                self.problem.send_if_modified(|problem| problem.take().is_some());
                self.settings.send_if_modified(|now| {
                    let differs = **now != settings;
                    *now = Arc::new(settings);
                    differs
                });
            }
            Err(error) => {
                tracing::error!(%error, "the settings files are wrong: what was set before stays");
                self.problem.send_replace(Some(error));
            }
        }
    }

    /// Follows the files for ever. Folders are watched, not files: an editor puts a new file in the old one's
    /// place.
    pub async fn follow(self: Arc<Self>) {
        loop {
            if let Err(error) = self.next_change().await {
                tracing::warn!(%error, "the settings files are not followed");
                return;
            }
            tokio::time::sleep(SETTLED).await;
            self.reload();
        }
    }

    /// Waits until something may have changed. Watches are made afresh each time: a folder may have come.
    async fn next_change(&self) -> std::io::Result<()> {
        let watcher = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut names = BTreeSet::new();
        for file in [self.places.own_file(), self.places.system_file()] {
            names.extend(watch_for(&watcher, &file)?);
        }
        // What changed between the last reading and now has no event.
        if Settings::load(&self.places).ok().is_some_and(|now| now != *self.get()) {
            return Ok(());
        }
        let watcher = sys::watch(watcher, Interest::READABLE)?;
        loop {
            let mut ready = watcher.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(watcher.get_ref(), &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| name.to_bytes().to_vec()).unwrap_or_default();
                        if event.events().contains(ReadFlags::IGNORED) || names.contains(&name) {
                            return Ok(());
                        }
                    }
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
        }
    }
}

/// Watches the folder of `file`, or the nearest one above it that is there; gives the name in it to look for.
fn watch_for(watcher: &impl std::os::fd::AsFd, file: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let flags = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    let mut below = file;
    while let (Some(folder), Some(name)) = (below.parent(), below.file_name()) {
        match inotify::add_watch(watcher, folder, flags) {
            Ok(_) => return Ok(Some(OsString::from(name).into_encoded_bytes())),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => below = folder,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

//! `--watch`: reads the files again when they change and hands over what is new.
//!
//! Watches folders, never files, so that editors' rename-over, deletion and re-creation, and the
//! symlink swap of a Kubernetes ConfigMap are seen. An event only says "look again": what counts is
//! the digest of the content, which is also compared every [`RESCAN`], so a lost event heals and a
//! system without watches left still follows. Promises to call back once for each real change and once
//! when an error begins, changes or ends, and to go on after every error.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::{self, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::file::{Digest, Files, Reading, SourceError};
use crate::policy::PolicyFile;

/// Calls `on_change` with the files each time their content is another than before, until `shutdown`
/// is ready. `active` is the digest of what is in use already. `on_change` runs on a thread that may
/// block.
pub async fn watch(
    files: Files,
    active: Digest,
    shutdown: impl Future<Output = ()>,
    on_change: impl FnMut(Result<Vec<PolicyFile>, SourceError>) + Send + 'static,
) {
    let content = Arc::new(Mutex::new(Content {
        files: files.clone(),
        last: Last::Read(active),
        on_change,
    }));
    tokio::select! {
        biased;
        () = shutdown => {}
        () = follow(&files, &content, RESCAN) => {}
    }
}

async fn follow<F>(files: &Files, content: &Arc<Mutex<Content<F>>>, rescan: Duration)
where
    F: FnMut(Result<Vec<PolicyFile>, SourceError>) + Send + 'static,
{
    let mut folders = BTreeSet::new();
    loop {
        // Subscribed anew each time, before reading: a folder that was deleted and created again has
        // lost its watch, and a change after this line is either read or wakes.
        let watching = Watching::of(files.paths(), &folders);
        let looking = Arc::clone(content);
        let look = move || {
            // A callback that panicked left nothing half done in here.
            let mut content = looking.lock().unwrap_or_else(PoisonError::into_inner);
            content.look()
        };
        if let Ok(Some(seen)) = spawn_blocking(look).await
            && seen != folders
        {
            folders = seen;
            sleep(QUIET).await;
            continue;
        }
        watching.changed(rescan).await;
    }
}

/// A subscription to everything that can show a change; what cannot be watched is left to the next
/// look.
#[derive(Debug)]
pub(super) struct Watching {
    woken: Arc<Notify>,
    _subscription: Option<RecommendedWatcher>,
}

impl Watching {
    /// Watches `roots`, and the `folders` that were met below them.
    pub(super) fn of<'p>(
        roots: impl Iterator<Item = &'p Path>,
        folders: &BTreeSet<PathBuf>,
    ) -> Self {
        let woken = Arc::new(Notify::new());
        let wake = Arc::clone(&woken);
        let roots: Vec<&Path> = roots.collect();
        let concerned = Concerned::of(&roots, folders);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let wakes = |event: Event| changes_content(event.kind) && concerned.by(&event.paths);
            if event.map_or(true, wakes) {
                wake.notify_one();
            }
        });
        let mut watcher = watcher.ok();
        let of_roots = roots.into_iter().flat_map(folders_of_root);
        let wanted: BTreeSet<PathBuf> = of_roots.chain(folders.iter().cloned()).collect();
        if let Some(watcher) = &mut watcher {
            for folder in wanted {
                watcher.watch(&folder, RecursiveMode::NonRecursive).ok();
            }
        }
        Self {
            woken,
            _subscription: watcher,
        }
    }

    /// Waits until it is time to look again: after a change, once it is quiet, and after `rescan`.
    pub(super) async fn changed(&self, rescan: Duration) {
        if timeout(rescan, self.woken.notified()).await.is_ok() {
            let until_quiet =
                async { while timeout(QUIET, self.woken.notified()).await.is_ok() {} };
            // Whether it got quiet or not, it is time to look.
            timeout(LONGEST_UNREST, until_quiet).await.ok();
        }
    }
}

/// What was seen last, and whom to tell.
struct Content<F> {
    files: Files,
    last: Last,
    on_change: F,
}

#[derive(PartialEq, Eq)]
enum Last {
    Read(Digest),
    Failed(String),
}

impl<F: FnMut(Result<Vec<PolicyFile>, SourceError>)> Content<F> {
    /// Reads, tells what is new, and returns the folders that were looked at.
    fn look(&mut self) -> Option<BTreeSet<PathBuf>> {
        let (now, result, folders) = match self.files.read() {
            Ok(Reading { files, folders }) => {
                let digest = Digest::of(&files);
                let folders = folders.into_iter().collect();
                (Last::Read(digest), Ok(files), Some(folders))
            }
            Err(error) => (Last::Failed(error.to_string()), Err(error), None),
        };
        if now != self.last {
            self.last = now;
            (self.on_change)(result);
        }
        folders
    }
}

/// Whose changes matter: beside a root lie things that are none of ours, a log that is written all the
/// time perhaps.
#[derive(Debug)]
struct Concerned {
    /// The folders whose content is read, as absolute paths.
    folders: BTreeSet<PathBuf>,
    /// The names on the way to a root, and to what it leads to.
    names: BTreeSet<OsString>,
}

impl Concerned {
    fn of(roots: &[&Path], folders: &BTreeSet<PathBuf>) -> Self {
        let targets = roots.iter().filter_map(|root| root.canonicalize().ok());
        let ways = roots.iter().map(|root| root.to_path_buf()).chain(targets);
        let absolute = |folder: &PathBuf| path::absolute(folder).ok();
        Self {
            folders: folders.iter().filter_map(absolute).collect(),
            names: ways
                .flat_map(|way| way.iter().map(OsStr::to_owned).collect::<Vec<_>>())
                .collect(),
        }
    }

    fn by(&self, paths: &[PathBuf]) -> bool {
        let concerns = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            // `..data` and its like: Kubernetes swaps whole folders by them.
            self.names.contains(name)
                || name.as_encoded_bytes().starts_with(b"..")
                || self.folders.contains(path)
                || path
                    .parent()
                    .is_some_and(|folder| self.folders.contains(folder))
        };
        paths.is_empty() || paths.iter().any(concerns)
    }
}

/// The nearest folder above a root that exists, and the one its links lead to.
fn folders_of_root(root: &Path) -> Vec<PathBuf> {
    let above = root.ancestors().skip(1).map(|folder| {
        if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        }
    });
    let existing = above.into_iter().find(|folder| folder.is_dir());
    let target = root.canonicalize().ok();
    let target = target.as_deref().and_then(Path::parent);
    existing
        .into_iter()
        .chain(target)
        .map(Path::to_owned)
        .collect()
}

/// Reading the files makes events too; they must not wake us.
fn changes_content(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
        EventKind::Access(_) => false,
    }
}

/// No event for so long, and the change counts as complete.
const QUIET: Duration = Duration::from_millis(100);
/// The longest wait for quiet.
const LONGEST_UNREST: Duration = Duration::from_secs(1);
/// How often the content is compared without any event.
pub const RESCAN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

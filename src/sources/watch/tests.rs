//! Following real folders. Nothing sleeps: each change waits for its callback.

use std::{fs, os::unix::fs::symlink};

use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::*;

/// The content of all files, or the error's text.
type Seen = Result<Vec<String>, String>;

struct Following {
    seen: mpsc::UnboundedReceiver<Seen>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Follows `path`, whose content now counts as in use; without events it looks every `rescan`.
fn follow_path(path: &Path, rescan: Duration) -> Following {
    let mut files = Files::default();
    files.add_path(&path.display().to_string()).unwrap();
    let active = Digest::of(&files.read().unwrap().files);
    let (tell, seen) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let content = Arc::new(Mutex::new(Content {
        files: files.clone(),
        last: Last::Read(active),
        on_change: move |result: Result<Vec<PolicyFile>, SourceError>| {
            let text = |file: PolicyFile| String::from_utf8(file.bytes).unwrap();
            let seen = result
                .map(|files| files.into_iter().map(text).collect())
                .map_err(|error| error.to_string());
            tell.send(seen).ok();
        },
    }));
    let task = tokio::spawn(async move {
        tokio::select! {
            _ = stopped => {}
            () = follow(&files, &content, rescan) => {}
        }
    });
    Following { seen, stop, task }
}

/// So long that only events can be the cause of a callback.
const NEVER: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(30);

impl Following {
    async fn next(&mut self) -> Seen {
        let next = timeout(PATIENCE, self.seen.recv()).await;
        next.expect("a callback in time")
            .expect("a watch that lives")
    }

    /// Waits until `wanted` is seen; what is seen on the way may be half of a change.
    async fn until(&mut self, wanted: &[&str]) {
        while self.next().await != contents(wanted) {}
    }

    async fn until_error(&mut self) {
        while self.next().await.is_ok() {}
    }
}

fn contents(texts: &[&str]) -> Seen {
    texts.iter().map(|text| Ok((*text).to_owned())).collect()
}

/// What an editor does: writes beside, then renames over.
fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(beside, path).unwrap();
}

/// What the kubelet does: a new generation beside, then one rename of the link `..data`.
fn publish(mount: &Path, generation: &str, policy: &str, data: &str) {
    let folder = mount.join(generation);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("policy.rego"), policy).unwrap();
    fs::write(folder.join("data.json"), data).unwrap();
    let old = fs::read_link(mount.join("..data")).ok();
    symlink(generation, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    match old {
        Some(old) => fs::remove_dir_all(mount.join(old)).unwrap(),
        None => {
            for name in ["policy.rego", "data.json"] {
                symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
            }
        }
    }
}

fn mount() -> TempDir {
    let mount = tempfile::tempdir().unwrap();
    publish(mount.path(), "..2024_a", "policy a", "data a");
    mount
}

#[tokio::test]
async fn a_configmap_swap_is_seen_as_one_change_a_broken_one_too() {
    let mount = mount();
    let mut following = follow_path(mount.path(), NEVER);
    publish(mount.path(), "..2024_b", "policy b", "data b");
    assert_eq!(following.next().await, contents(&["data b", "policy b"]));
    publish(mount.path(), "..2024_c", "packag broken", "{");
    assert_eq!(following.next().await, contents(&["{", "packag broken"]));
    publish(mount.path(), "..2024_d", "policy d", "data d");
    assert_eq!(following.next().await, contents(&["data d", "policy d"]));
}

#[tokio::test]
async fn a_swap_is_seen_when_a_single_file_of_the_mount_is_named() {
    let mount = mount();
    let mut following = follow_path(&mount.path().join("policy.rego"), NEVER);
    publish(mount.path(), "..2024_b", "policy b", "data b");
    assert_eq!(following.next().await, contents(&["policy b"]));
    publish(mount.path(), "..2024_c", "policy c", "data c");
    assert_eq!(following.next().await, contents(&["policy c"]));
}

#[tokio::test]
async fn the_same_content_written_again_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.rego");
    fs::write(&path, "one").unwrap();
    let mut following = follow_path(folder.path(), NEVER);
    replace(&path, "one");
    replace(&folder.path().join("notes.txt"), "not a policy");
    replace(&path, "two");
    assert_eq!(following.next().await, contents(&["two"]));
    // The first looks need no event; these changes do.
    for content in ["three", "four"] {
        replace(&path, content);
        assert_eq!(following.next().await, contents(&[content]));
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_and_created_again_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.rego");
    fs::write(&path, "one").unwrap();
    let mut following = follow_path(&path, NEVER);
    fs::remove_file(&path).unwrap();
    let error = following.next().await.unwrap_err();
    assert!(error.contains("p.rego"), "{error}");
    // The same content as before the error: its end is told all the same.
    replace(&path, "one");
    assert_eq!(following.next().await, contents(&["one"]));
}

#[tokio::test]
async fn a_folder_that_vanishes_and_comes_back_is_followed_again() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("deep/policies");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("p.rego"), "one").unwrap();
    let mut following = follow_path(&folder, NEVER);
    fs::remove_dir_all(above.path().join("deep")).unwrap();
    following.until_error().await;
    fs::create_dir_all(&folder).unwrap();
    replace(&folder.join("p.rego"), "two");
    following.until(&["two"]).await;
    replace(&folder.join("p.rego"), "three");
    following.until(&["three"]).await;
}

#[tokio::test]
async fn a_folder_that_is_new_is_followed_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut following = follow_path(folder.path(), NEVER);
    fs::create_dir(folder.path().join("new")).unwrap();
    for content in ["one", "two", "three", "four"] {
        replace(&folder.path().join("new/p.rego"), content);
        following.until(&[content]).await;
    }
}

#[tokio::test]
async fn a_change_without_an_event_is_found_by_looking_again() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("p.rego");
    fs::write(&target, "one").unwrap();
    symlink(&target, folder.path().join("p.rego")).unwrap();
    let mut following = follow_path(folder.path(), Duration::from_millis(20));
    replace(&target, "two");
    assert_eq!(following.next().await, contents(&["two"]));
}

#[tokio::test]
async fn a_callback_that_panics_does_not_end_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.rego");
    fs::write(&path, "one").unwrap();
    let mut files = Files::default();
    files.add_path(&path.display().to_string()).unwrap();
    let active = Digest::of(&files.read().unwrap().files);
    let (tell, mut seen) = mpsc::unbounded_channel();
    let task = tokio::spawn(watch(files, active, std::future::pending(), move |_| {
        tell.send(()).unwrap();
        panic!("a defect in the callback");
    }));
    for content in ["two", "three", "four"] {
        replace(&path, content);
        timeout(PATIENCE, seen.recv()).await.unwrap().unwrap();
    }
    task.abort();
}

#[tokio::test]
async fn shutdown_ends_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let following = follow_path(folder.path(), NEVER);
    following.stop.send(()).unwrap();
    timeout(PATIENCE, following.task).await.unwrap().unwrap();

    let files = Files::default();
    let active = Digest::of(&[]);
    let ended = watch(files, active, std::future::ready(()), |_| {});
    timeout(PATIENCE, ended).await.unwrap();
}

#[test]
fn what_lies_beside_a_root_and_is_none_of_it_wakes_nobody() {
    let folder = TempDir::new().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("policy/sub")).unwrap();
    fs::write(at("v1.rego"), "").unwrap();
    symlink("v1.rego", at("current.rego")).unwrap();
    let folders = BTreeSet::from([at("policy"), at("policy/sub")]);
    let (policy, link) = (at("policy"), at("current.rego"));
    let concerned = Concerned::of(&[&policy, &link], &folders);
    for path in [
        "policy",
        "policy/a.rego",
        "policy/sub",
        "policy/sub/data.json",
        "current.rego",
        "v1.rego",
        "..data",
    ] {
        assert!(concerned.by(&[at("gate.log"), at(path)]), "{path}");
    }
    assert!(concerned.by(&[]));
    for path in ["gate.log", "other/policy.txt", "data"] {
        assert!(!concerned.by(&[at(path)]), "{path}");
    }
}

//! How much memory the process may hold before evaluations fail: more would have the kernel kill it,
//! and with it every check that is under way.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::config::ProcessMemory;

/// The limit in bytes that `configured` comes to on this machine.
pub(super) fn limit(configured: ProcessMemory) -> Option<u64> {
    match configured {
        ProcessMemory::Off => None,
        ProcessMemory::Bytes(bytes) => Some(bytes),
        ProcessMemory::Cgroup => {
            let of_group = of_cgroup(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))?;
            // The rest is for what no allocator counts: stacks, code, the kernel's buffers.
            Some(of_group.saturating_sub(of_group / 10))
        }
    }
}

/// The least limit of the control groups that `membership` names, version 2 or 1, and of those
/// around them.
fn of_cgroup(membership: &Path, mounted: &Path) -> Option<u64> {
    let groups = fs::read_to_string(membership).ok()?;
    let files = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let group = group.trim_start_matches('/');
        if controllers.is_empty() {
            return Some((mounted.to_owned(), group, "memory.max"));
        }
        let memory = controllers.split(',').any(|name| name == "memory");
        memory.then(|| (mounted.join("memory"), group, "memory.limit_in_bytes"))
    });
    files
        .flat_map(|(root, group, file)| around(&root, group, file))
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok())
        // No limit is `max`, or in version 1 the largest number of whole pages.
        .filter(|limit| *limit < i64::MAX.unsigned_abs() >> 1)
        .min()
}

/// `file` of `group` below `root` and of every group around it.
fn around(root: &Path, group: &str, file: &str) -> Vec<PathBuf> {
    let inner = root.join(group);
    inner
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(|folder| folder.join(file))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(membership: &str, files: &[(&str, &str)]) -> Option<u64> {
        let folder = tempfile::tempdir().unwrap();
        let groups = folder.path().join("cgroup");
        fs::write(&groups, membership).unwrap();
        let mounted = folder.path().join("sys");
        for (path, content) in files {
            let path = mounted.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        of_cgroup(&groups, &mounted)
    }

    #[test]
    fn the_least_limit_around_the_process_counts() {
        let files = [
            ("memory.max", "max\n"),
            ("pods/memory.max", "1000\n"),
            ("pods/a/memory.max", "2000\n"),
            ("other/memory.max", "1\n"),
        ];
        assert_eq!(found("0::/pods/a\n", &files), Some(1000));
        assert_eq!(found("0::/\n", &files), None);
        assert_eq!(found("0::/\n", &[("memory.max", "500\n")]), Some(500));
        let old = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/docker/x/memory.limit_in_bytes", "3000\n"),
        ];
        let membership = "5:cpu:/docker/x\n4:pids,memory:/docker/x\n0::/\n";
        assert_eq!(found(membership, &old), Some(3000));
        assert_eq!(found("4:memory:/\n", &old), None);
    }

    #[test]
    fn what_cannot_be_read_is_no_limit() {
        assert_eq!(
            of_cgroup(Path::new("/nowhere"), Path::new("/nowhere")),
            None
        );
        assert_eq!(
            found("nonsense\n\n::::\n", &[("memory.max", "many\n")]),
            None
        );
    }

    #[test]
    fn a_number_and_off_are_taken_as_they_are() {
        assert_eq!(limit(ProcessMemory::Bytes(5)), Some(5));
        assert_eq!(limit(ProcessMemory::Off), None);
    }
}

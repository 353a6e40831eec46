//! Private directories, owned by the user that a server runs as.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Between the process id and the random part of a directory's name.
const MARK: &str = "database";

/// The user that a server runs as: its own system user where we are root, which servers refuse to be; else ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) group: u32,
}

impl User {
    /// Looks up the user by name when we are root.
    ///
    /// # Errors
    /// When there is no such user.
    pub(crate) fn for_server(name: &str, package: &str) -> Result<Self, String> {
        let ours = ours()?;
        if ours.id != 0 {
            return Ok(ours);
        }
        let accounts =
            std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
        let account = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|a| a[0] == name);
        let number = |at: usize| account.as_ref().and_then(|fields| fields.get(at)?.parse().ok());
        match (number(2), number(3)) {
            (Some(id), Some(group)) => Ok(Self { id, group }),
            _ => Err(format!("there is no user `{name}` on this machine: install Debian's {package}")),
        }
    }
}

/// Who we are.
pub(crate) fn ours() -> Result<User, String> {
    let own = std::fs::metadata("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
    Ok(User { id: own.uid(), group: own.gid() })
}

/// A new directory that only this user may enter, gone when the value is dropped. Those that killed processes of ours
/// have left are removed first.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn private(kind: &str, user: User) -> Result<tempfile::TempDir, String> {
    remove_abandoned(&std::env::temp_dir());
    let name = format!("remuda-{}-{MARK}-{kind}-", std::process::id());
    let directory = tempfile::Builder::new().prefix(&name).tempdir();
    let directory = directory.map_err(|error| format!("no temporary directory for {kind}: {error}"))?;
    give(directory.path(), user)?;
    Ok(directory)
}

/// Makes a directory one that only this user may enter.
pub(crate) fn give(directory: &Path, user: User) -> Result<(), String> {
    let path = directory.display();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
        .and_then(|()| chown(directory, Some(user.id), Some(user.group)))
        .map_err(|error| format!("cannot give {path} to user {}: {error}", user.id))
}

fn remove_abandoned(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        if owner(&entry.file_name().to_string_lossy()).is_some_and(|pid| !lives(pid)) {
            // Another process may be doing the same at this moment; what neither can remove, the next one tries.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// The process that a directory of ours belongs to, by the directory's name.
fn owner(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("remuda-")?.split_once('-')?;
    rest.starts_with(MARK).then(|| pid.parse().ok()).flatten()
}

fn lives(pid: u32) -> bool {
    PathBuf::from("/proc").join(pid.to_string()).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_a_process_that_is_gone_is_removed_and_no_other() {
        let parent = tempfile::tempdir().unwrap();
        let ours = format!("remuda-{}-database-x-1", std::process::id());
        for name in [ours.as_str(), "remuda-4194305-database-x-2", "remuda-4194305-other", "database"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        remove_abandoned(parent.path());
        let mut left: Vec<String> = std::fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected = ["database", "remuda-4194305-other", &ours];
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_private_directory_is_closed_to_others() {
        let directory = private("test", ours().unwrap()).unwrap();
        let mode = std::fs::metadata(directory.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

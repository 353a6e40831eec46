//! Opens a plugin's file and asks who could have changed it.

use crate::LoadError;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The most that a plugin may weigh, in bytes.
const SIZE_LIMIT: u64 = 256 * 1024 * 1024;

/// A file's bytes, read once: what is verified is what is loaded.
pub(crate) struct Opened {
    /// Where it really is, links followed.
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// What an operator should know; one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Opens and reads the file, following links once. With `insecure`, who may write it only warns.
pub(crate) fn open(path: &Path, insecure: bool) -> Result<Opened, LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: path.to_owned(), error };
    let real = path.canonicalize().map_err(unreadable)?;
    let file = OpenOptions::new()
        .read(true)
        // Not through a link put there since, and without waiting for the other end of a pipe.
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(&real)
        .map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if let Some(what) = not_a_file(&facts) {
        return Err(LoadError::NotAFile { path: real, what });
    }
    let mut warnings = Vec::new();
    for judgement in judgements(&real, &facts).map_err(unreadable)? {
        match judgement {
            Judgement::Fine => {}
            Judgement::Warn(reason) => warnings.push(reason),
            Judgement::Refuse { reason, .. } if insecure => {
                warnings.push(format!("{reason}, and is loaded all the same"))
            }
            Judgement::Refuse { reason, fix } => return Err(LoadError::Unsafe { path: real, reason, fix }),
        }
    }
    let bytes = read(file, &facts).map_err(unreadable)?;
    let Some(bytes) = bytes else {
        return Err(LoadError::TooLarge { path: real, limit_mb: SIZE_LIMIT >> 20 });
    };
    Ok(Opened { path: real, bytes, warnings })
}

fn not_a_file(facts: &Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

fn read(file: File, facts: &Metadata) -> std::io::Result<Option<Vec<u8>>> {
    if facts.len() > SIZE_LIMIT {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or(0));
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= SIZE_LIMIT).then_some(bytes))
}

fn judgements(real: &Path, facts: &Metadata) -> std::io::Result<[Judgement; 2]> {
    let us = Identity::ours();
    let parent = real.parent().unwrap_or(Path::new("/"));
    let parent_facts = parent.symlink_metadata()?;
    Ok([
        judge(real, Owned::of(facts), Place::File, us),
        judge(parent, Owned::of(&parent_facts), Place::Directory, us),
    ])
}

/// Who owns a file and who may write it.
#[derive(Clone, Copy)]
struct Owned {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Owned {
    fn of(facts: &Metadata) -> Self {
        Self { uid: facts.uid(), gid: facts.gid(), mode: facts.mode() & 0o7777 }
    }
}

/// Who we are.
#[derive(Clone, Copy)]
struct Identity {
    uid: u32,
    gid: u32,
}

impl Identity {
    #[expect(unsafe_code, reason = "libc has no safe way to ask who we are")]
    fn ours() -> Self {
        // SAFETY: both calls have no preconditions and cannot fail.
        unsafe { Self { uid: libc::geteuid(), gid: libc::getegid() } }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Directory,
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Fine,
    Warn(String),
    Refuse { reason: String, fix: String },
}

/// Could somebody who is neither root nor us have changed this?
fn judge(path: &Path, owned: Owned, place: Place, us: Identity) -> Judgement {
    const OTHERS_WRITE: u32 = 0o002;
    const GROUP_WRITES: u32 = 0o020;
    const STICKY: u32 = 0o1000;
    let shown = path.display();
    let what = match place {
        Place::File => "it",
        Place::Directory => "its directory",
    };
    if owned.uid != 0 && owned.uid != us.uid {
        return Judgement::Refuse {
            reason: format!(
                "{what} belongs to user {}, who is neither root nor this process's user",
                owned.uid
            ),
            fix: format!("chown {} {shown}", us.uid),
        };
    }
    if place == Place::Directory && owned.mode & STICKY != 0 {
        // Others may add files to it but not replace ours.
        return Judgement::Fine;
    }
    if owned.mode & OTHERS_WRITE != 0 {
        return Judgement::Refuse {
            reason: format!("mode {:04o} of {what} lets others write", owned.mode),
            fix: format!("chmod go-w {shown}"),
        };
    }
    if owned.mode & GROUP_WRITES == 0 {
        return Judgement::Fine;
    }
    // A user's own group is named by the user's number by convention, and is ours when the user is.
    if owned.gid == 0 || owned.gid == owned.uid || (owned.uid == us.uid && owned.gid == us.gid) {
        return Judgement::Warn(format!("mode {:04o} of {what} lets its owner's group write", owned.mode));
    }
    Judgement::Refuse {
        reason: format!("mode {:04o} of {what} lets group {} write", owned.mode, owned.gid),
        fix: format!("chmod g-w {shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Identity = Identity { uid: 1000, gid: 1000 };

    fn judged(uid: u32, gid: u32, mode: u32, place: Place) -> &'static str {
        match judge(Path::new("/x"), Owned { uid, gid, mode }, place, US) {
            Judgement::Fine => "fine",
            Judgement::Warn(_) => "warn",
            Judgement::Refuse { .. } => "refuse",
        }
    }

    #[test]
    fn a_file_that_another_user_could_change_is_refused() {
        for (uid, gid, mode, expected) in [
            (1000, 1000, 0o755, "fine"),
            (0, 0, 0o644, "fine"),
            (0, 50, 0o644, "fine"),
            (1000, 1000, 0o666, "refuse"),
            (0, 0, 0o757, "refuse"),
            (1001, 1000, 0o644, "refuse"),
            (1000, 1000, 0o664, "warn"),
            (0, 0, 0o664, "warn"),
            (1000, 50, 0o664, "refuse"),
            (0, 1000, 0o664, "refuse"),
            (1000, 50, 0o644, "fine"),
        ] {
            assert_eq!(judged(uid, gid, mode, Place::File), expected, "{uid}:{gid} {mode:o}");
        }
    }

    #[test]
    fn a_directory_where_others_could_replace_the_file_is_refused() {
        assert_eq!(judged(0, 0, 0o1777, Place::Directory), "fine");
        assert_eq!(judged(0, 0, 0o777, Place::Directory), "refuse");
        assert_eq!(judged(1000, 1000, 0o775, Place::Directory), "warn");
        assert_eq!(judged(1001, 1001, 0o755, Place::Directory), "refuse");
    }
}

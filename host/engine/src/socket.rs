//! The socket that a function listens on: how we learn that it is there, and how we refuse one that is a trap.
//!
//! The function can write to the directory, so nothing in it is believed: a link may only name a socket beside it, and
//! we connect to the very file that was checked, through an open descriptor, never to a path that could have changed
//! in between (or be longer than the 107 bytes that a socket address holds).

mod lookout;

pub(crate) use lookout::Lookout;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use tokio::net::UnixStream;

/// The name the contract gives the socket.
const SOCKET_NAME: &str = "lsnr.sock";
/// Any user of the container must reach the socket.
const DIRECTORY_MODE: u32 = 0o777;
/// Only we, and an engine that runs as root or as us, get as far as to a socket.
const PARENT_MODE: u32 = 0o700;

/// Makes the directory that socket directories are made in, closed to other users: whoever can enter it can call the
/// functions in it, or pass for one. One that exists is left as it is.
pub(crate) fn create_parent(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PARENT_MODE).create(directory)
}

/// Makes a new directory under `parent` that everyone may write to, its name starting with `prefix`.
pub(crate) fn create_directory(parent: &Path, prefix: &str) -> io::Result<PathBuf> {
    let made = tempfile::Builder::new().prefix(prefix).rand_bytes(16).tempdir_in(parent)?;
    // After the fact, because the mode given to mkdir is cut by the umask.
    fs::set_permissions(made.path(), fs::Permissions::from_mode(DIRECTORY_MODE))?;
    Ok(made.keep())
}

/// Finds the function's socket and opens it, so that it cannot be swapped for something else. `None` while it is not
/// there yet; an error when what is there breaks the contract.
fn find(directory: &Path) -> io::Result<Option<File>> {
    let named = directory.join(SOCKET_NAME);
    let kind = match fs::symlink_metadata(&named) {
        Ok(metadata) => metadata.file_type(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
    };
    let file = if kind.is_symlink() { directory.join(beside(&fs::read_link(&named)?)?) } else { named };
    // Opened as a path only: nothing is read, and a link that took its place is opened as the link it is.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(&file);
    let opened = match opened {
        Ok(opened) => opened,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
    };
    if !opened.metadata()?.file_type().is_socket() {
        return Err(broken("is not a socket"));
    }
    Ok(Some(opened))
}

/// The file name that a link gives, when it names a file beside it and nothing else.
fn beside(target: &Path) -> io::Result<PathBuf> {
    let mut parts = target.components().filter(|part| *part != Component::CurDir);
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => Ok(PathBuf::from(name)),
        _ => Err(broken("is a link that leads out of its directory")),
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{SOCKET_NAME} {what}"))
}

/// Connects to the socket in a function's directory.
pub(crate) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let socket = find(directory)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn directory() -> PathBuf {
        create_directory(&std::env::temp_dir(), "remuda-socket-test").unwrap()
    }

    #[test]
    fn the_directory_is_open_to_every_user_whatever_the_umask() {
        let made = directory();
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o7777, DIRECTORY_MODE);
        fs::remove_dir(made).unwrap();
    }

    #[test]
    fn a_socket_or_a_link_to_one_beside_it_is_taken() {
        for link in [None, Some("phony.sock"), Some("./phony.sock")] {
            let at = directory();
            assert!(find(&at).unwrap().is_none());
            let name = link.map_or(SOCKET_NAME, |_| "phony.sock");
            let _listener = UnixListener::bind(at.join(name)).unwrap();
            if let Some(target) = link {
                symlink(target, at.join(SOCKET_NAME)).unwrap();
            }
            assert!(find(&at).unwrap().is_some(), "{link:?}");
            fs::remove_dir_all(at).unwrap();
        }
    }

    #[test]
    fn a_link_whose_socket_is_yet_to_come_is_waited_for() {
        let at = directory();
        symlink("later.sock", at.join(SOCKET_NAME)).unwrap();
        assert!(find(&at).unwrap().is_none());
        fs::remove_dir_all(at).unwrap();
    }

    #[test]
    fn what_leads_elsewhere_or_is_no_socket_is_refused() {
        for target in ["/var/run/docker.sock", "../other.sock", "a/b.sock", "..", "/"] {
            let at = directory();
            symlink(target, at.join(SOCKET_NAME)).unwrap();
            assert!(find(&at).is_err(), "{target}");
            fs::remove_dir_all(at).unwrap();
        }
        let at = directory();
        fs::write(at.join(SOCKET_NAME), "").unwrap();
        assert!(find(&at).is_err());
        fs::remove_dir_all(at).unwrap();
    }

    #[test]
    fn a_link_to_a_link_is_refused() {
        let at = directory();
        symlink("second.sock", at.join(SOCKET_NAME)).unwrap();
        symlink("/var/run/docker.sock", at.join("second.sock")).unwrap();
        assert!(find(&at).is_err());
        fs::remove_dir_all(at).unwrap();
    }

    #[tokio::test]
    async fn a_path_longer_than_a_socket_address_is_no_obstacle() {
        let top = directory();
        let at = top.join("x".repeat(120));
        fs::create_dir(&at).unwrap();
        let here = File::open(&at).unwrap();
        let short = format!("/proc/self/fd/{}/{SOCKET_NAME}", here.as_raw_fd());
        let _listener = UnixListener::bind(short).unwrap();
        connect(&at).await.unwrap();
        fs::remove_dir_all(top).unwrap();
    }
}

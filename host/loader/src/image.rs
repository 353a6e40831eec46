//! Puts verified bytes where the dynamic linker can map them and nobody can change them.
//!
//! Mapping the operator's file itself would be wrong in three ways: it could be swapped after it was checked; copying
//! a new version over it would crash us at the next touch of a page; and the linker, which knows libraries by their
//! path, would silently answer with the old one when a new file came to stand there.

use std::fs::{DirBuilder, File, OpenOptions, remove_dir, remove_file};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A copy of a library that only this process can reach.
pub(crate) enum Image {
    /// Sealed memory, under a name that is never used again.
    Memory(PathBuf),
    /// A file in a directory of our own, removed once it has been mapped.
    Private { directory: PathBuf, file: PathBuf },
}

impl Image {
    /// Where the dynamic linker finds it.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Memory(path) => path,
            Self::Private { file, .. } => file,
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        match self {
            Self::Memory(_) => {}
            Self::Private { directory, file } => {
                // A mapping outlives its file. What cannot be removed is an empty directory too many.
                let _ = remove_file(file);
                let _ = remove_dir(directory);
            }
        }
    }
}

/// Makes an image of these bytes: in sealed memory, or, where the system has none that may be executed, in a private
/// directory.
pub(crate) fn make(bytes: &[u8]) -> io::Result<Image> {
    match in_memory(bytes) {
        Ok(image) if image.path().exists() => Ok(image),
        Ok(_) | Err(_) => in_private_directory(bytes),
    }
}

fn in_memory(bytes: &[u8]) -> io::Result<Image> {
    let mut file = memory_file()?;
    file.write_all(bytes)?;
    seal(&file)?;
    // Kept for good: a name under which the linker has seen one library must never come to mean another. The extra
    // "./" keeps it apart from what other code in this process may have opened under the plain name.
    let number = file.into_raw_fd();
    Ok(Image::Memory(PathBuf::from(format!("/proc/self/fd/././{number}"))))
}

#[expect(unsafe_code, reason = "std has no memory files")]
fn memory_file() -> io::Result<File> {
    /// Newer than some libc headers: says that the memory may be executed (Linux 6.3).
    const MFD_EXEC: libc::c_uint = 0x10;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let create = |flags| {
        // SAFETY: the name is a C string that outlives the call.
        let number = unsafe { libc::memfd_create(c"remuda-plugin".as_ptr(), flags) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that the call above has just made, and that nobody else owns.
        Ok(unsafe { File::from_raw_fd(number) })
    };
    match create(flags | MFD_EXEC) {
        // A kernel that does not know the flag, and needs none.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => create(flags),
        made => made,
    }
}

#[expect(unsafe_code, reason = "std cannot seal a file")]
fn seal(file: &File) -> io::Result<()> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and this command takes a plain number.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    if sealed < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A directory under the system's for temporary files, which must not be mounted `noexec`.
pub(crate) fn in_private_directory(bytes: &[u8]) -> io::Result<Image> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = started.map_or(0, |since| since.as_nanos());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("remuda-plugin-{}-{nanos}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(&name);
    DirBuilder::new().mode(0o700).create(&directory)?;
    let image = Image::Private { file: directory.join(format!("{name}.so")), directory };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o500).open(image.path())?;
    file.write_all(bytes)?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read;

    #[test]
    fn sealed_memory_holds_the_bytes_and_cannot_be_changed() {
        let image = in_memory(b"the bytes").unwrap();
        assert_eq!(read(image.path()).unwrap(), b"the bytes");
        let open = OpenOptions::new().write(true).open(image.path());
        assert!(open.and_then(|mut file| file.write_all(b"x")).is_err());
        let other = in_memory(b"others").unwrap();
        assert_ne!(image.path(), other.path());
    }

    #[test]
    fn a_private_copy_is_reachable_until_it_is_dropped() {
        let image = in_private_directory(b"the bytes").unwrap();
        let path = image.path().to_owned();
        assert_eq!(read(&path).unwrap(), b"the bytes");
        drop(image);
        assert!(!path.exists() && !path.parent().unwrap().exists());
    }
}

//! The files of this repository.

use std::path::{Path, PathBuf};

/// A file of the repository.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path below the root, with `/` between the parts.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// All Rust files that people write: neither what was built nor what was generated.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn rust_files(root: &Path) -> std::io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !matches!(name.as_str(), "target" | "generated" | "data") {
                    directories.push(path);
                }
            } else if name.ends_with(".rs") {
                let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                files.push(File { path: below, text: std::fs::read_to_string(&path)? });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

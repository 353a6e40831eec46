//! From what an operator wrote to the path of a file.

use crate::LoadError;
use std::path::{Path, PathBuf};

/// Finds the file that `value` names. A value with a `/` is a path, relative to `working_dir`. A bare name is looked up
/// in `working_dir` and then in `plugin_dir`, in each also with (or without) the `lib` that cargo puts before the
/// names of libraries: `noop.so` finds `libnoop.so`.
pub fn find(value: &str, working_dir: &Path, plugin_dir: Option<&Path>) -> Result<PathBuf, LoadError> {
    if value.contains('/') {
        return Ok(working_dir.join(value));
    }
    let other = value.strip_prefix("lib").map_or_else(|| format!("lib{value}"), str::to_owned);
    let places = [Some(working_dir), plugin_dir];
    places
        .into_iter()
        .flatten()
        .filter(|_| !value.is_empty())
        .flat_map(|place| [place.join(value), place.join(&other)])
        // A dangling link counts as found, so that it is what the error is about.
        .find(|path| path.symlink_metadata().is_ok())
        .ok_or_else(|| LoadError::NotFound { value: value.to_owned(), places: describe(places) })
}

fn describe(places: [Option<&Path>; 2]) -> String {
    let shown = places.into_iter().flatten().map(|place| {
        let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        place.display().to_string()
    });
    shown.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::write;

    #[test]
    fn a_bare_name_is_found_in_either_place_with_or_without_lib() {
        let (work, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let find_in = |value: &str| find(value, work.path(), Some(plugins.path()));
        let error = find_in("noop.so").unwrap_err().to_string();
        assert!(error.starts_with("there is no plugin 'noop.so' in /") && error.contains(" or /"), "{error}");
        write(plugins.path().join("libnoop.so"), "").unwrap();
        assert_eq!(find_in("noop.so").unwrap(), plugins.path().join("libnoop.so"));
        assert_eq!(find_in("libnoop.so").unwrap(), plugins.path().join("libnoop.so"));
        write(work.path().join("noop.so"), "").unwrap();
        assert_eq!(find_in("noop.so").unwrap(), work.path().join("noop.so"));
        assert_eq!(find_in("libnoop.so").unwrap(), work.path().join("noop.so"));
        assert!(find_in("").is_err() && find("noop.so", plugins.path(), None).is_ok());
    }

    #[test]
    fn a_value_with_a_slash_is_a_path() {
        let work = Path::new("/srv/work");
        assert_eq!(find("./noop.so", work, None).unwrap(), work.join("./noop.so"));
        assert_eq!(find("/opt/noop.so", work, None).unwrap(), Path::new("/opt/noop.so"));
    }
}

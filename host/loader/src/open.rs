//! Hands an image to the dynamic linker and takes the plugin's table out of it.

use crate::image::Image;
use crate::version::{self, Age};
use crate::{LoadError, layout};
use abi_stable::library::{AbiHeaderRef, LibHeader, LibraryError, ROOT_MODULE_LOADER_NAME, RootModuleError};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use remuda_plugin_api::abi::PluginModRef;
use std::error::Error;
use std::path::Path;

/// Opens a verified image. `path` is the operator's name for it, for the errors.
pub(crate) fn table(image: &Image, path: &Path, age: Age) -> Result<PluginModRef, LoadError> {
    let header = header(image, path)?;
    // The manifest is what its author's macro wrote; this is what the compiled contract says.
    let compiled = header.version_strings().version.as_str();
    if version::check(path, compiled)? != age {
        return Err(layout::unfit(
            path,
            format!("its manifest and its code disagree about their version, {compiled}"),
        ));
    }
    layout::check(header, path, age)?;
    init(header, path)
}

#[expect(unsafe_code, reason = "loading a library runs its code")]
fn header(image: &Image, path: &Path) -> Result<&'static LibHeader, LoadError> {
    // SAFETY: the library's initialisers run here. It is a plugin by its symbol table, for this processor, whole, and
    // only root or this process's user could have put it there: what more there is to ask, its author must answer.
    let library = unsafe { Library::open(Some(image.path()), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| linker(path, &error))?;
    // SAFETY: the symbol is abi_stable's, which defines it as this type behind a header that tells its version.
    let symbol = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME).map(|symbol| *symbol) };
    let header = symbol.map_err(|error| linker(path, &error));
    // Never unloaded: threads, statics and tables of the plugin outlive any handle.
    std::mem::forget(library);
    header?.upgrade().map_err(|error| layout::unfit(path, first_line(&error)))
}

#[expect(unsafe_code, reason = "the layout is checked in the direction that abi_stable does not know")]
fn init(header: &'static LibHeader, path: &Path) -> Result<PluginModRef, LoadError> {
    // SAFETY: `layout::check` has compared the plugin's layout of the table with ours, both as of these versions.
    let table = unsafe { header.unchecked_layout::<PluginModRef>() };
    table.map_err(|error| LoadError::Start {
        path: path.to_owned(),
        message: match error {
            RootModuleError::Unwound => "it panicked while making its table".to_owned(),
            RootModuleError::Returned(error) => error.to_string(),
        },
    })
}

fn linker(path: &Path, error: &libloading::Error) -> LoadError {
    // libloading keeps the linker's own words in the source.
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let reason = reason
        .rsplit_once("/proc/self/fd/")
        .map_or(reason.as_str(), |(_, rest)| rest.split_once(": ").map_or(rest, |(_, words)| words));
    let fix = if reason.contains("GLIBC_") {
        "build it on the oldest system that it must run on"
    } else if reason.contains("undefined symbol") {
        "link it with every library that it uses"
    } else if reason.contains("cannot open shared object file") {
        "install the library that it needs"
    } else {
        "rebuild it on this system"
    };
    LoadError::Linker { path: path.to_owned(), reason: reason.trim().to_owned(), fix }
}

fn first_line(error: &LibraryError) -> String {
    match error {
        LibraryError::InvalidAbiHeader(_) => "another version of abi_stable".to_owned(),
        LibraryError::InvalidCAbi { .. } => "a compiler with another C ABI".to_owned(),
        other => {
            tracing::debug!(error = %other, "a plugin's header cannot be used");
            "its header cannot be used".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{image, verify};

    #[test]
    fn where_memory_cannot_be_executed_a_private_copy_is_loaded_and_removed() {
        let test = std::env::current_exe().unwrap();
        let path = test.parent().unwrap().join("libnoop.so");
        let verified = verify::verify(&path, false).unwrap();
        let image = image::in_private_directory(&verified.opened.bytes).unwrap();
        let table = table(&image, &path, verified.age).unwrap();
        drop(image);
        assert!(table.new_control_plane().is_some());
    }
}

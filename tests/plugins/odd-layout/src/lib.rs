//! A plugin whose version fits its host while its types do not: somebody changed a struct of the contract and forgot
//! the version. Its functions leave a file behind when they run, and must not.

#[allow(
    dead_code,
    missing_docs,
    non_local_definitions,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    reason = "an altered copy of plugin-api/src/abi.rs; see build.rs"
)]
mod abi {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

use abi::{AbiError, ControlPlaneBox, HostBox, PluginMod, PluginModRef, Setting};
use abi_stable::library::{__call_root_module_loader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{RResult, RVec};
use std::path::PathBuf;

/// The file that exists once a function of this plugin has run in the process with this id.
pub fn marker(process: u32) -> PathBuf {
    std::env::temp_dir().join(format!("remuda-odd-layout-{process}"))
}

fn leave_a_trace(what: &str) {
    let _ = std::fs::write(marker(std::process::id()), what);
}

fn table() -> PluginModRef {
    leave_a_trace("table");
    PluginMod { new_control_plane: Some(new_control_plane) }.leak_into_prefix()
}

extern "C" fn new_control_plane(_: HostBox, _: RVec<Setting>) -> RResult<ControlPlaneBox, AbiError> {
    leave_a_trace("new_control_plane");
    RResult::RErr(AbiError {
        code: abi::code::INTERNAL,
        flags: 0,
        retry_after_ms: 0,
        message: "must not run".into(),
        reserved: "".into(),
    })
}

/// What the entry point calls.
pub extern "C" fn load() -> RootModuleResult {
    __call_root_module_loader(table)
}

#[cfg(feature = "export")]
#[allow(unsafe_code, reason = "the symbols that hosts look for, by hand instead of by the export line")]
mod export {
    use super::{PluginModRef, load};
    use abi_stable::library::{CheckTypeLayout, LibHeader};

    const MANIFEST_TEXT: &str = concat!(
        r#"{"format":1,"name":"odd-layout","version":"1.0.0","kinds":["control_plane"],"api":""#,
        env!("CARGO_PKG_VERSION"),
        r#"","variables":[]}"#
    );

    #[used]
    #[unsafe(export_name = "remuda_plugin_manifest")]
    static MANIFEST: [u8; MANIFEST_TEXT.len()] = {
        let mut bytes = [0; MANIFEST_TEXT.len()];
        bytes.copy_from_slice(MANIFEST_TEXT.as_bytes());
        bytes
    };

    // SAFETY: `load` returns the erased form of this very `PluginModRef`.
    #[used]
    #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
    static LOADER: LibHeader =
        unsafe { LibHeader::from_constructor::<PluginModRef>(load, CheckTypeLayout::Yes) };
}

//! A plugin of a later, compatible version of the contract, made by hand instead of by the SDK. It lists one runner for
//! each function of the host that its version knows, so that a test can see what became of the new ones.

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

use abi::{
    AbiError, AbiRunner, CompletionBox, ControlPlaneApi, ControlPlaneApi_TO, ControlPlaneBox, HostBox,
    PluginMod, PluginModRef, Reply, Setting, code,
};
use abi_stable::StableAbi;
use abi_stable::library::{__call_root_module_loader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{RResult, RStr, RVec};
use abi_stable::type_layout::TypeLayout;

/// The layout of the table in the later version.
pub fn layout() -> &'static TypeLayout {
    <PluginModRef as StableAbi>::LAYOUT
}

/// What the entry point calls.
pub extern "C" fn load() -> RootModuleResult {
    __call_root_module_loader(|| {
        PluginMod { new_control_plane: Some(new_control_plane), new_placement: Some(new_placement) }
            .leak_into_prefix()
    })
}

extern "C" fn new_placement(_: RVec<Setting>) -> u64 {
    0
}

extern "C" fn new_control_plane(host: HostBox, _: RVec<Setting>) -> RResult<ControlPlaneBox, AbiError> {
    RResult::ROk(ControlPlaneApi_TO::from_value(Later { host }, TD_Opaque))
}

struct Later {
    host: HostBox,
}

fn reply(runners: RVec<AbiRunner>) -> RResult<Reply, AbiError> {
    RResult::ROk(Reply { runners, number: 0, text: "".into() })
}

impl ControlPlaneApi for Later {
    /// One runner, whose memory is what the host's `clock` says: a function that today's host does not have.
    fn runners(&self, _: RStr<'_>, done: CompletionBox) -> u64 {
        let runner = AbiRunner {
            id: "later".into(),
            address: "h:1".into(),
            capacity_mb: self.host.clock(),
            flags: u64::MAX,
            labels_json: "{}".into(),
        };
        done.complete(reply(vec![runner].into()));
        0
    }
    fn provision(&self, _: RStr<'_>, _: u32, done: CompletionBox) -> u64 {
        let error = AbiError {
            code: 4711,
            flags: 1,
            retry_after_ms: 1,
            message: "an error with a code of a later version".into(),
            reserved: "".into(),
        };
        done.complete(RResult::RErr(error));
        0
    }
    fn remove(&self, _: RStr<'_>, _: RStr<'_>, done: CompletionBox) -> u64 {
        done.complete(reply(RVec::new()));
        0
    }
    fn call(&self, _: RStr<'_>, _: RStr<'_>, done: CompletionBox) -> u64 {
        let error = AbiError {
            code: code::UNSUPPORTED,
            flags: 0,
            retry_after_ms: 0,
            message: "no".into(),
            reserved: "".into(),
        };
        done.complete(RResult::RErr(error));
        0
    }
    fn cancel(&self, _: u64) {}
    fn close(&self, _: u64) {}
    fn health(&self) -> u64 {
        8
    }
}

#[cfg(feature = "export")]
#[allow(unsafe_code, reason = "the symbols that hosts look for, by hand instead of by the export line")]
mod export {
    use super::{PluginModRef, load};
    use abi_stable::library::{CheckTypeLayout, LibHeader};

    const MANIFEST_TEXT: &str = concat!(
        r#"{"format":2,"name":"later-api","version":"1.0.0","kinds":["control_plane","placement"],"later":{},"api":""#,
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

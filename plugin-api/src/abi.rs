//! The types that cross the border between a host and a plugin, and nothing else. `../ABI.md` is this file in prose.
//!
//! Self-contained on purpose: it names only `abi_stable`, so that tests can compile altered copies of it, as a plugin
//! of another version would be.
//!
//! Growth: a table gets new entries at its end, each optional (fields) or with a default body (methods).
//! The structs that cross by value are frozen for the major version; their `reserved` fields are for what turns out
//! to be missing.
#![allow(unsafe_code, reason = "what abi_stable's macros expand to; nothing unsafe is written here")]
#![allow(
    missing_docs,
    non_local_definitions,
    clippy::all,
    reason = "abi_stable's macros generate undocumented items, and local implementations"
)]

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, RResult, RStr, RString, RVec};

/// The symbol of the manifest: an array of bytes, JSON, readable without running the plugin.
pub const MANIFEST_SYMBOL: &str = "remuda_plugin_manifest";

/// The version of this contract: that of its package.
pub const API_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The open set of error codes. A host treats a code that it does not know as [`code::INTERNAL`].
pub mod code {
    pub const INTERNAL: u32 = 1;
    pub const PANICKED: u32 = 2;
    pub const CONFIG: u32 = 3;
    pub const UNAVAILABLE: u32 = 4;
    pub const UNSUPPORTED: u32 = 5;
    pub const CANCELLED: u32 = 6;
}

/// Levels of log lines, as numbers.
pub mod level {
    pub const ERROR: u32 = 1;
    pub const WARN: u32 = 2;
    pub const INFO: u32 = 3;
    pub const DEBUG: u32 = 4;
    pub const TRACE: u32 = 5;
}

/// A failure. `retry_after_ms` is 0 where the plugin has no opinion.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiError {
    pub code: u32,
    pub flags: u32,
    pub retry_after_ms: u64,
    pub message: RString,
    pub reserved: RString,
}

/// A runner. `flags` bit 0: fixed.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiRunner {
    pub id: RString,
    pub address: RString,
    pub capacity_mb: u64,
    pub flags: u64,
    pub labels_json: RString,
}

/// The bit of [`AbiRunner::flags`] that says: neither made nor removable by this control plane.
pub const RUNNER_FIXED: u64 = 1;

/// What a call answers; each method says which field it uses.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct Reply {
    pub runners: RVec<AbiRunner>,
    pub number: u64,
    pub text: RString,
}

/// A declared variable and its value.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct Setting {
    pub name: RString,
    pub value: RString,
}

/// Where the answer of one call goes. Dropped without an answer, it tells the host that the plugin gave the call up.
#[sabi_trait]
pub trait Completion: Send {
    #[sabi(last_prefix_field)]
    fn complete(self, result: RResult<Reply, AbiError>);
}

/// A [`Completion`] that owns itself.
pub type CompletionBox = Completion_TO<'static, RBox<()>>;

/// What a plugin may ask of its host. Callable from any thread; never blocks for long.
#[sabi_trait]
pub trait HostApi: Send + Sync {
    fn log_enabled(&self, level: u32) -> bool;
    #[sabi(last_prefix_field)]
    fn log(&self, level: u32, target: RStr<'_>, message: RStr<'_>, fields_json: RStr<'_>);
}

/// A [`HostApi`] that owns itself.
pub type HostBox = HostApi_TO<'static, RBox<()>>;

/// A control plane. Each call returns its id at once (0: it was answered before the return) and answers exactly once
/// through `done`, on any thread.
#[sabi_trait]
pub trait ControlPlaneApi: Send + Sync {
    /// Answers in `Reply::runners`.
    fn runners(&self, group: RStr<'_>, done: CompletionBox) -> u64;
    /// Answers in `Reply::number`.
    fn provision(&self, group: RStr<'_>, count: u32, done: CompletionBox) -> u64;
    /// Answers an empty reply.
    fn remove(&self, group: RStr<'_>, id: RStr<'_>, done: CompletionBox) -> u64;
    /// Answers in `Reply::text`; a method that it does not know is [`code::UNSUPPORTED`].
    fn call(&self, method: RStr<'_>, params_json: RStr<'_>, done: CompletionBox) -> u64;
    /// Gives a call up; its `done` is dropped.
    fn cancel(&self, call: u64);
    /// Ends the plugin's work. Blocks, `grace_ms` at most; later calls are [`code::UNAVAILABLE`].
    #[sabi(last_prefix_field)]
    fn close(&self, grace_ms: u64);
}

/// A [`ControlPlaneApi`] that owns itself.
pub type ControlPlaneBox = ControlPlaneApi_TO<'static, RBox<()>>;

/// Makes a control plane. Blocks until it is ready or has failed: called on a thread of its own.
pub type NewControlPlane = extern "C" fn(HostBox, RVec<Setting>) -> RResult<ControlPlaneBox, AbiError>;

/// The table that a plugin exports. A plugin leaves out what it is not; an entry that its version of this table does
/// not have reads as left out.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(default))]
pub struct PluginMod {
    /// Spelled out, because abi_stable's macro reads the types of functions only where they are written.
    #[sabi(last_prefix_field)]
    pub new_control_plane:
        Option<extern "C" fn(HostBox, RVec<Setting>) -> RResult<ControlPlaneBox, AbiError>>,
}

impl RootModule for PluginModRef {
    abi_stable::declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "remuda_plugin";
    const NAME: &'static str = "remuda_plugin";
    const VERSION_STRINGS: VersionStrings = abi_stable::package_version_strings!();
}

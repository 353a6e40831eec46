//! The export line.

use crate::ControlPlane;
use crate::abi::{AbiError, ControlPlaneBox, HostBox, PluginMod, PluginModRef, Setting};
use crate::instance::start;
use crate::manifest::Identity;
use abi_stable::library::{__call_root_module_loader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{RResult, RVec};

/// What [`crate::export_control_plane`] implements for the plugin.
pub trait Export: 'static {
    /// The author's type.
    type ControlPlane: ControlPlane;
    /// Who it says it is.
    const IDENTITY: &'static Identity;
}

/// The library's table, made by the entry point that the export line defines.
pub fn root_module<E: Export>() -> RootModuleResult {
    __call_root_module_loader(table::<E>)
}

/// The table by itself, for a program that links the plugin instead of loading it.
pub fn table<E: Export>() -> PluginModRef {
    PluginMod { new_control_plane: Some(new_control_plane::<E>) }.leak_into_prefix()
}

extern "C" fn new_control_plane<E: Export>(
    host: HostBox,
    settings: RVec<Setting>,
) -> RResult<ControlPlaneBox, AbiError> {
    start::<E::ControlPlane>(E::IDENTITY, host, settings)
}

/// Exports a [`ControlPlane`](crate::ControlPlane) from a plugin library. One in a library.
///
/// ```
/// # use remuda_plugin_api::{ControlPlane, Error, Host, Runner, Variable};
/// # struct Mine;
/// # impl ControlPlane for Mine {
/// #     async fn start(_: Host) -> Result<Self, Error> { Ok(Self) }
/// #     async fn runners(&self, _: &str) -> Result<Vec<Runner>, Error> { Ok(vec![]) }
/// #     async fn provision(&self, _: &str, _: u32) -> Result<u32, Error> { Ok(0) }
/// #     async fn remove(&self, _: &str, _: &str) -> Result<(), Error> { Ok(()) }
/// # }
/// remuda_plugin_api::export_control_plane! {
///     type = Mine,
///     name = "mine",
///     variables = [Variable::optional("MINE_SIZE", "How many runners a group gets.").default("2")],
/// }
/// # fn main() {}
/// ```
///
/// Build the library with `crate-type = ["cdylib"]`. A library that is also linked into programs
/// (`["cdylib", "rlib"]`, so that its own tests can use it) should put this line behind a feature: two plugins linked
/// into one program would both define the symbols.
#[macro_export]
macro_rules! export_control_plane {
    (type = $type:ty, name = $name:expr, variables = $variables:expr $(,)?) => {
        const _: () = {
            #[cfg(panic = "abort")]
            ::core::compile_error!(
                "a Remuda plugin must be built with panic = \"unwind\": with \"abort\" one panic would end the host"
            );

            struct Exported;

            impl $crate::__private::Export for Exported {
                type ControlPlane = $type;
                const IDENTITY: &'static $crate::__private::Identity = &$crate::__private::Identity {
                    name: $name,
                    version: ::core::env!("CARGO_PKG_VERSION"),
                    variables: &$variables,
                };
            }

            const IDENTITY: &$crate::__private::Identity =
                <Exported as $crate::__private::Export>::IDENTITY;

            const MANIFEST_LENGTH: usize = IDENTITY.json_length();
            const _: () = ::core::assert!(
                MANIFEST_LENGTH <= $crate::manifest::MANIFEST_LIMIT,
                "the names and docs of the variables are longer than a manifest may be"
            );

            #[used]
            #[unsafe(export_name = "remuda_plugin_manifest")]
            static MANIFEST: [u8; MANIFEST_LENGTH] = IDENTITY.json();

            extern "C" fn load() -> $crate::__private::RootModuleResult {
                $crate::__private::root_module::<Exported>()
            }

            // What abi_stable's own export attribute expands to, without a dependency on abi_stable.
            // SAFETY: `load` returns the erased form of the `PluginModRef` that `root_module` makes.
            #[used]
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static LOADER: $crate::__private::LibHeader = unsafe {
                $crate::__private::LibHeader::from_constructor::<$crate::__private::PluginModRef>(
                    load,
                    $crate::__private::CheckTypeLayout::Yes,
                )
            };
        };
    };
}

#[cfg(test)]
mod tests {
    use crate::abi::MANIFEST_SYMBOL;
    use abi_stable::library::ROOT_MODULE_LOADER_NAME;

    #[test]
    fn the_symbols_in_the_macro_are_those_that_hosts_look_for() {
        let source = include_str!("export.rs");
        for symbol in [MANIFEST_SYMBOL, ROOT_MODULE_LOADER_NAME] {
            assert!(source.contains(&format!("export_name = \"{symbol}\"")), "{symbol}");
        }
    }
}

//! Configuration from the environment: typed, read once, every mistake reported at once.
//!
//! A daemon's configuration is a struct made by `settings!`; one line binds documentation, variable, type and
//! default, and the reference page is printed from the same lines. Empty counts as unset. A variable `X` may be
//! given as `X_FILE`, the name of a file that holds the value.

mod reader;
mod reference;
mod setting;
mod variables;

pub use reader::{Mistake, Reader};
pub use reference::markdown;
pub use setting::{
    Auth, DatabaseUrl, DockerHost, List, Milliseconds, Networks, NewFile, Placer, Seconds, Secret, Setting,
};
pub use variables::{Agent, Api, Common, Container, Http, HttpTls, LoadBalancer, Npm, PureRunner, Tls};

use std::collections::BTreeMap;

/// Variables by name, as a process is given them.
pub type Environment = BTreeMap<String, String>;

/// The environment of this process; what is not UTF-8 is left out.
pub fn of_process() -> Environment {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// One documented variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: &'static str,
    /// What holds when it is unset; empty when nothing does.
    pub default: &'static str,
    /// What it is for.
    pub doc: &'static [&'static str],
}

/// Defines a struct of settings: `/// doc`, `field: Type = "VARIABLE", "default"`. An empty default means that the
/// type itself stands for "unset" (`Option`, an empty list).
macro_rules! settings {
    ($(#[$struct_doc:meta])* pub struct $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $variable:literal, $default:literal;)*
    }) => {
        $(#[$struct_doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $kind,)*
        }

        impl $name {
            /// The variables, for the reference page.
            pub const VARIABLES: &'static [$crate::env::Variable] = &[
                $($crate::env::Variable {
                    name: $variable,
                    kind: <$kind as $crate::env::Setting>::KIND,
                    default: $default,
                    doc: &[$($doc),+],
                },)*
            ];

            /// Reads them all; mistakes are kept by the reader, and the default stands in.
            pub fn read(reader: &mut $crate::env::Reader) -> Self {
                Self { $($field: reader.get($variable, $default),)* }
            }
        }
    };
}
pub(crate) use settings;

//! Finds, verifies and loads plugins: `.so` files built with `remuda-plugin-api`, in this process.
//!
//! Start from [`find`], then [`load_control_plane`]; [`inspect`] reads what a file says about itself without running
//! any of it. Everything that can be found wrong with a file is found before the dynamic linker sees it, because a
//! library's initialisers run before anything else can be asked.
//!
//! A loaded plugin *is* the daemon: the checks decide which code runs, not what it may do. What the loader holds on to
//! is that a panic, a hang or a wrong answer of a plugin is a fault of that one call.
//!
//! Deliberately absent: unloading. A library's threads, statics and vtables outlive any count of its users, so nothing
//! is ever closed.

mod elf;
mod environment;
mod error;
mod file;
mod find;
mod host_api;
mod image;
mod layout;
mod load;
mod open;
mod proxy;
mod verify;
mod version;

pub use error::LoadError;
pub use find::find;
pub use load::{Loaded, Options, load_control_plane};
pub use remuda_plugin_api::manifest::{DeclaredVariable, Manifest};
pub use verify::inspect;

//! The house keeps its own rules: who may import whom, which crate is let in by which door, how long a file may
//! be, where `unsafe` may stand. The rules are plain functions here, each with tests of its own; `tests/it` applies
//! them to this repository.
//!
//! A rule that says no names the file or package and what to do. A rule that is wrong is changed here, in the same
//! change that needs it, with its reason.

mod imports;
mod manifest;
mod source;
mod tree;

pub use imports::{Package, forbidden_doors, forbidden_imports, packages};
pub use manifest::without_workspace_lints;
pub use source::{ignored_without_reason, too_long, unsafe_outside};
pub use tree::{File, repository, rust_files};

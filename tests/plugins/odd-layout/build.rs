//! Writes the contract's types with one field more, as though somebody had changed them without a new version.

use std::path::Path;
use std::{env, fs};

fn main() {
    let source = "../../../plugin-api/src/abi.rs";
    println!("cargo::rerun-if-changed={source}");
    // The types must seem to come from the real package.
    println!("cargo::rustc-env=CARGO_PKG_NAME=remuda-plugin-api");
    let text = fs::read_to_string(source).unwrap_or_else(|error| panic!("read {source}: {error}"));
    let begin =
        text.find("use abi_stable::StableAbi;").unwrap_or_else(|| panic!("{source} has another beginning"));
    let field = "    pub capacity_mb: u64,\n";
    assert_eq!(text.matches(field).count(), 1, "{source} has another AbiRunner");
    let altered = text[begin..].replace(field, "    pub capacity_mb: u64,\n    pub cpu_millis: u64,\n");
    let out = env::var_os("OUT_DIR").unwrap_or_else(|| panic!("cargo sets OUT_DIR"));
    let target = Path::new(&out).join("abi.rs");
    fs::write(&target, altered).unwrap_or_else(|error| panic!("write {}: {error}", target.display()));
}

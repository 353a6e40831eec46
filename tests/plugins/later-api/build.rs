//! Writes the contract's types as a later version of them could be: one method, one table entry and one function of the
//! host more, each at its end.

use std::path::Path;
use std::{env, fs};

const SOURCE: &str = "../../../plugin-api/src/abi.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    // The types must seem to come from the real package, in its next patch version.
    println!("cargo::rustc-env=CARGO_PKG_NAME=remuda-plugin-api");
    println!("cargo::rustc-env=CARGO_PKG_VERSION={}", next_version());
    let text = fs::read_to_string(SOURCE).unwrap_or_else(|error| panic!("read {SOURCE}: {error}"));
    let begin =
        text.find("use abi_stable::StableAbi;").unwrap_or_else(|| panic!("{SOURCE} has another beginning"));
    let mut altered = text[begin..].to_owned();
    let close = "    fn close(&self, grace_ms: u64);\n";
    append(&mut altered, close, "    fn health(&self) -> u64 {\n        7\n    }\n");
    let log = "    fn log(&self, level: u32, target: RStr<'_>, message: RStr<'_>, fields_json: RStr<'_>);\n";
    append(&mut altered, log, "    fn clock(&self) -> u64 {\n        9\n    }\n");
    let entry =
        "        Option<extern \"C\" fn(HostBox, RVec<Setting>) -> RResult<ControlPlaneBox, AbiError>>,\n";
    append(&mut altered, entry, "    pub new_placement: Option<extern \"C\" fn(RVec<Setting>) -> u64>,\n");
    let out = env::var_os("OUT_DIR").unwrap_or_else(|| panic!("cargo sets OUT_DIR"));
    let target = Path::new(&out).join("abi.rs");
    fs::write(&target, altered).unwrap_or_else(|error| panic!("write {}: {error}", target.display()));
}

fn append(text: &mut String, after: &str, more: &str) {
    assert_eq!(text.matches(after).count(), 1, "{SOURCE} has no single line {after:?}");
    *text = text.replace(after, &format!("{after}{more}"));
}

/// Every package of the workspace, the contract's included, has the workspace's version.
fn next_version() -> String {
    let number = |part: &str| {
        env::var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_else(|_| panic!("cargo sets it"))
    };
    let patch: u32 = number("PATCH").parse().unwrap_or_else(|_| panic!("a version has a patch number"));
    format!("{}.{}.{}", number("MAJOR"), number("MINOR"), patch + 1)
}

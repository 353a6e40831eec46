//! The committed Rust is what the `.proto` files say. `UPDATE_PROTO=1` rewrites it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

/// Generates one file's Rust into `out`, and reads it back.
fn generate(name: &str, out: &Path) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile([format!("{name}.proto")], [&root]).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".DataFrame")
        .out_dir(out)
        .compile_fds(descriptors)
        .unwrap();
    // A file without a package is named after nothing.
    std::fs::read_to_string(out.join("_.rs")).unwrap()
}

fn check(name: &str) {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&out).unwrap();
    let fresh = generate(name, &out);
    let committed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/generated/{name}.rs"));
    if std::env::var_os("UPDATE_PROTO").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let there = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(there == fresh, "{name}.rs is stale: run UPDATE_PROTO=1 cargo test -p remuda-proto");
}

#[test]
fn the_runner_protocol_is_generated_from_its_proto() {
    check("runner");
}

#[test]
fn the_pool_manager_protocol_is_generated_from_its_proto() {
    check("poolmanager");
}

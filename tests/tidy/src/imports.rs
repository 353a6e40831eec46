//! Who may import whom, over `cargo metadata`.

use std::collections::BTreeSet;

use serde_json::Value;

/// A package of the workspace and what it uses when it is built; what only its tests use does not count, because a
/// test may join any two rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name, `remuda-lb`.
    pub name: String,
    /// Its folder below the root, `host/lb`.
    pub folder: String,
    /// The names of the packages that it depends on.
    pub uses: BTreeSet<String>,
}

/// A heavy crate and the packages that may name it.
const DOORS: [(&[&str], &[&str]); 6] = [
    (&["sqlx"], &["remuda-store"]),
    (&["bollard"], &["remuda-engine", "docker-pool"]),
    (&["tonic", "tonic-prost", "tonic-prost-build"], &["remuda-proto", "remuda-wire"]),
    (&["axum"], &["remuda-front"]),
    (&["hyper", "hyper-util"], &["remuda-front", "remuda-wire", "remuda-engine", "remuda-fleet"]),
    (&["libloading", "abi_stable"], &["remuda-plugin-api", "remuda-loader"]),
];

/// Reads `cargo metadata --no-deps --format-version 1`.
///
/// # Errors
/// When the text is not what cargo prints.
pub fn packages(metadata: &str) -> Result<Vec<Package>, String> {
    let metadata: Value = serde_json::from_str(metadata).map_err(|error| format!("not JSON: {error}"))?;
    let root = metadata["workspace_root"].as_str().ok_or("no workspace_root")?;
    let all = metadata["packages"].as_array().ok_or("no packages")?;
    all.iter().map(|package| read_package(package, root)).collect()
}

fn read_package(package: &Value, root: &str) -> Result<Package, String> {
    let name = package["name"].as_str().ok_or("a package without a name")?.to_owned();
    let manifest = package["manifest_path"].as_str().ok_or("a package without a manifest")?;
    let below = manifest.strip_prefix(root).unwrap_or(manifest);
    let folder =
        below.trim_start_matches('/').trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned();
    let dependencies = package["dependencies"].as_array().ok_or("a package without dependencies")?;
    let built = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
    let uses = built.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect();
    Ok(Package { name, folder, uses })
}

/// The table of ARCHITECTURE.md: what of ours a package in a folder may import; `None` for a folder that the table
/// does not know.
fn allowed(folder: &str) -> Option<Allowed> {
    use Allowed::{All, Only};
    Some(match folder {
        "plugin-api" | "proto" | "host/core" | "host/telemetry" | "tests/functions/probe" => Only(&[]),
        "host/front" | "host/lb" | "host/runner" | "host/npm" | "host/fleet" | "host/store"
        | "host/engine" => Only(&["remuda-core", "remuda-telemetry"]),
        "host/wire" => Only(&["remuda-core", "remuda-telemetry", "remuda-proto"]),
        "host/loader" => Only(&["remuda-core", "remuda-telemetry", "remuda-plugin-api"]),
        "host/sim" => Only(&["remuda-core", "remuda-lb", "remuda-npm", "remuda-runner", "remuda-loader"]),
        "host" => All,
        "plugin-api/testkit" => Only(&["remuda-plugin-api"]),
        _ if folder.starts_with("plugins/") || folder.starts_with("tests/plugins/") => {
            Only(&["remuda-plugin-api"])
        }
        "xtask" => All,
        _ if folder.starts_with("tests/") => All,
        _ => return None,
    })
}

enum Allowed {
    All,
    Only(&'static [&'static str]),
}

/// A sentence for each import that the table does not allow. What nobody may import: tests, xtask and plugins.
#[must_use]
pub fn forbidden_imports(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let Some(allowed) = allowed(&package.folder) else {
            let why = "is not in the table of ARCHITECTURE.md and tests/tidy/src/imports.rs: add it to both";
            found.push(format!("{} ({}) {why}", package.name, package.folder));
            continue;
        };
        let may_use_tests = package.folder.starts_with("tests/") || package.folder == "xtask";
        for used in packages.iter().filter(|other| package.uses.contains(&other.name)) {
            let is_ours_to_use = match &allowed {
                Allowed::All => may_use_tests || !is_outside(&used.folder),
                Allowed::Only(names) => names.contains(&used.name.as_str()),
            };
            if !is_ours_to_use {
                found.push(format!("{} must not import {}", package.name, used.name));
            }
        }
    }
    found
}

fn is_outside(folder: &str) -> bool {
    folder.starts_with("tests/") || folder.starts_with("plugins/") || folder == "xtask"
}

/// A sentence for each heavy crate that is let in by another door than its own. Plugins that are wrong on purpose
/// may reach for what no plugin should.
#[must_use]
pub fn forbidden_doors(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages.iter().filter(|package| !package.folder.starts_with("tests/plugins/")) {
        for (heavy, doors) in DOORS {
            for used in heavy.iter().filter(|name| package.uses.contains(**name)) {
                if !doors.contains(&package.name.as_str()) {
                    found.push(format!(
                        "{} must not use {used}: its door is {}",
                        package.name,
                        doors.join(", ")
                    ));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, uses: &[&str]) -> Package {
        let uses = uses.iter().map(|name| (*name).to_owned()).collect();
        Package { name: name.to_owned(), folder: folder.to_owned(), uses }
    }

    #[test]
    fn rooms_import_the_heart_and_no_other_room() {
        let core = package("remuda-core", "host/core", &[]);
        let lb = package("remuda-lb", "host/lb", &["remuda-core", "remuda-wire"]);
        let wire = package("remuda-wire", "host/wire", &["remuda-core"]);
        assert_eq!(forbidden_imports(&[core, lb, wire]), ["remuda-lb must not import remuda-wire"]);
    }

    #[test]
    fn the_hallway_imports_no_plugin_and_no_test() {
        let host = package("remuda", "host", &["noop", "remuda-harness"]);
        let noop = package("noop", "plugins/noop", &[]);
        let harness = package("remuda-harness", "tests/harness", &[]);
        assert_eq!(forbidden_imports(&[host, noop, harness]).len(), 2);
    }

    #[test]
    fn a_package_that_the_table_does_not_know_is_refused() {
        assert_eq!(forbidden_imports(&[package("x", "host/x", &[])]).len(), 1);
    }

    #[test]
    fn a_heavy_crate_has_one_door() {
        let store = package("remuda-store", "host/store", &["sqlx"]);
        let front = package("remuda-front", "host/front", &["axum", "sqlx"]);
        assert_eq!(
            forbidden_doors(&[store, front]),
            ["remuda-front must not use sqlx: its door is remuda-store"]
        );
    }

    #[test]
    fn what_only_tests_use_does_not_count() {
        let metadata = r#"{"workspace_root":"/w","packages":[{"name":"a","manifest_path":"/w/host/a/Cargo.toml",
            "dependencies":[{"name":"b","kind":null},{"name":"c","kind":"dev"},{"name":"d","kind":"build"}]}]}"#;
        assert_eq!(packages(metadata).unwrap(), [package("a", "host/a", &["b", "d"])]);
    }
}

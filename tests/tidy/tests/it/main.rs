//! The rules, applied to this repository.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::Duration;

use remuda_harness::{daemons, process};
use remuda_tidy::{
    File, forbidden_doors, forbidden_imports, ignored_without_reason, packages, repository, rust_files,
    too_long, unsafe_outside, without_workspace_lints,
};
use tokio::process::Command;

const WITHIN: Duration = Duration::from_secs(60);

fn files() -> Vec<File> {
    let files = rust_files(&repository()).unwrap();
    assert!(files.len() > 50, "the walk over the repository found only {} files", files.len());
    files
}

/// One sentence a line, so that a failed test reads as a list of what to do.
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} against the rules:\n{}", found.len(), found.join("\n"));
}

async fn workspace() -> Vec<remuda_tidy::Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1", "--locked"]).current_dir(repository());
    packages(&process::run(&mut command, WITHIN).await.unwrap()).unwrap()
}

#[tokio::test]
async fn packages_import_only_what_the_table_allows() {
    assert_none(&forbidden_imports(&workspace().await));
}

#[tokio::test]
async fn heavy_crates_are_let_in_by_one_door() {
    assert_none(&forbidden_doors(&workspace().await));
}

#[tokio::test]
async fn every_package_takes_the_workspaces_lints() {
    let mut found = Vec::new();
    for package in workspace().await {
        let manifest = repository().join(&package.folder).join("Cargo.toml");
        if without_workspace_lints(&std::fs::read_to_string(&manifest).unwrap()) {
            found.push(format!("{} lacks `[lints] workspace = true`", manifest.display()));
        }
    }
    assert_none(&found);
}

#[test]
fn no_file_is_too_long() {
    assert_none(&too_long(&files()));
}

#[test]
fn unsafe_stands_only_where_it_may() {
    assert_none(&unsafe_outside(&files()));
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    assert_none(&ignored_without_reason(&files()));
}

#[test]
fn modules_are_files_beside_their_folder() {
    // Directly below `tests/`, cargo would take any other file name for a test binary of its own.
    let is_old = |file: &&File| file.path.ends_with("/mod.rs") && !file.path.contains("/tests/");
    let old: Vec<String> =
        files().iter().filter(is_old).map(|file| format!("{}: no mod.rs", file.path)).collect();
    assert_none(&old);
}

#[tokio::test]
async fn the_page_of_variables_is_what_the_daemons_print() {
    let program = daemons::get().await.unwrap().program("remuda").unwrap();
    let printed = process::run(Command::new(program).args(["env", "--markdown"]), WITHIN).await.unwrap();
    let page = std::fs::read_to_string(repository().join("docs/environment.md")).unwrap_or_default();
    assert_eq!(
        page.trim(),
        printed.trim(),
        "docs/environment.md is stale: `cargo run --bin remuda -- env --markdown > docs/environment.md`"
    );
}

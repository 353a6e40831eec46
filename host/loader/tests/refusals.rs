//! Files that are no plugins, or not ones that may be loaded: one sentence each, and none of their code ran.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use remuda_loader::{LoadError, find, inspect, load_control_plane};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use support::{Bench, library, load, noop_options, options, patched, refusal, set_mode};

fn assert_says(sentence: &str, path: &Path, words: &[&str]) {
    assert!(sentence.starts_with(&path.display().to_string()), "does not name the file: {sentence}");
    for word in words {
        assert!(sentence.contains(word), "{word:?} is missing: {sentence}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let bench = Bench::new();
    let missing = bench.path("missing.so");
    assert_says(&refusal(&missing).await, &missing, &["cannot be read (No such file", "give the path"]);
    let directory = bench.path("directory.so");
    fs::create_dir(&directory).unwrap();
    assert_says(&refusal(&directory).await, &directory, &["is a directory, not a file"]);
    let pipe = bench.path("pipe.so");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_says(&refusal(&pipe).await, &pipe, &["is a pipe, not a file"]);
    let dangling = bench.path("dangling.so");
    symlink("nowhere.so", &dangling).unwrap();
    assert_says(&refusal(&dangling).await, &dangling, &["No such file"]);
    let device = Path::new("/dev/null");
    assert_says(&refusal(device).await, device, &["is a device"]);
}

#[tokio::test]
async fn what_is_no_elf_file_is_refused() {
    let bench = Bench::new();
    let empty = bench.file("empty.so", b"");
    assert_says(&refusal(&empty).await, &empty, &["is no shared library (it is empty)"]);
    let text = bench.file("text.so", b"CONTROL_PLANE_SO is not a script\n");
    assert_says(&refusal(&text).await, &text, &["it is not an ELF file", "that cargo built"]);
    let magic = bench.file("magic.so", b"\x7fELF\x02");
    assert_says(&refusal(&magic).await, &magic, &["incomplete", "its header is cut off"]);
    let archive = bench.file("archive.so", b"!<arch>\nnot a library");
    assert_says(&refusal(&archive).await, &archive, &["it is not an ELF file"]);
}

#[tokio::test]
async fn a_file_cut_off_anywhere_is_refused() {
    let bench = Bench::new();
    let whole = fs::read(library("noop")).unwrap();
    let inside_debug_info = whole.len() * 9 / 10;
    for length in [5, 17, 63, 64, 100, 4096, 400 * 1024, inside_debug_info, whole.len() - 1] {
        let cut = bench.file("cut.so", &whole[..length]);
        assert_says(&refusal(&cut).await, &cut, &["is damaged or incomplete", "copy it again"]);
    }
}

#[test]
fn no_damage_to_the_tables_panics() {
    let bench = Bench::new();
    let whole = fs::read(library("noop")).unwrap();
    // The header, the segment table, and the section table at the end.
    let places = (0..0x300).chain(whole.len() - 0x300..whole.len());
    for at in places.step_by(7) {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let path = bench.file("damaged.so", &bytes);
            if let Err(error) = inspect(&path) {
                assert!(!error.to_string().contains('\n'));
            }
        }
    }
}

#[tokio::test]
async fn a_library_for_another_processor_is_refused() {
    let bench = Bench::new();
    let mut bytes = fs::read(library("noop")).unwrap();
    let (machine, name) = if cfg!(target_arch = "x86_64") { (183_u16, "aarch64") } else { (62, "x86_64") };
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    let path = bench.file("other.so", &bytes);
    let ours = std::env::consts::ARCH;
    let says =
        [format!("is built for {name}, this host runs on {ours}"), format!("build the plugin for {ours}")];
    assert_says(&refusal(&path).await, &path, &[&says[0], &says[1]]);
    bytes[4] = 1;
    let path = bench.file("narrow.so", &bytes);
    assert_says(&refusal(&path).await, &path, &["a 32-bit processor"]);
}

#[tokio::test]
async fn a_program_is_refused() {
    let bench = Bench::new();
    let source = bench.file("main.c", b"int main(void) { return 0; }");
    let path = bench.path("program");
    let built =
        std::process::Command::new("cc").args(["-no-pie", "-o"]).arg(&path).arg(&source).status().unwrap();
    assert!(built.success());
    set_mode(&path, 0o755);
    assert_says(&refusal(&path).await, &path, &["is no shared library (it is an ELF file of another type)"]);
}

#[tokio::test]
async fn another_shared_library_is_refused_before_its_constructor_runs() {
    let bench = Bench::new();
    let marker = bench.path("constructor-ran");
    let source = format!(
        "#include <stdio.h>\n__attribute__((constructor)) static void begin(void) {{ fclose(fopen(\"{}\", \"w\")); }}",
        marker.display()
    );
    let path = bench.c_library("other.so", &source);
    let words = ["is a shared library but no Remuda plugin", "remuda_plugin_manifest"];
    assert_says(&refusal(&path).await, &path, &words);
    assert!(!marker.exists(), "its constructor ran");
    // It does run where the library is loaded, so the line above can fail.
    let preloaded = std::process::Command::new("true").env("LD_PRELOAD", &path).status().unwrap();
    assert!(preloaded.success() && marker.exists());
}

#[tokio::test]
async fn a_library_with_a_manifest_and_no_table_is_refused_before_its_constructor_runs() {
    let bench = Bench::new();
    let marker = bench.path("constructor-ran");
    let source = format!(
        "#include <stdio.h>\nconst char remuda_plugin_manifest[] = \"{{}}\";\n\
         __attribute__((constructor)) static void begin(void) {{ fclose(fopen(\"{}\", \"w\")); }}",
        marker.display()
    );
    let path = bench.c_library("half.so", &source);
    assert_says(&refusal(&path).await, &path, &["no Remuda plugin", "_1as_0lib_1header"]);
    assert!(!marker.exists(), "its constructor ran");
}

/// No Go toolchain here: a C library with the symbols and sections that Go's linker gives its plugins.
#[tokio::test]
async fn a_go_plugin_is_refused_by_that_name() {
    let bench = Bench::new();
    let symbols = bench.c_library(
        "symbols.so",
        "char version[] __asm__(\"runtime.buildVersion\") = \"go1.19\";\n\
         char hash[] __asm__(\"go.link.pkghashbytes.main\") = \"x\";",
    );
    let sections = bench.c_library(
        "sections.so",
        "__attribute__((section(\".go.buildinfo\"), used)) static const char info[] = \"go\";",
    );
    for path in [symbols, sections] {
        let words =
            ["is a Go plugin (built with -buildmode=plugin)", "remuda-plugin-api", "FN_RUNNER_ADDRESSES"];
        assert_says(&refusal(&path).await, &path, &words);
    }
}

#[tokio::test]
async fn a_plugin_of_another_version_is_refused_and_says_which_would_do() {
    let bench = Bench::new();
    let ours = remuda_plugin_api::abi::API_VERSION;
    let old = format!("\"api\":\"{ours}\"");
    let bytes = patched(&library("noop"), &old, "\"api\":\"9.0.0\"");
    let path = bench.file("later.so", &bytes);
    let says =
        format!("speaks plugin-api 9.0.0, this host speaks {ours}: rebuild the plugin against plugin-api");
    assert_says(&refusal(&path).await, &path, &[&says]);
    assert_eq!(inspect(&path).unwrap().api, "9.0.0");
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_refused() {
    let bench = Bench::new();
    let path = bench.file("damaged.so", &patched(&library("noop"), "{\"format\":1", "[\"format\":1"));
    assert_says(&refusal(&path).await, &path, &["has a manifest that cannot be read", "rebuild the plugin"]);
    let path = bench.file("kind.so", &patched(&library("noop"), "\"control_plane\"", "\"other-purpose\""));
    assert_says(&refusal(&path).await, &path, &["offers other-purpose, not a control plane"]);
}

#[tokio::test]
async fn a_plugin_with_other_types_under_a_fitting_version_is_refused_and_none_of_its_functions_ran() {
    let path = library("odd_layout_plugin");
    let marker = odd_layout_plugin::marker(std::process::id());
    let sentence = refusal(&path).await;
    assert_says(
        &sentence,
        &path,
        &["altered or incompatible remuda-plugin-api", "AbiRunner", "rebuild the plugin"],
    );
    assert!(!marker.exists(), "one of its functions ran");
    // A plugin that was refused spoils nothing for the next.
    load(&library("noop")).await.unwrap();
    // The marker can appear at all.
    let _ = odd_layout_plugin::load();
    assert!(marker.exists());
    fs::remove_file(marker).unwrap();
}

#[tokio::test]
async fn a_file_that_others_may_write_is_refused_unless_the_operator_insists() {
    let bench = Bench::new();
    let path = bench.file("open.so", &fs::read(library("noop")).unwrap());
    set_mode(&path, 0o666);
    let words = ["is not safe to load: mode 0666 of it lets others write", "chmod go-w"];
    assert_says(&refusal(&path).await, &path, &words);
    let mut insecure = noop_options();
    insecure.insecure = true;
    load_control_plane(&path, insecure).await.unwrap();
    set_mode(&path, 0o644);
    let directory = path.parent().unwrap();
    set_mode(directory, 0o777);
    assert_says(&refusal(&path).await, &path, &["mode 0777 of its directory lets others write"]);
    set_mode(directory, 0o1777);
    load(&path).await.unwrap();
}

#[tokio::test]
async fn missing_and_wrong_variables_are_told_with_the_file_and_the_fix() {
    let path = library("noop");
    let refused = async |environment: &[(&str, &str)]| {
        load_control_plane(&path, options(environment)).await.expect_err("it was loaded")
    };
    for environment in [&[][..], &[("FN_RUNNER_ADDRESSES", "")]] {
        let error = refused(environment).await;
        assert!(matches!(error, LoadError::Variables { .. }));
        let words =
            ["FN_RUNNER_ADDRESSES is not set: set it", "for example FN_RUNNER_ADDRESSES=10.0.0.5:9190"];
        assert_says(&error.to_string(), &path, &words);
    }
    let error = refused(&[("FN_RUNNER_ADDRESSES", "h:9190,x")]).await;
    assert!(matches!(error, LoadError::Config { .. }));
    assert_says(
        &error.to_string(),
        &path,
        &["FN_RUNNER_ADDRESSES=h:9190,x is wrong: 'x' is not host:port; list"],
    );
}

#[test]
fn a_name_that_is_nowhere_is_told_with_the_places() {
    let bench = Bench::new();
    let here = bench.path("");
    let error = find("nothing.so", &here, None).unwrap_err().to_string();
    assert!(
        error.starts_with("there is no plugin 'nothing.so' in /") && error.contains("give the path"),
        "{error}"
    );
}

//! A control plane that cannot be loaded: one sentence that names the file, exit 64, and none of its code ran.

use std::path::{Path, PathBuf};
use std::time::Duration;

use remuda_harness::certificates::{self, Identity};
use remuda_harness::{Cluster, daemons, process};

const WITHIN: Duration = Duration::from_secs(30);

struct Bench {
    directory: tempfile::TempDir,
    identity: Identity,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let identity =
            certificates::self_signed(daemons::get().await.unwrap(), directory.path(), false).await.unwrap();
        Self { directory, identity }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The NPM must refuse the plugin in one sentence; returns it.
    async fn refuses(&self, plugin: &str) -> String {
        let files = self.identity.variables();
        let mut variables: Vec<(&str, &str)> =
            files.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        variables.extend([
            ("CONTROL_PLANE_SO", plugin),
            ("FN_PORT", "0"),
            ("FN_RUNNER_ADDRESSES", "127.0.0.1:1"),
        ]);
        let directory = self.directory.path();
        let (status, stderr) = daemons::attempt("fnnpm", &variables, directory, WITHIN).await.unwrap();
        assert_eq!(status.code(), Some(64), "{plugin}: {status}\n{stderr}");
        let name = Path::new(plugin).file_name().unwrap().to_str().unwrap();
        assert!(stderr.contains(name), "the file {name} is not named in:\n{stderr}");
        stderr
    }
}

#[tokio::test]
async fn what_is_no_plugin_is_refused_with_its_name() {
    let bench = Bench::new().await;
    bench.refuses("absent.so").await;

    std::fs::write(bench.file("text.so"), "not a library").unwrap();
    bench.refuses("text.so").await;
    std::fs::write(bench.file("empty.so"), "").unwrap();
    bench.refuses("empty.so").await;
    std::fs::create_dir(bench.file("directory.so")).unwrap();
    bench.refuses("directory.so").await;

    let whole = std::fs::read(daemons::get().await.unwrap().plugin("noop").unwrap()).unwrap();
    for part in [100, 4_000, whole.len() / 3, whole.len() - 64] {
        std::fs::write(bench.file("truncated.so"), &whole[..part]).unwrap();
        bench.refuses("truncated.so").await;
    }
}

/// The constructor of the other library would leave a file behind.
#[tokio::test]
async fn another_library_is_refused_before_any_of_its_code_runs() {
    let bench = Bench::new().await;
    let proof = bench.file("it-ran");
    let source = format!(
        "#include <stdio.h>\n__attribute__((constructor)) static void run(void) {{ fclose(fopen(\"{}\", \"w\")); }}\n",
        proof.display()
    );
    std::fs::write(bench.file("other.c"), source).unwrap();
    let line = format!("cd '{}' && cc -shared -fPIC -o other.so other.c", bench.directory.path().display());
    process::shell(&line, WITHIN).await.unwrap();
    bench.refuses("other.so").await;
    assert!(!proof.exists(), "the constructor of a refused library ran");
}

#[tokio::test]
async fn a_plugin_is_found_by_path_by_bare_name_and_with_cargos_prefix() {
    let noop = daemons::get().await.unwrap().plugin("noop").unwrap().to_path_buf();
    let plugins = tempfile::tempdir().unwrap();
    std::fs::copy(&noop, plugins.path().join("libnoop.so")).unwrap();
    let directory = plugins.path().to_str().unwrap();
    // By its path; by a bare name in the plugin directory, there with the prefix that cargo gives.
    for (name, directory) in [(noop.to_str().unwrap(), ""), ("noop.so", directory), ("libnoop.so", directory)]
    {
        let npm = Cluster::builder().npm("noop").runner("blue").env("npm", "CONTROL_PLANE_SO", name);
        let npm = npm.env("npm", "FN_PLUGIN_DIR", directory).start().await;
        npm.unwrap_or_else(|error| panic!("{name}: {error}")).shutdown().await.unwrap();
    }
}

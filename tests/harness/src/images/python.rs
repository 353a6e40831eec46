//! An image with the real Python FDK, made from Debian's packages and pip: no base image is pulled.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::short_hash;
use crate::{Error, docker, process};

/// The kit's version is fixed, so that a new release cannot change what is tested here from one day to the next.
const FDK: &str = "fdk==0.1.128";

const STEP_WITHIN: Duration = Duration::from_secs(5 * 60);

/// Debian's python3 with all it needs, unpacked and not installed: no maintainer script runs, no root is needed,
/// and the apt configuration of this machine decides where it comes from.
const UNPACK_PYTHON: &str = r#"
mkdir -p debs root/tmp root/function root/opt/fdk
packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances python3 | grep '^[a-z0-9]' | grep -v -e '^perl' -e '^dpkg' -e '^install-info' | sort -u)
test -n "$packages"
(cd debs && apt-get -qq download $packages)
for package in debs/*.deb; do dpkg-deb --extract "$package" root; done
rm -rf root/usr/share/doc root/usr/share/man root/usr/share/locale debs
"#;

/// The handler that every Fn tutorial begins with.
const HANDLER: &str = r#"import io
import json

from fdk import response


def handler(ctx, data: io.BytesIO = None):
    name = "World"
    body = data.getvalue()
    if body:
        name = json.loads(body).get("name", name)
    answer = {"message": "Hello " + name, "app": ctx.AppID(), "group": ctx.Config().get("FN_LB_GROUP_ID")}
    return response.Response(ctx, response_data=json.dumps(answer), headers={"Content-Type": "application/json"})
"#;

/// An image whose function is written with pip's `fdk` and run by Debian's Python: it answers
/// `{"message": "Hello <name>", …}` to `{"name": "<name>"}`. Made once; kept by what it is made of.
///
/// # Errors
/// When apt, pip or the engine fails.
pub async fn python_fdk() -> Result<String, Error> {
    let _one_at_a_time = process::exclusive("python-image")?;
    let recipe = format!("{FDK}\n{UNPACK_PYTHON}\n{HANDLER}");
    let name = format!("remuda-test/python-fdk:{}", short_hash(recipe.as_bytes()));
    if docker::has_image(&name).await {
        return Ok(name);
    }
    let work = tempfile::tempdir().map_err(Error::file("create", std::env::temp_dir()))?;
    let root = work.path().join("root");
    unpack(work.path()).await?;
    install_fdk(&root).await?;
    let handler = root.join("function/func.py");
    std::fs::write(&handler, HANDLER).map_err(Error::file("write", &handler))?;
    let changes = [
        "ENV PYTHONPATH=/opt/fdk:/function",
        "ENV PYTHONDONTWRITEBYTECODE=1",
        "WORKDIR /function",
        r#"ENTRYPOINT ["/usr/bin/python3", "/opt/fdk/bin/fdk", "/function/func.py", "handler"]"#,
    ];
    docker::import(&root, &changes, &name).await?;
    Ok(name)
}

async fn unpack(work: &Path) -> Result<(), Error> {
    let line = format!("cd '{}'\n{UNPACK_PYTHON}", work.display());
    if process::shell(&line, STEP_WITHIN).await.is_ok() {
        return Ok(());
    }
    // The package lists may be older than the mirror: refresh them once.
    process::shell("apt-get -qq update", STEP_WITHIN).await?;
    process::shell(&line, STEP_WITHIN).await.map(drop)
}

/// The kit with all that pip says it needs, for the Python in the image, which may not be the one that runs pip.
async fn install_fdk(root: &Path) -> Result<(), Error> {
    let python =
        process::shell(&format!("ls '{}/usr/lib' | grep -m1 '^python3[.]'", root.display()), STEP_WITHIN)
            .await?;
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-warn-script-location",
        "--disable-pip-version-check",
    ]);
    command.args(["--python-version", python.trim_start_matches("python"), "--implementation", "cp"]);
    let architecture = std::env::consts::ARCH;
    command.args(["--platform", &format!("manylinux2014_{architecture}"), "--platform", "any"]);
    command.args(["--only-binary=:all:", FDK, "--target"]).arg(root.join("opt/fdk"));
    process::run(&mut command, STEP_WITHIN).await.map(drop)
}

//! The peer of the hot path: two chained nginx with mutual TLS between them, in front of the same function on the
//! same kind of socket, without a container.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use remuda_harness::certificates::{self, Identity};
use remuda_harness::daemons::Daemons;
use remuda_harness::{images, process, until};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::load::Target;
use crate::Failure;

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// The whole chain; it ends with this value.
pub(crate) struct Chain {
    target: Target,
    function: Child,
    proxies: Vec<Child>,
    _directory: TempDir,
}

/// Where nginx is; Debian keeps it out of an ordinary user's `PATH`.
pub(crate) fn program() -> Option<PathBuf> {
    let elsewhere = PathBuf::from("/usr/sbin/nginx");
    process::find("nginx").or_else(|| elsewhere.is_file().then_some(elsewhere))
}

impl Chain {
    pub(crate) async fn start(built: &Daemons) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("remuda-nginx-").tempdir()?;
        let home = directory.path();
        let names = ["front".to_owned(), "back".to_owned()];
        certificates::authority(built, home, &names).await?;
        let socket = home.join("function.sock");
        let function = Command::new(images::probe_program().await?)
            .env("FN_FORMAT", "http-stream")
            .env("FN_LISTENER", format!("unix:{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (front, back) = (free_port().await?, free_port().await?);
        let back_file = home.join("back.conf");
        std::fs::write(&back_file, configuration(home, "back", &back_part(home, back, &socket)))?;
        let front_file = home.join("front.conf");
        std::fs::write(&front_file, configuration(home, "front", &front_part(home, front, back)))?;
        let proxies = vec![spawn(home, &back_file)?, spawn(home, &front_file)?];
        for port in [front, back] {
            let answers = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
            until(&format!("nginx to listen on port {port}"), STARTS_WITHIN, answers).await?;
        }
        let target = Target::new(&format!("http://127.0.0.1:{front}"), "/call")?;
        Ok(Self { target, function, proxies, _directory: directory })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        for proxy in &mut self.proxies {
            // Asked, and not killed: its master process ends its workers.
            if let Some(pid) = proxy.id() {
                process::signal(pid, "TERM").await?;
            }
            proxy.wait().await?;
        }
        self.function.kill().await?;
        Ok(())
    }
}

fn spawn(home: &Path, file: &Path) -> Result<Child, Failure> {
    let nginx = program().ok_or_else(|| Failure::because("nginx is not installed"))?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(home).arg("-c").arg(file).args(["-g", "daemon off;"]);
    Ok(command.stdin(Stdio::null()).kill_on_drop(true).spawn()?)
}

/// nginx cannot be asked for a free port of its own.
async fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

fn configuration(home: &Path, name: &str, http: &str) -> String {
    let home = home.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {home}/{name}-{kind};\n"))
        .collect();
    format!(
        "user root;\nworker_processes auto;\npid {home}/{name}.pid;\nerror_log {home}/{name}.log warn;\n\
         events {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  keepalive_requests 1000000000;\n\
         {temporary}{http}}}\n"
    )
}

fn front_part(home: &Path, port: u16, back: u16) -> String {
    let identity = Identity::of_node(home, "front");
    format!(
        "  upstream back {{ server 127.0.0.1:{back}; keepalive 64; keepalive_requests 1000000000; }}\n\
         \x20 server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass https://back;\n\
         \x20     proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n\
         \x20     proxy_ssl_certificate {};\n      proxy_ssl_certificate_key {};\n\
         \x20     proxy_ssl_trusted_certificate {};\n      proxy_ssl_verify on;\n      proxy_ssl_name localhost;\n\
         \x20   }}\n  }}\n",
        identity.certificate.display(),
        identity.key.display(),
        identity.authority.display()
    )
}

fn back_part(home: &Path, port: u16, socket: &Path) -> String {
    let identity = Identity::of_node(home, "back");
    format!(
        "  upstream function {{ server unix:{}; keepalive 64; keepalive_requests 1000000000; }}\n\
         \x20 server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {};\n    ssl_certificate_key {};\n\
         \x20   ssl_client_certificate {};\n    ssl_verify_client on;\n    location / {{\n\
         \x20     proxy_pass http://function;\n      proxy_http_version 1.1;\n\
         \x20     proxy_set_header Connection \"\";\n    }}\n  }}\n",
        socket.display(),
        identity.certificate.display(),
        identity.key.display(),
        identity.authority.display()
    )
}

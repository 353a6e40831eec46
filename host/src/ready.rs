//! Tells the world where a node serves.

use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a node serves; written to `FN_READY_FILE` as JSON once it does.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// `full`, `api`, `lb`, `pure-runner` or `npm`.
    pub node_type: String,
    /// The process.
    pub pid: u32,
    /// Our version.
    pub version: &'static str,
    /// The HTTP listener, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// The gRPC listener, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<SocketAddr>,
}

impl Ready {
    /// Logs the addresses, and writes them to `file` if one was named: whole, by renaming, so that a reader never
    /// sees half of it.
    pub fn announce(&self, file: Option<&Path>) -> io::Result<()> {
        let shown = |address: Option<SocketAddr>| address.map(|a| a.to_string()).unwrap_or_default();
        tracing::info!(
            node_type = self.node_type,
            version = self.version,
            http = shown(self.http),
            grpc = shown(self.grpc),
            "serving"
        );
        let Some(file) = file else { return Ok(()) };
        let mut unfinished = file.as_os_str().to_owned();
        unfinished.push(format!(".{}", self.pid));
        let unfinished = PathBuf::from(unfinished);
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(&unfinished, file)
    }
}

//! What an operator can choose about containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Go's limit on the head of an answer, which Fn has.
const DEFAULT_RESPONSE_HEADER_BYTES: usize = 10 * 1024 * 1024;

/// Settings of a [`super::Docker`].
#[derive(Clone, Debug)]
pub struct Options {
    /// `unix://…`, `tcp://…`; `None`: what `DOCKER_HOST` says, else the default socket.
    pub host: Option<String>,
    /// Networks for new containers, the least used first; empty: the engine's default network.
    pub networks: Vec<String>,
    /// Where socket directories are made, as this process sees it. Whoever can enter it can call the functions here:
    /// it is made for this user alone when it is missing, and left as it is when it exists.
    pub iofs_dir: PathBuf,
    /// The same directory as the engine sees it, where that differs.
    pub iofs_docker_dir: Option<PathBuf>,
    /// Labels of every container, besides `remuda`.
    pub labels: BTreeMap<String, String>,
    /// Marks containers as this installation's, so that a later life of the node can sweep what this one left.
    pub ownership: Option<Ownership>,
    /// Limits that are the same for every container.
    pub limits: ResourceLimits,
    /// The root file system cannot be written to.
    pub read_only_root: bool,
    /// No capabilities, no way to gain any, and neither user nor group 0. An image's own user is kept when it is a
    /// number (a group that it does not name is the same number); a name, whose number is the image's affair, and root
    /// become 1000:1000.
    pub unprivileged: bool,
    /// Images that declare a volume may run (a volume is disk that nobody limits).
    pub allow_volumes: bool,
    /// Size of a container's file system; 0 = not limited. Needs a storage driver that can.
    pub max_fs_size_mb: u64,
    /// Inodes of `/tmp` where its size is limited; 0 = not limited.
    pub max_tmpfs_inodes: u64,
    /// Bytes of the head of a function's answer; 0: 10 MB.
    pub max_response_header_bytes: usize,
    /// Bytes of the body of a function's answer; 0 = not limited.
    pub max_response_bytes: u64,
    /// For each operation of the engine but a pull.
    pub operation_timeout: Duration,
    /// For a pull.
    pub pull_timeout: Duration,
    /// Containers that are created and started at the same time.
    pub max_concurrent_starts: usize,
    /// Containers that are removed at the same time. Removing dozens at once has wedged engines for good.
    pub max_concurrent_removals: usize,
}

/// Whose a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// `FN_CONTAINER_LABEL_TAG`: the same for all lives of one node, different for nodes that share an engine.
    pub classifier: String,
    /// This life of the node; random.
    pub instance: String,
}

/// Limits on processes and memory that is not counted elsewhere; `None` leaves the engine's default.
#[derive(Clone, Debug)]
pub struct ResourceLimits {
    /// Processes and threads; 0 = not limited.
    pub pids: u64,
    /// Open files of a process.
    pub open_files: Option<u64>,
    /// Bytes that a process may lock in memory.
    pub locked_memory_bytes: Option<u64>,
    /// Signals that wait for a user's processes.
    pub pending_signals: Option<u64>,
    /// Bytes in a user's message queues.
    pub message_queue_bytes: Option<u64>,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            pids: 50,
            open_files: Some(350),
            locked_memory_bytes: Some(65_536),
            pending_signals: Some(5000),
            message_queue_bytes: Some(819_200),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: None,
            networks: Vec::new(),
            iofs_dir: std::env::temp_dir(),
            iofs_docker_dir: None,
            labels: BTreeMap::new(),
            ownership: None,
            limits: ResourceLimits::default(),
            read_only_root: true,
            unprivileged: true,
            allow_volumes: false,
            max_fs_size_mb: 0,
            max_tmpfs_inodes: 0,
            max_response_header_bytes: 0,
            max_response_bytes: 0,
            operation_timeout: Duration::from_secs(30),
            pull_timeout: Duration::from_secs(600),
            max_concurrent_starts: 4,
            max_concurrent_removals: 4,
        }
    }
}

impl Options {
    pub(super) fn answer_limits(&self) -> crate::contract::Limits {
        crate::contract::Limits {
            header_bytes: match self.max_response_header_bytes {
                0 => DEFAULT_RESPONSE_HEADER_BYTES,
                bytes => bytes,
            },
            body_bytes: Some(self.max_response_bytes).filter(|bytes| *bytes > 0),
        }
    }
}

//! Every variable of every daemon: one line each.

use super::setting::{Auth, DatabaseUrl, DockerHost, List, Milliseconds, Networks, NewFile, Placer, Seconds};
use super::settings;
use remuda_core::RunnerAddress;
use remuda_telemetry::{Format, Level};
use std::net::IpAddr;
use std::path::PathBuf;

settings! {
    /// What every daemon reads.
    pub struct Common {
        /// Port of the HTTP listener (`fnnpm`: of its gRPC listener). 0 takes a free one.
        port: u16 = "FN_PORT", "8080";
        /// The address that the node listens on, HTTP and gRPC.
        listen_host: IpAddr = "FN_LISTEN_HOST", "0.0.0.0";
        /// The least important log lines that are written: trace, debug, info, warn, error (also fatal, panic).
        log_level: Level = "FN_LOG_LEVEL", "info";
        /// How log lines look.
        log_format: Format = "FN_LOG_FORMAT", "text";
        /// A file that gets the node's addresses as JSON once it serves.
        ready_file: Option<NewFile> = "FN_READY_FILE", "";
        /// How long a node that is told to stop lets calls in hand go on before it cuts them off.
        shutdown_grace: Milliseconds = "FN_SHUTDOWN_GRACE_MSECS", "330000";
    }
}

settings! {
    /// The node's own certificate and what it trusts; all three or none.
    pub struct Tls {
        /// PEM file with the node's certificate.
        cert: Option<PathBuf> = "FN_NODE_CERT", "";
        /// PEM file with its private key (PKCS#1, PKCS#8 or SEC1).
        key: Option<PathBuf> = "FN_NODE_CERT_KEY", "";
        /// PEM file with the authorities that peers' certificates must chain to. A certificate in this very file is
        /// accepted by itself, whatever its name.
        authority: Option<PathBuf> = "FN_NODE_CERT_AUTHORITY", "";
    }
}

settings! {
    /// TLS of a node's HTTP listener.
    pub struct HttpTls {
        /// PEM file with the certificate of the HTTP listener; with its key, the listener speaks https and nothing else.
        /// Read again when it changes. On API and full nodes FN_NODE_CERT_AUTHORITY says which client certificates are
        /// those of nodes.
        cert: Option<PathBuf> = "FN_HTTP_CERT", "";
        /// PEM file with its private key (PKCS#1, PKCS#8 or SEC1).
        key: Option<PathBuf> = "FN_HTTP_CERT_KEY", "";
    }
}

settings! {
    /// The HTTP listener of API, full and LB nodes.
    pub struct Http {
        /// Whether senders of requests must prove who they are: `token` asks for the bearer tokens that `remuda token`
        /// makes. To be set alike on every API, full and LB node.
        auth: Auth = "FN_AUTH", "none";
        /// The largest request body, in bytes; 0 = no limit.
        max_request_size: u64 = "FN_MAX_REQUEST_SIZE", "0";
        /// The largest request head, in bytes; 8192 at the least.
        max_request_header_size: u64 = "FN_MAX_REQUEST_HEADER_SIZE", "1048576";
        /// How long a client may take over its request's head, and a connection may be idle; 0 = 60 s.
        header_read_timeout: Seconds = "FN_REQUEST_HEADER_READ_TIMEOUT", "0";
        /// How long a client may take over its request's body; 0 = as long as the call may take.
        body_read_timeout: Seconds = "FN_REQUEST_BODY_READ_TIMEOUT", "0";
        /// The base of the endpoint URLs that the API shows; unset, it is the Host of the request.
        public_lb_url: Option<String> = "FN_PUBLIC_LB_URL", "";
        /// Origins whose pages may use the node from a browser, or `*` for all; unset, none may.
        cors_origins: Option<String> = "FN_API_CORS_ORIGINS", "";
        /// Headers that those pages may send; unset: Origin, Content-Length and Content-Type.
        cors_headers: Option<String> = "FN_API_CORS_HEADERS", "";
    }
}

settings! {
    /// The catalogue of API and full nodes.
    pub struct Api {
        /// The database: `sqlite3:///absolute/path`, `sqlite3://:memory:`, `postgres://user:password@host:port/database`
        /// or `mysql://user:password@tcp(host:port)/database`. Several nodes may share one. Unset: `api/fn.db` in the
        /// state directory.
        db_url: Option<DatabaseUrl> = "FN_DB_URL", "";
        /// How often a database that does not answer is tried at start, a second apart.
        db_attempts: u64 = "FN_DS_DB_PING_MAX_RETRIES", "10";
        /// Where state that outlives a restart is kept; made with mode 0700.
        state_dir: PathBuf = "FN_STATE_DIR", "./data";
    }
}

settings! {
    /// Limits that load balancers, runners and full nodes share.
    pub struct Agent {
        /// The largest answer of a function, in bytes; 0 = no limit. With a limit, answers without a Content-Length
        /// are held back up to it, so that one that is too large gets a 502 and not a broken connection.
        max_response_size: u64 = "FN_MAX_RESPONSE_SIZE", "0";
    }
}

settings! {
    /// What runs containers: runners and full nodes.
    pub struct Container {
        /// The largest head of a function's answer, in bytes; 0 = 10 MiB.
        max_response_header_size: u64 = "FN_MAX_HDR_RESPONSE_SIZE", "0";
        /// From a container's start until its function must listen.
        hot_start_timeout: Milliseconds = "FN_HOT_START_TIMEOUT_MSECS", "5000";
        /// How long the pull of an image may take.
        hot_pull_timeout: Milliseconds = "FN_HOT_PULL_TIMEOUT_MSECS", "600000";
        /// The most memory that containers may reserve, in bytes; 0 = what the machine has, less a reserve.
        max_total_memory: u64 = "FN_MAX_TOTAL_MEMORY_BYTES", "0";
        /// Whether a call that no container has room for is refused at once instead of waiting. Default: true on pure
        /// runners, false on full nodes.
        refuse_when_full: Option<bool> = "FN_ENABLE_NB_RESOURCE_TRACKER", "";
        /// Processes and threads of one container; 0 = no limit.
        max_pids: u64 = "FN_MAX_PIDS", "50";
        /// Open files of one process.
        max_open_files: u64 = "FN_MAX_OPEN_FILES", "350";
        /// Locked memory of one process, in bytes.
        max_locked_memory: u64 = "FN_MAX_LOCKED_MEMORY", "65536";
        /// Pending signals.
        max_pending_signals: u64 = "FN_MAX_PENDING_SIGNALS", "5000";
        /// Bytes in POSIX message queues.
        max_message_queue: u64 = "FN_MAX_MESSAGE_QUEUE", "819200";
        /// The engine's networks that containers join, the least used first; unset: the engine's default.
        networks: Networks = "FN_DOCKER_NETWORKS", "";
        /// Gives containers the engine's default privileges. For trusted functions only.
        disable_unprivileged: bool = "FN_DISABLE_UNPRIVILEGED_CONTAINERS", "false";
        /// Makes the containers' root file systems writable.
        disable_readonly_rootfs: bool = "FN_DISABLE_READONLY_ROOTFS", "false";
        /// Lets images that declare a volume run (a volume is disk that nobody limits).
        enable_volumes: bool = "FN_IMAGE_ENABLE_VOLUME", "false";
        /// Size of a container's file system, in megabytes; 0 = no limit. Needs a storage driver that can.
        max_fs_size_mb: u64 = "FN_MAX_FS_SIZE_MB", "0";
        /// Inodes of a container's `/tmp` where its size is limited; 0 = no limit.
        max_tmpfs_inodes: u64 = "FN_MAX_TMPFS_INODES", "0";
        /// Where the functions' socket directories are made, as this node sees it; unset:
        /// `remuda-iofs-<uid>` in the system's temporary directory. Made with mode 0700.
        iofs_path: Option<PathBuf> = "FN_IOFS_PATH", "";
        /// The same directory as the engine's host sees it, where that differs.
        iofs_docker_path: Option<PathBuf> = "FN_IOFS_DOCKER_PATH", "";
        /// A name for this node's containers; at start, those that an earlier life of the same name left are removed.
        label_tag: Option<String> = "FN_CONTAINER_LABEL_TAG", "";
        /// Labels that every container gets, beside `remuda`.
        labels: List<(String, String)> = "FN_CONTAINER_LABELS", "";
        /// The Docker Engine; unset: its local socket.
        docker_host: Option<DockerHost> = "DOCKER_HOST", "";
    }
}

settings! {
    /// A pure runner.
    pub struct PureRunner {
        /// Port of the runner protocol. 0 takes a free one.
        grpc_port: u16 = "FN_GRPC_PORT", "9190";
        /// The only group whose calls this runner takes; unset: every group's.
        group: Option<String> = "FN_LB_GROUP_ID", "";
    }
}

settings! {
    /// A load balancer.
    pub struct LoadBalancer {
        /// The API nodes, each `http://host:port`, or `https://` with this node's certificate; one that does not answer
        /// is passed over for the next.
        runner_api_url: List<String> = "FN_RUNNER_API_URL", "";
        /// The node pool manager, `host:port`. Wins over FN_RUNNER_ADDRESSES.
        npm_address: Option<RunnerAddress> = "FN_NPM_ADDRESS", "";
        /// A fixed list of runners for every group (`fnnpm` with noop.so: see that plugin).
        runner_addresses: List<RunnerAddress> = "FN_RUNNER_ADDRESSES", "";
        /// How runners are chosen: `naive` in turn, `ch` by consistent hashing of the function.
        placer: Placer = "FN_PLACER", "naive";
        /// How long a call may look for a runner that takes it, before it is answered 503. A function's timeout runs only
        /// once a runner has the call.
        placer_timeout: Milliseconds = "FN_PLACER_TIMEOUT_MSECS", "360000";
    }
}

settings! {
    /// A node pool manager.
    pub struct Npm {
        /// The control-plane plugin: a path, or a file name that is looked up in the working directory and then in
        /// FN_PLUGIN_DIR, with or without `lib` in front.
        control_plane_so: Option<String> = "CONTROL_PLANE_SO", "";
        /// Where plugins are looked up after the working directory.
        plugin_dir: Option<PathBuf> = "FN_PLUGIN_DIR", "";
        /// Loads plugins whose file or directory others may write. For development only.
        plugin_insecure: bool = "FN_PLUGIN_INSECURE", "false";
    }
}

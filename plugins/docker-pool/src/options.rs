//! The plugin's variables.

use remuda_plugin_api::{Error, Host, Variable};
use std::collections::BTreeMap;
use std::time::Duration;

const IMAGE: &str = "DOCKER_POOL_IMAGE";
const NAME: &str = "DOCKER_POOL_NAME";
const NETWORK: &str = "DOCKER_POOL_NETWORK";
const MEMORY_MB: &str = "DOCKER_POOL_MEMORY_MB";
pub(crate) const MAX: &str = "DOCKER_POOL_MAX";
const GRPC_PORT: &str = "DOCKER_POOL_GRPC_PORT";
const ENV: &str = "DOCKER_POOL_ENV";
const MOUNTS: &str = "DOCKER_POOL_MOUNTS";
const IOFS_DIR: &str = "DOCKER_POOL_IOFS_DIR";
const STOP_GRACE_S: &str = "DOCKER_POOL_STOP_GRACE_S";
const DOCKER_HOST: &str = "DOCKER_HOST";

/// The longest grace, in seconds.
const LONGEST_GRACE_S: u64 = 3600;

/// The variables that this plugin reads.
pub const VARIABLES: &[Variable] = &[
    Variable::required(IMAGE, "The image of the runners, which the engine must have already.").example("remuda-runner:latest"),
    Variable::optional(NAME, "The pool's name: it keeps apart the pools of several managers on one engine.").default("default"),
    Variable::optional(NETWORK, "The engine's network that the runners join; the engine's own default when left out."),
    Variable::optional(MEMORY_MB, "The memory that each runner offers to functions, in mebibytes.").default("4096"),
    Variable::optional(MAX, "The most containers of the whole pool, all groups together.").default("10"),
    Variable::optional(GRPC_PORT, "The port at which the runners serve the runner protocol.").default("9190"),
    Variable::optional(ENV, "More variables for the runners: NAME=value, separated by commas or, if one holds commas, by lines.")
        .example("FN_LOG_LEVEL=DEBUG"),
    Variable::optional(MOUNTS, "More mounts of the runners, such as certificates: host path:container path[:ro], separated by commas.")
        .example("/etc/remuda/certs:/certs:ro"),
    Variable::optional(IOFS_DIR, "The directory of the engine's machine that runners and functions share for their sockets.")
        .default("/tmp/remuda-iofs"),
    Variable::optional(STOP_GRACE_S, "How many seconds a runner that is removed has to end by itself after SIGTERM, before it is removed by force.")
        .default("30"),
    Variable::optional(DOCKER_HOST, "The engine: unix:///path or tcp://host:port.").default("unix:///var/run/docker.sock"),
];

/// What the variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) image: String,
    pub(crate) pool: String,
    pub(crate) network: Option<String>,
    pub(crate) memory_mb: u64,
    pub(crate) max: usize,
    pub(crate) port: u16,
    /// The runners' environment, but for their group.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) mounts: Vec<String>,
    pub(crate) stop_grace: Duration,
    pub(crate) docker_host: String,
}

impl Options {
    pub(crate) fn read(host: &Host) -> Result<Self, Error> {
        let memory_mb: u64 = host.parsed(MEMORY_MB, "a number of mebibytes above 256, such as 4096")?;
        if memory_mb <= 256 || memory_mb > u64::MAX >> 20 {
            return Err(
                host.misconfigured(MEMORY_MB, "it must be a number of mebibytes above 256, such as 4096")
            );
        }
        let port: u16 = host.parsed(GRPC_PORT, "a port from 1 to 65535")?;
        if port == 0 {
            return Err(host.misconfigured(GRPC_PORT, "it must be a port from 1 to 65535"));
        }
        let iofs = host.required(IOFS_DIR)?;
        if !iofs.starts_with('/') || iofs.contains(':') {
            return Err(host.misconfigured(IOFS_DIR, "it must be an absolute path without a colon"));
        }
        let stop_grace_s: u64 = host.parsed(STOP_GRACE_S, "a number of seconds up to 3600, such as 30")?;
        if stop_grace_s > LONGEST_GRACE_S {
            return Err(host.misconfigured(STOP_GRACE_S, "it must be a number of seconds up to 3600"));
        }
        let docker_host = host.required(DOCKER_HOST)?;
        if !["unix://", "tcp://", "http://"].iter().any(|scheme| docker_host.starts_with(scheme)) {
            return Err(host.misconfigured(DOCKER_HOST, "set unix:///path or tcp://host:port"));
        }
        let mut environment = BTreeMap::from([
            ("FN_GRPC_PORT".to_owned(), port.to_string()),
            ("FN_IOFS_PATH".to_owned(), iofs.to_owned()),
            ("FN_MAX_TOTAL_MEMORY_BYTES".to_owned(), (memory_mb << 20).to_string()),
        ]);
        environment.extend(extra_environment(host)?);
        environment.insert("FN_NODE_TYPE".to_owned(), "pure-runner".to_owned());
        let mut mounts = vec![engine_socket(docker_host), format!("{iofs}:{iofs}")];
        mounts.extend(extra_mounts(host)?);
        Ok(Self {
            image: host.required(IMAGE)?.to_owned(),
            pool: host.required(NAME)?.to_owned(),
            network: host.variable(NETWORK).map(str::to_owned),
            memory_mb,
            max: host.parsed(MAX, "a number of containers")?,
            port,
            environment,
            mounts,
            stop_grace: Duration::from_secs(stop_grace_s),
            docker_host: docker_host.to_owned(),
        })
    }
}

/// Runners start the containers of functions on the engine that they run on.
fn engine_socket(docker_host: &str) -> String {
    let socket = docker_host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    format!("{socket}:/var/run/docker.sock")
}

fn items(value: &str) -> impl Iterator<Item = &str> {
    let separator = if value.contains('\n') { '\n' } else { ',' };
    value.split(separator).map(str::trim).filter(|item| !item.is_empty())
}

fn extra_environment(host: &Host) -> Result<Vec<(String, String)>, Error> {
    items(host.variable(ENV).unwrap_or_default())
        .map(|item| match item.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
            _ => Err(host.misconfigured(ENV, format_args!("'{item}' is not NAME=value"))),
        })
        .collect()
}

fn extra_mounts(host: &Host) -> Result<Vec<String>, Error> {
    items(host.variable(MOUNTS).unwrap_or_default())
        .map(|item| {
            let parts: Vec<&str> = item.split(':').collect();
            let fine = match parts[..] {
                [from, to] => from.starts_with('/') && to.starts_with('/'),
                [from, to, mode] => {
                    from.starts_with('/') && to.starts_with('/') && ["ro", "rw"].contains(&mode)
                }
                _ => false,
            };
            let problem = || format!("'{item}' is not /host/path:/container/path or the same with :ro");
            if fine { Ok(item.to_owned()) } else { Err(host.misconfigured(MOUNTS, problem())) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<Options, Error> {
        Options::read(&Host::for_tests(VARIABLES, values))
    }

    #[test]
    fn with_an_image_alone_the_rest_has_defaults() {
        let options = read(&[(IMAGE, "runner:1")]).unwrap();
        assert_eq!((options.pool.as_str(), options.max, options.port), ("default", 10, 9190));
        assert_eq!(options.stop_grace, Duration::from_secs(30));
        assert_eq!(
            options.mounts,
            ["/var/run/docker.sock:/var/run/docker.sock", "/tmp/remuda-iofs:/tmp/remuda-iofs"]
        );
        let environment: Vec<String> =
            options.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            environment,
            [
                "FN_GRPC_PORT=9190",
                "FN_IOFS_PATH=/tmp/remuda-iofs",
                "FN_MAX_TOTAL_MEMORY_BYTES=4294967296",
                "FN_NODE_TYPE=pure-runner"
            ]
        );
    }

    #[test]
    fn more_variables_and_mounts_are_added_and_never_change_what_a_runner_is() {
        let options = read(&[
            (IMAGE, "r"),
            (ENV, "FN_LOG_LEVEL=DEBUG, FN_NODE_TYPE=full,EMPTY=,FN_IOFS_PATH=/elsewhere"),
            (MOUNTS, "/etc/certs:/certs:ro, /data:/data"),
            (DOCKER_HOST, "unix:///run/other.sock"),
        ])
        .unwrap();
        let value = |name: &str| options.environment.get(name).map(String::as_str);
        assert_eq!((value("FN_LOG_LEVEL"), value("EMPTY")), (Some("DEBUG"), Some("")));
        assert_eq!((value("FN_NODE_TYPE"), value("FN_IOFS_PATH")), (Some("pure-runner"), Some("/elsewhere")));
        assert_eq!(options.mounts[0], "/run/other.sock:/var/run/docker.sock");
        assert_eq!(options.mounts[2..], ["/etc/certs:/certs:ro", "/data:/data"]);
        let lines = read(&[(IMAGE, "r"), (ENV, "A=1,2\nB=3")]).unwrap();
        assert_eq!(lines.environment.get("A").map(String::as_str), Some("1,2"));
    }

    #[test]
    fn a_value_that_cannot_be_right_is_refused_with_the_fix() {
        for (name, value, says) in [
            (
                MEMORY_MB,
                "lots",
                "DOCKER_POOL_MEMORY_MB=lots is wrong: it must be a number of mebibytes above 256",
            ),
            (MEMORY_MB, "256", "above 256"),
            (MEMORY_MB, "18446744073709551615", "above 256"),
            (MAX, "-1", "DOCKER_POOL_MAX=-1 is wrong: it must be a number of containers"),
            (GRPC_PORT, "0", "a port from 1 to 65535"),
            (STOP_GRACE_S, "-1", "a number of seconds up to 3600"),
            (STOP_GRACE_S, "3601", "a number of seconds up to 3600"),
            (ENV, "A", "'A' is not NAME=value"),
            (ENV, "=x", "'=x' is not NAME=value"),
            (MOUNTS, "certs:/certs", "'certs:/certs' is not /host/path:/container/path"),
            (MOUNTS, "/a:/b:rx", "is not /host/path"),
            (IOFS_DIR, "relative", "an absolute path"),
            (DOCKER_HOST, "ssh://me@there", "set unix:///path or tcp://host:port"),
        ] {
            let error = read(&[(IMAGE, "r"), (name, value)]).unwrap_err();
            assert!(error.is_config() && error.to_string().contains(says), "{error}");
        }
        assert!(read(&[]).unwrap_err().to_string().starts_with("DOCKER_POOL_IMAGE is not set"));
    }
}

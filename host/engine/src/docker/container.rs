//! What a function's container is made of. Pure.

use super::images::Facts;
use super::{Options, ResourceLimits};
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
};
use remuda_core::Target;
use std::collections::HashMap;
use std::path::Path;

/// Marks every container of ours.
pub(super) const LABEL: &str = "remuda";
/// The value of [`LABEL`] on a function's container.
const LABEL_FUNCTION: &str = "function";
/// Fn's labels for [`super::Ownership`].
pub(super) const LABEL_CLASSIFIER: &str = "fn-agent-classifier";
pub(super) const LABEL_INSTANCE: &str = "fn-agent-instance";
/// Where a container has its socket directory.
const SOCKET_DIRECTORY: &str = "/tmp/iofs";
const LISTENER: &str = "FN_LISTENER=unix:/tmp/iofs/lsnr.sock";
const FORMAT: &str = "FN_FORMAT=http-stream";
/// Who a function runs as whose image does not give a user's number, or gives root's.
const PLAIN_USER: &str = "1000:1000";
/// The largest number of a user or group that the engine takes.
const LARGEST_ID: u32 = i32::MAX as u32;
/// The least that the engine takes.
const LEAST_MEMORY_BYTES: u64 = 6 * 1024 * 1024;
/// Microseconds over which a CPU quota is counted; at 100 000, a thousandth of a core is 100.
const CPU_PERIOD: i64 = 100_000;

/// What of a container is not in its target.
pub(super) struct Surroundings<'a> {
    pub(super) options: &'a Options,
    pub(super) image: &'a Facts,
    /// The socket directory as the engine sees it.
    pub(super) socket_directory: &'a Path,
    pub(super) network: Option<&'a str>,
    pub(super) hostname: &'a str,
}

/// The engine's description of a container for `target`.
pub(super) fn describe(target: &Target, around: &Surroundings<'_>) -> ContainerCreateBody {
    let options = around.options;
    ContainerCreateBody {
        image: Some(target.image.clone()),
        hostname: Some(around.hostname.to_owned()).filter(|name| !name.is_empty()),
        user: user(options.unprivileged, &around.image.user),
        env: Some(environment(target)),
        labels: Some(labels(options)),
        attach_stdin: Some(false),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        host_config: Some(host(target, around)),
        ..ContainerCreateBody::default()
    }
}

fn host(target: &Target, around: &Surroundings<'_>) -> HostConfig {
    let options = around.options;
    let memory = match target.memory.bytes() {
        0 => None,
        bytes => Some(signed(bytes.max(LEAST_MEMORY_BYTES))),
    };
    // Not in the form `source:target`, which a colon in a path would break, and which makes an empty directory where
    // the engine sees none, instead of saying so.
    let socket = Mount {
        typ: Some(MountType::BIND),
        source: Some(around.socket_directory.to_string_lossy().into_owned()),
        target: Some(SOCKET_DIRECTORY.into()),
        ..Mount::default()
    };
    let locked = options.unprivileged;
    HostConfig {
        mounts: Some(vec![socket]),
        cap_drop: locked.then(|| vec!["ALL".into()]),
        security_opt: locked.then(|| vec!["no-new-privileges".into()]),
        readonly_rootfs: Some(options.read_only_root),
        tmpfs: Some(HashMap::from([("/tmp".into(), tmpfs_options(target, options))])),
        init: Some(true),
        memory,
        // Memory and swap together: no swap.
        memory_swap: memory,
        memory_swappiness: memory.map(|_| 0),
        pids_limit: Some(options.limits.pids).filter(|pids| *pids > 0).map(signed),
        ulimits: Some(ulimits(&options.limits)),
        cpu_period: (target.milli_cpus > 0).then_some(CPU_PERIOD),
        cpu_quota: (target.milli_cpus > 0).then(|| signed(target.milli_cpus.saturating_mul(100))),
        storage_opt: (options.max_fs_size_mb > 0)
            .then(|| HashMap::from([("size".into(), format!("{}M", options.max_fs_size_mb))])),
        log_config: Some(log_config(target)),
        network_mode: around.network.map(str::to_owned),
        ..HostConfig::default()
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Who the container runs as; `None` leaves the image's own user. A name is not kept, because the image's own
/// `/etc/passwd` says which number it is, and that may be 0.
fn user(unprivileged: bool, own: &str) -> Option<String> {
    if !unprivileged {
        return None;
    }
    // Without a group, the engine would look for one in the image, or take 0.
    let (uid, gid) = own.split_once(':').unwrap_or((own, own));
    let numbers = plain_id(uid).zip(plain_id(gid));
    Some(numbers.map_or_else(|| PLAIN_USER.to_owned(), |(uid, gid)| format!("{uid}:{gid}")))
}

/// A number of a user or group that is not root's, as every reader of it understands it: digits and nothing else.
fn plain_id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| digits)?;
    (1..=LARGEST_ID).contains(&id).then_some(id)
}

fn environment(target: &Target) -> Vec<String> {
    let settings = target.config.iter().filter(|(key, _)| *key != "FN_LISTENER" && *key != "FN_FORMAT");
    let settings = settings.map(|(key, value)| format!("{key}={value}"));
    settings.chain([LISTENER.to_owned(), FORMAT.to_owned()]).collect()
}

fn labels(options: &Options) -> HashMap<String, String> {
    let mut labels = HashMap::from([(LABEL.to_owned(), LABEL_FUNCTION.to_owned())]);
    labels.extend(options.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    if let Some(owner) = &options.ownership {
        labels.insert(LABEL_CLASSIFIER.into(), owner.classifier.clone());
        labels.insert(LABEL_INSTANCE.into(), owner.instance.clone());
    }
    labels
}

fn tmpfs_options(target: &Target, options: &Options) -> String {
    match (target.tmpfs_mb, options.max_tmpfs_inodes) {
        (0, _) => String::new(),
        (size, 0) => format!("size={size}m"),
        (size, inodes) => format!("size={size}m,nr_inodes={inodes}"),
    }
}

fn ulimits(limits: &ResourceLimits) -> Vec<ResourcesUlimits> {
    let all = [
        ("nofile", limits.open_files),
        ("memlock", limits.locked_memory_bytes),
        ("sigpending", limits.pending_signals),
        ("msgqueue", limits.message_queue_bytes),
    ];
    let set = all.into_iter().filter_map(|(name, limit)| limit.map(|limit| (name, signed(limit))));
    set.map(|(name, limit)| ResourcesUlimits {
        name: Some(name.into()),
        soft: Some(limit),
        hard: Some(limit),
    })
    .collect()
}

/// Output goes to the app's syslog, or nowhere: a file on the runner's disk that nobody limits is worse than none.
fn log_config(target: &Target) -> HostConfigLogConfig {
    if target.syslog_url.is_empty() {
        return HostConfigLogConfig { typ: Some("none".into()), config: None };
    }
    let tag = format!("app_id={},fn_id={}", target.app_id, target.fn_id);
    let config = [
        ("syslog-address", target.syslog_url.as_str()),
        ("syslog-facility", "user"),
        ("syslog-format", "rfc5424"),
        ("tag", &tag),
    ];
    let config = config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    HostConfigLogConfig { typ: Some("syslog".into()), config: Some(config) }
}

#[cfg(test)]
mod tests {
    use super::super::Ownership;
    use super::*;
    use proptest::prelude::*;
    use remuda_core::{AppId, FnId, GroupId, MemoryMb};
    use std::time::Duration;

    fn target() -> Target {
        let config = [("KEY", "a=b"), ("FN_LISTENER", "unix:/etc/x")];
        let config: remuda_core::Config = config.map(|(key, value)| (key.into(), value.into())).into();
        Target {
            app_id: AppId::new("app"),
            app_name: String::new(),
            fn_id: FnId::new("fn"),
            image: "image".into(),
            memory: MemoryMb(128),
            tmpfs_mb: 0,
            milli_cpus: 0,
            timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            group: GroupId::of(&Default::default(), &config),
            config,
            annotations: Default::default(),
            syslog_url: String::new(),
        }
    }

    fn describe_with(options: &Options, target: &Target, user: &str) -> ContainerCreateBody {
        let image = Facts { user: user.into(), volumes: false };
        let socket_directory = Path::new("/run/iofs1");
        describe(
            target,
            &Surroundings { options, image: &image, socket_directory, network: None, hostname: "h" },
        )
    }

    #[test]
    fn a_container_is_locked_down_and_limited() {
        let made = describe_with(&Options::default(), &target(), "");
        let host = made.host_config.unwrap();
        assert_eq!(made.user.as_deref(), Some("1000:1000"));
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.init, Some(true));
        assert_eq!(host.memory, Some(128 << 20));
        assert_eq!((host.memory_swap, host.memory_swappiness), (Some(128 << 20), Some(0)));
        assert_eq!(host.pids_limit, Some(50));
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts[0].source.as_deref(), Some("/run/iofs1"));
        assert_eq!(mounts[0].target.as_deref(), Some("/tmp/iofs"));
        assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
        assert_eq!(host.cpu_quota, None);
        let limits: Vec<_> =
            host.ulimits.unwrap().into_iter().map(|limit| (limit.name, limit.hard)).collect();
        assert!(limits.contains(&(Some("nofile".into()), Some(350))));
        assert_eq!(limits.len(), 4);
    }

    #[test]
    fn the_contract_settings_win_over_a_users() {
        let env = describe_with(&Options::default(), &target(), "").env.unwrap();
        assert_eq!(env, ["KEY=a=b", "FN_LISTENER=unix:/tmp/iofs/lsnr.sock", "FN_FORMAT=http-stream"]);
    }

    #[test]
    fn an_image_keeps_a_user_that_is_a_number_and_not_root() {
        for (own, kept) in [("1234", "1234:1234"), ("1234:5", "1234:5"), ("010", "10:10")] {
            assert_eq!(user(true, own).as_deref(), Some(kept), "{own}");
        }
    }

    #[test]
    fn a_user_who_is_or_may_be_root_is_replaced() {
        let root = ["", "root", "0", "0:0", "root:root", ":7", "000", "+0", "-0", "0:5", "00:5"];
        let perhaps = ["app", "app:app", "1234:0", "1234:", "1234:app", "+5", "-5", " 5", "5 ", "0x5", "٣"];
        let out_of_range = ["4294967296", "2147483648", "5:99999999999", "1:2:3"];
        for own in [&root[..], &perhaps, &out_of_range].concat() {
            assert_eq!(user(true, own).as_deref(), Some(PLAIN_USER), "{own}");
        }
    }

    #[test]
    fn a_privileged_container_keeps_any_user() {
        for own in ["", "root", "app", "5"] {
            assert_eq!(user(false, own), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_an_image_says_it_runs_as_two_numbers_that_are_not_zero(own in "[-+0-9:a ]{0,12}") {
            let user = user(true, &own).unwrap();
            let (uid, gid) = user.split_once(':').unwrap();
            for id in [uid, gid] {
                prop_assert!(id.bytes().all(|byte| byte.is_ascii_digit()));
                prop_assert!((1..=2_147_483_647).contains(&id.parse::<u64>().unwrap()));
            }
        }
    }

    #[test]
    fn optional_limits_are_given_where_they_are_set() {
        let options = Options { max_tmpfs_inodes: 9, max_fs_size_mb: 7, ..Options::default() };
        let target = Target { tmpfs_mb: 64, milli_cpus: 250, memory: MemoryMb(1), ..target() };
        let host = describe_with(&options, &target, "").host_config.unwrap();
        assert_eq!(host.tmpfs.unwrap()["/tmp"], "size=64m,nr_inodes=9");
        assert_eq!((host.cpu_period, host.cpu_quota), (Some(100_000), Some(25_000)));
        assert_eq!(host.memory, Some(6 << 20));
        assert_eq!(host.storage_opt.unwrap()["size"], "7M");
    }

    #[test]
    fn labels_say_whose_a_container_is() {
        let ownership = Some(Ownership { classifier: "c".into(), instance: "i".into() });
        let options =
            Options { ownership, labels: [("k".to_owned(), "v".to_owned())].into(), ..Options::default() };
        let labels = describe_with(&options, &target(), "").labels.unwrap();
        let expected = [(LABEL, "function"), ("k", "v"), (LABEL_CLASSIFIER, "c"), (LABEL_INSTANCE, "i")];
        assert_eq!(labels, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn an_apps_syslog_gets_its_output() {
        let target = Target { syslog_url: "tcp://logs:601".into(), ..target() };
        let log = log_config(&target);
        assert_eq!(log.typ.as_deref(), Some("syslog"));
        let config = log.config.unwrap();
        assert_eq!(config["syslog-address"], "tcp://logs:601");
        assert_eq!(config["tag"], "app_id=app,fn_id=fn");
    }
}

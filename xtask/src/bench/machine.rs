//! What the figures were taken on.

use std::time::Duration;

use remuda_harness::{docker, process};

const WITHIN: Duration = Duration::from_secs(20);

/// Pairs of a property and its value, for the page's first table.
pub(crate) async fn describe() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("date", asked("date -u '+%Y-%m-%d %H:%M UTC'").await),
        ("commit", asked("git describe --always --dirty").await),
        ("processor", asked("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1").await),
        ("cores", cores.to_string()),
        ("memory", asked("awk '/MemTotal/ {printf \"%.1f GiB\", $2 / 1048576}' /proc/meminfo").await),
        ("system", asked(". /etc/os-release; echo \"$PRETTY_NAME, Linux $(uname -r)\"").await),
        ("load average before", asked("cut -d ' ' -f 1-3 /proc/loadavg").await),
        ("Rust", asked("rustc --version").await),
        ("Docker Engine", docker::version().await.unwrap_or_else(unknown)),
        ("nginx", asked("PATH=$PATH:/usr/sbin nginx -v 2>&1 | sed 's/.*nginx\\///'").await),
    ]
}

async fn asked(line: &str) -> String {
    let answer = process::shell(line, WITHIN).await.ok();
    answer.filter(|answer| !answer.is_empty()).unwrap_or_else(unknown)
}

fn unknown() -> String {
    "unknown".to_owned()
}

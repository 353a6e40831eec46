//! The state of this process, as `/proc` tells it, under the names that every Prometheus client uses.

use std::fmt::Write;
use std::path::Path;

/// Clock ticks a second in `/proc`: the kernel's USER_HZ, 100 on every architecture that we build for.
const TICKS: f64 = 100.0;

/// Appends what can be read, in Prometheus' text format.
pub(super) fn write(text: &mut String) {
    write_from(text, Path::new("/proc"));
}

fn write_from(text: &mut String, proc: &Path) {
    let read = |name: &str| std::fs::read_to_string(proc.join(name)).unwrap_or_default();
    let (status, stat, boot) = (read("self/status"), read("self/stat"), read("stat"));
    let mut tell = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        let Some(value) = value else { return };
        // Writing to a String does not fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    tell(
        "process_cpu_seconds_total",
        "counter",
        "Processor time that this process took, in seconds.",
        ticks(&stat, USER_TIME).zip(ticks(&stat, SYSTEM_TIME)).map(|(user, system)| (user + system) / TICKS),
    );
    tell("process_open_fds", "gauge", "Open file descriptors.", open_files(proc));
    tell(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of this process that is in RAM, in bytes.",
        number_after(&status, "VmRSS:").map(|kib| kib * 1024.0),
    );
    tell(
        "process_start_time_seconds",
        "gauge",
        "When this process was started, in unix seconds.",
        number_after(&boot, "btime ").zip(ticks(&stat, START_TIME)).map(|(boot, start)| boot + start / TICKS),
    );
}

/// Fields of `/proc/<pid>/stat`, counted from the state, which is the first after the name (proc_pid_stat(5)).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START_TIME: usize = 19;

fn ticks(stat: &str, field: usize) -> Option<f64> {
    // The name stands in parentheses and may contain some itself.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(field)?.parse().ok()
}

/// The number that follows `name` where a line begins with it.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files(proc: &Path) -> Option<f64> {
    let count = std::fs::read_dir(proc.join("self/fd")).ok()?.count();
    // The one that this listing takes is not counted.
    u32::try_from(count.saturating_sub(1)).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn value(text: &str, name: &str) -> f64 {
        number_after(text, &format!("{name} ")).unwrap_or_else(|| panic!("{name} in {text}"))
    }

    #[test]
    fn this_process_is_described() {
        let mut text = String::new();
        write(&mut text);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let started = value(&text, "process_start_time_seconds");
        assert!(started <= now + 1.0 && now - started < 3600.0, "{started} {now}");
        assert!(value(&text, "process_resident_memory_bytes") > 100_000.0);
        assert!(value(&text, "process_open_fds") >= 3.0);
        assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 1 0 12345 8 9";
        assert_eq!((ticks(stat, USER_TIME), ticks(stat, SYSTEM_TIME)), (Some(150.0), Some(50.0)));
        assert_eq!(ticks(stat, START_TIME), Some(12345.0));
    }

    #[test]
    fn without_proc_nothing_is_said() {
        let mut text = String::new();
        write_from(&mut text, Path::new("/nowhere"));
        assert_eq!(text, "");
    }
}

//! How much memory a node uses.

use std::time::Duration;

use crate::Failure;

/// The most that an API node may use while it is tried. It needs about 30 MiB; a definition may have 1 MiB, and 16 times
/// that while it is read.
const MOST_MB: u64 = 256;
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Waits until a process uses more than it may, or is gone.
pub(super) async fn outgrown(pid: u32) -> Failure {
    let mut beat = tokio::time::interval(EVERY);
    loop {
        beat.tick().await;
        match peak_mb(pid) {
            Ok(peak) if peak <= MOST_MB => {}
            Ok(peak) => {
                return Failure::because(format!("the node uses {peak} MiB of memory, more than {MOST_MB}"));
            }
            Err(failure) => return failure,
        }
    }
}

/// The most memory that a process ever used, in MiB.
pub(super) fn peak_mb(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    peak_of(&status).ok_or_else(|| Failure::because("the node is gone"))
}

/// From the line that is called `VmHWM`, in kB.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()?.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_process_is_read() {
        assert_eq!(peak_of("VmPeak:\t 5 kB\nVmHWM:\t   29804 kB\nVmRSS:\t 2 kB\n"), Some(30));
        assert_eq!(peak_of("Name:\tx\n"), None);
        assert!(peak_mb(std::process::id()).unwrap() > 0);
    }
}

//! How much memory a runner may share out.

use remuda_core::MemoryMb;
use std::fs;

const MIB: u64 = 1024 * 1024;
/// Fn keeps a tenth of what is there for itself, but no less than this and no more than five gibibytes.
const LEAST_HEADROOM: u64 = 256 * MIB;
const MOST_HEADROOM: u64 = 5 * 1024 * MIB;
/// Below this a runner could not run a few small functions.
const LEAST_USABLE: u64 = 256 * MIB;
/// Where the kernel says what is left, and what this process's cgroup allows (v2, then v1).
const MEMINFO: &str = "/proc/meminfo";
const CGROUP_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// The machine does not say, or does not have, enough memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The kernel's account could not be read.
    #[error("read {MEMINFO}")]
    Unreadable(#[source] std::io::Error),
    /// The kernel's account has no line for available memory.
    #[error("{MEMINFO} has no MemAvailable line")]
    NoAvailable,
    /// Too little is left.
    #[error("only {0} MB of memory are usable; a runner needs more than 256 MB")]
    TooLittle(u64),
}

/// Memory for containers: what is available on the machine and in this process's cgroup, less a tenth for everything
/// else, and at most `cap` bytes (0 = no cap). Read once, at start.
pub fn usable_memory(cap: u64) -> Result<MemoryMb, MemoryError> {
    let meminfo = fs::read_to_string(MEMINFO).map_err(MemoryError::Unreadable)?;
    let available = available_bytes(&meminfo).ok_or(MemoryError::NoAvailable)?;
    let limits = CGROUP_LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    usable(limits.fold(available, u64::min), cap)
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn usable(available: u64, cap: u64) -> Result<MemoryMb, MemoryError> {
    let headroom = (available / 10).clamp(LEAST_HEADROOM, MOST_HEADROOM);
    let left = available.saturating_sub(headroom);
    if left <= LEAST_USABLE {
        return Err(MemoryError::TooLittle(left / MIB));
    }
    let bytes = if cap == 0 { left } else { left.min(cap) };
    Ok(MemoryMb(bytes / MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_from_the_kernels_account() {
        let text = "MemTotal:       24689324 kB\nMemAvailable:   10 kB\n";
        assert_eq!(available_bytes(text), Some(10_240));
        assert_eq!(available_bytes("MemTotal: 1 kB"), None);
    }

    #[test]
    fn a_tenth_is_kept_back_within_bounds_and_the_cap_holds() {
        let gib = 1024 * MIB;
        assert_eq!(usable(gib, 0).unwrap(), MemoryMb(768));
        assert_eq!(usable(10 * gib, 0).unwrap(), MemoryMb(9216));
        assert_eq!(usable(100 * gib, 0).unwrap(), MemoryMb(95 * 1024));
        assert_eq!(usable(100 * gib, 512 * MIB).unwrap(), MemoryMb(512));
        assert!(usable(500 * MIB, 0).is_err());
    }
}

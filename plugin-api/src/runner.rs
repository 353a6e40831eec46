//! A runner as a control plane lists it.

use crate::abi::{AbiRunner, RUNNER_FIXED};

/// One runner of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// The control plane's own name for it, unique in its group and stable over its life.
    pub id: String,
    /// Where it serves the runner protocol: `host:port`, `[v6]:port` for IPv6 addresses.
    pub address: String,
    /// The memory it offers, in mebibytes; more than zero.
    pub capacity_mb: u64,
    /// True when the control plane neither made it nor can remove it: it is always a member, never drained.
    pub fixed: bool,
}

/// Says in one sentence what is wrong with a runner's address; it must be `host:port`, `[v6]:port` for IPv6.
pub fn check_address(text: &str) -> Result<(), String> {
    let wrong = || format!("'{text}' is not host:port");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !bracketed) || host.contains(char::is_whitespace) {
        return Err(wrong());
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(()),
        _ => Err(format!("'{port}' in '{text}' is not a port from 1 to 65535")),
    }
}

impl From<Runner> for AbiRunner {
    fn from(runner: Runner) -> Self {
        Self {
            id: runner.id.into(),
            address: runner.address.into(),
            capacity_mb: runner.capacity_mb,
            flags: if runner.fixed { RUNNER_FIXED } else { 0 },
            labels_json: String::new().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        for good in ["h:1", "127.0.0.1:9190", "[::1]:9190", "runner-1.pool:65535"] {
            assert_eq!(check_address(good), Ok(()));
        }
        for bad in ["", "h", ":1", "h:", "h:0", "h:65536", "::1:9190", "a b:1"] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }
}

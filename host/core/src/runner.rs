//! Runners as the pool sees them.

use crate::MemoryMb;
use std::fmt;

/// Where a runner serves its protocol: `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunnerAddress(String);

impl RunnerAddress {
    /// Reads `host:port` (`[v6]:port` for IPv6 addresses). The error is a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not host:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        let fits = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(name),
        };
        if !fits {
            return Err(wrong());
        }
        match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Self(text.to_owned())),
            _ => Err(format!("'{port}' in '{text}' is not a port from 1 to 65535")),
        }
    }
    /// `host:port` as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The host part, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.0.rsplit_once(':').map_or(self.0.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for RunnerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A runner as a control plane lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRunner {
    /// The control plane's own name for it, stable over its life.
    pub id: String,
    /// Where it serves.
    pub address: RunnerAddress,
    /// The memory it offers.
    pub capacity: MemoryMb,
    /// True when the control plane neither made it nor can remove it: it is always a member, never drained.
    pub fixed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        for good in ["h:1", "127.0.0.1:9190", "[::1]:9190", "runner-1.pool:65535"] {
            assert_eq!(RunnerAddress::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(RunnerAddress::parse("[::1]:9190").unwrap().host(), "::1");
        for bad in ["", "h", ":1", "h:", "h:0", "h:65536", "::1:9190", "a b:1", "blue=h:1", "[h]:1"] {
            assert!(RunnerAddress::parse(bad).is_err(), "{bad}");
        }
    }
}

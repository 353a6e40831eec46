//! A control plane with a fixed set of runners: those that `FN_RUNNER_ADDRESSES` names.
//!
//! `h:9190` is one runner that every group lists; `blue=h:9191` belongs to group blue alone. It makes no runners and
//! removes none. Also the reference plugin: this is all that one needs.

use remuda_plugin_api::{ControlPlane, Error, Host, Runner, Variable, check_address};

/// The variable that names the runners.
const ADDRESSES: &str = "FN_RUNNER_ADDRESSES";
/// What each runner is taken to offer, in mebibytes; runners report their own figure to the load balancers.
const CAPACITY_MB: u64 = 4096;

/// The variables that this plugin reads.
pub const VARIABLES: &[Variable] = &[Variable::required(
    ADDRESSES,
    "The runners, separated by commas: host:port for one that every group uses, group=host:port for one of a group.",
)
.example("10.0.0.5:9190,blue=10.0.0.6:9190")];

#[cfg(feature = "export")]
remuda_plugin_api::export_control_plane! {
    type = Noop,
    name = "noop",
    variables = *VARIABLES,
}

/// A fixed set of runners.
#[derive(Debug)]
pub struct Noop {
    runners: Vec<Entry>,
}

/// One item of the list.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// The group that it belongs to; `None` for every group.
    group: Option<String>,
    address: String,
}

impl Entry {
    fn parse(item: &str) -> Result<Self, String> {
        let (group, address) = match item.split_once('=') {
            Some((group, address)) => (Some(group.trim()), address.trim()),
            None => (None, item),
        };
        if group == Some("") {
            return Err(format!("'{item}' names no group before its '='"));
        }
        check_address(address)?;
        Ok(Self { group: group.map(str::to_owned), address: address.to_owned() })
    }
    fn serves(&self, group: &str) -> bool {
        self.group.as_deref().is_none_or(|own| own == group)
    }
}

impl ControlPlane for Noop {
    async fn start(host: Host) -> Result<Self, Error> {
        let fix = |problem: &str| {
            host.misconfigured(
                ADDRESSES,
                format_args!("{problem}; list host:port or group=host:port, separated by commas"),
            )
        };
        let mut runners = Vec::new();
        for item in host.required(ADDRESSES)?.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let entry = Entry::parse(item).map_err(|problem| fix(&problem))?;
            if !runners.contains(&entry) {
                runners.push(entry);
            }
        }
        if runners.is_empty() {
            return Err(fix("it names no runner"));
        }
        Ok(Self { runners })
    }

    async fn runners(&self, group: &str) -> Result<Vec<Runner>, Error> {
        let mut listed: Vec<Runner> = Vec::new();
        for entry in self.runners.iter().filter(|entry| entry.serves(group)) {
            // The same address may stand in the list for every group and for this one.
            if listed.iter().all(|runner| runner.address != entry.address) {
                listed.push(Runner {
                    id: format!("noop-{}", entry.address),
                    address: entry.address.clone(),
                    capacity_mb: CAPACITY_MB,
                    fixed: true,
                });
            }
        }
        Ok(listed)
    }

    async fn provision(&self, _group: &str, _count: u32) -> Result<u32, Error> {
        Ok(0)
    }

    async fn remove(&self, _group: &str, _id: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn started(value: &str) -> Result<Noop, Error> {
        Noop::start(Host::for_tests(VARIABLES, &[(ADDRESSES, value)])).await
    }
    async fn listed(value: &str, group: &str) -> Vec<String> {
        let runners = started(value).await.unwrap().runners(group).await.unwrap();
        runners.into_iter().map(|runner| runner.address).collect()
    }

    #[tokio::test]
    async fn a_plain_address_is_one_runner_that_every_group_lists_once() {
        assert_eq!(listed("h:9190", "any").await, ["h:9190"]);
        assert_eq!(listed(" h:9190 ,h:9190,, i:1 ", "other").await, ["h:9190", "i:1"]);
        let runners = started("h:9190").await.unwrap().runners("any").await.unwrap();
        assert_eq!(
            runners,
            [Runner { id: "noop-h:9190".into(), address: "h:9190".into(), capacity_mb: 4096, fixed: true }]
        );
    }

    #[tokio::test]
    async fn an_address_of_a_group_belongs_to_that_group_alone() {
        let value = "h:9190, blue = h:9191,green=h:9192,blue=h:9190";
        assert_eq!(listed(value, "blue").await, ["h:9190", "h:9191"]);
        assert_eq!(listed(value, "green").await, ["h:9190", "h:9192"]);
        assert_eq!(listed("blue=h:9191", "green").await, [""; 0]);
    }

    #[tokio::test]
    async fn it_makes_and_removes_nothing() {
        let noop = started("h:9190").await.unwrap();
        assert_eq!(noop.provision("blue", 3).await, Ok(0));
        assert_eq!(noop.remove("blue", "noop-h:9190").await, Ok(()));
        assert_eq!(noop.runners("blue").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_right_is_refused_in_one_sentence_with_the_fix() {
        for (value, problem) in [
            ("h", "'h' is not host:port"),
            ("h:9190,blue=", "'' is not host:port"),
            ("=h:9190", "'=h:9190' names no group before its '='"),
            ("h:99999", "'99999' in 'h:99999' is not a port from 1 to 65535"),
            (" , ", "it names no runner"),
        ] {
            let error = started(value).await.unwrap_err();
            assert!(error.is_config());
            let expected = format!(
                "FN_RUNNER_ADDRESSES={value} is wrong: {problem}; list host:port or group=host:port, separated by commas"
            );
            assert_eq!(error.to_string(), expected);
        }
        let missing = started("").await.unwrap_err();
        assert!(
            missing.to_string().starts_with("FN_RUNNER_ADDRESSES is not set: set it (The runners"),
            "{missing}"
        );
    }
}

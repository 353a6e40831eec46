//! What a cluster consists of, and the variables that each of its nodes is given.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::certificates::Identity;
use crate::{Error, Role};

/// How the nodes trust each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// No certificates: LB and runners talk in clear. An NPM needs certificates.
    None,
    /// One self-signed certificate that every node shares, as in the walk-through; made by `remuda certs`.
    SelfSigned,
    /// The same with CA:TRUE.
    SelfSignedCa,
    /// An authority, and a leaf for each node.
    Authority,
}

/// A node that is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// A runner's group.
    pub(crate) group: Option<String>,
}

/// Collects nodes and gives them names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    nodes: Vec<Planned>,
    pub(crate) plugin: Option<String>,
}

impl Shape {
    pub(crate) fn add(&mut self, role: Role, group: Option<&str>) {
        let base = match role {
            Role::Full => "full",
            Role::Api => "api",
            Role::Lb => "lb",
            Role::Npm => "npm",
            Role::Runner => group.unwrap_or("runner"),
        };
        let same =
            self.nodes.iter().filter(|node| node.role == role && node.group.as_deref() == group).count();
        let name = if same == 0 { base.to_owned() } else { format!("{base}-{}", same + 1) };
        self.nodes.push(Planned { name, role, group: group.map(str::to_owned) });
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.nodes.iter().any(|node| node.role == role)
    }

    /// The nodes in the order in which addresses become known: whoever is dialled comes first.
    pub(crate) fn in_order(&self) -> Result<Vec<Planned>, Error> {
        let refuse = |why: &str| Err(Error::Shape(format!("this cluster cannot be: {why}")));
        if self.nodes.is_empty() {
            return refuse("it has no node");
        }
        if self.has(Role::Lb) && !self.has(Role::Api) {
            return refuse("an LB needs an API node");
        }
        if self.has(Role::Lb) && !self.has(Role::Runner) && !self.has(Role::Npm) {
            return refuse("an LB needs an NPM or runners");
        }
        let order = |node: &Planned| match node.role {
            Role::Runner => 0,
            Role::Npm => 1,
            Role::Api => 2,
            Role::Full => 3,
            Role::Lb => 4,
        };
        let mut nodes = self.nodes.clone();
        nodes.sort_by_key(order);
        Ok(nodes)
    }
}

/// What is known when a node's variables are chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// Where the nodes' own files go.
    pub(crate) directory: PathBuf,
    /// `remuda.test=<cluster>`.
    pub(crate) label: String,
    /// Sets a runner's containers apart from those of all others.
    pub(crate) tag: String,
    /// `group=address` or `address` of each runner that runs.
    pub(crate) runners: Vec<(Option<String>, String)>,
    pub(crate) npm: Option<String>,
    /// Of every API node.
    pub(crate) api: Vec<String>,
    /// Whether the nodes' HTTP listeners speak TLS.
    pub(crate) https: bool,
    pub(crate) identity: Option<Identity>,
    pub(crate) plugin: Option<String>,
}

/// The variables that make a node a member of this cluster.
pub(crate) fn variables(node: &Planned, around: &Surroundings) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.to_owned());
    };
    let own = |file: &str| text(&around.directory.join(&node.name).join(file));
    set("FN_PORT", "0");
    set("FN_LISTEN_HOST", "127.0.0.1");
    set("FN_LOG_LEVEL", "DEBUG");
    set("FN_LOG_FORMAT", "text");
    if let Some(node_type) = node.role.node_type() {
        set("FN_NODE_TYPE", node_type);
    }
    match node.role {
        Role::Api => set("FN_STATE_DIR", &own("state")),
        Role::Full => {
            set("FN_STATE_DIR", &own("state"));
            engine_variables(&mut set, &own, around);
        }
        Role::Runner => {
            set("FN_GRPC_PORT", "0");
            if let Some(group) = &node.group {
                set("FN_LB_GROUP_ID", group);
            }
            engine_variables(&mut set, &own, around);
        }
        Role::Npm => {
            set("FN_RUNNER_ADDRESSES", &runner_list(around, true));
            set("CONTROL_PLANE_SO", around.plugin.as_deref().unwrap_or("noop.so"));
        }
        Role::Lb => {
            set("FN_RUNNER_API_URL", &around.api.join(","));
            match &around.npm {
                Some(npm) => set("FN_NPM_ADDRESS", npm),
                None => set("FN_RUNNER_ADDRESSES", &runner_list(around, false)),
            }
        }
    }
    let Some(identity) = &around.identity else { return all };
    let speaks_grpc = !matches!(node.role, Role::Api | Role::Full);
    if speaks_grpc {
        all.extend(identity.variables());
    }
    if around.https && node.role != Role::Npm {
        all.extend(identity.https_variables());
    }
    all
}

fn engine_variables(set: &mut impl FnMut(&str, &str), own: &impl Fn(&str) -> String, around: &Surroundings) {
    set("FN_IOFS_PATH", &own("io"));
    set("FN_CONTAINER_LABELS", &around.label);
    set("FN_CONTAINER_LABEL_TAG", &around.tag);
}

fn runner_list(around: &Surroundings, with_groups: bool) -> String {
    let one = |(group, address): &(Option<String>, String)| match group {
        Some(group) if with_groups => format!("{group}={address}"),
        _ => address.clone(),
    };
    around.runners.iter().map(one).collect::<Vec<_>>().join(",")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            directory: PathBuf::from("/tmp/c"),
            label: "remuda.test=c".to_owned(),
            runners: vec![
                (Some("blue".to_owned()), "127.0.0.1:1".to_owned()),
                (None, "127.0.0.1:2".to_owned()),
            ],
            api: vec!["http://127.0.0.1:3".to_owned()],
            ..Surroundings::default()
        }
    }

    #[test]
    fn nodes_start_after_those_that_they_dial() {
        let mut shape = Shape::default();
        shape.add(Role::Lb, None);
        shape.add(Role::Api, None);
        shape.add(Role::Npm, None);
        shape.add(Role::Runner, Some("blue"));
        shape.add(Role::Runner, Some("blue"));
        shape.add(Role::Runner, None);
        let names: Vec<String> = shape.in_order().unwrap().into_iter().map(|node| node.name).collect();
        assert_eq!(names, ["blue", "blue-2", "runner", "npm", "api", "lb"]);
    }

    #[test]
    fn an_lb_without_what_it_needs_is_refused() {
        let mut shape = Shape::default();
        shape.add(Role::Lb, None);
        assert!(shape.in_order().unwrap_err().to_string().contains("needs an API node"));
        shape.add(Role::Api, None);
        assert!(shape.in_order().unwrap_err().to_string().contains("needs an NPM or runners"));
    }

    #[test]
    fn an_npm_is_told_the_groups_of_its_runners_and_a_static_lb_only_their_addresses() {
        let npm = Planned { name: "npm".to_owned(), role: Role::Npm, group: None };
        assert_eq!(variables(&npm, &around())["FN_RUNNER_ADDRESSES"], "blue=127.0.0.1:1,127.0.0.1:2");
        let lb = Planned { name: "lb".to_owned(), role: Role::Lb, group: None };
        assert_eq!(variables(&lb, &around())["FN_RUNNER_ADDRESSES"], "127.0.0.1:1,127.0.0.1:2");
    }

    #[test]
    fn an_lb_with_an_npm_is_given_no_runners() {
        let lb = Planned { name: "lb".to_owned(), role: Role::Lb, group: None };
        let given = variables(&lb, &Surroundings { npm: Some("127.0.0.1:9".to_owned()), ..around() });
        assert_eq!(given["FN_NPM_ADDRESS"], "127.0.0.1:9");
        assert!(!given.contains_key("FN_RUNNER_ADDRESSES"));
    }
}

//! What a daemon is to be, read from its environment and checked as a whole.

mod http;

pub(crate) use http::cors;

use crate::env::{
    Agent, Api, Auth, Common, Container, Environment, Http, LoadBalancer, Mistake, Npm, PureRunner, Reader,
    Tls,
};
use crate::role::NodeType;
use remuda_core::RunnerAddress;
use std::path::{Path, PathBuf};

/// The three PEM files of a node with certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertFiles {
    /// The node's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What it trusts.
    pub authority: PathBuf,
}

/// The PEM files of a listener that speaks https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCertFiles {
    /// The listener's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose client certificates are those of nodes; `None`: no client is asked for one.
    pub node_authority: Option<PathBuf>,
}

/// Where an LB's runners come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerSource {
    /// A node pool manager.
    Npm(RunnerAddress),
    /// A fixed list for every group.
    Fixed(Vec<RunnerAddress>),
}

/// The database that a node was told to use; `None`: the file in its state directory.
pub(crate) fn database_url(api: &Api) -> Option<&str> {
    api.db_url.as_ref().map(|url| url.0.reveal())
}

/// A full node.
#[derive(Clone, Debug)]
pub struct FullNode {
    /// Its listener.
    pub http: Http,
    /// Its catalogue.
    pub api: Api,
    /// Limits on answers.
    pub agent: Agent,
    /// Its containers.
    pub container: Container,
}

/// An API node.
#[derive(Clone, Debug)]
pub struct ApiNode {
    /// Its listener.
    pub http: Http,
    /// Its catalogue.
    pub api: Api,
}

/// A load balancer.
#[derive(Clone, Debug)]
pub struct LbNode {
    /// Its listener.
    pub http: Http,
    /// Limits on answers.
    pub agent: Agent,
    /// How runners are chosen.
    pub lb: LoadBalancer,
    /// The API nodes, the preferred one first.
    pub api_urls: Vec<String>,
    /// Where runners come from.
    pub runners: RunnerSource,
    /// Its certificates; `None`: in clear.
    pub certs: Option<CertFiles>,
}

/// A pure runner.
#[derive(Clone, Debug)]
pub struct RunnerNode {
    /// Its port and group.
    pub runner: PureRunner,
    /// Limits on answers.
    pub agent: Agent,
    /// Its containers.
    pub container: Container,
    /// Its certificates; `None`: in clear.
    pub certs: Option<CertFiles>,
}

/// What an `fnserver` is.
#[derive(Clone, Debug)]
pub enum Role {
    /// API, front door and runner in one.
    Full(Box<FullNode>),
    /// Apps, functions and triggers.
    Api(Box<ApiNode>),
    /// Places calls on runners.
    LoadBalancer(Box<LbNode>),
    /// Runs functions.
    PureRunner(Box<RunnerNode>),
}

/// A whole `fnserver`.
#[derive(Clone, Debug)]
pub struct Fnserver {
    /// What every daemon has.
    pub common: Common,
    /// How its HTTP listener speaks TLS; `None`: in clear.
    pub https: Option<HttpCertFiles>,
    /// What this one is.
    pub role: Role,
    /// Variables that have no effect, one sentence each.
    pub warnings: Vec<String>,
}

impl Fnserver {
    /// Reads and checks; on failure, everything that is wrong.
    pub fn read(environment: Environment) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader::new(environment);
        let common = Common::read(&mut reader);
        let role = match reader.get("FN_NODE_TYPE", "full") {
            NodeType::Full => Role::Full(Box::new(FullNode {
                http: http::read(&mut reader),
                api: Api::read(&mut reader),
                agent: Agent::read(&mut reader),
                container: Container::read(&mut reader),
            })),
            NodeType::Api => {
                Role::Api(Box::new(ApiNode { http: http::read(&mut reader), api: Api::read(&mut reader) }))
            }
            NodeType::LoadBalancer => Role::LoadBalancer(Box::new(read_lb(&mut reader))),
            NodeType::PureRunner => Role::PureRunner(Box::new(RunnerNode {
                runner: PureRunner::read(&mut reader),
                agent: Agent::read(&mut reader),
                container: Container::read(&mut reader),
                certs: read_certs(&mut reader, None),
            })),
        };
        let has_catalogue = matches!(role, Role::Full(_) | Role::Api(_));
        let https = http::read_tls(&mut reader, has_catalogue);
        let mut warnings = Vec::new();
        match &role {
            Role::Api(node) => warnings.extend(http::why_no_balancer_may_read(&node.http, https.as_ref())),
            Role::Full(node) => warnings.extend(http::tokens_in_clear(&node.http, https.as_ref())),
            Role::LoadBalancer(node) => warnings.extend(http::tokens_in_clear(&node.http, https.as_ref())),
            Role::PureRunner(_) => {}
        }
        warnings.extend(reader.finish(&[])?);
        Ok(Self { common, https, role, warnings })
    }
}

/// The API nodes of an LB: one at least, all http or all https, and https where authentication is on.
fn read_api_urls(reader: &mut Reader, lb: &LoadBalancer, http: &Http) -> Vec<String> {
    const NAME: &str = "FN_RUNNER_API_URL";
    let urls = lb.runner_api_url.0.clone();
    let held = || Some(urls.join(","));
    if urls.is_empty() {
        reader.missing(NAME, "set it to the base URL of the API node, such as http://localhost:8080");
    }
    let (clear, tls): (Vec<_>, Vec<_>) = (
        urls.iter().filter(|url| url.starts_with("http://")).collect(),
        urls.iter().filter(|url| url.starts_with("https://")).collect(),
    );
    if clear.len() + tls.len() < urls.len() {
        reader.mistake(NAME, held(), "use the base URL of the API node, such as http://api.example:8080");
    } else if !clear.is_empty() && !tls.is_empty() {
        reader.mistake(NAME, held(), "use https for all API nodes or for none");
    } else if !clear.is_empty() && http.auth == Auth::Token {
        let fix = "with FN_AUTH=token a load balancer reads the API by its node certificate: use https";
        reader.mistake(NAME, held(), fix);
    }
    urls
}

fn read_lb(reader: &mut Reader) -> LbNode {
    let (http, agent, lb) = (http::read(reader), Agent::read(reader), LoadBalancer::read(reader));
    let api_urls = read_api_urls(reader, &lb, &http);
    let reason = if lb.npm_address.is_some() {
        Some("an LB speaks to its node pool manager over mutual TLS")
    } else if api_urls.iter().any(|url| url.starts_with("https://")) {
        Some("FN_RUNNER_API_URL is https")
    } else {
        None
    };
    let certs = read_certs(reader, reason);
    let runners = match (lb.npm_address.clone(), lb.runner_addresses.0.clone()) {
        (Some(npm), _) => RunnerSource::Npm(npm),
        (None, fixed) => {
            let neither =
                ["FN_NPM_ADDRESS", "FN_RUNNER_ADDRESSES"].iter().all(|name| reader.text(name).is_none());
            if neither {
                let fix = "set it to the node pool manager's host:port, or FN_RUNNER_ADDRESSES to a list of runners";
                reader.missing("FN_NPM_ADDRESS", fix);
            }
            RunnerSource::Fixed(fixed)
        }
    };
    LbNode { http, agent, lb, api_urls, runners, certs }
}

/// The certificates: all three or none, and all three when there is a reason why they are needed.
fn read_certs(reader: &mut Reader, needed: Option<&str>) -> Option<CertFiles> {
    let tls = Tls::read(reader);
    let named = [
        ("FN_NODE_CERT", "certificate", &tls.cert),
        ("FN_NODE_CERT_KEY", "private key", &tls.key),
        ("FN_NODE_CERT_AUTHORITY", "authority", &tls.authority),
    ];
    let some = named.iter().any(|(_, _, path)| path.is_some());
    if some || needed.is_some() {
        let why = needed.unwrap_or("the three FN_NODE_CERT variables go together");
        for (variable, what, path) in named {
            if path.is_none() {
                reader.missing(variable, format!("set it to the PEM file of the node's {what}: {why}"));
            }
        }
    }
    for (variable, what, path) in named {
        if let Some(path) = path {
            check_pem(reader, variable, what, path);
        }
    }
    Some(CertFiles { cert: tls.cert?, key: tls.key?, authority: tls.authority? })
}

/// Notes a control plane that cannot be found or is none, and variables that it requires. None of its code runs.
fn check_plugin(reader: &mut Reader, npm: &Npm, environment: &Environment) {
    let Some(value) = &npm.control_plane_so else { return };
    let looked = remuda_loader::find(value, Path::new("."), npm.plugin_dir.as_deref())
        .and_then(|path| remuda_loader::inspect(&path));
    match looked {
        Err(error) => reader.mistake("CONTROL_PLANE_SO", Some(value.clone()), error.to_string()),
        Ok(manifest) => {
            let unset = |name: &String| environment.get(name).is_none_or(String::is_empty);
            for variable in manifest.variables.iter().filter(|v| v.required && v.default.is_none()) {
                if unset(&variable.name) {
                    reader.missing(&variable.name, format!("the plugin needs it: {}", variable.doc));
                }
            }
        }
    }
}

/// Notes a file that cannot be read or holds no PEM of its kind: what is in it is looked at when it is loaded, but
/// mistakes as plain as these are reported with all others.
fn check_pem(reader: &mut Reader, variable: &str, what: &str, path: &Path) {
    let label = if what == "private key" { "PRIVATE KEY-----" } else { "-----BEGIN CERTIFICATE-----" };
    let held = Some(path.display().to_string());
    match std::fs::read_to_string(path) {
        Ok(text) if text.contains(label) => {}
        Ok(_) => reader.mistake(variable, held, format!("that file holds no {what} in PEM form")),
        Err(error) => reader.mistake(variable, held, format!("cannot read that file ({error})")),
    }
}

/// A whole `fnnpm`.
#[derive(Clone, Debug)]
pub struct Fnnpm {
    /// What every daemon has.
    pub common: Common,
    /// Where plugins are looked up.
    pub npm: Npm,
    /// `CONTROL_PLANE_SO`.
    pub control_plane: String,
    /// Its certificates.
    pub certs: CertFiles,
    /// The whole environment: the plugin's declared variables are read from it.
    pub environment: Environment,
}

impl Fnnpm {
    /// Reads and checks; on failure, everything that is wrong. The second part gives the warnings, once it is known
    /// which variables the plugin declares.
    pub fn read(environment: Environment) -> Result<(Self, PendingWarnings), Vec<Mistake>> {
        let mut reader = Reader::new(environment.clone());
        let common = Common::read(&mut reader);
        let npm = Npm::read(&mut reader);
        if npm.control_plane_so.is_none() {
            reader.missing("CONTROL_PLANE_SO", "set it to the control-plane plugin, such as noop.so");
        }
        let certs = read_certs(&mut reader, Some("a node pool manager speaks mutual TLS only"));
        if reader.is_wrong() {
            // What is wrong with the plugin is said with the rest; alone, loading it says it better.
            check_plugin(&mut reader, &npm, &environment);
        }
        match (npm.control_plane_so.clone(), certs) {
            (Some(control_plane), Some(certs)) => {
                let pending = PendingWarnings(reader);
                if pending.0.is_wrong() {
                    return Err(pending.0.finish(&[]).err().unwrap_or_default());
                }
                Ok((Self { common, npm, control_plane, certs, environment }, pending))
            }
            _ => Err(reader.finish(&[]).err().unwrap_or_default()),
        }
    }
}

/// Warnings that wait for the plugin's list of variables.
#[derive(Debug)]
pub struct PendingWarnings(Reader);

impl PendingWarnings {
    /// A sentence for each variable that has no effect.
    pub fn resolve(self, plugin_variables: &[String]) -> Vec<String> {
        self.0.finish(plugin_variables).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn variables(mistakes: Vec<Mistake>) -> Vec<String> {
        mistakes.into_iter().map(|mistake| mistake.variable).collect()
    }

    #[test]
    fn no_node_type_is_a_full_node_and_an_unknown_one_is_refused_with_the_list() {
        assert!(matches!(Fnserver::read(environment(&[])).unwrap().role, Role::Full(_)));
        let mistakes = Fnserver::read(environment(&[("FN_NODE_TYPE", "runner")])).unwrap_err();
        assert_eq!(mistakes[0].to_string(), "FN_NODE_TYPE is 'runner': use full, api, lb or pure-runner");
    }

    #[test]
    fn an_lb_reports_all_that_it_misses_at_once() {
        let mistakes = Fnserver::read(environment(&[("FN_NODE_TYPE", "lb"), ("FN_PORT", "x")])).unwrap_err();
        assert_eq!(variables(mistakes), ["FN_PORT", "FN_RUNNER_API_URL", "FN_NPM_ADDRESS"]);
    }

    #[test]
    fn an_lb_with_an_npm_needs_certificates_and_prefers_it_to_fixed_runners() {
        let base = [
            ("FN_NODE_TYPE", "lb"),
            ("FN_RUNNER_API_URL", "http://localhost:8080"),
            ("FN_NPM_ADDRESS", "localhost:8083"),
            ("FN_RUNNER_ADDRESSES", "localhost:9190"),
        ];
        let mistakes = Fnserver::read(environment(&base)).unwrap_err();
        assert_eq!(variables(mistakes), ["FN_NODE_CERT", "FN_NODE_CERT_KEY", "FN_NODE_CERT_AUTHORITY"]);
        let pair = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(pair.path(), "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n").unwrap();
        let path = pair.path().to_str().unwrap();
        let mut whole = base.to_vec();
        whole.extend([("FN_NODE_CERT", path), ("FN_NODE_CERT_KEY", path), ("FN_NODE_CERT_AUTHORITY", path)]);
        match Fnserver::read(environment(&whole)).unwrap().role {
            Role::LoadBalancer(lb) => assert!(matches!(lb.runners, RunnerSource::Npm(_))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn with_authentication_on_an_lb_reads_the_api_over_https_only() {
        let base = [("FN_NODE_TYPE", "lb"), ("FN_AUTH", "token"), ("FN_RUNNER_ADDRESSES", "localhost:9190")];
        let told = |urls: &str| {
            let mut given = base.to_vec();
            given.push(("FN_RUNNER_API_URL", urls));
            Fnserver::read(environment(&given)).unwrap_err()[0].to_string()
        };
        assert_eq!(
            told("http://a:8080"),
            "FN_RUNNER_API_URL is 'http://a:8080': with FN_AUTH=token a load balancer reads the API by its node \
             certificate: use https"
        );
        assert_eq!(
            told("https://a:8080,http://b:8080"),
            "FN_RUNNER_API_URL is 'https://a:8080,http://b:8080': use https for all API nodes or for none"
        );
        assert!(told("https://a:8080").starts_with("FN_NODE_CERT is not set"));
        assert!(told("a:8080").contains("use the base URL of the API node"));
    }

    #[test]
    fn a_listeners_certificate_and_key_go_together_and_balancers_need_the_authority() {
        let given = environment(&[("FN_HTTP_CERT_KEY", "/no/such/key.pem")]);
        assert_eq!(variables(Fnserver::read(given).unwrap_err()), ["FN_HTTP_CERT", "FN_HTTP_CERT_KEY"]);
        let warnings = |pairs: &[(&str, &str)]| Fnserver::read(environment(pairs)).unwrap().warnings;
        let api = [("FN_NODE_TYPE", "api"), ("FN_AUTH", "token")];
        assert!(warnings(&api)[0].contains("set FN_HTTP_CERT"));
        assert!(warnings(&[("FN_AUTH", "token")])[0].contains("in clear: set FN_HTTP_CERT"));
        assert!(warnings(&[]).is_empty());
    }

    #[test]
    fn the_base_of_shown_urls_is_one() {
        let told = |url: &str| Fnserver::read(environment(&[("FN_PUBLIC_LB_URL", url)]));
        assert!(told("https://f.example/base/").is_ok());
        for wrong in ["localhost:8081", "ftp://h", "http://"] {
            assert_eq!(variables(told(wrong).unwrap_err()), ["FN_PUBLIC_LB_URL"], "{wrong}");
        }
    }

    #[test]
    fn one_certificate_variable_alone_is_a_mistake() {
        let given = environment(&[("FN_NODE_TYPE", "pure-runner"), ("FN_NODE_CERT", "/no/such/cert.pem")]);
        assert_eq!(
            variables(Fnserver::read(given).unwrap_err()),
            ["FN_NODE_CERT_KEY", "FN_NODE_CERT_AUTHORITY", "FN_NODE_CERT"]
        );
    }

    #[test]
    fn an_npm_needs_a_plugin_and_certificates() {
        let mistakes = Fnnpm::read(environment(&[("FN_PORT", "-1")])).unwrap_err();
        assert_eq!(
            variables(mistakes),
            ["FN_PORT", "CONTROL_PLANE_SO", "FN_NODE_CERT", "FN_NODE_CERT_KEY", "FN_NODE_CERT_AUTHORITY"]
        );
        let given = environment(&[("FN_PORT", "-1"), ("CONTROL_PLANE_SO", "/no/such.so")]);
        let mistakes = variables(Fnnpm::read(given).unwrap_err());
        assert_eq!(mistakes.last().map(String::as_str), Some("CONTROL_PLANE_SO"), "{mistakes:?}");
    }
}

//! Who is let in, and what both logs say about who is not.

use crate::support::{answer_of, client_of, echo, execute, logs, serve};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use remuda_core::port::Outcome;
use remuda_wire::certs::{self, CertFiles};
use remuda_wire::tls::{Identity, Paths};
use rustls::ClientConfig;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

fn walkthrough_names() -> Vec<String> {
    vec!["localhost".into(), "127.0.0.1".into()]
}

/// Writes and loads an identity.
fn identity(own: &CertFiles, authority: &str) -> Identity {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    own.write(&path("cert.pem"), &path("key.pem")).unwrap();
    std::fs::write(path("authority.pem"), authority).unwrap();
    load(dir.path(), "authority.pem").unwrap()
}

fn load(dir: &Path, authority: &str) -> Result<Identity, remuda_wire::tls::Error> {
    Identity::load(&Paths {
        certificate: dir.join("cert.pem"),
        key: dir.join("key.pem"),
        authority: dir.join(authority),
    })
}

/// One pair that is certificate and authority at once.
fn one_pair(pair: &CertFiles) -> Identity {
    identity(pair, &pair.certificate)
}

/// The machine's own address, as others would dial it; a loopback address that no certificate names where it has none.
fn own_address() -> String {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    match probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()) {
        Ok(address) if !address.ip().is_unspecified() => address.ip().to_string(),
        _ => "127.0.0.2".to_owned(),
    }
}

async fn assert_served(server: &Identity, client: &Identity, hosts: &[&str]) {
    let served = serve(echo(), Some(server.server_config())).await;
    for host in hosts {
        let address = format!("{host}:{}", served.address.port());
        let runner = client_of(&address, Some(client.client_config()));
        answer_of(execute(&runner, "hello").await);
    }
}

/// The call never arrived; the reasons in the client's and in the server's log.
async fn refused(server: &Identity, client: Arc<ClientConfig>, host: &str) -> (String, String) {
    let (logs, _guard) = logs();
    let served = serve(echo(), Some(server.server_config())).await;
    let address = format!("{host}:{}", served.address.port());
    let outcome = execute(&client_of(&address, Some(client)), "hello").await;
    let Ok(Outcome::NeverArrived(fault)) = outcome else { panic!("not refused: {outcome:?}") };
    let client_log = logs.lines_with("peer cannot be reached").await;
    assert!(client_log.contains(&address), "{client_log}");
    assert!(client_log.contains(&fault.chain()), "{client_log} / {}", fault.chain());
    let server_log = logs.lines_with("a connection was refused").await;
    assert!(server_log.contains("127.0.0.1:") || server_log.contains(&own_address()), "{server_log}");
    (client_log, server_log)
}

#[tokio::test]
async fn one_self_signed_pair_serves_everyone_by_whatever_name() {
    let own = own_address();
    for ca in [false, true] {
        let everyone = one_pair(&certs::self_signed(&walkthrough_names(), ca).unwrap());
        assert_served(&everyone, &everyone, &["localhost", "127.0.0.1", "127.0.0.2", &own]).await;
    }
}

#[tokio::test]
async fn the_walk_throughs_rsa_pair_works_with_and_without_the_ca_flag() {
    let own = own_address();
    for constraint in ["basicConstraints=critical,CA:FALSE", "basicConstraints=critical,CA:TRUE"] {
        let dir = TempDir::new().unwrap();
        let openssl = |arguments: &[&str]| {
            let ran = Command::new("openssl").args(arguments).current_dir(dir.path()).output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        };
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "pkcs8.pem",
            "-out",
            "cert.pem",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            constraint,
        ]);
        openssl(&["rsa", "-traditional", "-in", "pkcs8.pem", "-out", "key.pem"]);
        let key = std::fs::read_to_string(dir.path().join("key.pem")).unwrap();
        assert!(key.contains("BEGIN RSA PRIVATE KEY"), "not PKCS#1");
        let everyone = load(dir.path(), "cert.pem").unwrap();
        assert_served(&everyone, &everyone, &["localhost", "127.0.0.1", &own]).await;
    }
}

#[tokio::test]
async fn an_authority_and_a_leaf_per_node_work() {
    let authority = certs::authority().unwrap();
    let server = certs::leaf(&authority, &walkthrough_names()).unwrap();
    let client = certs::leaf(&authority, &["lb".into()]).unwrap();
    let (server, client) =
        (identity(&server, &authority.certificate), identity(&client, &authority.certificate));
    assert_served(&server, &client, &["localhost", "127.0.0.1"]).await;
}

#[tokio::test]
async fn an_authority_file_may_hold_several_certificates() {
    let authority = certs::authority().unwrap();
    let leaf = certs::leaf(&authority, &walkthrough_names()).unwrap();
    let pinned = certs::self_signed(&walkthrough_names(), false).unwrap();
    let both = format!("{}{}", pinned.certificate, authority.certificate);
    let (one, other) = (identity(&leaf, &both), identity(&pinned, &both));
    assert_served(&one, &other, &["localhost"]).await;
    assert_served(&other, &one, &["127.0.0.2"]).await;
}

#[tokio::test]
async fn a_server_without_the_name_dialled_is_refused() {
    let authority = certs::authority().unwrap();
    let server = certs::leaf(&authority, &["elsewhere.example".into()]).unwrap();
    let client = certs::leaf(&authority, &["lb".into()]).unwrap();
    let (server, client) =
        (identity(&server, &authority.certificate), identity(&client, &authority.certificate));
    let (client_log, server_log) = refused(&server, client.client_config(), "localhost").await;
    assert!(client_log.contains("does not carry the name dialled"), "{client_log}");
    assert!(server_log.contains("it does not accept our certificate"), "{server_log}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    for ca in [false, true] {
        let server = one_pair(&certs::self_signed(&walkthrough_names(), ca).unwrap());
        let client = one_pair(&certs::self_signed(&walkthrough_names(), ca).unwrap());
        let (client_log, server_log) = refused(&server, client.client_config(), "localhost").await;
        let why = if ca { "an authority's own (CA:TRUE)" } else { "unknown issuer" };
        assert!(client_log.contains(why), "{client_log}");
        assert!(server_log.contains("it refused us"), "{server_log}");
    }
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused() {
    let pair = certs::self_signed(&walkthrough_names(), false).unwrap();
    let server = one_pair(&pair);
    // It trusts the server, and is of an authority of its own.
    let stranger = identity(&certs::self_signed(&walkthrough_names(), false).unwrap(), &pair.certificate);
    let (client_log, server_log) = refused(&server, stranger.client_config(), "localhost").await;
    assert!(server_log.contains("is not trusted: unknown issuer"), "{server_log}");
    assert!(client_log.contains("our certificate is of an authority that it does not know"), "{client_log}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let pair = certs::self_signed(&walkthrough_names(), false).unwrap();
    let server = one_pair(&pair);
    let mut bare = (*server.client_config()).clone();
    bare.client_auth_cert_resolver = Arc::new(Nothing);
    let (client_log, server_log) = refused(&server, Arc::new(bare), "localhost").await;
    assert!(server_log.contains("it presented no certificate"), "{server_log}");
    assert!(client_log.contains("it requires a certificate and got none"), "{client_log}");
}

#[derive(Debug)]
struct Nothing;

impl rustls::client::ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

/// A pair whose time is over.
fn expired(ca: bool) -> CertFiles {
    let mut params = CertificateParams::new(walkthrough_names()).unwrap();
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - Duration::days(2), now - Duration::hours(1));
    params.is_ca = if ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    CertFiles { certificate: certificate.pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn a_listed_certificate_that_has_expired_is_refused_on_either_side() {
    for ca in [false, true] {
        let (old, new) = (expired(ca), certs::self_signed(&walkthrough_names(), ca).unwrap());
        let both = format!("{}{}", old.certificate, new.certificate);
        let (old, new) = (identity(&old, &both), identity(&new, &both));
        let (client_log, server_log) = refused(&old, new.client_config(), "localhost").await;
        assert!(client_log.contains("is not trusted: expired"), "{client_log}");
        assert!(server_log.contains("our certificate has expired"), "{server_log}");
        let (client_log, server_log) = refused(&new, old.client_config(), "localhost").await;
        assert!(server_log.contains("is not trusted: expired"), "{server_log}");
        assert!(client_log.contains("our certificate has expired"), "{client_log}");
    }
}

#[tokio::test]
async fn the_key_of_a_listed_leaf_makes_no_more_leaves() {
    let listed = certs::self_signed(&walkthrough_names(), false).unwrap();
    let server = one_pair(&listed);
    let forged = certs::leaf(&listed, &walkthrough_names()).unwrap();
    let forger = identity(&forged, &listed.certificate);
    let (_, server_log) = refused(&server, forger.client_config(), "localhost").await;
    assert!(server_log.contains("is not trusted"), "{server_log}");
}

#[tokio::test]
async fn a_listed_certificate_without_its_key_is_of_no_use() {
    let listed = certs::self_signed(&walkthrough_names(), false).unwrap();
    let server = one_pair(&listed);
    // The certificate is public: a thief presents it and signs with a key of his own.
    let thief = Stolen::new(&listed.certificate);
    let mut config = (*server.client_config()).clone();
    config.client_auth_cert_resolver = Arc::new(thief);
    let (_, server_log) = refused(&server, Arc::new(config), "localhost").await;
    assert!(server_log.contains("bad signature"), "{server_log}");
}

#[derive(Debug)]
struct Stolen(Arc<rustls::sign::CertifiedKey>);

impl Stolen {
    fn new(certificate: &str) -> Self {
        use rustls_pki_types::pem::PemObject;
        use rustls_pki_types::{CertificateDer, PrivateKeyDer};
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        Self(Arc::new(rustls::sign::CertifiedKey::new(vec![certificate], key)))
    }
}

impl rustls::client::ResolvesClientCert for Stolen {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_refused_with_a_reason_on_both_sides() {
    let pair = one_pair(&certs::self_signed(&walkthrough_names(), false).unwrap());
    let (logs, _guard) = logs();
    let served = serve(echo(), Some(pair.server_config())).await;
    let outcome = execute(&client_of(&served.address.to_string(), None), "x").await;
    assert!(matches!(outcome, Ok(Outcome::NeverArrived(_))), "{outcome:?}");
    assert!(logs.lines_with("a connection was refused").await.contains("it does not speak TLS"));
    let told = logs.lines_with("peer cannot be reached").await;
    assert!(told.contains("it seems to speak TLS") && told.contains("FN_NODE_CERT"), "{told}");

    let clear = serve(echo(), None).await;
    let outcome = execute(&client_of(&clear.address.to_string(), Some(pair.client_config())), "x").await;
    assert!(matches!(outcome, Ok(Outcome::NeverArrived(_))), "{outcome:?}");
    logs.lines_with(&format!("peer={}", clear.address)).await;
    let refused = logs.lines_with("peer speaks TLS, this node has no certificates").await;
    assert!(refused.contains("WARN") && refused.contains("a connection was refused"), "{refused}");
}

#[tokio::test]
async fn a_refusal_that_is_repeated_is_warned_of_once_on_either_side() {
    let (old, new) = (expired(false), certs::self_signed(&walkthrough_names(), false).unwrap());
    let both = format!("{}{}", old.certificate, new.certificate);
    let (old, new) = (identity(&old, &both), identity(&new, &both));
    for (server, client) in [(&old, &new), (&new, &old)] {
        let (logs, _guard) = logs();
        let served = serve(echo(), Some(server.server_config())).await;
        let runner = client_of(&format!("localhost:{}", served.address.port()), Some(client.client_config()));
        // The reason tells the time in seconds, which is to change; attempts in quick succession are held off.
        for _ in 0..10 {
            let outcome = execute(&runner, "x").await;
            assert!(matches!(outcome, Ok(Outcome::NeverArrived(_))), "{outcome:?}");
            tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        }
        let reached = logs.lines_with("peer cannot be reached").await;
        assert_eq!(reached.lines().count(), 1, "{reached}");
        let refused = logs.lines_with("a connection was refused").await;
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

#[test]
fn a_bad_file_is_named_with_what_would_do() {
    let dir = TempDir::new().unwrap();
    let pair = certs::self_signed(&walkthrough_names(), false).unwrap();
    let other = certs::self_signed(&walkthrough_names(), false).unwrap();
    let write = || pair.write(&dir.path().join("cert.pem"), &dir.path().join("key.pem")).unwrap();
    let error = || load(dir.path(), "cert.pem").map(|_| ()).unwrap_err().to_string();

    assert!(error().contains("read certificate") && error().contains("cert.pem"), "{}", error());
    write();
    load(dir.path(), "cert.pem").unwrap();
    std::fs::write(dir.path().join("key.pem"), &other.key).unwrap();
    assert!(error().contains("must be one pair") && error().contains("key.pem"), "{}", error());
    std::fs::write(dir.path().join("key.pem"), &pair.certificate).unwrap();
    assert!(error().contains("find private key in"), "{}", error());
    write();
    std::fs::write(dir.path().join("cert.pem"), "not a certificate").unwrap();
    assert!(error().contains("CERTIFICATE blocks"), "{}", error());
}

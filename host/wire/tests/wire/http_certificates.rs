//! The certificates of the HTTP listeners: who is let in, and what becomes of files that change.

use crate::support::{Logs, logs, soon};
use rcgen::{CertificateParams, KeyPair};
use remuda_wire::certs::{self, CertFiles};
use remuda_wire::tls::{HttpCertificates, HttpPaths};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_util::sync::CancellationToken;

type Configs = watch::Receiver<Arc<ServerConfig>>;

fn names() -> Vec<String> {
    vec!["localhost".into()]
}

fn pair() -> CertFiles {
    certs::self_signed(&names(), false).unwrap()
}

struct Files(TempDir);

impl Files {
    fn of(own: &CertFiles, nodes: Option<&str>) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write(own);
        if let Some(nodes) = nodes {
            std::fs::write(files.path("nodes.pem"), nodes).unwrap();
        }
        files
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, own: &CertFiles) {
        own.write(&self.path("cert.pem"), &self.path("key.pem")).unwrap();
    }
    fn load(&self) -> Result<HttpCertificates, remuda_wire::tls::Error> {
        let nodes = Some(self.path("nodes.pem")).filter(|path| path.exists());
        load(self.0.path(), nodes)
    }
}

fn load(dir: &Path, nodes: Option<PathBuf>) -> Result<HttpCertificates, remuda_wire::tls::Error> {
    HttpCertificates::load(&HttpPaths { certificate: dir.join("cert.pem"), key: dir.join("key.pem"), nodes })
}

/// Believes every server: these tests are about clients.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client(
    version: &'static SupportedProtocolVersion,
    own: Option<&CertFiles>,
    alpn: &[&str],
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match own {
        Some(own) => {
            let chain = vec![certificate(own)];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap())
                .unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

fn certificate(files: &CertFiles) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(files.certificate.as_bytes()).unwrap()
}

type Joined = (server::TlsStream<DuplexStream>, client::TlsStream<DuplexStream>);

/// A connection to a listener that serves with what is in force.
async fn join(configs: &Configs, client: ClientConfig) -> std::io::Result<Joined> {
    let config = Arc::clone(&configs.borrow());
    let (near, far) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from("not.on.the.certificate").unwrap();
    let (accepted, connected) = tokio::join!(
        TlsAcceptor::from(config).accept(far),
        TlsConnector::from(Arc::new(client)).connect(name, near)
    );
    Ok((accepted?, connected?))
}

/// Whether a client of ours was taken for a node; an error when it was refused.
async fn is_node(
    configs: &Configs,
    version: &'static SupportedProtocolVersion,
    own: Option<&CertFiles>,
) -> std::io::Result<bool> {
    let (server, _client) = join(configs, client(version, own, &["h2"])).await?;
    Ok(server.get_ref().1.peer_certificates().is_some())
}

/// The certificate that new connections are shown.
async fn shown(configs: &Configs) -> CertificateDer<'static> {
    let (_server, client) = join(configs, client(&TLS13, None, &[])).await.unwrap();
    client.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn strangers_are_served_nodes_are_known_and_foreign_certificates_are_refused() {
    let authority = certs::authority().unwrap();
    let node = certs::leaf(&authority, &names()).unwrap();
    let listed = pair();
    let nodes = format!("{}{}", authority.certificate, listed.certificate);
    let loaded = Files::of(&pair(), Some(&nodes)).load().unwrap();
    let configs = loaded.configs();
    let forged = certs::leaf(&certs::authority().unwrap(), &names()).unwrap();
    for version in [&TLS12, &TLS13] {
        assert!(!is_node(&configs, version, None).await.unwrap(), "{version:?}");
        assert!(is_node(&configs, version, Some(&node)).await.unwrap(), "{version:?}");
        assert!(is_node(&configs, version, Some(&listed)).await.unwrap(), "{version:?}: byte for byte");
        for foreign in [&forged, &pair(), &certs::leaf(&listed, &names()).unwrap()] {
            let refused = is_node(&configs, version, Some(foreign)).await.unwrap_err();
            assert!(refused.to_string().contains("certificate"), "{refused}");
        }
    }
}

#[tokio::test]
async fn without_an_authority_nobody_is_asked_for_a_certificate() {
    let loaded = Files::of(&pair(), None).load().unwrap();
    for version in [&TLS12, &TLS13] {
        assert!(!is_node(&loaded.configs(), version, Some(&pair())).await.unwrap());
    }
}

#[tokio::test]
async fn http_1_and_http_2_are_agreed_on() {
    let loaded = Files::of(&pair(), None).load().unwrap();
    for (offered, agreed) in
        [(vec!["h2", "http/1.1"], Some("h2")), (vec!["http/1.1"], Some("http/1.1")), (vec![], None)]
    {
        let (server, _client) = join(&loaded.configs(), client(&TLS13, None, &offered)).await.unwrap();
        assert_eq!(server.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes));
    }
    assert!(join(&loaded.configs(), client(&TLS13, None, &["spdy/3"])).await.is_err());
}

/// Certificates whose files are watched.
struct Watched {
    configs: Configs,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Watched {
    fn start(loaded: HttpCertificates) -> Self {
        let (configs, shutdown) = (loaded.configs(), CancellationToken::new());
        let running = tokio::spawn(loaded.run(shutdown.clone()));
        Self { configs, shutdown, running }
    }
    /// Waits for new certificates to be in force.
    async fn changed(&mut self) {
        soon(self.configs.changed()).await.unwrap();
    }
    async fn stop(self) {
        self.shutdown.cancel();
        soon(self.running).await.unwrap();
    }
}

// The clock of these is virtual: seconds pass as soon as nobody has anything to do.

#[tokio::test(start_paused = true)]
async fn changed_files_are_in_force_for_new_connections_and_open_ones_stay() {
    let (logs, _guard) = logs();
    let (old, new) = (pair(), pair());
    let files = Files::of(&old, None);
    let mut watched = Watched::start(files.load().unwrap());
    assert_eq!(shown(&watched.configs).await, certificate(&old));
    let (mut server, mut client) = join(&watched.configs, client(&TLS13, None, &[])).await.unwrap();
    files.write(&new);
    watched.changed().await;
    assert_eq!(shown(&watched.configs).await, certificate(&new));
    client.write_all(b"still here").await.unwrap();
    client.flush().await.unwrap();
    let mut heard = [0; 10];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    let told = logs.lines_with("new certificates of the HTTP listener are in force").await;
    assert!(told.contains("INFO") && told.contains("expires=20"), "{told}");
    watched.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_swapped_as_kubernetes_does_it_is_noticed() {
    let (old, new) = (pair(), pair());
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (version, files) in [("v1", &old), ("v2", &new)] {
        std::fs::create_dir(at(version)).unwrap();
        files.write(&at(version).join("cert.pem"), &at(version).join("key.pem")).unwrap();
    }
    symlink("v1", at("..data")).unwrap();
    symlink("..data/cert.pem", at("cert.pem")).unwrap();
    symlink("..data/key.pem", at("key.pem")).unwrap();
    let mut watched = Watched::start(load(dir.path(), None).unwrap());
    assert_eq!(shown(&watched.configs).await, certificate(&old));
    symlink("v2", at("..new")).unwrap();
    std::fs::rename(at("..new"), at("..data")).unwrap();
    std::fs::remove_dir_all(at("v1")).unwrap();
    watched.changed().await;
    assert_eq!(shown(&watched.configs).await, certificate(&new));
    watched.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_pair_is_warned_of_once_and_the_old_one_stays_until_a_good_one_comes() {
    let (logs, _guard) = logs();
    let (old, new) = (pair(), pair());
    let files = Files::of(&old, None);
    let mut watched = Watched::start(files.load().unwrap());
    for (count, broken) in [new.key.as_str(), "nonsense"].into_iter().enumerate() {
        std::fs::write(files.path("key.pem"), broken).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(warnings(&logs), count + 1, "{}", logs.text());
        assert_eq!(shown(&watched.configs).await, certificate(&old));
    }
    std::fs::remove_file(files.path("key.pem")).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(warnings(&logs), 3, "{}", logs.text());
    files.write(&new);
    watched.changed().await;
    assert_eq!(shown(&watched.configs).await, certificate(&new));
    assert_eq!(warnings(&logs), 3);
    watched.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_replaced_one_file_after_the_other_is_not_called_broken() {
    let (logs, _guard) = logs();
    let (old, new) = (pair(), pair());
    let files = Files::of(&old, None);
    let mut watched = Watched::start(files.load().unwrap());
    // The files are looked at on the second; one look falls between the two changes.
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::write(files.path("cert.pem"), &new.certificate).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(shown(&watched.configs).await, certificate(&old));
    std::fs::write(files.path("key.pem"), &new.key).unwrap();
    watched.changed().await;
    assert_eq!(shown(&watched.configs).await, certificate(&new));
    assert_eq!(warnings(&logs), 0, "{}", logs.text());
    watched.stop().await;
}

#[tokio::test(start_paused = true)]
async fn another_list_of_nodes_is_in_force_too() {
    let (first, second) = (pair(), pair());
    let files = Files::of(&pair(), Some(&first.certificate));
    let mut watched = Watched::start(files.load().unwrap());
    assert!(is_node(&watched.configs, &TLS13, Some(&second)).await.is_err());
    std::fs::write(files.path("nodes.pem"), &second.certificate).unwrap();
    watched.changed().await;
    assert!(is_node(&watched.configs, &TLS13, Some(&second)).await.unwrap());
    assert!(is_node(&watched.configs, &TLS13, Some(&first)).await.is_err());
    watched.stop().await;
}

fn warnings(logs: &Logs) -> usize {
    logs.text().lines().filter(|line| line.contains("WARN") && line.contains("cannot be used")).count()
}

fn ending_in(days: i64) -> CertFiles {
    let mut params = CertificateParams::new(names()).unwrap();
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days);
    let key = KeyPair::generate().unwrap();
    CertFiles { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_warned_of() {
    for (days, warned) in [(-1, true), (13, true), (15, false)] {
        let (logs, _guard) = logs();
        Files::of(&ending_in(days), None).load().unwrap();
        let found = logs.text().lines().any(|line| line.contains("WARN") && line.contains("expires soon"));
        assert_eq!(found, warned, "{days}: {}", logs.text());
    }
}

#[test]
fn a_pair_that_does_not_fit_is_told_at_the_start() {
    let files = Files::of(&pair(), None);
    std::fs::write(files.path("key.pem"), pair().key).unwrap();
    let Err(error) = files.load() else { panic!("it was taken") };
    assert!(error.to_string().contains("must be one pair"), "{error}");
}

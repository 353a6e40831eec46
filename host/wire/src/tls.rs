//! A node's identity: its certificate, its key, and the authority it trusts.
//!
//! Both sides of every connection between our nodes prove who they are. A peer must chain to the authority and, when
//! it is dialled, carry the name or address dialled. One exception lets a single self-signed pair serve a whole
//! platform: see [`verify`].
//!
//! The HTTP listeners have certificates of their own ([`HttpCertificates`]), which outsiders know them by.

mod clients;
mod http;
mod pem;
mod reason;
mod verify;

pub use http::{HttpCertificates, HttpPaths};
pub(crate) use reason::refusal;
pub use verify::Unreadable;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use verify::PeerVerifier;

/// What gRPC speaks.
const ALPN_H2: &[u8] = b"h2";
/// What the API node is asked in.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Why an identity could not be loaded. Each says which file is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("read {what} {}: set the path of a readable PEM file", path.display())]
    Read {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A file holds no PEM of the expected kind.
    #[error("find {what} in {}: it must be PEM with {expected}", path.display())]
    Pem {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The PEM blocks that would do.
        expected: &'static str,
        /// What the parser said, when it got so far.
        source: Option<rustls_pki_types::pem::Error>,
    },
    /// A certificate is not one.
    #[error("parse a certificate of {}: make a new one, for instance with `remuda certs`", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: Unreadable,
    },
    /// The key is not the certificate's, or of a kind that is not spoken.
    #[error("use the key {} with the certificate {}: they must be one pair (RSA, ECDSA P-256 or P-384, or Ed25519)", key.display(), certificate.display())]
    Pair {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
}

/// The three files that make a node's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The node's certificate, with intermediate ones after it if there are any.
    pub certificate: PathBuf,
    /// Its private key: PKCS#1, PKCS#8 or SEC1.
    pub key: PathBuf,
    /// The certificates that peers must chain to, or be.
    pub authority: PathBuf,
}

/// A loaded identity, shared by everything a node serves and dials.
#[derive(Clone, Debug)]
pub struct Identity {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    http_client: Arc<ClientConfig>,
}

impl Identity {
    /// Reads the three files; blocks on the file system. An expired certificate is loaded with a warning: its peers
    /// will refuse it and say why.
    pub fn load(paths: &Paths) -> Result<Self, Error> {
        let chain = pem::CERTIFICATE.read(&paths.certificate)?.certificates()?;
        let key = pem::KEY.read(&paths.key)?.private_key()?;
        let authority = pem::AUTHORITY.read(&paths.authority)?.certificates()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = PeerVerifier::new(authority, &provider)
            .map_err(|source| Error::Certificate { path: paths.authority.clone(), source })?;
        warn_of_own_expiry(&chain, &paths.certificate)?;

        let pair =
            |source| Error::Pair { key: paths.key.clone(), certificate: paths.certificate.clone(), source };
        let verifier = Arc::new(verifier);
        let server = server_config(&provider, &verifier, &chain, &key).map_err(pair)?;
        let client = client_config(&provider, &verifier, &chain, &key, ALPN_H2).map_err(pair)?;
        let http_client = client_config(&provider, &verifier, &chain, &key, ALPN_HTTP1).map_err(pair)?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), http_client: Arc::new(http_client) })
    }

    /// How gRPC is served: HTTP/2, and a certificate is required of every client.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// How gRPC is dialled: HTTP/2.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// How an API node is asked over https: HTTP/1.1.
    pub fn http_client_config(&self) -> Arc<ClientConfig> {
        self.http_client.clone()
    }
}

fn warn_of_own_expiry(chain: &[CertificateDer<'static>], path: &Path) -> Result<(), Error> {
    let Some(own) = chain.first() else { return Ok(()) };
    let validity =
        verify::validity(own).map_err(|source| Error::Certificate { path: path.to_owned(), source })?;
    if let Err(why) = validity.check(UnixTime::now()) {
        tracing::warn!(
            path = %path.display(),
            reason = %reason::certificate(&why),
            "peers will refuse this node's own certificate"
        );
    }
    Ok(())
}

/// Sessions are never resumed: a resumed one would not look at the peer's certificate again, and connections between
/// nodes last, so that a full handshake costs nothing that counts.
fn server_config(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<PeerVerifier>,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.clone())
        .with_single_cert(chain.to_vec(), key.clone_key())?;
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<PeerVerifier>,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    alpn: &[u8],
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_auth_cert(chain.to_vec(), key.clone_key())?;
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

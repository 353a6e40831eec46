//! The certificates of the HTTP listeners, re-read while they are in use.

use super::clients::NodesAmongClients;
use super::pem::{self, File};
use super::verify;
use super::{ALPN_H2, ALPN_HTTP1, Error};
use crate::connection::chain;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::CertificateDer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. They are a few kilobytes, and their content is the one sign of change that no
/// way of replacing them (in place, by rename, by the symbolic links of Kubernetes) escapes.
const LOOK: Duration = Duration::from_secs(1);
/// How long before its end a certificate is warned of, and how often.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);
const REMIND: Duration = Duration::from_secs(24 * 3600);

/// The files of an HTTP listener that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPaths {
    /// The listener's certificate, with intermediate ones after it if there are any.
    pub certificate: PathBuf,
    /// Its private key: PKCS#1, PKCS#8 or SEC1.
    pub key: PathBuf,
    /// The certificates that the certificates of the platform's nodes must chain to, or be. With it, clients are asked
    /// for a certificate; those that show none are served as strangers, those that show a foreign one are refused.
    pub nodes: Option<PathBuf>,
}

/// The certificates of the HTTP listeners. Start from [`HttpCertificates::load`], hand [`HttpCertificates::configs`]
/// to the listeners, and keep [`HttpCertificates::run`] going.
pub struct HttpCertificates {
    paths: HttpPaths,
    configs: watch::Sender<Arc<ServerConfig>>,
    /// What the configuration in force was made of.
    in_force: Contents,
    /// The last content that cannot be used, and whether it was warned of.
    broken: Option<(Seen, bool)>,
    not_after: i64,
}

/// The bytes of the files.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    nodes: Option<Vec<u8>>,
}

/// What a look at files that cannot be used showed.
#[derive(PartialEq, Eq)]
enum Seen {
    Contents(Contents),
    /// A file could not be read, for this reason.
    Unreadable(String),
}

struct Files {
    certificate: File,
    key: File,
    nodes: Option<File>,
}

impl HttpCertificates {
    /// Reads the files; blocks on the file system. A certificate that has expired is loaded with a warning.
    pub fn load(paths: &HttpPaths) -> Result<Self, Error> {
        let files = Files::read(paths)?;
        let (config, not_after) = files.config(paths)?;
        let (configs, _) = watch::channel(Arc::new(config));
        let this =
            Self { paths: paths.clone(), configs, in_force: files.contents(), broken: None, not_after };
        tracing::info!(
            certificate = %paths.certificate.display(),
            expires = %date(not_after),
            "certificates of the HTTP listener are loaded"
        );
        this.remind();
        Ok(this)
    }

    /// The configuration for new connections; it changes when the files do.
    pub fn configs(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.configs.subscribe()
    }

    /// Re-reads the files until `shutdown`. What cannot be used is warned of once, and what was in force stays.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reminded = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let paths = self.paths.clone();
            // A file system that hangs holds up this task alone, and `shutdown` does not wait for it.
            let reading = tokio::task::spawn_blocking(move || Files::read(&paths));
            let read = tokio::select! {
                () = shutdown.cancelled() => return,
                read = reading => read,
            };
            if let Ok(read) = read {
                self.look(read);
            }
            if reminded.elapsed() >= REMIND {
                reminded = Instant::now();
                self.remind();
            }
        }
    }

    fn look(&mut self, read: Result<Files, Error>) {
        let (seen, error) = match read {
            Ok(files) if files.are(&self.in_force) => {
                self.broken = None;
                return;
            }
            Ok(files) => {
                let contents = files.contents();
                let known = matches!(&self.broken, Some((Seen::Contents(old), true)) if *old == contents);
                if known {
                    return;
                }
                match files.config(&self.paths) {
                    Ok((config, not_after)) => return self.replace(contents, config, not_after),
                    Err(error) => (Seen::Contents(contents), error),
                }
            }
            Err(error) => (Seen::Unreadable(chain(&error)), error),
        };
        self.refuse(seen, &error);
    }

    fn replace(&mut self, contents: Contents, config: ServerConfig, not_after: i64) {
        self.configs.send_replace(Arc::new(config));
        (self.in_force, self.broken, self.not_after) = (contents, None, not_after);
        tracing::info!(
            certificate = %self.paths.certificate.display(),
            expires = %date(not_after),
            "new certificates of the HTTP listener are in force"
        );
        self.remind();
    }

    /// Warns of files that cannot be used when they are seen so a second time: between the writing of a certificate
    /// and that of its key, they never fit.
    fn refuse(&mut self, seen: Seen, error: &Error) {
        match &mut self.broken {
            Some((known, warned)) if *known == seen => {
                if !std::mem::replace(warned, true) {
                    tracing::warn!(
                        error = %chain(error),
                        "changed certificates of the HTTP listener cannot be used, the ones before stay in force"
                    );
                }
            }
            broken => *broken = Some((seen, false)),
        }
    }

    fn remind(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let left = self.not_after.saturating_sub(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        if left < i64::try_from(EXPIRES_SOON.as_secs()).unwrap_or(i64::MAX) {
            tracing::warn!(
                certificate = %self.paths.certificate.display(),
                expires = %date(self.not_after),
                "the certificate of the HTTP listener expires soon, or has expired: replace its files"
            );
        }
    }
}

impl Files {
    fn read(paths: &HttpPaths) -> Result<Self, Error> {
        Ok(Self {
            certificate: pem::CERTIFICATE.read(&paths.certificate)?,
            key: pem::KEY.read(&paths.key)?,
            nodes: paths.nodes.as_deref().map(|path| pem::AUTHORITY.read(path)).transpose()?,
        })
    }

    fn contents(&self) -> Contents {
        Contents {
            certificate: self.certificate.text().to_vec(),
            key: self.key.text().to_vec(),
            nodes: self.nodes.as_ref().map(|file| file.text().to_vec()),
        }
    }

    fn are(&self, contents: &Contents) -> bool {
        self.certificate.text() == contents.certificate
            && self.key.text() == contents.key
            && self.nodes.as_ref().map(File::text) == contents.nodes.as_deref()
    }

    /// How to serve with these, and until when their certificates are valid (unix seconds).
    fn config(&self, paths: &HttpPaths) -> Result<(ServerConfig, i64), Error> {
        let chain = self.certificate.certificates()?;
        let key = self.key.private_key()?;
        let not_after = not_after(&chain, &paths.certificate)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pair =
            |source| Error::Pair { key: paths.key.clone(), certificate: paths.certificate.clone(), source };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let mut config = match (&self.nodes, &paths.nodes) {
            (Some(file), Some(path)) => {
                let nodes = NodesAmongClients::new(file.certificates()?, &provider)
                    .map_err(|source| Error::Certificate { path: path.clone(), source })?;
                let builder = builder.with_client_cert_verifier(Arc::new(nodes));
                let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
                // A resumed session would not look at a node's certificate again.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
                config
            }
            _ => builder.with_no_client_auth().with_single_cert(chain, key).map_err(pair)?,
        };
        config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
        Ok((config, not_after))
    }
}

/// When the first certificate of a chain ends.
fn not_after(chain: &[CertificateDer<'_>], path: &Path) -> Result<i64, Error> {
    let mut first = i64::MAX;
    for certificate in chain {
        let validity = verify::validity(certificate)
            .map_err(|source| Error::Certificate { path: path.to_owned(), source })?;
        first = first.min(validity.not_after);
    }
    Ok(first)
}

fn date(unix_seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(unix_seconds).ok();
    let text = date.and_then(|date| date.format(&time::format_description::well_known::Rfc3339).ok());
    text.unwrap_or_else(|| unix_seconds.to_string())
}

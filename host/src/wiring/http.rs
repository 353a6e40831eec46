//! The HTTP side of an `fnserver`.

use crate::config::{self, HttpCertFiles};
use crate::env::{Agent, Common, Http};
use crate::wiring::listen::listen;
use crate::{Failure, VERSION};
use remuda_core::IdSource;
use remuda_front::{Access, Extensions, Invoking, Management, Options, Ports, Readiness, ServeOptions};
use remuda_wire::tls::{HttpCertificates, HttpPaths};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A bound listener and how it will serve.
pub(super) struct HttpSide {
    listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) readiness: Readiness,
    options: Options,
    serve: ServeOptions,
    certificates: Option<HttpCertificates>,
}

/// What stands behind it.
pub(super) struct Behind {
    pub(super) management: Option<Management>,
    pub(super) invoking: Option<Invoking>,
    pub(super) access: Access,
    pub(super) ids: Arc<IdSource>,
    pub(super) extensions: Extensions,
}

impl Behind {
    /// Nothing but what every node answers.
    pub(super) fn nothing(ids: Arc<IdSource>, extensions: Extensions) -> Self {
        Self { management: None, invoking: None, access: Access::Open, ids, extensions }
    }
}

impl HttpSide {
    /// Takes the port and reads the certificates; nobody is served yet.
    pub(super) async fn bind(
        common: &Common,
        https: Option<&HttpCertFiles>,
        http: Option<&Http>,
        agent: Option<&Agent>,
    ) -> Result<Self, Failure> {
        let certificates = https.map(load).transpose()?;
        let (listener, address) = listen(common, common.port, "FN_PORT").await?;
        let mut options = Options { version: VERSION.to_owned(), ..Options::default() };
        let mut serve = ServeOptions { grace: common.shutdown_grace.0, ..ServeOptions::default() };
        if let Some(http) = http {
            options.public_lb_url = http.public_lb_url.clone();
            options.max_request_size = http.max_request_size;
            options.body_read_timeout = Some(http.body_read_timeout.0).filter(|limit| !limit.is_zero());
            options.cors = config::cors(http).map_err(Failure::to("read FN_API_CORS_ORIGINS"))?;
            serve.max_header_bytes = u32::try_from(http.max_request_header_size).unwrap_or(u32::MAX);
            if !http.header_read_timeout.0.is_zero() {
                serve.header_read_timeout = http.header_read_timeout.0;
            }
        }
        if let Some(agent) = agent {
            options.max_response_size = agent.max_response_size;
        }
        Ok(Self { listener, address, readiness: Readiness::new(), options, serve, certificates })
    }

    /// Serves until `shutdown`, then finishes what is in hand.
    pub(super) async fn serve(self, behind: Behind, shutdown: CancellationToken) -> Result<(), Failure> {
        let Behind { management, invoking, access, ids, extensions } = behind;
        let readiness = self.readiness.clone();
        let ports = Ports { management, invoking, access, ids, readiness: readiness.clone(), extensions };
        let router = remuda_front::router(self.options, ports)
            .map_err(|error| Failure::Unusable(error.to_string()))?;
        let watch = shutdown.clone();
        let tls = self.certificates.as_ref().map(HttpCertificates::configs);
        let served = remuda_front::serve(self.listener, router, self.serve, tls, shutdown);
        let drained = async {
            watch.cancelled().await;
            readiness.drain();
            std::future::pending::<()>().await;
        };
        // Connections that are open when the node is told to stop need no other certificate any more.
        let renewed = async {
            if let Some(certificates) = self.certificates {
                certificates.run(watch.clone()).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = drained => Ok(()),
            () = renewed => Ok(()),
            served = served => served.map_err(Failure::to("serve HTTP")),
        }
    }
}

/// Reads the certificates of an https listener; a file that cannot be used is the operator's to fix.
fn load(files: &HttpCertFiles) -> Result<HttpCertificates, Failure> {
    let paths = HttpPaths {
        certificate: files.cert.clone(),
        key: files.key.clone(),
        nodes: files.node_authority.clone(),
    };
    HttpCertificates::load(&paths).map_err(super::parts::unusable(
        "the certificates of the HTTP listener (FN_HTTP_CERT…) cannot be used",
    ))
}

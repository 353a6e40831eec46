//! The HTTP side of an `fnserver`.

use crate::env::{Agent, Common, Http};
use crate::wiring::listen::listen;
use crate::{Failure, VERSION};
use remuda_core::IdSource;
use remuda_core::port::Catalog;
use remuda_front::{Invoking, Options, Ports, Readiness, ServeOptions};
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
}

/// What stands behind it.
pub(super) struct Behind {
    pub(super) catalog: Option<Arc<dyn Catalog>>,
    pub(super) invoking: Option<Invoking>,
    pub(super) ids: Arc<IdSource>,
}

impl HttpSide {
    /// Takes the port; nobody is served yet.
    pub(super) async fn bind(
        common: &Common,
        http: Option<&Http>,
        agent: Option<&Agent>,
    ) -> Result<Self, Failure> {
        let (listener, address) = listen(common, common.port, "FN_PORT").await?;
        let mut options = Options { version: VERSION.to_owned(), ..Options::default() };
        let mut serve = ServeOptions { grace: common.shutdown_grace.0, ..ServeOptions::default() };
        if let Some(http) = http {
            options.public_lb_url = http.public_lb_url.clone();
            options.max_request_size = http.max_request_size;
            options.body_read_timeout = Some(http.body_read_timeout.0).filter(|limit| !limit.is_zero());
            serve.max_header_bytes = u32::try_from(http.max_request_header_size).unwrap_or(u32::MAX);
            if !http.header_read_timeout.0.is_zero() {
                serve.header_read_timeout = http.header_read_timeout.0;
            }
        }
        if let Some(agent) = agent {
            options.max_response_size = agent.max_response_size;
        }
        Ok(Self { listener, address, readiness: Readiness::new(), options, serve })
    }

    /// Serves until `shutdown`, then finishes what is in hand.
    pub(super) async fn serve(self, behind: Behind, shutdown: CancellationToken) -> Result<(), Failure> {
        let Behind { catalog, invoking, ids } = behind;
        let readiness = self.readiness.clone();
        let ports = Ports { catalog, invoking, ids, readiness: readiness.clone() };
        let router = remuda_front::router(self.options, ports);
        let watch = shutdown.clone();
        let served = remuda_front::serve(self.listener, router, self.serve, shutdown);
        let drained = async {
            watch.cancelled().await;
            readiness.drain();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = drained => Ok(()),
            served = served => served.map_err(Failure::to("serve HTTP")),
        }
    }
}

//! Opens the sockets that a node serves on.

use crate::Failure;
use crate::env::Common;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Listens on a port of the configured address; a failure names the variable that chose the port.
pub(super) async fn listen(
    common: &Common,
    port: u16,
    variable: &str,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let wanted = SocketAddr::new(common.listen_host, port);
    let failed = || format!("listen on {wanted} (set {variable} to a free port, or FN_LISTEN_HOST)");
    let listener = TcpListener::bind(wanted).await.map_err(Failure::to(failed()))?;
    let bound = listener.local_addr().map_err(Failure::to(failed()))?;
    Ok((listener, bound))
}

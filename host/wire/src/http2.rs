//! HTTP/2 settings of both ends, and the sockets under them.

use hyper::server::conn::http2::Builder as ServerBuilder;
use hyper_util::rt::TokioTimer;
use std::time::Duration;
use tokio::net::TcpStream;

/// What one stream may have on its way, in bytes: a gigabyte per second at a millisecond's round trip.
const STREAM_WINDOW: u32 = 1 << 20;
/// What all streams of a connection may have on their way. Many times the stream's, so that calls whose functions
/// read slowly do not hold up the others on the connection.
const CONNECTION_WINDOW: u32 = 512 << 20;
/// The largest frame: one piece of a body between our own nodes, with room for what frames it.
const FRAME: u32 = 128 << 10;
/// What is kept of one stream's bytes that could not be sent yet.
const SEND_BUFFER: usize = 256 << 10;
/// Streams that are begun before the peer has said how many it takes.
const FIRST_STREAMS: usize = 100;
/// Calls on one connection at a time.
const STREAMS: u32 = 10_000;
/// Streams reset by callers that went away and not yet forgotten. Peers have proved who they are, so that this is no
/// guard against an attack: it must not be less than the calls that can be cancelled at once.
const RESETS: usize = 10_000;
/// Headers of one request or answer, in bytes.
const HEADER_LIST: u32 = 64 << 10;
/// How often a silent connection is asked whether it lives, and how long it may take to say so.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(10);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long bytes may wait for the peer's kernel to take them.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// A client's settings.
pub(crate) fn client() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(FIRST_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(HEADER_LIST)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(RESETS));
    builder
}

/// Sets a server up. Pings of clients are always answered, however frequent.
pub(crate) fn server<E>(builder: &mut ServerBuilder<E>) {
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(HEADER_LIST)
        .max_send_buf_size(SEND_BUFFER)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .auto_date_header(false)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
}

/// Sends small frames at once, and lets the kernel find out that the peer's machine is gone.
pub(crate) fn prepare_socket(socket: &TcpStream) -> std::io::Result<()> {
    let probes =
        socket2::TcpKeepalive::new().with_time(PING_EVERY).with_interval(PING_TIMEOUT).with_retries(3);
    let options = socket2::SockRef::from(socket);
    options.set_tcp_nodelay(true)?;
    options.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    options.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

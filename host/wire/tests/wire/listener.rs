//! Peers that hold a connection and do nothing with it.

use crate::support::{answer_of, client, echo, execute, serve, soon};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What every HTTP/2 client says first, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// How long, by the runtime's clock, until the server closes the connection.
async fn closed_after(mut socket: TcpStream) -> Duration {
    let since = Instant::now();
    let mut ignored = [0; 4096];
    while matches!(socket.read(&mut ignored).await, Ok(1..)) {}
    since.elapsed()
}

#[tokio::test]
async fn a_peer_that_says_nothing_loses_its_place() {
    let served = serve(echo(), None).await;
    let socket = TcpStream::connect(served.address).await.unwrap();
    tokio::time::pause();
    let open = soon(closed_after(socket)).await;
    assert!((4..8).contains(&open.as_secs()), "{open:?}");
}

#[tokio::test]
async fn a_peer_that_asks_nothing_loses_its_place() {
    let served = serve(echo(), None).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(PREFACE).await.unwrap();
    // The server speaks HTTP/2 with us.
    socket.readable().await.unwrap();
    tokio::time::pause();
    let open = soon(closed_after(socket)).await;
    assert!((9..13).contains(&open.as_secs()), "{open:?}");
}

#[tokio::test]
async fn a_peer_that_has_asked_keeps_its_place() {
    let served = serve(echo(), None).await;
    let socket = TcpStream::connect(served.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}/whatever", served.address)).body(()).unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    soon(answer).await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(!connection.is_finished());
}

#[tokio::test]
async fn a_peer_that_says_nothing_does_not_hold_up_a_shutdown() {
    let mut served = serve(echo(), None).await;
    let socket = TcpStream::connect(served.address).await.unwrap();
    // Served after it, so that both were accepted.
    answer_of(execute(&client(served.address), "x").await);
    served.shutdown.cancel();
    soon(&mut served.task).await.unwrap();
    drop(socket);
}

//! MySQL 8's own way to sign in, which is not to be had here: a server that only does that much of it.

use remuda_store::{Options, open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn send(client: &mut TcpStream, number: u8, body: &[u8]) {
    let length = u8::try_from(body.len()).unwrap();
    client.write_all(&[&[length, 0, 0, number], body].concat()).await.unwrap();
}

async fn receive(client: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    client.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; usize::from(head[0]) + 256 * usize::from(head[1])];
    client.read_exact(&mut body).await.unwrap();
    body
}

/// Speaks no TLS, and asks for the password as MySQL 8 does when it has not seen the user before.
async fn sign_in(mut client: TcpStream) {
    let mut greeting = b"\x0a8.4.0\0\x01\0\0\0abcdefgh\0".to_vec();
    // Protocol 4.1, with a database, secure, by plugins.
    greeting.extend([0x08, 0x82, 45, 2, 0, 0x08, 0, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"ijklmnopqrst\0caching_sha2_password\0");
    send(&mut client, 0, &greeting).await;
    receive(&mut client).await;
    // "Not in the cache: say it in full."
    send(&mut client, 2, &[1, 4]).await;
    assert_eq!(receive(&mut client).await, [2], "the client asks for the key");
    send(&mut client, 4, b"\x01-----BEGIN PUBLIC KEY-----\n").await;
    let _ = client.read(&mut [0]).await;
}

#[tokio::test]
async fn a_password_that_is_only_taken_over_tls_is_told_so_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mysql://me:secret@tcp({})/fn", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { sign_in(listener.accept().await.unwrap().0).await });
    let error = open(&url, &Options::default()).await.unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains("only over TLS: add tls=true"), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"));
    server.await.unwrap();
}

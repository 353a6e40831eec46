//! The network swallows what is sent: no answer, and no word that there will be none.

use crate::support::{self, until};
use remuda_core::port::{Catalog, Definitions};
use remuda_core::testing::catalog_cases::an_app;
use remuda_core::{App, AppId, Fault, Kind};
use remuda_store::{Options, Store, open};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes on what it reads, until it is to swallow it.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallows: Arc<AtomicBool>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if swallows.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

/// Passes connections on to `server`. Those that were made before swallow everything as soon as `cut` is set; later ones
/// work.
async fn between(listener: TcpListener, server: String, cut: Arc<AtomicBool>) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else { continue };
        let swallows = if cut.load(Ordering::Relaxed) { Arc::default() } else { Arc::clone(&cut) };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tasks.spawn(pass(from_client, to_server, Arc::clone(&swallows)));
        tasks.spawn(pass(from_server, to_client, swallows));
    }
}

/// Whether four changes can be under way at the same time: each waits for the others, which takes four connections.
async fn four_at_once(store: &Arc<Store>) -> bool {
    let under_way = Arc::new(AtomicUsize::new(0));
    let mut changes = JoinSet::new();
    for n in 0..4 {
        let (store, under_way) = (Arc::clone(store), Arc::clone(&under_way));
        let change = move |app| {
            under_way.fetch_add(1, Ordering::Relaxed);
            let deadline = Instant::now() + Duration::from_secs(1);
            while under_way.load(Ordering::Relaxed) < 4 {
                if Instant::now() > deadline {
                    return Err(Fault::invalid("the others did not come"));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(app)
        };
        changes.spawn(async move {
            store.update_app(&AppId::new(format!("A{n}")), Arc::new(change)).await.is_ok()
        });
    }
    changes.join_all().await.into_iter().all(|changed| changed)
}

// A change that waits keeps a thread busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn connections_that_went_silent_are_given_up() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let (start, rest) = empty.url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{start}@{}/{database}", listener.local_addr().unwrap());
        let cut = Arc::new(AtomicBool::new(false));
        let mut proxy = JoinSet::new();
        proxy.spawn(between(listener, server.to_owned(), Arc::clone(&cut)));

        // Four of them write.
        let options =
            Options { connections: 6, operation_timeout: Duration::from_secs(3), ..Options::default() };
        let store = Arc::new(open(&url, &options).await.unwrap());
        for n in 0..4 {
            store.create_app(an_app(&format!("A{n}"), &format!("app-{n}"))).await.unwrap();
        }
        until("all connections work", Duration::from_secs(20), || four_at_once(&store)).await;
        let mut readers = JoinSet::new();
        for _ in 0..16 {
            let (store, id) = (Arc::clone(&store), AppId::new("A0"));
            readers.spawn(async move {
                loop {
                    let started = Instant::now();
                    let read = store.app(&id).await;
                    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
                    if let Err(fault) = read {
                        assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
                        return;
                    }
                }
            });
        }
        until("there is a load", Duration::from_secs(10), || async { store.ping().await.is_ok() }).await;
        cut.store(true, Ordering::Relaxed);
        // Each goes on until it was disappointed; those who find a new connection at once never are.
        let first = tokio::time::timeout(Duration::from_secs(10), readers.join_next()).await;
        first.unwrap().unwrap().unwrap();
        readers.abort_all();
        until("all connections work again", Duration::from_secs(20), || four_at_once(&store)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_node_has_locked_is_free_soon_after_it_went_silent() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let (start, rest) = empty.url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{start}@{}/{database}", listener.local_addr().unwrap());
        let cut = Arc::new(AtomicBool::new(false));
        let mut proxy = JoinSet::new();
        proxy.spawn(between(listener, server.to_owned(), Arc::clone(&cut)));
        let options = Options { operation_timeout: Duration::from_secs(3), ..Options::default() };
        let (silent, other) =
            (open(&url, &options).await.unwrap(), open(&empty.url, &options).await.unwrap());
        other.create_app(an_app("A", "app")).await.unwrap();
        let changed = move |by: &str, cut: Arc<AtomicBool>| {
            let by = by.to_owned();
            move |mut app: App| {
                cut.fetch_or(by == "silent", Ordering::Relaxed);
                app.config.insert("BY".into(), by.clone());
                Ok(app)
            }
        };
        let id = AppId::new("A");
        let lost = silent.update_app(&id, Arc::new(changed("silent", Arc::clone(&cut)))).await;
        assert_eq!(lost.unwrap_err().kind, Kind::Unavailable);
        let change =
            || async { other.update_app(&id, Arc::new(changed("other", Arc::default()))).await.is_ok() };
        until("the row is free", Duration::from_secs(10), change).await;
        assert_eq!(other.app(&id).await.unwrap().config["BY"], "other");
    }
}

//! The database dies and returns: nothing that was answered is lost, nothing is half there, nothing is opened again.

use crate::support::{self, at, until};
use futures_util::StreamExt;
use futures_util::future::join_all;
use remuda_core::port::{Catalog, Changes, Definitions, FnFilter, News, Page};
use remuda_core::testing::catalog_cases::{a_function, a_trigger, an_app};
use remuda_core::{App, Fault, Kind};
use remuda_store::Store;
use remuda_test_databases::{MariaDb, Options, Postgres};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A server that may be killed.
trait Server: Send + 'static {
    fn kill(&mut self);
    fn start_again(&mut self);
}

impl Server for Postgres {
    fn kill(&mut self) {
        Postgres::kill(self);
    }
    fn start_again(&mut self) {
        Postgres::start_again(self).unwrap();
    }
}

impl Server for MariaDb {
    fn kill(&mut self) {
        MariaDb::kill(self);
    }
    fn start_again(&mut self) {
        MariaDb::start_again(self).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_dies_and_returns_under_writes() {
    let server = tokio::task::spawn_blocking(|| Postgres::start(Options::default()).unwrap()).await.unwrap();
    let url = server.fresh_database().unwrap();
    dies_and_returns(server, url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_dies_and_returns_under_writes() {
    let server = tokio::task::spawn_blocking(|| MariaDb::start(Options::default()).unwrap()).await.unwrap();
    let url = server.fresh_database().unwrap();
    dies_and_returns(server, url).await;
}

/// Creates functions with a trigger each until told to stop; gives the names of those that were answered.
async fn write(store: Arc<Store>, app: App, writer: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut answered = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("f-{writer}-{n:05}");
        let started = Instant::now();
        let function = store.create_function(a_function(&name, &name, &app)).await;
        let trigger = match &function {
            Ok(function) => {
                store.create_trigger(a_trigger(&name, &name, function, &format!("/{name}"))).await.err()
            }
            Err(_) => None,
        };
        assert!(started.elapsed() < Duration::from_secs(10), "an answer took {:?}", started.elapsed());
        for fault in function.as_ref().err().into_iter().chain(&trigger) {
            assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
            assert_eq!(fault.message, "the database is not available");
        }
        if function.is_ok() {
            answered.push(name);
        }
    }
    answered
}

/// Writes until it is refused, each time within moments. PostgreSQL's processes outlive their first one by a moment, and
/// may carry out one more.
async fn refused(store: &Store) -> Fault {
    for n in 0..100 {
        let asked = Instant::now();
        let made = store.create_app(an_app(&format!("B{n}"), &format!("while-away-{n}"))).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        if let Err(fault) = made {
            return fault;
        }
    }
    panic!("a server that was killed goes on");
}

async fn dies_and_returns(mut server: impl Server, url: String) {
    let store = Arc::new(at(&url).await);
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    let mut watch = store.watch();
    assert_eq!(watch.next().await, Some(News::Began));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..6)
        .map(|writer| tokio::spawn(write(Arc::clone(&store), app.clone(), writer, Arc::clone(&stop))))
        .collect();
    let filter = FnFilter { app_id: remuda_core::AppId::new("A"), name: None };
    let wrote = || async {
        let page = Page { after: None, limit: 100 };
        store.list_functions(&filter, &page).await.is_ok_and(|page| page.items.len() > 20)
    };
    until("writes go on", Duration::from_secs(20), wrote).await;

    let mut server = tokio::task::spawn_blocking(move || {
        server.kill();
        server
    })
    .await
    .unwrap();
    let fault = refused(&store).await;
    assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
    assert_eq!(store.app_named("app").await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(store.ping().await.unwrap_err().kind, Kind::Unavailable);
    let ended = async { while watch.next().await != Some(News::Ended) {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();

    let server = tokio::task::spawn_blocking(move || {
        server.start_again();
        server
    })
    .await
    .unwrap();
    let began = async { while watch.next().await != Some(News::Began) {} };
    tokio::time::timeout(Duration::from_secs(20), began).await.unwrap();
    until("it is written again", Duration::from_secs(20), || async {
        store.create_app(an_app("C", "back")).await.is_ok() || store.app_named("back").await.is_ok()
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        for name in writer.await.unwrap() {
            assert!(
                store.function(&remuda_core::FnId::new(&name)).await.is_ok(),
                "{name} was answered and is gone"
            );
        }
    }
    store.close().await;
    drop(tokio::task::spawn_blocking(move || drop(server)).await);
}

/// Every connection to the database but this one ends.
const END_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
const READ_ONLY: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                         current_database()); END $$";
const WRITABLE: &str = "BEGIN READ WRITE; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET \
                        default_transaction_read_only', current_database()); END $$; COMMIT";

#[tokio::test]
async fn after_a_switchover_connections_to_the_old_primary_are_given_up() {
    let empty = support::postgres().await;
    let store = at(&empty.url).await;
    let app = store.create_app(an_app("A", "app")).await.unwrap();
    // From here on new connections cannot write, and stay so.
    support::raw(&empty.url, READ_ONLY).await;
    support::raw(&empty.url, END_ALL).await;
    for read in join_all((0..24).map(|_| store.app(&app.id))).await {
        read.unwrap();
    }
    assert_eq!(store.create_app(an_app("B", "other")).await.unwrap_err().kind, Kind::Unavailable);
    support::raw(&empty.url, WRITABLE).await;
    let mut refused = 0;
    while let Err(fault) = store.create_app(an_app("B", "other")).await {
        assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
        refused += 1;
        assert!(refused <= 8, "every connection is asked once");
    }
}

#[tokio::test]
async fn reads_go_on_when_all_connections_were_cut() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let store = at(&empty.url).await;
        let app = store.create_app(an_app("A", "app")).await.unwrap();
        for _ in 0..5 {
            join_all((0..24).map(|_| store.app(&app.id))).await;
            let cut = async {
                if empty.url.starts_with("postgres") {
                    support::raw(&empty.url, END_ALL).await;
                } else {
                    support::kill_all(&empty.url).await;
                }
            };
            let reads = async {
                let mut read = Vec::new();
                for _ in 0..20 {
                    read.extend(join_all((0..24).map(|_| store.app(&app.id))).await);
                }
                read
            };
            let ((), reads) = tokio::join!(cut, reads);
            for read in reads {
                assert_eq!(*read.unwrap(), app);
            }
        }
    }
}

#[tokio::test]
async fn who_is_not_let_in_any_more_hears_that_the_database_is_not_available() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let is_postgres = empty.url.starts_with("postgres");
        // As the database, which has a name of its own.
        let name = empty.url.rsplit('/').next().unwrap();
        let make = match is_postgres {
            true => format!("CREATE ROLE {name} SUPERUSER LOGIN PASSWORD 'before'"),
            false => format!("CREATE USER {name} IDENTIFIED BY 'before'; GRANT ALL ON *.* TO {name}"),
        };
        support::raw(&empty.url, make.leak()).await;
        let (scheme, rest) = empty.url.split_once("://").unwrap();
        let (_, place) = rest.split_once('@').unwrap();
        let store = at(&format!("{scheme}://{name}:before@{place}")).await;
        let app = store.create_app(an_app("A", "app")).await.unwrap();
        let change = match is_postgres {
            true => format!("ALTER ROLE {name} PASSWORD 'after'"),
            false => format!("ALTER USER {name} IDENTIFIED BY 'after'"),
        };
        support::raw(&empty.url, change.leak()).await;
        match is_postgres {
            true => support::raw(&empty.url, END_ALL).await,
            false => support::kill_all(&empty.url).await,
        }
        let unavailable = |fault: Fault| {
            assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
            assert!(!fault.chain().contains("before"));
        };
        unavailable(store.app(&app.id).await.unwrap_err());
        unavailable(store.create_app(an_app("B", "other")).await.unwrap_err());
        unavailable(store.ping().await.unwrap_err());
    }
}

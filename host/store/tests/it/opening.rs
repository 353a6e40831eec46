//! Opening: new databases, old ones, somebody else's, and none.

use crate::support::{self, at, raw};
use futures_util::future::join_all;
use remuda_core::port::{AppFilter, Catalog, Definitions, Groups, Page};
use remuda_core::testing::catalog_cases::an_app;
use remuda_core::{AppId, FnId, GroupId};
use remuda_store::{Options, open};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// All that an error says, in the logs too.
fn all_of(error: &remuda_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

#[tokio::test]
async fn several_may_open_a_new_database_at_once() {
    for empty in support::all().await {
        let stores = join_all((0..8).map(|_| at(&empty.url))).await;
        let made = join_all(
            stores.iter().enumerate().map(|(n, store)| store.create_app(an_app(&format!("A{n}"), "app"))),
        )
        .await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        for store in &stores {
            assert_eq!(store.app_named("app").await.unwrap().name, "app");
            let page = Page { after: None, limit: 100 };
            assert_eq!(store.list_apps(&AppFilter::default(), &page).await.unwrap().items.len(), 1);
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_database_of_somebody_else_is_left_alone() {
    for empty in support::all().await {
        raw(&empty.url, "CREATE TABLE apps (id varchar(256) NOT NULL PRIMARY KEY)").await;
        let error = open(&empty.url, &Options::default()).await.unwrap_err().to_string();
        assert!(error.contains("holds tables that Remuda did not make"), "{error}");
        raw(&empty.url, "DROP TABLE apps").await;
        at(&empty.url).await.close().await;
    }
}

#[tokio::test]
async fn a_database_of_a_later_release_is_left_alone() {
    for empty in support::all().await {
        at(&empty.url).await.close().await;
        raw(&empty.url, "INSERT INTO remuda_schema VALUES (99, 'later')").await;
        let error = open(&empty.url, &Options::default()).await.unwrap_err().to_string();
        assert!(error.contains("its tables have version 99"), "{error}");
    }
}

#[tokio::test]
async fn a_database_of_the_first_release_is_brought_up_to_date() {
    let empty = support::file();
    raw(&empty.url, include_str!("../../migrations/sqlite/0001_catalogue.sql")).await;
    raw(
        &empty.url,
        r#"CREATE TABLE remuda_schema (version integer NOT NULL PRIMARY KEY, applied_at text NOT NULL);
        INSERT INTO remuda_schema VALUES (1, '2026-11-20T00:00:00.000Z');
        INSERT INTO apps VALUES ('A', 'app', '{"FN_LB_GROUP_ID":"blue"}', '', '', '2026-11-20T00:00:00.000Z',
            '2026-11-20T00:00:00.000Z', '');
        INSERT INTO apps VALUES ('B', 'plain', '', 'null', '', '2026-11-20T00:00:00.000Z',
            '2026-11-20T00:00:00.000Z', '');
        INSERT INTO fns VALUES ('F', 'f', 'A', 'image', 128, 30, 30, '{"FN_LB_GROUP_ID":"green","K":"v"}', '',
            '2026-11-20T00:00:00.000Z', '2026-11-20T00:00:00.000Z', '');"#,
    )
    .await;
    for _ in 0..2 {
        let store = at(&empty.url).await;
        assert_eq!(store.app(&AppId::new("A")).await.unwrap().config["FN_LB_GROUP_ID"], "blue");
        assert_eq!(store.function(&FnId::new("F")).await.unwrap().config["K"], "v");
        for group in ["blue", "green"] {
            let used = store.group_use(&GroupId::new(group)).await.unwrap();
            assert_eq!((used.is_used, used.distinct), (true, 2), "{group}");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_some_times_and_no_password_is_told() {
    let options = Options { connect_attempts: 2, ..Options::default() };
    for (url, name) in [
        ("postgres://me:secret@127.0.0.1:1/fn", "postgres://127.0.0.1:1/fn"),
        ("mysql://me:secret@tcp(127.0.0.1:1)/fn", "mysql://127.0.0.1:1/fn"),
    ] {
        let error = open(url, &options).await.unwrap_err();
        assert_eq!(error.to_string(), format!("connect to the database {name}, tried 2 times"));
        assert!(!all_of(&error).contains("secret"));
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_wrong_password_is_not_told() {
    let options = Options { connect_attempts: 1, ..Options::default() };
    for empty in [support::postgres().await, support::mariadb().await] {
        let (start, rest) = empty.url.split_once("://").unwrap();
        let (who, at) = rest.split_once('@').unwrap();
        let (user, _) = who.split_once(':').unwrap();
        let error = open(&format!("{start}://{user}:not-secret@{at}"), &options).await.unwrap_err();
        assert!(!all_of(&error).contains("not-secret"), "{}", all_of(&error));
    }
}

#[tokio::test]
async fn a_server_may_be_named_as_fn_does() {
    let empty = support::mariadb().await;
    let (user, rest) = empty.url.strip_prefix("mysql://").unwrap().split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let store = at(&format!("mysql://{user}@tcp({address})/{database}?parseTime=true")).await;
    assert!(tokio::time::timeout(Duration::from_secs(10), store.ping()).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_server_may_be_reached_by_its_socket() {
    use remuda_test_databases::shared;
    let (mariadb, postgres) = (support::mariadb().await, support::postgres().await);
    let (mysql_socket, directory) = tokio::task::spawn_blocking(|| {
        let server = shared::mariadb().unwrap();
        // Whoever comes by the socket comes from `localhost`, and not from an address.
        let user = "CREATE USER IF NOT EXISTS local@localhost IDENTIFIED BY 'a:b/c@d?e'";
        server.execute("mysql", user).unwrap();
        server.execute("mysql", "GRANT ALL ON *.* TO local@localhost").unwrap();
        let socket = server.execute("mysql", "SELECT @@socket").unwrap();
        let directory =
            shared::postgres().unwrap().execute("postgres", "SHOW unix_socket_directories").unwrap();
        (socket.trim().to_owned(), directory.trim().to_owned())
    })
    .await
    .unwrap();
    let database = mariadb.url.rsplit('/').next().unwrap();
    let url = format!("mysql://local:a:b/c@d?e@unix({mysql_socket})/{database}");
    assert!(at(&url).await.ping().await.is_ok());
    let (who, rest) = postgres.url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let (user, password) = who.split_once(':').unwrap();
    let (_, port) = address.split_once(':').unwrap();
    let url = format!("postgres:///{database}?host={directory}&port={port}&user={user}&password={password}");
    assert!(at(&url).await.ping().await.is_ok());
}

/// Passes connections to an address of IPv6 on to a server.
async fn by_ipv6(server: String) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut passing = JoinSet::new();
    passing.spawn(async move {
        let mut each = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&server).await.unwrap();
            each.spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address, passing)
}

#[tokio::test]
async fn a_server_may_have_an_address_of_ipv6() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let (start, rest) = empty.url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let (address, _passing) = by_ipv6(server.to_owned()).await;
        let store = at(&format!("{start}@{address}/{database}")).await;
        assert!(store.ping().await.is_ok());
    }
}

#[tokio::test]
async fn a_database_without_all_letters_is_refused() {
    use remuda_test_databases::shared;
    let url = tokio::task::spawn_blocking(|| {
        let server = shared::postgres().unwrap();
        let name = format!("{}_latin", server.fresh_database().unwrap().rsplit('/').next().unwrap());
        let create = format!(
            "CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
        );
        server.execute("postgres", &create).unwrap();
        server.address().url(&name)
    })
    .await
    .unwrap();
    let error = open(&url, &Options::default()).await.unwrap_err().to_string();
    assert!(error.contains("keeps text as LATIN1"), "{error}");
}

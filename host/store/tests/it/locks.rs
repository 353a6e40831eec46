//! Somebody keeps a row locked: whoever wants that row waits, and nobody else does.

use crate::support::{self, connections_to};
use futures_util::future::join_all;
use remuda_core::port::{Catalog, Definitions};
use remuda_core::testing::catalog_cases::an_app;
use remuda_core::{App, AppId, Kind};
use remuda_store::{Options, Store, open};
use sqlx::{Connection, MySqlConnection, PgConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Holds the row of app `A`.
enum Holder {
    Postgres(PgConnection),
    MySql(MySqlConnection),
}

impl Holder {
    async fn lock(url: &str) -> Self {
        const LOCK: &str = "BEGIN; SELECT id FROM apps WHERE id = 'A' FOR UPDATE";
        if url.starts_with("postgres") {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(LOCK).execute(&mut connection).await.unwrap();
            Self::Postgres(connection)
        } else {
            let mut connection = MySqlConnection::connect(url).await.unwrap();
            sqlx::raw_sql(LOCK).execute(&mut connection).await.unwrap();
            Self::MySql(connection)
        }
    }

    async fn unlock(self) {
        match self {
            Self::Postgres(mut connection) => {
                sqlx::raw_sql("COMMIT").execute(&mut connection).await.map(drop)
            }
            Self::MySql(mut connection) => sqlx::raw_sql("COMMIT").execute(&mut connection).await.map(drop),
        }
        .unwrap();
    }
}

async fn update(store: &Store, id: &str) -> Result<App, remuda_core::Fault> {
    let change = |mut app: App| {
        let count = app.config.get("COUNT").map_or(0, |count| count.parse::<u32>().unwrap());
        app.config.insert("COUNT".into(), (count + 1).to_string());
        Ok(app)
    };
    store.update_app(&AppId::new(id), Arc::new(change)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_does_not_keep_others_waiting_nor_do_clients_that_hang_up() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let options = Options { operation_timeout: Duration::from_secs(8), ..Options::default() };
        let store = Arc::new(open(&empty.url, &options).await.unwrap());
        for id in ["A", "B"] {
            store.create_app(an_app(id, &format!("app-{id}"))).await.unwrap();
        }
        let holder = Holder::lock(&empty.url).await;
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { update(&store, "A").await })
            })
            .collect();
        let hung_up = join_all((0..200).map(|_| {
            let store = Arc::clone(&store);
            async move { tokio::time::timeout(Duration::from_millis(200), update(&store, "A")).await }
        }));
        assert!(hung_up.await.iter().all(Result::is_err), "everybody waits");
        let (asked, id) = (Instant::now(), AppId::new("A"));
        for read in join_all((0..50).map(|_| store.app(&id))).await {
            read.unwrap();
        }
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        let connections = connections_to(&empty.url).await;
        assert!(connections <= 8 + 1 + 2, "{connections} connections");
        update(&store, "B").await.unwrap();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().unwrap_err().kind, Kind::Unavailable);
        }
        holder.unlock().await;
        update(&store, "A").await.unwrap();
    }
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_any_more_is_finished_or_not_begun() {
    for empty in [support::postgres().await, support::mariadb().await] {
        let store = support::at(&empty.url).await;
        store.create_app(an_app("A", "app")).await.unwrap();
        let mut stopped = 0;
        for n in 0..40 {
            let patience = Duration::from_micros(100 * n);
            stopped += u32::from(tokio::time::timeout(patience, update(&store, "A")).await.is_err());
        }
        assert!(stopped > 0);
        let is_usable = async || update(&store, "A").await.is_ok();
        assert!(is_usable().await);
        let count = |app: Arc<App>| app.config["COUNT"].parse::<u32>().unwrap();
        let counted = count(store.app(&AppId::new("A")).await.unwrap());
        assert!((41 - stopped..=41).contains(&counted), "{counted}, {stopped} stopped");
    }
}

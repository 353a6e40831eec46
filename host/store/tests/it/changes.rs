//! What one store changes, another one tells.

use crate::support::{self, at};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use remuda_core::FnId;
use remuda_core::port::{Catalog, Changed, Changes, News};
use remuda_core::testing::catalog_cases::{a_function, an_app};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

async fn next(watch: &mut BoxStream<'static, News>) -> News {
    tokio::time::timeout(SOON, watch.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_change_at_another_node_is_told_soon() {
    for empty in support::all().await {
        let (here, there) = (at(&empty.url).await, at(&empty.url).await);
        let mut watch = there.watch();
        assert_eq!(next(&mut watch).await, News::Began);
        let mut taken = Vec::new();
        for n in 0..9 {
            let app = here.create_app(an_app(&format!("A{n}"), &format!("app-{n}"))).await.unwrap();
            let stored = Instant::now();
            let told = Changed::App { id: app.id, name: app.name };
            assert_eq!(next(&mut watch).await, News::Changed(vec![told]));
            taken.push(stored.elapsed());
        }
        taken.sort_unstable();
        println!("{}: median {:?}, slowest {:?}", &empty.url[..8], taken[4], taken[8]);
        assert!(taken[4] < Duration::from_millis(150), "{taken:?}");
    }
}

#[tokio::test]
async fn of_changes_at_once_at_several_nodes_each_is_told_once() {
    for empty in support::all().await {
        let stores = join_all((0..3).map(|_| at(&empty.url))).await;
        let mut watch = stores[0].watch();
        assert_eq!(next(&mut watch).await, News::Began);
        let app = stores[0].create_app(an_app("A", "app")).await.unwrap();
        let (stores, app) = (&stores, &app);
        let writes = join_all((0..150).map(|n| async move {
            let function = a_function(&format!("F{n}"), &format!("f-{n}"), app);
            stores[n % 3].create_function(function).await.unwrap().id
        }));
        let wanted: BTreeSet<FnId> = writes.await.into_iter().collect();
        let mut told = Vec::new();
        while told.len() < wanted.len() {
            let News::Changed(things) = next(&mut watch).await else { panic!("no end was expected") };
            told.extend(things.into_iter().filter_map(|thing| match thing {
                Changed::Function { id } => Some(id),
                Changed::Everything => panic!("nothing was lost"),
                _ => None,
            }));
        }
        assert_eq!(told.len(), wanted.len());
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), wanted);
    }
}

#[tokio::test]
async fn who_watches_hears_when_word_of_changes_was_cut_away() {
    let empty = support::file();
    let (here, there) = (at(&empty.url).await, at(&empty.url).await);
    here.create_app(an_app("A", "app")).await.unwrap();
    let mut watch = there.watch();
    assert_eq!(next(&mut watch).await, News::Began);
    use sqlx::Connection;
    let path = empty.url.strip_prefix("sqlite3://").unwrap();
    let mut raw = sqlx::SqliteConnection::connect(&format!("sqlite://{path}")).await.unwrap();
    sqlx::query("DELETE FROM changes").execute(&mut raw).await.unwrap();
    assert_eq!(next(&mut watch).await, News::Changed(vec![Changed::Everything]));
    let app = here.create_app(an_app("B", "other")).await.unwrap();
    assert_eq!(next(&mut watch).await, News::Changed(vec![Changed::App { id: app.id, name: app.name }]));
}

#[tokio::test]
async fn numbers_in_steps_are_told_as_they_are() {
    use remuda_test_databases::{MariaDb, Options};
    let start = || {
        let server = MariaDb::start(Options::fast()).unwrap();
        server.execute("mysql", "SET GLOBAL auto_increment_increment = 7").unwrap();
        let url = server.fresh_database().unwrap();
        (server, url)
    };
    let (server, url) = tokio::task::spawn_blocking(start).await.unwrap();
    let (here, there) = (at(&url).await, at(&url).await);
    let app = here.create_app(an_app("A", "app")).await.unwrap();
    // As many rows as there would be after a while, all of them old.
    let rows = "INSERT INTO changes (made_at, what) SELECT unix_timestamp() - 100, '[]' FROM seq_1_to_20000";
    support::raw(&url, rows).await;
    // Behind many rows at once the server leaves out many numbers.
    here.create_app(an_app("B", "other")).await.unwrap();
    let mut watch = there.watch();
    assert_eq!(next(&mut watch).await, News::Began);
    for n in 0..20 {
        let function = a_function(&format!("F{n}"), &format!("f-{n}"), &app);
        let function = here.create_function(function).await.unwrap();
        assert_eq!(next(&mut watch).await, News::Changed(vec![Changed::Function { id: function.id }]));
    }
    here.close().await;
    there.close().await;
    drop(tokio::task::spawn_blocking(move || drop(server)).await);
}

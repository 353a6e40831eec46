//! Listing very many functions page by page: every page should take as long as the first, and the API node should not
//! grow by it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use remuda_core::port::Catalog;
use remuda_harness::Cluster;
use serde_json::Value;

use super::databases::{self, Databases, Kind, api_nodes};
use super::http::{self, Connection};
use super::statistics::{median, milliseconds};
use super::{Bench, Doing, load, page};
use crate::Failure;
use crate::step::Steps;

const FUNCTIONS: usize = 100_000;
const PER_PAGE: usize = 100;
const PAGES: usize = FUNCTIONS / PER_PAGE;
/// How many times all of it is listed.
const WALKS: usize = 3;
/// How many pages at the start, in the middle and at the end are looked at.
const SAMPLE: usize = 20;
const APP: &str = "app";
/// Clients that fill a file of SQLite at the same time.
const FILLERS: usize = 128;

/// What was seen on one database.
struct Listed {
    kind: Kind,
    /// How long each page took, of each walk.
    walks: Vec<Vec<Duration>>,
    /// Resident memory of the API node in MiB: before, and after all walks.
    memory: (f64, f64),
}

pub(crate) async fn measure(
    bench: &Bench,
    databases: &Databases,
    steps: &mut Steps,
) -> Result<page::Section, Failure> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let name = format!("listing on {kind}");
        all.push(steps.run(&name, "100 000 functions, three times", list_on(bench, databases, kind)).await?);
    }
    Ok(section(&all))
}

async fn list_on(bench: &Bench, databases: &Databases, kind: Kind) -> Result<Listed, Failure> {
    let url = databases.fresh(kind, "listing").await?;
    fill(databases, kind, &url).await?;
    let cluster = api_nodes(&bench.built, 1, &[("FN_DB_URL", &url)]).await?;
    let listed = walk_all(&cluster, kind).await;
    cluster.stop().await?;
    listed
}

async fn walk_all(cluster: &Cluster, kind: Kind) -> Result<Listed, Failure> {
    let pid = cluster.nodes().first().and_then(remuda_harness::Node::pid);
    let pid = pid.ok_or_else(|| Failure::because("the API node does not run"))?;
    let address = http::address(cluster.api().base())?;
    let mut connection = Connection::open(&address).await?;
    // Connections to the database are made, and their statements prepared.
    for _ in 0..SAMPLE {
        read_page(&mut connection, &address, "").await?;
    }
    let before = resident_mib(pid)?;
    let mut walks = Vec::new();
    for number in 1..=WALKS {
        let walk = walk(&mut connection, &address).await?;
        println!("    walk {number}: {:.1} s", walk.iter().sum::<Duration>().as_secs_f64());
        walks.push(walk);
    }
    Ok(Listed { kind, walks, memory: (before, resident_mib(pid)?) })
}

async fn walk(connection: &mut Connection, address: &str) -> Result<Vec<Duration>, Failure> {
    let (mut took, mut cursor, mut seen) = (Vec::new(), String::new(), 0);
    // One more than full pages: the last full one may promise another.
    while took.len() <= PAGES {
        let start = Instant::now();
        let body = read_page(connection, address, &cursor).await?;
        let elapsed = start.elapsed();
        let page: Value = serde_json::from_slice(body).doing("read a page")?;
        let items = page["items"].as_array().map_or(0, Vec::len);
        seen += items;
        if items > 0 {
            took.push(elapsed);
        }
        match page["next_cursor"].as_str() {
            Some(next) if items > 0 => next.clone_into(&mut cursor),
            _ => break,
        }
    }
    if seen != FUNCTIONS {
        return Err(Failure::because(format!("{seen} functions were listed, not {FUNCTIONS}")));
    }
    Ok(took)
}

async fn read_page<'a>(
    connection: &'a mut Connection,
    address: &str,
    cursor: &str,
) -> Result<&'a [u8], Failure> {
    let path = format!("/v2/fns?app_id={APP}&per_page={PER_PAGE}&cursor={cursor}");
    connection.exchange(&http::request("GET", &path, address, "", b"")).await
}

fn resident_mib(pid: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| Failure::because("the API node's memory cannot be read"))
}

async fn fill(databases: &Databases, kind: Kind, url: &str) -> Result<(), Failure> {
    let store = remuda_store::open(url, &remuda_store::Options::default()).await.doing("open a store")?;
    let store = std::sync::Arc::new(store);
    let app = store.create_app(databases::app(APP)).await.doing("create an app")?.id;
    if kind == Kind::Sqlite {
        load::share(FILLERS, FUNCTIONS, |number| {
            let (store, name) = (store.clone(), format!("f-{number:06}"));
            let function = databases::function(&format!("id-{number:06}"), &name, &app);
            async move { store.create_function(function).await.map(drop).doing("create a function") }
        })
        .await?;
    }
    store.close().await;
    match kind {
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            databases.execute(kind, url, rows()).await?;
            // As the server itself does within a minute of so many rows.
            databases.execute(kind, url, "VACUUM ANALYZE fns".to_owned()).await.map(drop)
        }
        Kind::MariaDb => {
            databases.execute(kind, url, rows()).await?;
            databases.execute(kind, url, "ANALYZE TABLE fns".to_owned()).await.map(drop)
        }
    }
}

/// SQL that makes all functions at once: what five digits can name.
fn rows() -> String {
    let image = databases::IMAGE;
    let now = "2026-11-20T13:24:34.173Z";
    let config = r#"{"DB_HOST":"db.example.internal","LEVEL":"info"}"#;
    let digits = "SELECT 0 AS x UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9";
    format!(
        "INSERT INTO fns (id, name, app_id, image, memory, timeout, idle_timeout, config, annotations, created_at, \
         updated_at, shape, lb_group) WITH d AS ({digits}), n AS (SELECT CONCAT('', a.x, b.x, c.x, d.x, e.x) AS i \
         FROM d AS a, d AS b, d AS c, d AS d, d AS e) SELECT CONCAT('id-0', i), CONCAT('f-0', i), '{APP}', '{image}', \
         128, 30, 30, '{config}', '{{\"team\":\"checkout\"}}', '{now}', '{now}', '', '' FROM n"
    )
}

fn section(all: &[Listed]) -> page::Section {
    let mut text = format!(
        "{FUNCTIONS} functions of one app, listed through an API node with `per_page={PER_PAGE}`, {WALKS} times from the \
         first page to the last over one connection. Medians of the first, middle and last {SAMPLE} pages; resident \
         memory of the API node before the first walk and after the last.\n\n\
         | database | first pages ms | middle ms | last ms | last ÷ first | all pages s | memory before MiB | after MiB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for Listed { kind, walks, memory: (before, after) } in all {
        let part = |at: fn(&[Duration]) -> &[Duration]| {
            median(walks.iter().map(|walk| median(at(walk).iter().copied().map(milliseconds))))
        };
        let first = part(|walk| &walk[..SAMPLE]);
        let middle = part(|walk| &walk[walk.len() / 2..][..SAMPLE]);
        let last = part(|walk| &walk[walk.len() - SAMPLE..]);
        let whole = median(walks.iter().map(|walk| walk.iter().sum::<Duration>().as_secs_f64()));
        let _ = writeln!(
            text,
            "| {kind} | {first:.2} | {middle:.2} | {last:.2} | {:.2} | {whole:.1} | {before:.1} | {after:.1} |",
            last / first
        );
    }
    text.push_str("\nTarget: flat, last ÷ first ≈ 1 and memory the same.\n");
    page::Section { title: page::LISTING, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::AppId;
    use remuda_core::port::{FnFilter, Page, Place};
    use remuda_test_databases::shared;

    #[tokio::test]
    async fn a_filled_server_holds_functions_as_the_store_makes_them() {
        for server in [shared::postgres().unwrap(), shared::mariadb().unwrap()] {
            let url = server.fresh_database().unwrap();
            let store = remuda_store::open(&url, &remuda_store::Options::default()).await.unwrap();
            store.create_app(databases::app(APP)).await.unwrap();
            server.execute(url.rsplit('/').next().unwrap(), &rows()).unwrap();
            let filter = FnFilter { app_id: AppId::new(APP), name: None };
            let after = Some(Place { name: "f-099998".to_owned(), id: None });
            let last = store.list_functions(&filter, &Page { after, limit: 100 }).await.unwrap().items;
            let found = last.first().unwrap();
            let expected = databases::function("id-099999", "f-099999", &AppId::new(APP));
            let (created_at, updated_at) = (found.created_at, found.updated_at);
            assert_eq!(last, [remuda_core::Function { created_at, updated_at, ..expected }]);
            store.close().await;
        }
    }
}

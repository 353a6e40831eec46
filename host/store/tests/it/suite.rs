//! Every database passes the catalogue's suite.

use crate::support::{self, Empty, at};
use remuda_store::{Options, Store, open};

async fn in_memory() -> (Store, ()) {
    (open("sqlite3://:memory:", &Options::default()).await.unwrap(), ())
}

async fn in_file() -> (Store, Empty) {
    let empty = support::file();
    (at(&empty.url).await, empty)
}

async fn in_postgres() -> (Store, Empty) {
    let empty = support::postgres().await;
    (at(&empty.url).await, empty)
}

async fn in_mariadb() -> (Store, Empty) {
    let empty = support::mariadb().await;
    (at(&empty.url).await, empty)
}

mod memory {
    remuda_core::catalog_suite!(super::in_memory);
}

mod file {
    remuda_core::catalog_suite!(super::in_file);
}

mod postgres {
    remuda_core::catalog_suite!(super::in_postgres);
}

mod mariadb {
    remuda_core::catalog_suite!(super::in_mariadb);
}

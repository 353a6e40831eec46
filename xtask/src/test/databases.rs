//! The database servers that all tests of a run share.

use remuda_test_databases::{MariaDb, Options, Postgres, shared};
use tokio::process::Command;

use crate::Failure;

/// Both servers; dropping the value ends them and removes their data.
#[derive(Debug)]
pub(crate) struct Databases {
    postgres: Postgres,
    mariadb: MariaDb,
}

impl Databases {
    /// Starts both at once.
    pub(crate) async fn start() -> Result<Self, Failure> {
        // No test may stop a shared server, so nothing is lost without syncing.
        let postgres = tokio::task::spawn_blocking(|| Postgres::start(Options::fast()));
        let mariadb = tokio::task::spawn_blocking(|| MariaDb::start(Options::fast()));
        let (postgres, mariadb) = tokio::join!(postgres, mariadb);
        let ended = |error: tokio::task::JoinError| Failure::because(error.to_string());
        let postgres = postgres.map_err(ended)?.map_err(Failure::because)?;
        let mariadb = mariadb.map_err(ended)?.map_err(Failure::because)?;
        Ok(Self { postgres, mariadb })
    }

    /// Tells the tests where the servers are.
    pub(crate) fn announce(&self, command: &mut Command) {
        command.env(shared::POSTGRES_VARIABLE, self.postgres.url("postgres"));
        command.env(shared::MARIADB_VARIABLE, self.mariadb.url("mysql"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[tokio::test]
    async fn tests_are_told_where_both_servers_are() {
        let databases = Databases::start().await.unwrap();
        let mut command = Command::new("true");
        databases.announce(&mut command);
        let told: Vec<_> = command.as_std().get_envs().collect();
        for (variable, scheme) in
            [(shared::POSTGRES_VARIABLE, "postgres://"), (shared::MARIADB_VARIABLE, "mysql://")]
        {
            let (_, url) = told.iter().find(|(name, _)| *name == OsStr::new(variable)).unwrap();
            assert!(url.unwrap().to_string_lossy().starts_with(scheme));
        }
    }
}

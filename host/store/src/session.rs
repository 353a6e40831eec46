//! A connection, as the tables use it: the same statements for all databases.
//!
//! Statements are written once, with `?` for values, `FOR UPDATE` for rows that are about to be changed and `{now_s}`
//! for the server's clock; a [`Dialect`] says what becomes of these.

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Either, Error, Executor};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A value that stands for a `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    /// Text.
    Text(Cow<'v, str>),
    /// A whole number.
    Number(i64),
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// How a database wants its statements.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Whether values are numbered, `$1`, and not `?`.
    pub(crate) numbers_values: bool,
    /// Whether rows are locked one by one; otherwise a transaction that writes has all of them.
    pub(crate) locks_rows: bool,
    /// Whether text may contain zero bytes.
    pub(crate) keeps_zero_bytes: bool,
    /// Whether an index serves `(a, b) > (?, ?)`; otherwise it serves the same with OR.
    pub(crate) ranges_over_rows: bool,
    /// Whether DISTINCT goes through an index from one value to the next; otherwise it reads every row, and a recursion
    /// does what it should.
    pub(crate) skips_duplicates: bool,
    /// Whole seconds of the server's clock since 1970.
    pub(crate) now_s: &'static str,
    /// Whether a table of the name `?` exists: one row or none.
    pub(crate) table: &'static str,
    /// The table of versions.
    pub(crate) versions: &'static str,
}

const LOCK: &str = " FOR UPDATE";
const NOW: &str = "{now_s}";

impl Dialect {
    /// A statement as this database wants it.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let statement = statement.replace(NOW, self.now_s);
        let statement = if self.locks_rows { statement } else { statement.replace(LOCK, "") };
        if !self.numbers_values {
            return statement;
        }
        let mut sql = String::with_capacity(statement.len() + 16);
        for (number, part) in statement.split('?').enumerate() {
            if number > 0 {
                // Writing to a string does not fail.
                let _ = write!(sql, "${number}");
            }
            sql.push_str(part);
        }
        sql
    }

    fn finds_nothing(&self, values: &[Value<'_>]) -> bool {
        !self.keeps_zero_bytes
            && values.iter().any(|value| matches!(value, Value::Text(text) if text.contains('\0')))
    }
}

/// A row that was read.
pub(crate) enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    Postgres(PgRow),
    /// From MySQL or MariaDB.
    MySql(MySqlRow),
}

impl Row {
    /// The text in a column.
    pub(crate) fn text(&self, column: &'static str) -> Result<String, Error> {
        use sqlx::Row as _;
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::MySql(row) => String::from_utf8(row.try_get(column)?)
                .map_err(|error| Error::ColumnDecode { index: column.to_owned(), source: error.into() }),
        }
    }

    /// The whole number in a column.
    pub(crate) fn number(&self, column: &'static str) -> Result<i64, Error> {
        use sqlx::Row as _;
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::MySql(row) => row.try_get(column),
        }
    }
}

/// A connection on which statements are carried out one after the other.
#[async_trait]
pub(crate) trait Session: Send {
    /// How its database wants statements.
    fn dialect(&self) -> &'static Dialect;
    /// The rows that a statement finds. What cannot be in the database is not found.
    async fn rows(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error>;
    /// Carries a statement out.
    async fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<(), Error>;
    /// Carries out several statements that are this database's own and have no values.
    async fn script(&mut self, statements: &'static str) -> Result<(), Error>;

    /// The first row that a statement finds.
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Error> {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }
}

/// Makes a connection of sqlx a session; `$text` is how a text is passed to it.
macro_rules! session {
    ($connection:ty, $row:path, $dialect:expr, $text:ident) => {
        #[async_trait]
        impl Session for $connection {
            fn dialect(&self) -> &'static Dialect {
                &$dialect
            }

            async fn rows(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
                if self.dialect().finds_nothing(values) {
                    return Ok(Vec::new());
                }
                let mut query = sqlx::query(AssertSqlSafe(self.dialect().sql(statement)));
                for value in values {
                    query = match value {
                        Value::Text(text) => query.bind($text(text)),
                        Value::Number(number) => query.bind(*number),
                    };
                }
                let mut answer = Executor::fetch_many(self, query);
                let (mut rows, mut is_whole) = (Vec::new(), false);
                while let Some(part) = answer.try_next().await? {
                    match part {
                        Either::Right(row) => rows.push($row(row)),
                        Either::Left(_) => is_whole = true,
                    }
                }
                whole(is_whole).map(|()| rows)
            }

            async fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<(), Error> {
                let mut query = sqlx::query(AssertSqlSafe(self.dialect().sql(statement)));
                for value in values {
                    query = match value {
                        Value::Text(text) => query.bind($text(text)),
                        Value::Number(number) => query.bind(*number),
                    };
                }
                to_the_end(Executor::fetch_many(self, query)).await
            }

            async fn script(&mut self, statements: &'static str) -> Result<(), Error> {
                to_the_end(Executor::fetch_many(self, sqlx::raw_sql(statements))).await
            }
        }
    };
}

/// An answer ends with how many rows it was about. One that does not comes from a thread of SQLite's that has died: the
/// driver takes that for an answer without rows, and we would say that a thing is not there.
fn whole(is_whole: bool) -> Result<(), Error> {
    if is_whole { Ok(()) } else { Err(Error::WorkerCrashed) }
}

async fn to_the_end<D, R>(mut answer: BoxStream<'_, Result<Either<D, R>, Error>>) -> Result<(), Error> {
    let mut is_whole = false;
    while let Some(part) = answer.try_next().await? {
        is_whole |= matches!(part, Either::Left(_));
    }
    whole(is_whole)
}

fn as_text(text: &str) -> String {
    text.to_owned()
}

/// Text in binary columns compares with bytes.
fn as_bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

session!(SqliteConnection, Row::Sqlite, crate::database::sqlite::DIALECT, as_text);
session!(PgConnection, Row::Postgres, crate::database::postgres::DIALECT, as_text);
session!(MySqlConnection, Row::MySql, crate::database::mysql::DIALECT, as_bytes);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{mysql, postgres, sqlite};
    use sqlx::Connection;
    use sqlx::sqlite::SqliteConnectOptions;

    #[test]
    fn one_statement_becomes_each_databases_own() {
        let statement = "SELECT {now_s} - a FROM t WHERE b = ? AND c = ? FOR UPDATE";
        assert_eq!(
            postgres::DIALECT.sql(statement),
            "SELECT CAST(extract(epoch FROM clock_timestamp()) AS bigint) - a FROM t WHERE b = $1 AND c = $2 FOR UPDATE"
        );
        assert_eq!(
            mysql::DIALECT.sql(statement),
            "SELECT CAST(unix_timestamp() AS SIGNED) - a FROM t WHERE b = ? AND c = ? FOR UPDATE"
        );
        assert_eq!(
            sqlite::DIALECT.sql(statement),
            "SELECT CAST(strftime('%s', 'now') AS integer) - a FROM t WHERE b = ? AND c = ?"
        );
    }

    /// The driver's thread dies of a statement whose columns have become more.
    #[tokio::test]
    async fn a_driver_that_died_is_not_taken_for_an_answer() {
        let directory = tempfile::tempdir().unwrap();
        let options =
            SqliteConnectOptions::new().filename(directory.path().join("db")).create_if_missing(true);
        let mut one = SqliteConnection::connect_with(&options).await.unwrap();
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        one.script("CREATE TABLE t (a text); INSERT INTO t VALUES ('x')").await.unwrap();
        for _ in 0..3 {
            assert_eq!(one.rows("SELECT * FROM t", &[]).await.unwrap().len(), 1);
        }
        other.script("ALTER TABLE t ADD COLUMN b text NOT NULL DEFAULT 'y'").await.unwrap();
        assert!(matches!(one.rows("SELECT * FROM t", &[]).await, Err(Error::WorkerCrashed)));
    }
}

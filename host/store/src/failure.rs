//! What can go wrong with an operation, before it is told.

use remuda_core::{Fault, Kind};
use sqlx::error::ErrorKind;

/// Why an operation did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For a reason that its caller is told.
    Told(Fault),
    /// The database said no.
    Database(sqlx::Error),
    /// Another transaction was faster: asked again, it finds what that one did.
    Again(sqlx::Error),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Told(fault)
    }
}

impl From<sqlx::Error> for Failure {
    /// A thing that is referred to and is not there, too, was there when the transaction looked.
    fn from(error: sqlx::Error) -> Self {
        let lost = |inner| code(inner).is_some_and(|code| LOST_RACES.contains(&code.as_str()));
        if is_dangling(&error) || error.as_database_error().is_some_and(lost) {
            Self::Again(error)
        } else {
            Self::Database(error)
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Told(fault) => fault,
            Failure::Again(error) => unavailable(error),
            Failure::Database(error) if is_passing(&error) => unavailable(error),
            Failure::Database(error) => Fault::internal(error),
        }
    }
}

/// What an operation is told that the database did not do.
pub(crate) fn unavailable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::service(Kind::Unavailable, "the database is not available").caused_by(why)
}

/// A name or source that is taken.
pub(crate) fn conflict(message: &'static str) -> Failure {
    Failure::Told(Fault::user(Kind::Conflict, message))
}

/// As the conversion, but a broken uniqueness is the conflict that `message` tells of.
pub(crate) fn or_conflict(message: &'static str) -> impl FnOnce(sqlx::Error) -> Failure {
    move |error| if is_taken(&error) { conflict(message) } else { error.into() }
}

/// As the conversion, but a broken uniqueness is found by asking again.
pub(crate) fn or_again(error: sqlx::Error) -> Failure {
    if is_taken(&error) { Failure::Again(error) } else { error.into() }
}

/// Whether it says that what is referred to is not there.
pub(crate) fn is_dangling(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|inner| inner.kind() == ErrorKind::ForeignKeyViolation)
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|inner| inner.is_unique_violation())
}

/// Deadlocks and the like, by which the whole transaction is undone: PostgreSQL's states, MySQL's numbers.
const LOST_RACES: [&str; 6] = ["40001", "40P01", "55P03", "1213", "1205", "1020"];
/// What ends by itself, or when an operator frees room, by MySQL's numbers: too many connections, shutting down, killed,
/// read only (a replica that was or will be the primary), no room.
const PASSING_MYSQL: [&str; 10] =
    ["1040", "1053", "1203", "1290", "1792", "1836", "1927", "1021", "1114", "3024"];
/// The same for PostgreSQL, by the beginnings of its states: connection, resources, shutting down, read only, timeout,
/// system.
const PASSING_POSTGRES: [&str; 6] = ["08", "53", "57P", "25006", "57014", "58"];
/// And for SQLite: busy, locked, read only, input or output, full, cannot be opened.
const PASSING_SQLITE: [u32; 6] = [5, 6, 8, 10, 13, 14];

/// The number that MySQL says, otherwise the code.
fn code(error: &dyn sqlx::error::DatabaseError) -> Option<String> {
    match error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        Some(mysql) => Some(mysql.number().to_string()),
        None => error.code().map(|code| code.into_owned()),
    }
}

/// Whether trying later may help.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    use sqlx::Error;
    match error {
        Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::BeginFailed => true,
        Error::Database(inner) => {
            let Some(code) = code(inner.as_ref()) else { return false };
            if inner.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some() {
                return PASSING_MYSQL.contains(&code.as_str());
            }
            if inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                return PASSING_POSTGRES.iter().any(|start| code.starts_with(start));
            }
            code.parse::<u32>().is_ok_and(|code| PASSING_SQLITE.contains(&(code & 0xff)))
        }
        _ => false,
    }
}

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

impl Failure {
    /// Whether the connection that it happened on is of no more use.
    pub(crate) fn spoils_connection(&self) -> bool {
        match self {
            Self::Told(_) => false,
            Self::Database(error) | Self::Again(error) => spoils(error),
        }
    }

    /// Whether a read that ended so may well succeed on another connection.
    pub(crate) fn was_the_connections(&self) -> bool {
        match self {
            Self::Told(_) => false,
            Self::Database(error) | Self::Again(error) => is_broken(error) || is_stale(error),
        }
    }
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
        let lost = |error: &sqlx::Error| has_code(error, &LOST_RACES);
        if is_dangling(&error) || lost(&error) || is_stale(&error) {
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

/// There is no connection, for whatever reason: who was let in once is let in again when the operator has made up their
/// mind.
pub(crate) fn away(error: sqlx::Error) -> Failure {
    Failure::Told(unavailable(error))
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

/// Deadlocks and the like, by which the whole transaction is undone, and locks that somebody holds too long: PostgreSQL's
/// states, MySQL's numbers.
const LOST_RACES: [&str; 6] = ["40001", "40P01", "55P03", "1213", "1205", "1020"];
/// What ends by itself, or when an operator changes something, by MySQL's numbers: no room, no memory, too many
/// connections or files, not let in (again), shutting down, killed, late, read only (a replica that was or will be the
/// primary), not part of its cluster.
const PASSING_MYSQL: [&str; 32] = [
    "1020", "1021", "1030", "1037", "1038", "1040", "1041", "1044", "1045", "1047", "1053", "1114", "1129",
    "1130", "1135", "1142", "1152", "1180", "1184", "1203", "1205", "1213", "1226", "1290", "1317", "1698",
    "1792", "1836", "1927", "1969", "3024", "3118",
];
/// The same for PostgreSQL, by the beginnings of its states: connection, not let in, transaction cut off, read only,
/// resources, not the right state, called off, system.
const PASSING_POSTGRES: [&str; 9] = ["08", "28", "25P03", "25006", "53", "55000", "55P03", "57", "58"];
/// And for SQLite: busy, locked, read only, input or output, full, cannot be opened.
const PASSING_SQLITE: [u32; 6] = [5, 6, 8, 10, 13, 14];
/// After which a connection is of no more use: it reaches a server that only reads now, that is not part of its cluster,
/// or that has cut it off.
const SPOILING: [&str; 9] = ["1047", "1290", "1792", "1836", "1927", "1969", "25006", "25P03", "57P01"];
/// PostgreSQL: what was prepared does not fit the tables any more, or is not there.
const STALE: [&str; 2] = ["0A000", "26000"];

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let of = |inner| code(inner).is_some_and(|code| codes.contains(&code.as_str()));
    error.as_database_error().is_some_and(of)
}

fn is_stale(error: &sqlx::Error) -> bool {
    has_code(error, &STALE)
}

/// Whether the connection ended, or is not understood any more.
fn is_broken(error: &sqlx::Error) -> bool {
    use sqlx::Error;
    matches!(error, Error::WorkerCrashed | Error::Io(_) | Error::Tls(_) | Error::Protocol(_))
        || has_code(error, &["57P01", "57P02", "1053", "1927"])
}

fn spoils(error: &sqlx::Error) -> bool {
    is_broken(error) || is_stale(error) || has_code(error, &SPOILING)
}

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
        Error::Database(inner) if inner.message().contains("not currently accepting connections") => true,
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

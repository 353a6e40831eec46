//! Where a database is, as `FN_DB_URL` says it.

mod keys;
mod mysql;
mod postgres;

use crate::Error;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

/// Where a database is. As text it says so without user and password.
#[derive(Clone)]
pub(crate) enum Place {
    /// In a file.
    File(PathBuf),
    /// In this process.
    Memory,
    /// On a PostgreSQL server.
    Postgres(PgConnectOptions),
    /// On a MySQL or MariaDB server.
    MySql(MySqlConnectOptions),
}

impl fmt::Debug for Place {
    /// Not what the driver would say: that has the password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory => f.write_str(MEMORY),
            Self::Postgres(at) => {
                let database = at.get_database().unwrap_or_default();
                match at.get_socket() {
                    Some(socket) => write!(f, "postgres://{}/{database}", socket.display()),
                    None => write!(f, "postgres://{}:{}/{database}", bracketed(at.get_host()), at.get_port()),
                }
            }
            Self::MySql(at) => {
                let database = at.get_database().unwrap_or_default();
                match at.get_socket() {
                    Some(socket) => write!(f, "mysql://unix({})/{database}", socket.display()),
                    None => write!(f, "mysql://{}:{}/{database}", bracketed(at.get_host()), at.get_port()),
                }
            }
        }
    }
}

/// A host as it stands before a port.
fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// A host as it is connected to: an address of IPv6 stands in brackets in a URL only.
fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

const MEMORY: &str = ":memory:";

/// Reads a database URL.
pub(crate) fn parse(url: &str) -> Result<Place, Error> {
    if url == MEMORY {
        return Ok(Place::Memory);
    }
    let (scheme, rest) = url.split_once("://").ok_or(Error::NoUrl)?;
    match scheme {
        "sqlite3" | "sqlite" => match rest {
            "" => Err(Error::NoPath),
            MEMORY | "/:memory:" => Ok(Place::Memory),
            path => Ok(Place::File(PathBuf::from(path))),
        },
        "postgres" | "postgresql" => postgres::parse(url).map(Place::Postgres),
        "mysql" => mysql::parse(url).map(Place::MySql),
        _ => Err(Error::Scheme { scheme: scheme.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> String {
        parse(url).unwrap().to_string()
    }

    #[test]
    fn a_file_and_the_memory_can_be_named() {
        assert_eq!(read("sqlite3:///var/lib/fn.db"), "/var/lib/fn.db");
        assert_eq!(read("sqlite3://data/fn.db"), "data/fn.db");
        for memory in [":memory:", "sqlite3://:memory:", "sqlite3:///:memory:"] {
            assert_eq!(read(memory), ":memory:");
        }
    }

    #[test]
    fn servers_can_be_named_and_are_told_without_user_and_password() {
        for (url, name) in [
            ("postgres://me:secret@h:5433/fn?sslmode=require", "postgres://h:5433/fn"),
            ("postgresql://me@h/fn", "postgres://h:5432/fn"),
            ("postgres:///fn?host=/run/postgresql&user=me", "postgres:///run/postgresql/fn"),
            ("mysql://me:secret@tcp(h:3307)/fn?parseTime=true", "mysql://h:3307/fn"),
            ("mysql://me:se/c@r(e)t?@tcp(h)/fn", "mysql://h:3306/fn"),
            ("mysql://me:secret@tcp([::1]:3307)/fn", "mysql://[::1]:3307/fn"),
            (
                "mysql://me:secret@unix(/run/mysqld/mysqld.sock)/fn",
                "mysql://unix(/run/mysqld/mysqld.sock)/fn",
            ),
            ("mysql://me:secret@h:3307/fn?ssl-mode=REQUIRED", "mysql://h:3307/fn"),
            ("mysql://me:secret@[::1]:3307/fn", "mysql://[::1]:3307/fn"),
            ("postgres://me:secret@[::1]:5433/fn", "postgres://[::1]:5433/fn"),
        ] {
            assert_eq!(read(url), name, "{url}");
            assert_eq!(format!("{:?}", parse(url).unwrap()), format!("Place({name})"));
        }
    }

    #[test]
    fn what_does_not_work_is_told_what_does_and_no_password_is_repeated() {
        for bad in ["oracle://u:secret@h/db", "fn.db", "", "sqlite3://"] {
            let sentence = parse(bad).unwrap_err().to_string();
            assert!(sentence.contains("sqlite3://"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
        for (bad, good) in [
            ("postgres://u:secret@h:port/db", "postgres://"),
            ("postgres://u:secret@h/db?sslmode=secret", "postgres://"),
            ("mysql://u:secret@tcp(h:secret)/db", "mysql://"),
            ("mysql://u:secret@tcp(h:3306)", "mysql://"),
            ("mysql://u:secret@tcp(h:3306)/", "mysql://"),
            ("mysql://u:secret@tcp(h:3306)/db?tls=secret", "mysql://"),
            ("mysql://u:secret@h:port/db", "mysql://"),
        ] {
            let sentence = parse(bad).map(|place| place.to_string()).unwrap_err().to_string();
            assert!(sentence.contains(good), "{bad}: {sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }

    #[test]
    fn settings_that_are_not_known_are_refused_by_name() {
        for (bad, key) in [
            ("postgres://u:secret@h/db?sslpassword=secret", Some("sslpassword")),
            ("postgres://u:secret@h/db?sslmode=require&tls=secret", Some("tls")),
            ("mysql://u:secret@h/db?max_statement_time=secret", Some("max_statement_time")),
            ("mysql://u:secret@tcp(h)/db?sql_mode=secret", Some("sql_mode")),
            ("mysql://u:secret@h/db?SSL-MODE=REQUIRED", Some("SSL-MODE")),
            // What stands there may be a part of a password.
            ("postgres://u:s?secret@h/db", None),
            ("postgres://u:s?secret=@h/db", None),
            ("postgres://h/db?sec%72et=1", None),
        ] {
            let sentence = parse(bad).unwrap_err().to_string();
            assert!(!sentence.contains("secret"), "{sentence}");
            if let Some(key) = key {
                assert!(sentence.contains(&format!("'{key}'")), "{bad}: {sentence}");
            }
        }
    }
}

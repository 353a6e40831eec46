//! PostgreSQL's URL.

use super::{keys, unbracketed};
use crate::Error;
use sqlx::postgres::PgConnectOptions;

/// What the driver understands.
const KNOWN: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];
/// What other drivers understand and does not matter here.
const IGNORED: [&str; 3] = ["connect_timeout", "fallback_application_name", "binary_parameters"];

/// What is wrong is not repeated: it may be the password.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    let mut wanted: Vec<String> = Vec::new();
    for (key, value) in keys::settings(url) {
        let is_servers = key == "options" || key.starts_with("options[");
        if KNOWN.contains(&key) || is_servers {
            wanted.push(format!("{key}={value}"));
        } else if !IGNORED.contains(&key) {
            return Err(keys::unknown(url, key, Error::Postgres));
        }
    }
    let (place, _) = url.split_once('?').unwrap_or((url, ""));
    let options: PgConnectOptions =
        format!("{place}?{}", wanted.join("&")).parse().map_err(|_| Error::Postgres)?;
    if options.get_database().is_none_or(str::is_empty) {
        return Err(Error::Postgres);
    }
    if options.get_socket().is_some() {
        return Ok(options);
    }
    let host = unbracketed(options.get_host()).to_owned();
    Ok(options.host(&host))
}

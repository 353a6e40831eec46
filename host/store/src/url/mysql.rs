//! MySQL's two ways to say where it is: Go's, `user:password@tcp(host:port)/database?tls=true`, which Fn documents, and
//! a URL.

use super::{keys, unbracketed};
use crate::Error;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

/// What the driver understands in a URL.
const KNOWN: [&str; 14] = [
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "charset",
    "collation",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "socket",
    "timezone",
    "time-zone",
];
/// What is about Go's own driver and its types.
const IGNORED: [&str; 23] = [
    "allowAllFiles",
    "allowCleartextPasswords",
    "allowFallbackToPlaintext",
    "allowNativePasswords",
    "allowOldPasswords",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "columnsWithAlias",
    "compress",
    "connectionAttributes",
    "interpolateParams",
    "loc",
    "maxAllowedPacket",
    "multiStatements",
    "parseTime",
    "readTimeout",
    "rejectReadOnly",
    "serverPubKey",
    "timeTruncate",
    "timeout",
    "writeTimeout",
];

/// Reads either.
pub(super) fn parse(url: &str) -> Result<MySqlConnectOptions, Error> {
    let rest = url.strip_prefix("mysql://").ok_or(Error::MySql)?;
    let options = match go(rest) {
        Some(options) => options?,
        None => as_url(url)?,
    };
    if options.get_database().is_none_or(str::is_empty) {
        return Err(Error::MySql);
    }
    // Servers do not speak TLS on a socket, and close it when asked to.
    let is_by_the_way =
        options.get_socket().is_some() && matches!(options.get_ssl_mode(), MySqlSslMode::Preferred);
    Ok(if is_by_the_way { options.ssl_mode(MySqlSslMode::Disabled) } else { options })
}

fn as_url(url: &str) -> Result<MySqlConnectOptions, Error> {
    let mut options: MySqlConnectOptions = url.parse().map_err(|_| Error::MySql)?;
    for (key, value) in keys::settings(url) {
        match key {
            "tls" => options = options.ssl_mode(tls(value)?),
            known if KNOWN.contains(&known) || IGNORED.contains(&known) => {}
            unknown => return Err(keys::unknown(url, unknown, Error::MySql)),
        }
    }
    let host = unbracketed(options.get_host()).to_owned();
    Ok(options.host(&host))
}

/// Go's way, if it is that. User and password are as they are: nothing in them is escaped, so they may contain anything
/// that the rest is recognised by, and the last place counts.
fn go(text: &str) -> Option<Result<MySqlConnectOptions, Error>> {
    let (protocol, at) = ["tcp(", "unix("]
        .into_iter()
        .filter_map(|word| place_of(text, word).map(|at| (word, at)))
        .max_by_key(|(_, at)| *at)?;
    Some(read_go(text, protocol, at))
}

/// Where `word` begins the address: at the start, or behind an `@`.
fn place_of(text: &str, word: &str) -> Option<usize> {
    match text.rfind(&format!("@{word}")) {
        Some(at) => Some(at + 1),
        None => text.starts_with(word).then_some(0),
    }
}

fn read_go(text: &str, protocol: &str, at: usize) -> Result<MySqlConnectOptions, Error> {
    let (address, rest) = text[at + protocol.len()..].split_once(')').ok_or(Error::MySql)?;
    let rest = rest.strip_prefix('/').ok_or(Error::MySql)?;
    let (database, _) = rest.split_once('?').unwrap_or((rest, ""));
    let mut options = MySqlConnectOptions::new().database(database);
    let who = text[..at].strip_suffix('@').unwrap_or_default();
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    if !user.is_empty() {
        options = options.username(user);
    }
    if !password.is_empty() {
        options = options.password(password);
    }
    options = if protocol == "unix(" { options.socket(address) } else { tcp(options, address)? };
    for (key, value) in keys::settings(rest) {
        match key {
            "tls" => options = options.ssl_mode(tls(value)?),
            "sslmode" | "ssl-mode" => options = options.ssl_mode(value.parse().map_err(|_| Error::MySql)?),
            "sslca" | "ssl-ca" => options = options.ssl_ca(value),
            known if IGNORED.contains(&known) => {}
            unknown => return Err(keys::unknown(rest, unknown, Error::MySql)),
        }
    }
    Ok(options)
}

fn tcp(options: MySqlConnectOptions, address: &str) -> Result<MySqlConnectOptions, Error> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| Error::MySql)?),
        _ => (address, 3306),
    };
    Ok(options.host(unbracketed(host)).port(port))
}

/// Go's words.
fn tls(mode: &str) -> Result<MySqlSslMode, Error> {
    match mode {
        "true" | "TRUE" | "True" | "1" => Ok(MySqlSslMode::VerifyIdentity),
        "skip-verify" => Ok(MySqlSslMode::Required),
        "preferred" => Ok(MySqlSslMode::Preferred),
        "false" | "FALSE" | "False" | "0" => Ok(MySqlSslMode::Disabled),
        _ => Err(Error::MySql),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_tls_is_wanted_can_be_said_both_ways_and_not_for_sockets() {
        for (url, mode) in [
            ("mysql://u:p@tcp(h)/db", "Preferred"),
            ("mysql://u:p@tcp(h)/db?parseTime=true&tls=true", "VerifyIdentity"),
            ("mysql://u:p@tcp(h)/db?tls=skip-verify", "Required"),
            ("mysql://u:p@tcp(h)/db?tls=false", "Disabled"),
            ("mysql://u:p@h/db?ssl-mode=VERIFY_CA", "VerifyCa"),
            ("mysql://u:p@h/db?tls=true", "VerifyIdentity"),
            ("mysql://u:p@h/db?parseTime=true&tls=skip-verify", "Required"),
            ("mysql://u:p@tcp(h)/db?ssl-mode=REQUIRED", "Required"),
            ("mysql://u:p@unix(/run/s)/db", "Disabled"),
            ("mysql://u:p@h/db?socket=/run/s", "Disabled"),
        ] {
            assert_eq!(format!("{:?}", parse(url).unwrap().get_ssl_mode()), mode, "{url}");
        }
    }
}

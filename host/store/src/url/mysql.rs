//! MySQL's two ways to say where it is: Go's, `user:password@tcp(host:port)/database?tls=true`, which Fn documents, and
//! a URL.

use crate::Error;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

/// Reads either.
pub(super) fn parse(url: &str) -> Result<MySqlConnectOptions, Error> {
    let rest = url.strip_prefix("mysql://").ok_or(Error::MySql)?;
    let options = match go(rest) {
        Some(options) => options?,
        None => url.parse().map_err(|_| Error::MySql)?,
    };
    if options.get_database().is_none_or(str::is_empty) {
        return Err(Error::MySql);
    }
    // Servers do not speak TLS on a socket, and close it when asked to.
    let is_by_the_way =
        options.get_socket().is_some() && matches!(options.get_ssl_mode(), MySqlSslMode::Preferred);
    Ok(if is_by_the_way { options.ssl_mode(MySqlSslMode::Disabled) } else { options })
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
    let (database, settings) = rest.split_once('?').unwrap_or((rest, ""));
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
    for setting in settings.split('&') {
        // The others are about Go's own types.
        if let Some(("tls", mode)) = setting.split_once('=') {
            options = options.ssl_mode(tls(mode)?);
        }
    }
    Ok(options)
}

fn tcp(options: MySqlConnectOptions, address: &str) -> Result<MySqlConnectOptions, Error> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| Error::MySql)?),
        _ => (address, 3306),
    };
    Ok(options.host(host.trim_start_matches('[').trim_end_matches(']')).port(port))
}

/// Go's words.
fn tls(mode: &str) -> Result<MySqlSslMode, Error> {
    match mode {
        "true" => Ok(MySqlSslMode::VerifyIdentity),
        "skip-verify" => Ok(MySqlSslMode::Required),
        "preferred" => Ok(MySqlSslMode::Preferred),
        "false" => Ok(MySqlSslMode::Disabled),
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
            ("mysql://u:p@unix(/run/s)/db", "Disabled"),
            ("mysql://u:p@h/db?socket=/run/s", "Disabled"),
        ] {
            assert_eq!(format!("{:?}", parse(url).unwrap().get_ssl_mode()), mode, "{url}");
        }
    }
}

//! Where a server is and how one signs in.

use std::fmt;
use std::io::Read;

/// A server's address with the account that may do everything there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    user: String,
    password: String,
    host: String,
    port: u16,
}

impl Address {
    pub(crate) fn new(scheme: &'static str, port: u16, password: String) -> Self {
        Self { scheme, user: "remuda".to_owned(), password, host: "127.0.0.1".to_owned(), port }
    }

    /// Reads `scheme://user:password@host:port/…`; what it does not read is percent-encoding.
    pub(crate) fn parse(scheme: &'static str, url: &str) -> Result<Self, String> {
        let parts = || {
            let rest = url.strip_prefix(scheme)?.strip_prefix("://")?;
            let (account, place) = rest.split_once('@')?;
            let (user, password) = account.split_once(':')?;
            let (host, port) = place.split('/').next()?.rsplit_once(':')?;
            let (user, password, host) = (user.to_owned(), password.to_owned(), host.to_owned());
            Some(Self { scheme, user, password, host, port: port.parse().ok()? })
        };
        parts()
            .ok_or_else(|| format!("a server's address must be {scheme}://user:password@host:port/database"))
    }

    /// The URL of a database on this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Self { scheme, user, password, host, port } = self;
        format!("{scheme}://{user}:{password}@{host}:{port}/{database}")
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The account's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The account's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:***@{}:{}", self.scheme, self.user, self.host, self.port)
    }
}

/// A MySQL URL as Go's driver writes it: `mysql://user:password@tcp(host:port)/database`. Other text stays as it is.
#[must_use]
pub fn go_form(url: &str) -> String {
    let parts = url.rsplit_once('@').and_then(|(account, rest)| Some((account, rest.split_once('/')?)));
    let Some((account, (place, database))) = parts else { return url.to_owned() };
    format!("{account}@tcp({place})/{database}")
}

/// Some letters and digits that nobody else has: for passwords and names of databases.
pub(crate) fn random() -> Result<String, String> {
    let mut bytes = [0_u8; 12];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A port of loopback that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, String> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no free port on loopback: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_being_written_and_read() {
        let address = Address::new("mysql", 3307, "secret".to_owned());
        assert_eq!(Address::parse("mysql", &address.url("db")).unwrap(), address);
        assert!(Address::parse("postgres", &address.url("db")).is_err());
    }

    #[test]
    fn an_address_does_not_print_its_password() {
        assert!(!format!("{:?}", Address::new("mysql", 1, "secret".to_owned())).contains("secret"));
    }

    #[test]
    fn the_go_form_puts_the_place_in_parentheses() {
        assert_eq!(go_form("mysql://a:b@127.0.0.1:33/d"), "mysql://a:b@tcp(127.0.0.1:33)/d");
    }
}

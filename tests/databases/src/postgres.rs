//! A PostgreSQL server.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Options;
use crate::address::{Address, free_port, random};
use crate::command::{find, run};
use crate::directory::{self, User};
use crate::server::{Launch, Server, as_user};

pub(crate) const SCHEME: &str = "postgres";
const PACKAGE: &str = "postgresql";
const PREPARES_WITHIN: Duration = Duration::from_secs(60);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A PostgreSQL server of its own, on loopback. Dropping it kills it and removes its data.
///
/// Its databases sort text by language (ICU, `en-US`), as most in the wild do: whoever needs names in byte order must
/// say so in the query or the schema.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    address: Address,
    // After the server, so that it is gone when its files go.
    _directory: tempfile::TempDir,
}

impl Postgres {
    /// Starts one; takes about a second.
    ///
    /// # Errors
    /// A sentence: what to install, or why it does not start.
    pub fn start(options: Options) -> Result<Self, String> {
        let user = User::for_server("postgres", PACKAGE)?;
        let directory = directory::private("postgres", user)?;
        let (launch, address) = prepare(directory.path(), user, options)?;
        let server = Server::start(launch, &|| answers(&address))?;
        Ok(Self { server, address, _directory: directory })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The URL of a database there, `postgres://user:password@127.0.0.1:port/database`; `postgres` always exists.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// Makes an empty database with a random name and returns its URL.
    ///
    /// # Errors
    /// What the server answered.
    pub fn fresh_database(&self) -> Result<String, String> {
        fresh_database(&self.address)
    }

    /// Runs SQL in a database as its superuser, and returns the rows as text: a line for each, columns split by `|`.
    ///
    /// # Errors
    /// What the server answered.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, String> {
        execute(&self.address, database, sql)
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// What it has logged since it was last started.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Kills it (SIGKILL): its connections break. Its data stays.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Stops it in good order ("fast": open transactions are rolled back). Its data stays.
    ///
    /// # Errors
    /// When it does not end within half a minute; it is killed then.
    pub fn stop(&mut self) -> Result<(), String> {
        self.server.stop()
    }

    /// Starts it again, on the same port and data.
    ///
    /// # Errors
    /// A sentence with the end of its log.
    pub fn start_again(&mut self) -> Result<(), String> {
        let address = &self.address;
        self.server.start_again(&|| answers(address))
    }
}

/// Makes the data directory and says how to run a server on it.
pub(crate) fn prepare(directory: &Path, user: User, options: Options) -> Result<(Launch, Address), String> {
    let program = find("postgres", &programs(), PACKAGE)?;
    let address = Address::new(SCHEME, free_port()?, random()?);
    let data = directory.join("data");
    initialise(directory, &data, user, &address)?;
    let mut arguments: Vec<String> = vec!["-D".to_owned(), data.to_string_lossy().into_owned()];
    let mut set = |name: &str, value: &str| arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    set("listen_addresses", "127.0.0.1");
    set("port", &address.port().to_string());
    set("unix_socket_directories", &directory.to_string_lossy());
    // Tests of a whole run share one server, each with pools of its own.
    set("max_connections", "300");
    set("shared_buffers", "64MB");
    if !options.durable {
        ["fsync", "synchronous_commit", "full_page_writes"].into_iter().for_each(|name| set(name, "off"));
    }
    let log = directory.join("log");
    // SIGINT is the "fast" stop; SIGTERM would wait until every client has gone, and SIGQUIT waits for nothing but the
    // server's own children.
    Ok((Launch { program, arguments, user, log, stop_signal: "INT", end_signal: "QUIT" }, address))
}

fn initialise(directory: &Path, data: &Path, user: User, address: &Address) -> Result<(), String> {
    let secret = directory.join("password");
    let write = |error| format!("{}: {error}", secret.display());
    let mut file = std::fs::File::create(&secret).map_err(write)?;
    file.write_all(address.password().as_bytes()).map_err(write)?;
    std::os::unix::fs::chown(&secret, Some(user.id), Some(user.group)).map_err(write)?;
    let mut command = Command::new("setpriv");
    command.args(as_user(user)).arg("--").arg(find("initdb", &programs(), PACKAGE)?);
    command.arg("-D").arg(data).arg("--pwfile").arg(&secret).args([
        "-U",
        address.user(),
        "--auth=scram-sha-256",
    ]);
    command.args(["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]);
    // The server syncs what it writes itself; an initdb that is cut short is not used by anyone.
    command.arg("--no-sync").current_dir("/");
    run(&mut command, PREPARES_WITHIN).map(drop)
}

/// Debian keeps each version in a directory of its own; the newest is taken.
fn programs() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    versions.into_iter().map(|version| version.join("bin")).collect()
}

pub(crate) fn answers(address: &Address) -> Result<(), String> {
    std::net::TcpStream::connect((address.host(), address.port())).map_err(|error| error.to_string())?;
    execute(address, "postgres", "SELECT 1").map(drop)
}

pub(crate) fn fresh_database(address: &Address) -> Result<String, String> {
    let name = format!("test_{}", random()?);
    execute(address, "postgres", &format!("CREATE DATABASE {name}"))?;
    Ok(address.url(&name))
}

pub(crate) fn execute(address: &Address, database: &str, sql: &str) -> Result<String, String> {
    let mut command = Command::new(find("psql", &programs(), "postgresql-client")?);
    command.env("PGPASSWORD", address.password()).env("PGCONNECT_TIMEOUT", "10").current_dir("/");
    command.args([
        "-h",
        address.host(),
        "-p",
        &address.port().to_string(),
        "-U",
        address.user(),
        "-d",
        database,
    ]);
    command.args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    run(&mut command, ANSWERS_WITHIN)
}

//! A MariaDB server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Options;
use crate::address::{Address, free_port, go_form, random};
use crate::command::{find, run};
use crate::directory::{self, User};
use crate::server::{Launch, Server, as_user};

pub(crate) const SCHEME: &str = "mysql";
const PACKAGE: &str = "mariadb-server";
const PREPARES_WITHIN: Duration = Duration::from_secs(60);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A MariaDB server of its own, on loopback. Dropping it kills it and removes its data.
///
/// Its databases compare text without case (Debian's default, `utf8mb4_general_ci`), as most in the wild do: whoever
/// needs names in byte order must say so in the schema.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    address: Address,
    // After the server, so that it is gone when its files go.
    _directory: tempfile::TempDir,
}

impl MariaDb {
    /// Starts one; takes about a second.
    ///
    /// # Errors
    /// A sentence: what to install, or why it does not start.
    pub fn start(options: Options) -> Result<Self, String> {
        let user = User::for_server("mysql", PACKAGE)?;
        let directory = directory::private("mariadb", user)?;
        let (launch, address) = prepare(directory.path(), user, options)?;
        let server = Server::start(launch, &|| answers(&address))?;
        Ok(Self { server, address, _directory: directory })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The URL of a database there, `mysql://user:password@127.0.0.1:port/database`; `mysql` always exists.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// The same as Go's driver writes it, `mysql://user:password@tcp(127.0.0.1:port)/database`.
    #[must_use]
    pub fn go_url(&self, database: &str) -> String {
        go_form(&self.url(database))
    }

    /// Makes an empty database with a random name and returns its URL; [`go_form`] turns it into Go's.
    ///
    /// # Errors
    /// What the server answered.
    pub fn fresh_database(&self) -> Result<String, String> {
        fresh_database(&self.address)
    }

    /// Runs SQL in a database with all rights, and returns the rows as text: a line for each, columns split by tabs.
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

    /// Stops it in good order. Its data stays.
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
    let program = find("mariadbd", &system_directories(), PACKAGE)?;
    let address = Address::new(SCHEME, free_port()?, random()?);
    let data = directory.join("data");
    // MariaDB removes what looks like abandoned temporary tables from its temporary directory when it starts: in /tmp
    // these could be those of another server that is just starting.
    let temporary = directory.join("tmp");
    initialise(&data, &temporary, user)?;
    let account = directory.join("account.sql");
    write_account(&account, user, &address)?;
    let path = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let mut arguments = vec!["--no-defaults".to_owned(), path("datadir", &data), path("init-file", &account)];
    arguments.push(path("tmpdir", &temporary));
    arguments.push(path("socket", &directory.join("socket")));
    arguments.push(path("pid-file", &directory.join("pid")));
    arguments.push(format!("--port={}", address.port()));
    let rest = [
        "bind-address=127.0.0.1",
        "skip-name-resolve",
        // Debian's own, which its configuration files would set.
        "character-set-server=utf8mb4",
        "collation-server=utf8mb4_general_ci",
        "max-connections=300",
        "innodb-buffer-pool-size=64M",
        "innodb-log-file-size=16M",
    ];
    arguments.extend(rest.map(|option| format!("--{option}")));
    if !options.durable {
        let fast = ["innodb-flush-method=nosync", "innodb-flush-log-at-trx-commit=2", "innodb-doublewrite=0"];
        arguments.extend(fast.map(|option| format!("--{option}")));
    }
    let log = directory.join("log");
    Ok((Launch { program, arguments, user, log, stop_signal: "TERM", end_signal: "KILL" }, address))
}

fn initialise(data: &Path, temporary: &Path, user: User) -> Result<(), String> {
    for made in [data, temporary] {
        std::fs::create_dir(made).map_err(|error| format!("{}: {error}", made.display()))?;
        directory::give(made, user)?;
    }
    let mut command = Command::new("setpriv");
    command.args(as_user(user)).arg("--").arg(find("mariadb-install-db", &system_directories(), PACKAGE)?);
    command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).arg("--skip-test-db");
    command.args(["--auth-root-authentication-method=normal", "--skip-name-resolve"]);
    command
        .arg(format!("--tmpdir={}", temporary.display()))
        .arg("--innodb-log-file-size=16M")
        .current_dir("/");
    run(&mut command, PREPARES_WITHIN).map(drop)
}

/// SQL that the server runs at every start: our account, and none that needs no password.
fn write_account(file: &Path, user: User, address: &Address) -> Result<(), String> {
    let (name, password) = (address.user(), address.password());
    // The server reads one statement a line.
    let sql = format!(
        "CREATE USER IF NOT EXISTS '{name}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO '{name}'@'127.0.0.1' WITH GRANT OPTION;\n\
         ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n\
         DROP USER IF EXISTS ''@'localhost', 'root'@'127.0.0.1', 'root'@'::1';\n"
    );
    std::fs::write(file, sql)
        .and_then(|()| std::os::unix::fs::chown(file, Some(user.id), Some(user.group)))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn system_directories() -> Vec<PathBuf> {
    ["/usr/sbin", "/usr/bin"].map(PathBuf::from).into()
}

pub(crate) fn answers(address: &Address) -> Result<(), String> {
    std::net::TcpStream::connect((address.host(), address.port())).map_err(|error| error.to_string())?;
    execute(address, "mysql", "SELECT 1").map(drop)
}

pub(crate) fn fresh_database(address: &Address) -> Result<String, String> {
    let name = format!("test_{}", random()?);
    execute(address, "mysql", &format!("CREATE DATABASE {name}"))?;
    Ok(address.url(&name))
}

pub(crate) fn execute(address: &Address, database: &str, sql: &str) -> Result<String, String> {
    let mut command = Command::new(find("mariadb", &system_directories(), "mariadb-client")?);
    command.arg("--no-defaults").env("MYSQL_PWD", address.password()).current_dir("/");
    command.args(["--protocol=tcp", "--connect-timeout=10", "-h", address.host(), "-u", address.user()]);
    command.args([
        "-P",
        &address.port().to_string(),
        "-D",
        database,
        "--batch",
        "--skip-column-names",
        "-e",
        sql,
    ]);
    run(&mut command, ANSWERS_WITHIN)
}

//! One server for all tests of a run. Tests run in processes of their own, at the same time, so it is found through
//! the environment or the file system.
//!
//! - `cargo xtask test` starts the servers before the tests and names them in [`POSTGRES_VARIABLE`] and
//!   [`MARIADB_VARIABLE`].
//! - Without the variable the first process that needs a server starts one, under a small shell script that ends it
//!   half a minute after its last user has gone. `/tmp/remuda-databases-<uid>` tells the others where it is.
//!
//! Nobody may stop or kill a shared server: whoever wants that starts a [`crate::Postgres`] or [`crate::MariaDb`].

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::command::LOOK_EVERY;
use crate::directory::{self, User};
use crate::server::{Launch, failure, read};
use crate::{Address, Options, mariadb, postgres};

/// Names the PostgreSQL server of a run: `postgres://user:password@host:port/postgres`.
pub const POSTGRES_VARIABLE: &str = "REMUDA_TEST_POSTGRES_URL";
/// Names the MariaDB server of a run: `mysql://user:password@host:port/mysql`.
pub const MARIADB_VARIABLE: &str = "REMUDA_TEST_MARIADB_URL";

const SERVES_WITHIN: Duration = Duration::from_secs(60);
const SUPERVISE: &str = include_str!("shared/supervise.sh");

/// A server that others use at the same time.
#[derive(Debug)]
pub struct Server {
    kind: &'static Kind,
    address: Address,
    /// Locked while this process may use the server; the supervisor looks at it.
    _in_use: Option<File>,
}

impl Server {
    /// Makes an empty database with a random name and returns its URL.
    ///
    /// # Errors
    /// What the server answered.
    pub fn fresh_database(&self) -> Result<String, String> {
        (self.kind.fresh_database)(&self.address)
    }

    /// Runs SQL in a database with all rights, and returns the rows as text, a line for each.
    ///
    /// # Errors
    /// What the server answered.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, String> {
        (self.kind.execute)(&self.address, database, sql)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// The PostgreSQL server of this run; the first call of a process may take a second.
///
/// # Errors
/// A sentence: what to install, or why it does not start.
pub fn postgres() -> Result<&'static Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(|| find_or_start(&POSTGRES, &home()?)).as_ref().map_err(Clone::clone)
}

/// The MariaDB server of this run; the first call of a process may take a second.
///
/// # Errors
/// A sentence: what to install, or why it does not start.
pub fn mariadb() -> Result<&'static Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(|| find_or_start(&MARIADB, &home()?)).as_ref().map_err(Clone::clone)
}

type Prepare = fn(&Path, User, Options) -> Result<(Launch, Address), String>;

/// What differs between the two kinds of server.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    scheme: &'static str,
    variable: &'static str,
    user: fn() -> Result<User, String>,
    prepare: Prepare,
    answers: fn(&Address) -> Result<(), String>,
    fresh_database: fn(&Address) -> Result<String, String>,
    execute: fn(&Address, &str, &str) -> Result<String, String>,
}

static POSTGRES: Kind = Kind {
    name: "postgres",
    scheme: postgres::SCHEME,
    variable: POSTGRES_VARIABLE,
    user: || User::for_server("postgres", "postgresql"),
    prepare: postgres::prepare,
    answers: postgres::answers,
    fresh_database: postgres::fresh_database,
    execute: postgres::execute,
};

static MARIADB: Kind = Kind {
    name: "mariadb",
    scheme: mariadb::SCHEME,
    variable: MARIADB_VARIABLE,
    user: || User::for_server("mysql", "mariadb-server"),
    prepare: mariadb::prepare,
    answers: mariadb::answers,
    fresh_database: mariadb::fresh_database,
    execute: mariadb::execute,
};

fn find_or_start(kind: &'static Kind, home: &Path) -> Result<Server, String> {
    if let Some(url) = std::env::var(kind.variable).ok().filter(|url| !url.is_empty()) {
        let address = Address::parse(kind.scheme, &url).map_err(|why| format!("{}: {why}", kind.variable))?;
        return Ok(Server { kind, address, _in_use: None });
    }
    let lock = open(&home.join(format!("{}.lock", kind.name)))?;
    // Until the end of this function: nobody else starts a server, and no supervisor decides to end one.
    lock.lock().map_err(|error| format!("cannot lock {} for {}: {error}", home.display(), kind.name))?;
    let state = home.join(format!("{}.state", kind.name));
    if let Some(running) = running(kind, &state) {
        return Ok(running);
    }
    start(kind, home, &state)
}

/// The server that the state file tells of, if it answers.
fn running(kind: &'static Kind, state: &Path) -> Option<Server> {
    let text = std::fs::read_to_string(state).ok()?;
    let (directory, url) = text.trim().split_once('\n')?;
    let address = Address::parse(kind.scheme, url).ok()?;
    (kind.answers)(&address).ok()?;
    let in_use = use_lock(Path::new(directory)).ok()?;
    Some(Server { kind, address, _in_use: Some(in_use) })
}

fn start(kind: &'static Kind, home: &Path, state: &Path) -> Result<Server, String> {
    let user = (kind.user)()?;
    remove_abandoned(kind, home);
    let directory = tempfile::Builder::new().prefix(kind.name).tempdir_in(home);
    let directory = directory.map_err(|error| format!("{}: {error}", home.display()))?;
    directory::give(directory.path(), user)?;
    let (launch, address) = (kind.prepare)(directory.path(), user, Options::fast())?;
    let in_use = use_lock(directory.path())?;
    let place = directory.path().display();
    let text = format!("{place}\n{}\n", address.url(kind.scheme));
    // It holds the password.
    drop(std::fs::remove_file(state));
    let file = File::options().create_new(true).write(true).mode(0o600).open(state);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", state.display()))?;
    supervise(kind, home, directory.path(), &launch)?;
    let deadline = Instant::now() + SERVES_WITHIN;
    while let Err(why) = (kind.answers)(&address) {
        if Instant::now() >= deadline {
            let what = format!("does not serve: {why}");
            return Err(failure(&launch.program, &what, &read(&launch.log)));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // From here on the supervisor removes it.
    drop(directory.keep());
    Ok(Server { kind, address, _in_use: Some(in_use) })
}

/// What is left of servers whose supervisor was killed: nobody uses them.
fn remove_abandoned(kind: &Kind, home: &Path) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let directory = entry.path();
        let is_ours = directory.is_dir() && entry.file_name().to_string_lossy().starts_with(kind.name);
        let is_unused = || File::open(directory.join("users")).map_or(true, |users| users.try_lock().is_ok());
        if is_ours && is_unused() {
            drop(std::fs::remove_dir_all(&directory));
        }
    }
}

/// Starts the server under its supervisor, which belongs to no test: in a session of its own, with no file of ours.
fn supervise(kind: &Kind, home: &Path, directory: &Path, launch: &Launch) -> Result<(), String> {
    let mut command = Command::new("setsid");
    command.args(["--fork", "sh", "-c", SUPERVISE, "remuda-database", kind.name]);
    command.arg(home).arg(directory).args(launch.words());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    let status = command.status().map_err(|error| format!("cannot start `setsid`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("setsid failed ({status})")) }
}

/// Says that this process uses the server, until the value is dropped or the process ends.
fn use_lock(directory: &Path) -> Result<File, String> {
    let path = directory.join("users");
    let file = open(&path)?;
    file.lock_shared().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, String> {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true);
    options.open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where the shared servers of this user are. Servers run as users of their own and must reach their directories.
fn home() -> Result<PathBuf, String> {
    let ours = directory::ours()?;
    let home = std::env::temp_dir().join(format!("remuda-databases-{}", ours.id));
    let name = home.display().to_string();
    match std::fs::DirBuilder::new().mode(0o711).create(&home) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(format!("{name}: {error}"));
        }
        _ => {}
    }
    let found = std::fs::symlink_metadata(&home).map_err(|error| format!("{name}: {error}"))?;
    if found.is_dir() && found.uid() == ours.id {
        return Ok(home);
    }
    Err(format!("{name} is not a directory of ours: remove it"))
}

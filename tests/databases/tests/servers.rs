//! Real servers are started, used, killed, and started again.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use remuda_test_databases::{MariaDb, Options, Postgres, go_form, shared};

fn process_exists(pid: u32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn postgres_keeps_its_port_and_its_data_over_a_kill() {
    let mut server = Postgres::start(Options::default()).unwrap();
    let url = server.fresh_database().unwrap();
    let (_, database) = url.rsplit_once('/').unwrap();
    assert_eq!(url, server.url(database));
    server.execute(database, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").unwrap();
    let first = server.pid().unwrap();
    server.kill();
    assert!(!process_exists(first));
    assert!(server.execute(database, "SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(server.execute(database, "SELECT id FROM kept").unwrap(), "7");
    server.stop().unwrap();
    assert!(server.pid().is_none());
    server.start_again().unwrap();
    assert_eq!(server.execute(database, "SHOW fsync").unwrap(), "on");
    let last = server.pid().unwrap();
    drop(server);
    assert!(!process_exists(last));
}

#[test]
fn mariadb_keeps_its_port_and_its_data_over_a_kill() {
    let mut server = MariaDb::start(Options::default()).unwrap();
    let url = server.fresh_database().unwrap();
    let (_, database) = url.rsplit_once('/').unwrap();
    assert_eq!(go_form(&url), server.go_url(database));
    server.execute(database, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)").unwrap();
    let first = server.pid().unwrap();
    server.kill();
    assert!(!process_exists(first));
    assert!(server.execute(database, "SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(server.execute(database, "SELECT id FROM kept").unwrap(), "7");
    server.stop().unwrap();
    assert!(server.pid().is_none());
    server.start_again().unwrap();
    assert_eq!(server.execute(database, "SELECT @@innodb_flush_log_at_trx_commit").unwrap(), "1");
    let last = server.pid().unwrap();
    drop(server);
    assert!(!process_exists(last));
}

#[test]
fn postgres_lets_nobody_in_without_the_password() {
    let server = Postgres::start(Options::fast()).unwrap();
    let port = server.address().port().to_string();
    let attempt = Command::new("psql")
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "remuda", "-d", "postgres", "-w", "-c", "SELECT 1"])
        .output()
        .unwrap();
    assert!(!attempt.status.success());
}

#[test]
fn mariadb_lets_nobody_in_without_the_password() {
    let server = MariaDb::start(Options::fast()).unwrap();
    let port = server.address().port().to_string();
    for user in ["remuda", "root", ""] {
        let attempt = Command::new("mariadb")
            .args(["--no-defaults", "-h", "127.0.0.1", "-P", &port, "-u", user, "-e", "SELECT 1"])
            .output()
            .unwrap();
        assert!(!attempt.status.success(), "{user:?} got in");
    }
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let server = std::thread::spawn(|| Postgres::start(Options::fast()).unwrap()).join().unwrap();
    assert_eq!(server.execute("postgres", "SELECT 1").unwrap(), "1");
}

/// Set in the process that is killed.
const INNER: &str = "REMUDA_TEST_DATABASES_INNER";

#[test]
fn servers_die_with_the_process_that_started_them() {
    if std::env::var_os(INNER).is_some() {
        let postgres = Postgres::start(Options::fast()).unwrap();
        let mariadb = MariaDb::start(Options::fast()).unwrap();
        println!("\nservers {} {}", postgres.pid().unwrap(), mariadb.pid().unwrap());
        loop {
            std::thread::park();
        }
    }
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers_die_with_the_process_that_started_them", "--nocapture"])
        .env(INNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(inner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.starts_with("servers ")).unwrap();
    let pids: Vec<u32> = line.split(' ').skip(1).map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| process_exists(*pid)), "{pids:?}");
    inner.kill().unwrap();
    inner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| process_exists(*pid)) {
        assert!(Instant::now() < deadline, "{pids:?} live on");
        std::thread::sleep(Duration::from_millis(10));
    }
    let left_behind = || {
        let names = std::fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().file_name());
        let prefix = format!("remuda-{}-", inner.id());
        names.filter(|name| name.to_string_lossy().starts_with(&prefix)).count()
    };
    assert_eq!(left_behind(), 2, "a killed process cannot clean up");
    drop(Postgres::start(Options::fast()).unwrap());
    assert_eq!(left_behind(), 0, "the next one does it");
}

#[test]
fn the_shared_postgres_gives_each_test_a_database_of_its_own() {
    let server = shared::postgres().unwrap();
    let (first, second) = (server.fresh_database().unwrap(), server.fresh_database().unwrap());
    assert_ne!(first, second);
    assert!(first.starts_with("postgres://"), "{first}");
    assert_eq!(server.execute(first.rsplit_once('/').unwrap().1, "SELECT 1").unwrap(), "1");
}

#[test]
fn the_shared_mariadb_gives_each_test_a_database_of_its_own() {
    let server = shared::mariadb().unwrap();
    let (first, second) = (server.fresh_database().unwrap(), server.fresh_database().unwrap());
    assert_ne!(first, second);
    assert!(first.starts_with("mysql://"), "{first}");
    assert_eq!(server.execute(first.rsplit_once('/').unwrap().1, "SELECT 1").unwrap(), "1");
}

#[test]
fn the_shared_servers_go_when_their_last_user_has_gone() {
    let parent = tempfile::Builder::new().permissions(Permissions::from_mode(0o711)).tempdir().unwrap();
    for kind in ["postgres", "mariadb"] {
        let user = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("the_shared_{kind}_gives_each_test_a_database_of_its_own")])
            .env("TMPDIR", parent.path())
            .env("REMUDA_TEST_DATABASE_IDLE_SECONDS", "1")
            .env_remove(shared::POSTGRES_VARIABLE)
            .env_remove(shared::MARIADB_VARIABLE)
            .output()
            .unwrap();
        assert!(user.status.success(), "{}", String::from_utf8_lossy(&user.stdout));
    }
    let home = std::fs::read_dir(parent.path()).unwrap().next().unwrap().unwrap().path();
    let left = || {
        let names = std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| !name.to_string_lossy().ends_with(".lock")).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !left().is_empty() {
        assert!(Instant::now() < deadline, "{:?} are still there", left());
        std::thread::sleep(Duration::from_millis(50));
    }
}

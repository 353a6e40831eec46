//! A function for tests and measurements: it reports all that it was given, and does what a header asks of it.
//!
//! It speaks Fn's http-stream contract by hand, on the standard library alone, so that a static build of it is a
//! whole image `FROM scratch`: build it with `RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols"`, `--release`,
//! `--target x86_64-unknown-linux-gnu` and a target directory of its own (1.3 MB). What it does is chosen by the call's `Probe-Do` header (through a trigger:
//! `Fn-Http-H-Probe-Do`), see [`wish::Wish`]; how it starts is chosen by the variable `PROBE_INIT`:
//!
//! | `PROBE_INIT` | start |
//! |---|---|
//! | unset | listens at once |
//! | `never` | never listens |
//! | `late:<ms>` | listens after that many milliseconds |
//! | `exit` | ends with status 7 before it listens |
//! | `bad-symlink` | links its socket by an absolute path, which the contract forbids |

mod answer;
mod http;
mod report;
mod wish;

use std::env;
use std::fs;
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// What the socket really is called; the contract's name links to it once it can be used.
const PHONY: &str = "phonylsnr.sock";
/// Large enough that a big body costs few system calls.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// How to start.
enum Init {
    Listen,
    Never,
    Late(Duration),
    Exit,
    BadSymlink,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            complain(&why);
            ExitCode::from(2)
        }
    }
}

/// Says what went wrong, to whoever may be listening.
fn complain(why: &str) {
    let _ = writeln!(io::stderr(), "probe: {why}");
}

fn run() -> Result<ExitCode, String> {
    let path = listener_path()?;
    match init()? {
        Init::Listen => {}
        Init::Never => loop {
            thread::park();
        },
        Init::Late(wait) => thread::sleep(wait),
        Init::Exit => return Ok(ExitCode::from(7)),
        Init::BadSymlink => {
            let listener = bind(&path, true).map_err(|why| format!("cannot listen: {why}"))?;
            return serve(&listener);
        }
    }
    let listener = bind(&path, false).map_err(|why| format!("cannot listen: {why}"))?;
    serve(&listener)
}

fn listener_path() -> Result<PathBuf, String> {
    let format = env::var("FN_FORMAT").unwrap_or_default();
    if format != "http-stream" {
        return Err(format!("FN_FORMAT is '{format}', not 'http-stream'"));
    }
    let listener = env::var("FN_LISTENER").map_err(|_| "FN_LISTENER is not set".to_owned())?;
    match listener.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(format!("FN_LISTENER is '{listener}', not unix:/<path>")),
    }
}

fn init() -> Result<Init, String> {
    let text = env::var("PROBE_INIT").unwrap_or_default();
    match text.split_once(':').unwrap_or((&text, "")) {
        ("", _) => Ok(Init::Listen),
        ("never", _) => Ok(Init::Never),
        ("late", ms) => {
            let ms =
                ms.parse().map_err(|_| format!("PROBE_INIT=late:{ms} is not a number of milliseconds"))?;
            Ok(Init::Late(Duration::from_millis(ms)))
        }
        ("exit", _) => Ok(Init::Exit),
        ("bad-symlink", _) => Ok(Init::BadSymlink),
        _ => Err(format!("PROBE_INIT={text} is not known")),
    }
}

/// Binds next to `path`, opens the socket to everyone, and only then links `path` to it: the link is what says
/// that the function is ready.
fn bind(path: &Path, absolute: bool) -> io::Result<UnixListener> {
    let phony = path.with_file_name(PHONY);
    let listener = UnixListener::bind(&phony)?;
    fs::set_permissions(&phony, fs::Permissions::from_mode(0o666))?;
    let points_at = if absolute { phony.as_path() } else { Path::new(PHONY) };
    symlink(points_at, path)?;
    Ok(listener)
}

/// A thread a connection: the platform keeps one open at a time, but may open the next while the last is closing.
fn serve(listener: &UnixListener) -> Result<ExitCode, String> {
    loop {
        let (connection, _) = listener.accept().map_err(|why| format!("cannot accept: {why}"))?;
        thread::Builder::new()
            .name("connection".into())
            .spawn(move || {
                if let Err(why) = converse(&connection) {
                    complain(&format!("connection ended: {why}"));
                }
            })
            .map_err(|why| format!("cannot start a thread: {why}"))?;
    }
}

/// Answers calls on one connection until the other side closes it.
fn converse(connection: &UnixStream) -> io::Result<()> {
    let mut input = BufReader::with_capacity(READ_BUFFER_BYTES, connection);
    while let Some(head) = http::read_head(&mut input)? {
        let body = http::Body::of(&head, &mut input)?;
        if !answer::answer(&head, body, connection)? {
            break;
        }
    }
    Ok(())
}

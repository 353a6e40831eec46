//! The command line, as a value: the binary `remuda-compat` and `cargo xtask compat` are the same thing.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::{Report, Scenario, Target, fn_v2, load, read, replay_all};

/// Which server, and which scenarios.
#[derive(Args)]
pub struct Arguments {
    /// Base address of the management API or the full node, `http://127.0.0.1:8080`.
    #[arg(long)]
    api: String,
    /// Base address of the load balancer, where that is another node.
    #[arg(long)]
    lb: Option<String>,
    /// Bearer token to send, of an admin; `FN_TOKEN` names it too, as for the CLI.
    #[arg(long)]
    token: Option<String>,
    /// A function image that the server can run; without it the scenarios that call a function are left out.
    #[arg(long)]
    image: Option<String>,
    /// File with the certificates to trust for https.
    #[arg(long)]
    authority: Option<PathBuf>,
    /// Take our own answers only: where we chose to differ, the original's are accepted otherwise.
    #[arg(long)]
    strict: bool,
    /// Files, directories, or parts of the names of scenarios; all of fn_v2 when there is none.
    scenarios: Vec<String>,
}

impl fmt::Debug for Arguments {
    /// Without the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Arguments").field("api", &self.api).finish_non_exhaustive()
    }
}

/// Plays what was asked for.
///
/// # Errors
/// When a scenario cannot be read, or there is none of that name.
pub async fn run(arguments: Arguments) -> Result<Report, String> {
    let scenarios = choose(&arguments.scenarios)?;
    let target = Target {
        api: arguments.api,
        lb: arguments.lb,
        token: arguments.token.or_else(|| std::env::var("FN_TOKEN").ok()).filter(|token| !token.is_empty()),
        image: arguments.image,
        authority: arguments.authority,
        strict: arguments.strict,
    };
    replay_all(&target, &scenarios).await
}

fn choose(wanted: &[String]) -> Result<Vec<Scenario>, String> {
    let ours = fn_v2();
    if wanted.is_empty() {
        return load(&ours);
    }
    let mut chosen = Vec::new();
    for word in wanted {
        let path = Path::new(word);
        if path.is_dir() {
            chosen.extend(load(path)?);
        } else if path.is_file() {
            chosen.push(read(path)?);
        } else {
            let found: Vec<_> =
                load(&ours)?.into_iter().filter(|one| one.name.contains(word.as_str())).collect();
            if found.is_empty() {
                return Err(format!("{word:?} is no file, no directory, and in the name of no scenario"));
            }
            chosen.extend(found);
        }
    }
    Ok(chosen)
}

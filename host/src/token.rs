//! `remuda token`: bearer tokens for the management API and for calls, made, listed and revoked in the database.

use crate::config::database_url;
use crate::env::{self, Api, Reader};
use crate::{Failure, wiring};
use clap::{Args, Subcommand};
use remuda_core::access::{Bearer, MAX_APPS, Role, Token};
use remuda_core::port::TokenStore;
use remuda_core::{AppSet, Fault, IdSource, Timestamp, TokenId};
use std::time::{Duration, SystemTime};

/// What to do with tokens. The database is the API nodes': FN_DB_URL, or FN_STATE_DIR where that is unset.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Makes a token and prints it: the only time that it can be seen.
    Create(Create),
    /// Lists the tokens, without their secrets.
    List,
    /// Revokes a token; nodes refuse it within a second.
    Revoke {
        /// The token's id: what stands between the first and the second `_` of the token.
        id: String,
    },
}

/// A token to be made.
#[derive(Args, Debug)]
pub struct Create {
    /// What its holder may do: invoker (call functions), deployer (also change apps, functions and triggers), admin
    /// (also pin LB groups; for all apps, also keep the list of groups).
    #[arg(long, value_parser = role)]
    role: Role,
    /// The name of an app that it is for; can be given several times.
    #[arg(long = "app", conflicts_with = "all_apps", required_unless_present = "all_apps")]
    apps: Vec<String>,
    /// It is for all apps.
    #[arg(long)]
    all_apps: bool,
    /// How long it works: a number and s, m, h or d, such as 90d. For ever, if not given.
    #[arg(long, value_parser = lifetime)]
    expires: Option<Duration>,
    /// A note for the list: who has it, and what for.
    #[arg(long, default_value = "")]
    note: String,
}

/// The longest note, in bytes.
const MAX_NOTE_BYTES: usize = 255;

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "use invoker, deployer or admin".to_owned())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let fix = || "use a number and s, m, h or d, such as 90d".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(fix()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| fix())?;
    let seconds = number.checked_mul(unit).filter(|seconds| (1..=100 * 365 * 86_400).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "use more than nothing and at most a hundred years".to_owned())
}

/// Does it, on the database that the environment names.
pub fn run(command: Command) -> Result<(), Failure> {
    let mut reader = Reader::new(env::of_process());
    let api = Api::read(&mut reader);
    if reader.is_wrong() {
        return Err(Failure::Configuration(reader.finish(&[]).err().unwrap_or_default()));
    }
    if database_url(&api).is_some_and(|url| url.contains(":memory:")) {
        let text = "FN_DB_URL names a database in memory: its tokens would be gone at once; use the API nodes' database";
        return Err(Failure::Unusable(text.to_owned()));
    }
    // An error only says that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::to("start the async runtime"))?;
    runtime.block_on(async {
        let store = wiring::open_existing_store(&api).await?;
        let done = act(&store, command).await;
        store.close().await;
        done
    })
}

async fn act(store: &impl TokenStore, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(wanted) => {
            let bearer = create(store, wanted, SystemTime::now().into()).await?;
            println!("{}", bearer.reveal());
        }
        Command::List => {
            for token in store.list_tokens().await.map_err(failed("list the tokens"))? {
                println!("{}", line(&token));
            }
        }
        Command::Revoke { id } => {
            // A whole token works as well: whoever has a leaked one at hand need not take it apart.
            let id = Bearer::parse(&id).map_or_else(|| TokenId::new(id), |bearer| bearer.id().clone());
            store.revoke_token(&id).await.map_err(failed(format!("revoke {id}")))?;
            println!("revoked {id}");
        }
    }
    Ok(())
}

fn failed(what: impl Into<String>) -> impl FnOnce(Fault) -> Failure {
    let what = what.into();
    move |fault| Failure::to(what)(fault)
}

async fn create(store: &impl TokenStore, wanted: Create, now: Timestamp) -> Result<Bearer, Failure> {
    if wanted.note.len() > MAX_NOTE_BYTES || wanted.note.chars().any(char::is_control) {
        let text = format!("--note: use at most {MAX_NOTE_BYTES} bytes, on one line");
        return Err(Failure::Unusable(text));
    }
    if wanted.apps.len() > MAX_APPS
        || wanted.apps.iter().any(|app| app.is_empty() || app.contains([',', '\0']))
    {
        return Err(Failure::Unusable(format!("--app: name 1 to {MAX_APPS} apps, one each")));
    }
    let id = TokenId::new(IdSource::new(rand::random()).next(now));
    let bearer = Bearer::new(id.clone(), rand::random());
    let until = |lifetime: Duration| {
        now.unix_ms().saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX))
    };
    let token = Token {
        id,
        role: wanted.role,
        apps: if wanted.all_apps { AppSet::All } else { AppSet::of(wanted.apps) },
        hash: bearer.hash(),
        note: wanted.note,
        created_at: now,
        expires_at: wanted.expires.map(|lifetime| Timestamp::from_unix_ms(until(lifetime))),
    };
    store.create_token(token).await.map_err(failed("store the token"))?;
    Ok(bearer)
}

/// A token in the list: id, role, apps, made, ends, note; with tabs between.
fn line(token: &Token) -> String {
    let apps = match &token.apps {
        AppSet::All => "all apps".to_owned(),
        AppSet::Some(names) => names.iter().cloned().collect::<Vec<_>>().join(","),
    };
    let end = token.expires_at.map_or_else(|| "never ends".to_owned(), |end| format!("ends {end}"));
    let (id, role, made) = (&token.id, token.role.as_str(), token.created_at);
    format!("{id}\t{role}\t{apps}\tmade {made}\t{end}\t{}", token.note).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::port::Tokens;
    use remuda_core::testing::FakeCatalog;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);

    fn wanted(role: Role) -> Create {
        Create {
            role,
            apps: vec!["shop".into()],
            all_apps: false,
            expires: Some(Duration::from_secs(60)),
            note: "ci".into(),
        }
    }

    #[tokio::test]
    async fn a_token_that_was_made_proves_itself_until_it_is_revoked() {
        let store = FakeCatalog::new();
        let bearer = create(&store, wanted(Role::Deployer), NOW).await.unwrap();
        let token = store.token(bearer.id()).await.unwrap();
        assert!(Bearer::parse(&bearer.reveal()).unwrap().proves(&token, NOW));
        assert_eq!((token.role, &token.apps), (Role::Deployer, &AppSet::of(["shop"])));
        assert_eq!(token.expires_at, Some(Timestamp::from_unix_ms(61_000)));
        let printed = line(&token);
        assert!(printed.contains("\tdeployer\tshop\t") && printed.ends_with("\tci"), "{printed}");
        act(&store, Command::Revoke { id: bearer.reveal() }).await.unwrap();
        assert!(store.token(bearer.id()).await.is_err());
        let again = act(&store, Command::Revoke { id: "x".into() }).await.unwrap_err();
        assert_eq!(again.to_string(), "revoke x: Token not found");
    }

    #[tokio::test]
    async fn what_cannot_be_a_token_is_refused() {
        let store = FakeCatalog::new();
        for wrong in [
            Create { note: "x".repeat(256), ..wanted(Role::Admin) },
            Create { note: "a\nb".into(), ..wanted(Role::Admin) },
            Create { apps: vec![String::new()], ..wanted(Role::Admin) },
            Create { apps: vec!["a".into(); 101], ..wanted(Role::Admin) },
        ] {
            assert!(create(&store, wrong, NOW).await.is_err());
        }
    }

    #[test]
    fn lifetimes_have_units() {
        assert_eq!(lifetime("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(lifetime("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "d", "5", "0s", "-1d", "5w", "99999999999999999999d", "5é"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}

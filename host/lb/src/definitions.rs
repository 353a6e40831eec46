//! Definitions and tokens as their source told them, kept for a while, until word of a change, and for as long as needed
//! while nobody answers.

mod absent;
mod cell;
mod flights;
mod reports;
mod room;
mod source;
mod weight;

use crate::clock::Clock;
use async_trait::async_trait;
use cell::Cell;
use futures_util::StreamExt;
use remuda_core::access::Token;
use remuda_core::port::{Changed, Changes, Definitions, News, Tokens};
use remuda_core::{App, AppId, Fault, FnId, Function, TokenId, Trigger};
use room::Shelf;
use source::Source;
use std::hash::Hash;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long things are believed.
#[derive(Clone, Debug)]
pub struct DefinitionsOptions {
    /// A definition older than this is asked for again before it is used.
    pub age: Duration,
    /// The same while changes are told: the backstop for what goes untold nevertheless.
    pub pushed_age: Duration,
    /// How long a token is taken to be missing, once its source said so: who sends a wrong token over and over costs the
    /// source one question in this time.
    pub token_absence: Duration,
    /// A token that could not be confirmed for so long works no more: one that was revoked while nobody could be asked
    /// must not work for ever.
    pub token_max_age: Duration,
    /// Definitions of each kind that are kept; past it, those that were used least lately go.
    pub entries: usize,
    /// Bytes that all of them may take together, as they are estimated; past it, those that were used least lately go.
    pub bytes: usize,
    /// How long the source may take for something that is not known.
    pub fetch_timeout: Duration,
    /// How long a call waits for news of something that is known.
    pub refresh_timeout: Duration,
    /// While the source is away: between two looks whether it is back.
    pub probe_interval: Duration,
}

impl Default for DefinitionsOptions {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(5),
            pushed_age: Duration::from_secs(60),
            token_absence: Duration::from_secs(1),
            token_max_age: Duration::from_secs(3600),
            entries: 100_000,
            bytes: 256 << 20,
            fetch_timeout: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(1),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// Where definitions come from, and who tells that they were changed. One party, seen in three ways: an API node, or a
/// full node's own store.
#[derive(Clone)]
pub struct Sources {
    /// Knows apps, functions and triggers.
    pub definitions: Arc<dyn Definitions>,
    /// Knows bearer tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Tells of changes to both; none when age alone must do.
    pub changes: Option<Arc<dyn Changes>>,
}

/// Keeps what a source of definitions answered. A missing thing is not kept, but for a token, which is remembered to be
/// missing for a moment; several who miss the same thing ask once. What was told to be changed is asked for before it
/// is used again. While the source is away, what is known is served however old it is, at once, and one lookup a second
/// has the source asked in the background; tokens alone serve only for [`DefinitionsOptions::token_max_age`]. A source
/// that does answer, but nothing that can be used (`Kind::Internal`), is not away: what was told to be changed fails
/// then, and what is merely old does once it is twice as old as what is believed.
///
/// [`CachedDefinitions::run`] listens for changes; without it, age alone decides.
pub struct CachedDefinitions {
    sources: Sources,
    shared: Arc<Source>,
    apps: Arc<Cell<AppId, App>>,
    apps_by_name: Arc<Cell<String, App>>,
    functions: Arc<Cell<FnId, Function>>,
    triggers: Arc<Cell<(AppId, String), Trigger>>,
    tokens: Arc<Cell<TokenId, Token>>,
}

impl CachedDefinitions {
    /// Keeps what `sources` answer.
    pub fn new(sources: Sources, options: DefinitionsOptions) -> Self {
        let (absence, max_age) = (options.token_absence, options.token_max_age);
        let shared = Arc::new(Source::new(options, Clock::start()));
        let cache = Self {
            sources,
            apps: Cell::new(&shared),
            apps_by_name: Cell::new(&shared),
            functions: Cell::new(&shared),
            triggers: Cell::new(&shared),
            tokens: Cell::remembering_absence(&shared, absence, max_age),
            shared,
        };
        cache.shared.room.furnish(vec![
            shelf(&cache.apps),
            shelf(&cache.apps_by_name),
            shelf(&cache.functions),
            shelf(&cache.triggers),
            shelf(&cache.tokens),
        ]);
        cache
    }

    /// True while the source does not answer and old definitions are served.
    pub fn source_is_away(&self) -> bool {
        self.shared.is_away()
    }

    /// True while every change is told, so that definitions are believed for longer.
    pub fn is_told_of_changes(&self) -> bool {
        self.shared.tells()
    }

    /// Listens for changes until `shutdown`. Call it once.
    pub async fn run(&self, shutdown: CancellationToken) {
        if let Some(changes) = &self.sources.changes {
            let mut news = changes.watch();
            while let Some(Some(news)) = shutdown.run_until_cancelled(news.next()).await {
                self.hear(news);
            }
            self.hear(News::Ended);
        }
        shutdown.cancelled().await;
    }

    fn hear(&self, news: News) {
        match news {
            News::Began => {
                // First nothing old is believed any more, then what is believed is believed for longer.
                self.outdate_everything();
                self.shared.set_tells(true);
                self.shared.answered();
                tracing::debug!("changes to definitions are told");
            }
            News::Changed(things) => {
                things.iter().for_each(|thing| self.outdate(thing));
                self.shared.answered();
            }
            News::Ended => {
                self.shared.set_tells(false);
                tracing::debug!("changes to definitions are not told");
            }
        }
    }

    fn outdate(&self, thing: &Changed) {
        match thing {
            Changed::App { id, name } => {
                self.apps.outdate(id);
                self.apps_by_name.outdate(name);
            }
            Changed::Function { id } => self.functions.outdate(id),
            Changed::Trigger { app_id, source } => self.triggers.outdate(&(app_id.clone(), source.clone())),
            // A token that is known and changes was revoked: it opens nothing any more, even if nobody can be asked.
            Changed::Token { id } => self.tokens.forget(id),
            Changed::Everything => self.outdate_everything(),
        }
    }

    fn outdate_everything(&self) {
        self.shared.begin_epoch();
        self.apps.enter_epoch();
        self.apps_by_name.enter_epoch();
        self.functions.enter_epoch();
        self.triggers.enter_epoch();
        self.tokens.enter_epoch();
    }
}

fn shelf<S: Shelf + 'static>(of: &Arc<S>) -> Weak<dyn Shelf> {
    let shelf: Weak<S> = Arc::downgrade(of);
    shelf
}

/// The key of a trigger, borrowed. Hashes as the owned tuple does, because both derive it from the same parts.
#[derive(Hash)]
struct SourceKey<'a>(&'a AppId, &'a str);

impl papaya::Equivalent<(AppId, String)> for SourceKey<'_> {
    fn equivalent(&self, key: &(AppId, String)) -> bool {
        *self.0 == key.0 && self.1 == key.1
    }
}

#[async_trait]
impl Definitions for CachedDefinitions {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        let fetch = |source: Arc<dyn Definitions>, id: AppId| async move { source.app(&id).await };
        self.apps.get(id, || id.clone(), |id| fetch(Arc::clone(&self.sources.definitions), id)).await
    }
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        let fetch = |source: Arc<dyn Definitions>, name: String| async move { source.app_named(&name).await };
        self.apps_by_name
            .get(name, || name.to_owned(), |name| fetch(Arc::clone(&self.sources.definitions), name))
            .await
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        let fetch = |source: Arc<dyn Definitions>, id: FnId| async move { source.function(&id).await };
        self.functions.get(id, || id.clone(), |id| fetch(Arc::clone(&self.sources.definitions), id)).await
    }
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        let fetch = |from: Arc<dyn Definitions>, (app, source): (AppId, String)| async move {
            from.trigger_by_source(&app, &source).await
        };
        let key = SourceKey(app, source);
        self.triggers
            .get(
                &key,
                || (app.clone(), source.to_owned()),
                |key| fetch(Arc::clone(&self.sources.definitions), key),
            )
            .await
    }
}

#[async_trait]
impl Tokens for CachedDefinitions {
    async fn token(&self, id: &TokenId) -> Result<Arc<Token>, Fault> {
        let fetch = |source: Arc<dyn Tokens>, id: TokenId| async move { source.token(&id).await };
        self.tokens.get(id, || id.clone(), |id| fetch(Arc::clone(&self.sources.tokens), id)).await
    }
}

#[cfg(test)]
mod tests;

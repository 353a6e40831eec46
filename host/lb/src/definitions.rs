//! Definitions as an API node told them, kept for a while, and for as long as needed while nobody answers.

mod cell;

use crate::clock::Clock;
use async_trait::async_trait;
use cell::{Cell, Source};
use remuda_core::port::Definitions;
use remuda_core::{App, AppId, Fault, FnId, Function, Trigger};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// How long things are believed.
#[derive(Clone, Debug)]
pub struct DefinitionsOptions {
    /// A definition older than this is asked for again before it is used.
    pub age: Duration,
    /// Definitions of each kind that are kept; past it, those that were used least lately go.
    pub entries: usize,
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
            entries: 100_000,
            fetch_timeout: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(1),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// Keeps what a source of definitions answered. A missing thing is not kept; several who miss the same thing ask once.
/// While the source is away, what is known is served however old it is, at once, and one lookup a second has the source
/// asked in the background.
pub struct CachedDefinitions {
    source: Arc<dyn Definitions>,
    shared: Arc<Source>,
    apps: Arc<Cell<AppId, App>>,
    apps_by_name: Arc<Cell<String, App>>,
    functions: Arc<Cell<FnId, Function>>,
    triggers: Arc<Cell<(AppId, String), Trigger>>,
}

impl CachedDefinitions {
    /// Keeps what `source` answers.
    pub fn new(source: Arc<dyn Definitions>, options: DefinitionsOptions) -> Self {
        let shared = Arc::new(Source::new(options, Clock::start()));
        Self {
            source,
            apps: Cell::new(&shared),
            apps_by_name: Cell::new(&shared),
            functions: Cell::new(&shared),
            triggers: Cell::new(&shared),
            shared,
        }
    }

    /// True while the source does not answer and old definitions are served.
    pub fn source_is_away(&self) -> bool {
        self.shared.is_away()
    }
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
        self.apps.get(id, || id.clone(), |id| fetch(Arc::clone(&self.source), id)).await
    }
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        let fetch = |source: Arc<dyn Definitions>, name: String| async move { source.app_named(&name).await };
        self.apps_by_name.get(name, || name.to_owned(), |name| fetch(Arc::clone(&self.source), name)).await
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        let fetch = |source: Arc<dyn Definitions>, id: FnId| async move { source.function(&id).await };
        self.functions.get(id, || id.clone(), |id| fetch(Arc::clone(&self.source), id)).await
    }
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        let fetch = |from: Arc<dyn Definitions>, (app, source): (AppId, String)| async move {
            from.trigger_by_source(&app, &source).await
        };
        let key = SourceKey(app, source);
        self.triggers
            .get(&key, || (app.clone(), source.to_owned()), |key| fetch(Arc::clone(&self.source), key))
            .await
    }
}

#[cfg(test)]
mod tests;

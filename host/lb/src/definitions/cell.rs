//! One kind of definition: the map, the questions under way, and the state of the source that all kinds share.

use super::DefinitionsOptions;
use crate::clock::Clock;
use crate::machine::freshness::{Says, Use, decide, says};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use papaya::Equivalent;
use remuda_core::{Fault, Kind, Moment};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::task::AbortOnDropHandle;

/// Uses closer together than this are not told apart when the cache must shrink.
const USE_GRAIN_MS: u64 = 1000;
/// What part of a full cache goes at once, so that shrinking is rare: one in sixteen.
const SHRINK_PART: usize = 16;

/// What is known of the source.
pub(super) struct Source {
    options: DefinitionsOptions,
    clock: Clock,
    /// While it is away, the moment of the next probe; else zero.
    away: AtomicU64,
    /// The probe under way; it ends with the cache.
    probe: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Source {
    pub(super) fn new(options: DefinitionsOptions, clock: Clock) -> Self {
        Self { options, clock, away: AtomicU64::new(0), probe: Mutex::new(None) }
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed) != 0
    }

    fn away(&self) -> Option<Moment> {
        Some(self.away.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Moment::from_ms)
    }

    fn went_away(&self, fault: &Fault) {
        let probe_at = self.clock.now().after(self.options.probe_interval).as_ms();
        // A probe that is due stays due, whatever other questions come to: else those who ask for unknown things would
        // put it off for ever.
        if self.away.compare_exchange(0, probe_at, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let error = fault.chain();
            tracing::warn!(error, "definitions cannot be had, known ones are served as they are");
        }
    }

    fn answered(&self) {
        if self.is_away() && self.away.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("definitions can be had again");
        }
    }

    /// True for the one who is to probe now.
    fn claim_probe(&self, due: Moment, now: Moment) -> bool {
        let next = now.after(self.options.probe_interval).as_ms();
        self.away.compare_exchange(due.as_ms(), next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

struct Entry<T> {
    value: Arc<T>,
    fetched: Moment,
    used: AtomicU64,
}

type Question<T> = BoxFuture<'static, Result<Arc<T>, Fault>>;
type Flight<T> = Shared<Question<T>>;

/// The questions under way, each with a number, so that one that ends removes itself and no later one.
struct Flights<K, T> {
    by_key: HashMap<K, (u64, WeakShared<Question<T>>)>,
    last: u64,
}

pub(super) struct Cell<K, T> {
    source: Arc<Source>,
    known: papaya::HashMap<K, Entry<T>>,
    flights: Mutex<Flights<K, T>>,
}

impl<K, T> Cell<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    pub(super) fn new(source: &Arc<Source>) -> Arc<Self> {
        Arc::new(Self {
            source: Arc::clone(source),
            known: papaya::HashMap::new(),
            flights: Mutex::new(Flights { by_key: HashMap::new(), last: 0 }),
        })
    }

    /// The definition under `key`. `fetch` asks the source.
    pub(super) async fn get<Q, F>(
        self: &Arc<Self>,
        key: &Q,
        owned: impl FnOnce() -> K,
        fetch: impl FnOnce(K) -> F,
    ) -> Result<Arc<T>, Fault>
    where
        Q: Equivalent<K> + Hash + ?Sized,
        F: Future<Output = Result<Arc<T>, Fault>> + Send + 'static,
    {
        let now = self.source.clock.now();
        let away = self.source.away();
        let Some((value, fetched)) = self.look_up(key, now) else {
            return self.join(owned(), fetch).await;
        };
        match decide(now, fetched, self.source.options.age, away) {
            Use::Cached => Ok(value),
            Use::CachedAndProbe => {
                if away.is_some_and(|due| self.source.claim_probe(due, now)) {
                    let flight = self.join(owned(), fetch);
                    self.probe(flight);
                }
                Ok(value)
            }
            Use::Refresh => {
                let flight = self.join(owned(), fetch);
                match tokio::time::timeout(self.source.options.refresh_timeout, flight).await {
                    Ok(Err(fault)) if says(fault.kind) != Says::NoSuchThing => Ok(value),
                    Ok(answer) => answer,
                    Err(_) => {
                        self.source.went_away(&too_slow());
                        Ok(value)
                    }
                }
            }
        }
    }

    fn look_up<Q: Equivalent<K> + Hash + ?Sized>(&self, key: &Q, now: Moment) -> Option<(Arc<T>, Moment)> {
        let known = self.known.pin();
        let entry = known.get(key)?;
        if now.as_ms() >= entry.used.load(Ordering::Relaxed) + USE_GRAIN_MS {
            entry.used.store(now.as_ms(), Ordering::Relaxed);
        }
        Some((Arc::clone(&entry.value), entry.fetched))
    }

    /// The question about `key` that is under way, or a new one.
    fn join<F>(self: &Arc<Self>, key: K, fetch: impl FnOnce(K) -> F) -> Flight<T>
    where
        F: Future<Output = Result<Arc<T>, Fault>> + Send + 'static,
    {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.by_key.get(&key).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        flights.last += 1;
        let number = flights.last;
        let landing = Landing { cell: Arc::clone(self), key: key.clone(), number };
        let question = fetch(key.clone());
        let flight = async move {
            let asked = landing.cell.source.clock.now();
            let answer = tokio::time::timeout(landing.cell.source.options.fetch_timeout, question).await;
            let answer = answer.unwrap_or_else(|_| Err(too_slow()));
            landing.cell.learn(&landing.key, asked, &answer);
            answer
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.by_key.insert(key, (number, weak));
        }
        flight
    }

    fn learn(&self, key: &K, asked: Moment, answer: &Result<Arc<T>, Fault>) {
        match answer {
            Ok(value) => {
                self.source.answered();
                self.make_room();
                let entry =
                    Entry { value: Arc::clone(value), fetched: asked, used: AtomicU64::new(asked.as_ms()) };
                self.known.pin().insert(key.clone(), entry);
            }
            Err(fault) => match says(fault.kind) {
                Says::SourceIsAway => self.source.went_away(fault),
                Says::Nothing => {}
                Says::NoSuchThing => {
                    self.source.answered();
                    self.known.pin().remove(key);
                }
            },
        }
    }

    /// Drops the entries that were used least lately, once the cache is full.
    fn make_room(&self) {
        let entries = self.source.options.entries.max(1);
        let known = self.known.pin();
        if known.len() < entries {
            return;
        }
        let mut uses: Vec<u64> = known.values().map(|entry| entry.used.load(Ordering::Relaxed)).collect();
        let excess = (uses.len() + 1).saturating_sub(entries) + entries / SHRINK_PART;
        let last = excess.min(uses.len()).saturating_sub(1);
        let (_, oldest, _) = uses.select_nth_unstable(last);
        let (oldest, mut left) = (*oldest, excess);
        known.retain(|_, entry| {
            let goes = left > 0 && entry.used.load(Ordering::Relaxed) <= oldest;
            left -= usize::from(goes);
            !goes
        });
    }

    fn probe(&self, flight: Flight<T>) {
        let mut probe = self.source.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if probe.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        *probe = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // What it learns, it learns as it lands.
            drop(flight.await);
        })));
    }
}

fn too_slow() -> Fault {
    Fault::service(Kind::Unavailable, "The API node did not answer in time")
}

/// Takes a question off the list, however it ends.
struct Landing<K: Hash + Eq, T> {
    cell: Arc<Cell<K, T>>,
    key: K,
    number: u64,
}

impl<K: Hash + Eq, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let mut flights = self.cell.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            flights.by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
impl<K: Hash + Eq, T> Cell<K, T> {
    /// How many definitions are kept.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
    /// True when no question is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.flights.lock().unwrap().by_key.is_empty()
    }
}

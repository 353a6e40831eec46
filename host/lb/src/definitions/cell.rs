//! One kind of definition: what is known, and the questions under way.

use super::absent::Absent;
use super::flights::{Flight, Flights};
use super::room::{Excess, SHRINK_PART, Shelf};
use super::source::Source;
use super::weight::Weigh;
use crate::machine::freshness::{self, Belief, Says, Use, decide, says, serves};
use futures_util::FutureExt;
use papaya::Equivalent;
use remuda_core::{Fault, Kind, Moment};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Uses closer together than this are not told apart when the cache must shrink.
const USE_GRAIN_MS: u64 = 1000;
/// What an entry takes besides its key and its value, in bytes: about what the map keeps of it.
const ENTRY_BYTES: usize = 128;

struct Entry<T> {
    value: Arc<T>,
    /// When and in which epoch it was asked for.
    fetched: Moment,
    epoch: u64,
    /// Word came that it was changed.
    changed: AtomicBool,
    used: AtomicU64,
    /// What it takes with its key.
    bytes: usize,
}

pub(super) struct Cell<K, T> {
    source: Arc<Source>,
    known: papaya::HashMap<K, Entry<T>>,
    absent: Option<Absent<K>>,
    /// What is older does not serve, even if nobody can be asked.
    max_age: Option<Duration>,
    /// Held while an answer is put into `known` and while a change is told, so that whichever comes second sees the
    /// first.
    flights: Mutex<Flights<K, T>>,
}

impl<K, T> Cell<K, T>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    T: Weigh + Send + Sync + 'static,
{
    /// Remembers what is there, for as long as nobody answers.
    pub(super) fn new(source: &Arc<Source>) -> Arc<Self> {
        Self::with(source, None, None)
    }
    /// Remembers what is there, for `max_age` at most, and for `absence` what is not.
    pub(super) fn remembering_absence(
        source: &Arc<Source>,
        absence: Duration,
        max_age: Duration,
    ) -> Arc<Self> {
        Self::with(source, Some(Absent::new(absence)), Some(max_age))
    }
    fn with(source: &Arc<Source>, absent: Option<Absent<K>>, max_age: Option<Duration>) -> Arc<Self> {
        let (source, flights) = (Arc::clone(source), Mutex::new(Flights::new()));
        Arc::new(Self { source, known: papaya::HashMap::new(), absent, max_age, flights })
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
        let Some((value, entry)) = self.look_up(key, now) else {
            return match self.absent.as_ref().and_then(|absent| absent.get(key, now)) {
                Some(fault) => Err(fault),
                None => self.join(owned(), fetch).await,
            };
        };
        let belief = Belief { age: self.source.age(), max_age: self.max_age };
        match decide(now, entry, belief, away) {
            Use::Cached => Ok(value),
            Use::Ask => self.join(owned(), fetch).await,
            Use::CachedAndProbe => {
                if away.is_some_and(|due| self.source.claim_probe(due, now)) {
                    // What it learns, it learns as it lands.
                    self.source.probe(self.join(owned(), fetch).map(drop));
                }
                Ok(value)
            }
            Use::Refresh => {
                let flight = self.join(owned(), fetch);
                match tokio::time::timeout(self.source.options.refresh_timeout, flight).await {
                    Ok(Err(fault)) if serves(says(fault.kind), now, entry, belief.age) => Ok(value),
                    Ok(answer) => answer,
                    Err(_) => {
                        self.source.went_away(&too_slow());
                        Ok(value)
                    }
                }
            }
        }
    }

    fn look_up<Q: Equivalent<K> + Hash + ?Sized>(
        &self,
        key: &Q,
        now: Moment,
    ) -> Option<(Arc<T>, freshness::Entry)> {
        let known = self.known.pin();
        let entry = known.get(key)?;
        if now.as_ms() >= entry.used.load(Ordering::Relaxed) + USE_GRAIN_MS {
            entry.used.store(now.as_ms(), Ordering::Relaxed);
        }
        let is_outdated = entry.changed.load(Ordering::Acquire) || entry.epoch != self.source.epoch();
        Some((Arc::clone(&entry.value), freshness::Entry { fetched: entry.fetched, is_outdated }))
    }

    fn flights(&self) -> MutexGuard<'_, Flights<K, T>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The question about `key` that is under way, or a new one.
    fn join<F>(self: &Arc<Self>, key: K, fetch: impl FnOnce(K) -> F) -> Flight<T>
    where
        F: Future<Output = Result<Arc<T>, Fault>> + Send + 'static,
    {
        let mut flights = self.flights();
        if let Some(flight) = flights.under_way(&key) {
            return flight;
        }
        let number = flights.number();
        let epoch = self.source.epoch();
        let landing = Landing { cell: Arc::clone(self), key: key.clone(), number, epoch };
        let question = fetch(key.clone());
        let flight = async move {
            let asked = landing.cell.source.clock.now();
            let answer = tokio::time::timeout(landing.cell.source.options.fetch_timeout, question).await;
            let answer = answer.unwrap_or_else(|_| Err(too_slow()));
            landing.learn(asked, &answer);
            answer
        };
        flights.begin(key, number, flight.boxed())
    }

    /// Who asks for `key` from now on is answered by the source, if it answers.
    pub(super) fn outdate(&self, key: &K) {
        let mut flights = self.flights();
        flights.overtake(key);
        if let Some(entry) = self.known.pin().get(key) {
            entry.changed.store(true, Ordering::Release);
        }
        self.forget_absence(key);
    }

    /// The same, and what is known of `key` serves no more even if the source does not answer.
    pub(super) fn forget(&self, key: &K) {
        let mut flights = self.flights();
        flights.overtake(key);
        self.remove(key);
        self.forget_absence(key);
    }

    fn remove(&self, key: &K) {
        if let Some(gone) = self.known.pin().remove(key) {
            self.source.room.given_back(gone.bytes);
        }
    }

    fn forget_absence(&self, key: &K) {
        if let Some(absent) = &self.absent {
            absent.remove(key);
        }
    }

    /// Carries out for this kind that a new epoch has begun: questions of the one before teach nothing any more.
    pub(super) fn enter_epoch(&self) {
        let mut flights = self.flights();
        flights.overtake_all();
        if let Some(absent) = &self.absent {
            absent.clear();
        }
    }

    /// Drops the entries that were used least lately, once there are too many of this kind or they take too much.
    fn make_room(&self, bytes: usize) {
        self.source.room.make(bytes);
        let entries = self.source.options.entries.max(1);
        let known = self.known.pin();
        if known.len() < entries {
            return;
        }
        let mut uses: Vec<u64> = known.values().map(|entry| entry.used.load(Ordering::Relaxed)).collect();
        let excess = (uses.len() + 1).saturating_sub(entries) + entries / SHRINK_PART;
        let last = excess.min(uses.len()).saturating_sub(1);
        let (_, oldest, _) = uses.select_nth_unstable(last);
        self.drop_unused(*oldest, &mut Excess { entries: excess, bytes: 0 });
    }
}

impl<K, T> Shelf for Cell<K, T>
where
    K: Hash + Eq + Send + Sync,
    T: Send + Sync,
{
    fn list(&self, uses: &mut Vec<(u64, usize)>) {
        let known = self.known.pin();
        uses.extend(known.values().map(|entry| (entry.used.load(Ordering::Relaxed), entry.bytes)));
    }

    fn drop_unused(&self, last: u64, excess: &mut Excess) {
        let known = self.known.pin();
        let is_unused = |entry: &Entry<T>| entry.used.load(Ordering::Relaxed) <= last;
        for (key, _) in known.iter().filter(|(_, entry)| is_unused(entry)) {
            if excess.is_gone() {
                return;
            }
            // Another one may stand there by now, or none.
            if let Ok(Some((_, gone))) = known.remove_if(key, |_, entry| is_unused(entry)) {
                self.source.room.given_back(gone.bytes);
                excess.less(gone.bytes);
            }
        }
    }
}

fn too_slow() -> Fault {
    Fault::service(Kind::Unavailable, "The catalogue did not answer in time")
}

/// The end of a question: what it teaches, and that it is under way no more, however it ends.
struct Landing<K: Hash + Eq, T> {
    cell: Arc<Cell<K, T>>,
    key: K,
    number: u64,
    epoch: u64,
}

impl<K, T> Landing<K, T>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    T: Weigh + Send + Sync + 'static,
{
    fn learn(&self, asked: Moment, answer: &Result<Arc<T>, Fault>) {
        let cell = &self.cell;
        match answer {
            Ok(value) => {
                cell.source.answered();
                let bytes = ENTRY_BYTES + self.key.weigh() + value.weigh();
                cell.make_room(bytes);
                self.keep(asked, value, bytes);
            }
            Err(fault) => match says(fault.kind) {
                Says::SourceIsAway => cell.source.went_away(fault),
                Says::Nothing => {}
                Says::Unusable => cell.source.answered_unusably(fault),
                Says::NoSuchThing => {
                    cell.source.answered();
                    self.unless_overtaken(|| self.learn_absence(asked, fault));
                }
            },
        }
    }

    /// An answer that word of a change has overtaken may be older than that: it serves only while the source is away,
    /// and only if nothing else is known. (Of a thing that may be forgotten, not even then.)
    fn keep(&self, asked: Moment, value: &Arc<T>, bytes: usize) {
        let flights = self.cell.flights();
        let is_overtaken = !flights.holds(&self.key, self.number);
        let known = self.cell.known.pin();
        if is_overtaken && (self.cell.absent.is_some() || known.contains_key(&self.key)) {
            return;
        }
        let entry = Entry {
            value: Arc::clone(value),
            fetched: asked,
            epoch: self.epoch,
            changed: AtomicBool::new(is_overtaken),
            used: AtomicU64::new(asked.as_ms()),
            bytes,
        };
        let room = &self.cell.source.room;
        room.taken(bytes);
        if let Some(replaced) = known.insert(self.key.clone(), entry) {
            room.given_back(replaced.bytes);
        }
    }

    fn learn_absence(&self, asked: Moment, fault: &Fault) {
        self.cell.remove(&self.key);
        if let Some(absent) = &self.cell.absent {
            absent.insert(self.key.clone(), asked, fault.clone());
        }
    }

    /// Does `learn`, unless word came since the question began: the answer may be older than it.
    fn unless_overtaken(&self, learn: impl FnOnce()) {
        let flights = self.cell.flights();
        if flights.holds(&self.key, self.number) {
            learn();
        }
    }
}

impl<K: Hash + Eq, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        self.cell.flights.lock().unwrap_or_else(PoisonError::into_inner).end(&self.key, self.number);
    }
}

#[cfg(test)]
impl<K: Hash + Eq, T> Cell<K, T> {
    /// How many definitions are kept.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
    /// How many missing things are remembered.
    pub(super) fn absences(&self) -> usize {
        self.absent.as_ref().map_or(0, Absent::len)
    }
    /// True when no question is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.flights.lock().unwrap().is_empty()
    }
}

//! How many bytes all kinds of definitions together take, and who must go when that is too many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// What part of a full cache goes at once, so that shrinking is rare: one in sixteen.
pub(super) const SHRINK_PART: usize = 16;

/// What must go yet.
pub(super) struct Excess {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Excess {
    pub(super) fn is_gone(&self) -> bool {
        self.entries == 0 && self.bytes == 0
    }
    /// An entry went.
    pub(super) fn less(&mut self, bytes: usize) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Where entries of one kind are.
pub(super) trait Shelf: Send + Sync {
    /// Adds when each entry was used last, and how many bytes it takes.
    fn list(&self, uses: &mut Vec<(u64, usize)>);
    /// Drops entries that were not used after `last`, until nothing is in excess.
    fn drop_unused(&self, last: u64, excess: &mut Excess);
}

pub(super) struct Room {
    most: usize,
    bytes: AtomicUsize,
    shelves: OnceLock<Vec<Weak<dyn Shelf>>>,
    /// Held while room is made, so that not everybody makes it.
    making: Mutex<()>,
}

impl Room {
    /// For entries of at most `most` bytes, and for one at least.
    pub(super) fn new(most: usize) -> Self {
        Self { most, bytes: AtomicUsize::new(0), shelves: OnceLock::new(), making: Mutex::new(()) }
    }
    /// Says where entries are. Before it is said none of them goes.
    pub(super) fn furnish(&self, shelves: Vec<Weak<dyn Shelf>>) {
        // A second time there is nothing new to say.
        let _ = self.shelves.set(shelves);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
    /// To be told before an entry is put on its shelf, so that what is counted is never less than what is there.
    pub(super) fn taken(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    pub(super) fn given_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Makes room for an entry of so many bytes: those of all kinds that were used least lately go.
    pub(super) fn make(&self, bytes: usize) {
        let excess = || (self.bytes().saturating_add(bytes)).saturating_sub(self.most);
        if excess() == 0 {
            return;
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have made room meanwhile.
        let excess = excess();
        if excess == 0 {
            return;
        }
        let mut excess = Excess { entries: 0, bytes: excess.saturating_add(self.most / SHRINK_PART) };
        let shelves: Vec<Arc<dyn Shelf>> =
            self.shelves.get().into_iter().flatten().filter_map(Weak::upgrade).collect();
        let mut uses = Vec::new();
        shelves.iter().for_each(|shelf| shelf.list(&mut uses));
        let Some(last) = last_to_go(uses, excess.bytes) else { return };
        // Of those that were used at that very moment some stay, of those before none.
        for last in [last.saturating_sub(1), last] {
            shelves.iter().for_each(|shelf| shelf.drop_unused(last, &mut excess));
        }
    }
}

/// The latest use of those that must go so that `bytes` are free; the last use of all when not even that is enough.
fn last_to_go(mut uses: Vec<(u64, usize)>, bytes: usize) -> Option<u64> {
    uses.sort_unstable();
    let mut freed = 0_usize;
    let enough = uses.iter().find(|(_, bytes_of_one)| {
        freed = freed.saturating_add(*bytes_of_one);
        freed >= bytes
    });
    enough.or(uses.last()).map(|(used, _)| *used)
}

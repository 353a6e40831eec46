//! What is known of the source that all kinds of definitions come from.

use super::DefinitionsOptions;
use super::reports::Reports;
use super::room::Room;
use crate::clock::Clock;
use remuda_core::{Fault, Moment};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

pub(super) struct Source {
    pub(super) options: DefinitionsOptions,
    pub(super) clock: Clock,
    pub(super) room: Room,
    /// While it is away, the moment of the next probe; else zero.
    away: AtomicU64,
    /// Whether it tells of changes now.
    tells: AtomicBool,
    /// Counts the times at which everything that was known became out of date.
    epoch: AtomicU64,
    /// The probe under way; it ends with the cache.
    probe: Mutex<Option<AbortOnDropHandle<()>>>,
    reports: Mutex<Reports>,
}

impl Source {
    pub(super) fn new(options: DefinitionsOptions, clock: Clock) -> Self {
        Self {
            room: Room::new(options.bytes),
            options,
            clock,
            away: AtomicU64::new(0),
            tells: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            probe: Mutex::new(None),
            reports: Mutex::default(),
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed) != 0
    }

    /// The moment of the next probe while it is away.
    pub(super) fn away(&self) -> Option<Moment> {
        Some(self.away.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Moment::from_ms)
    }

    pub(super) fn went_away(&self, fault: &Fault) {
        let now = self.clock.now();
        let probe_at = now.after(self.options.probe_interval).as_ms();
        // A probe that is due stays due, whatever other questions come to: else those who ask for unknown things would
        // put it off for ever.
        let _ = self.away.compare_exchange(0, probe_at, Ordering::Relaxed, Ordering::Relaxed);
        if self.reports().away(now) {
            let error = fault.chain();
            tracing::warn!(error, "definitions cannot be had, known ones are served as they are");
        }
    }

    /// It answered, or told something: it is worth being asked.
    pub(super) fn answered(&self) {
        if self.is_away() && self.away.swap(0, Ordering::Relaxed) != 0 && self.reports().back() {
            tracing::info!("definitions can be had again");
        }
    }

    /// It answered, and nothing that can be used.
    pub(super) fn answered_unusably(&self, fault: &Fault) {
        self.answered();
        if self.reports().unusable(self.clock.now()) {
            let error = fault.chain();
            tracing::warn!(error, "a definition was answered that cannot be used");
        }
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True for the one who is to probe now.
    pub(super) fn claim_probe(&self, due: Moment, now: Moment) -> bool {
        let next = now.after(self.options.probe_interval).as_ms();
        self.away.compare_exchange(due.as_ms(), next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Has `question` asked in the background, unless another one is.
    pub(super) fn probe(&self, question: impl Future<Output = ()> + Send + 'static) {
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if probe.as_ref().is_none_or(AbortOnDropHandle::is_finished) {
            *probe = Some(AbortOnDropHandle::new(tokio::spawn(question)));
        }
    }

    pub(super) fn tells(&self) -> bool {
        self.tells.load(Ordering::Acquire)
    }
    pub(super) fn set_tells(&self, tells: bool) {
        self.tells.store(tells, Ordering::Release);
    }

    /// How long what it answered is believed.
    pub(super) fn age(&self) -> Duration {
        if self.tells() { self.options.pushed_age } else { self.options.age }
    }

    /// What was learnt in another epoch than this one is out of date.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
    pub(super) fn begin_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

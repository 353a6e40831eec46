//! What rooms count with. Handles are cheap clones that share their number; counting is an atomic addition.

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// A number that only grows.
#[derive(Clone)]
pub struct Counter(Option<IntCounter>);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `more` more.
    pub fn add(&self, more: u64) {
        if let Some(counter) = &self.0 {
            counter.inc_by(more);
        }
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.as_ref().map_or(0, IntCounter::get)
    }
}

/// A number that goes up and down.
#[derive(Clone)]
pub struct Gauge(Option<IntGauge>);

impl Gauge {
    /// One more.
    pub fn increment(&self) {
        if let Some(gauge) = &self.0 {
            gauge.inc();
        }
    }

    /// One less.
    pub fn decrement(&self) {
        if let Some(gauge) = &self.0 {
            gauge.dec();
        }
    }

    /// As many as that.
    pub fn set(&self, value: i64) {
        if let Some(gauge) = &self.0 {
            gauge.set(value);
        }
    }

    /// How many now.
    pub fn get(&self) -> i64 {
        self.0.as_ref().map_or(0, IntGauge::get)
    }
}

/// How often something had which size.
#[derive(Clone)]
pub struct Histogram(Option<prometheus::Histogram>);

impl Histogram {
    /// It had this size.
    pub fn observe(&self, size: f64) {
        if let Some(histogram) = &self.0 {
            histogram.observe(size);
        }
    }
}

/// Counters that differ in the values of their labels.
#[derive(Clone)]
pub struct Counters(pub(super) Option<IntCounterVec>);

impl Counters {
    /// The one with these values, in the order of the labels. Takes a lock: ask once and keep it.
    pub fn with(&self, values: &[&str]) -> Counter {
        Counter(one_of(self.0.as_ref(), values))
    }
}

/// Gauges that differ in the values of their labels.
#[derive(Clone)]
pub struct Gauges(pub(super) Option<IntGaugeVec>);

impl Gauges {
    /// The one with these values, in the order of the labels. Takes a lock: ask once and keep it.
    pub fn with(&self, values: &[&str]) -> Gauge {
        Gauge(one_of(self.0.as_ref(), values))
    }
}

/// Histograms that differ in the values of their labels.
#[derive(Clone)]
pub struct Histograms(pub(super) Option<HistogramVec>);

impl Histograms {
    /// The one with these values, in the order of the labels. Takes a lock: ask once and keep it.
    pub fn with(&self, values: &[&str]) -> Histogram {
        Histogram(one_of(self.0.as_ref(), values))
    }
}

fn one_of<B: MetricVecBuilder>(vec: Option<&MetricVec<B>>, values: &[&str]) -> Option<B::M> {
    let found = vec?.get_metric_with_label_values(values);
    found.map_err(|error| tracing::error!(%error, "a metric was asked for with the wrong labels")).ok()
}

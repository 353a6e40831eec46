//! What a node counts, as Prometheus reads it.
//!
//! A room is handed a [`Registry`] in its options, asks it for handles once, when it is made, and counts with atomics
//! from then on. Names are `remuda_<room>_<noun>_<unit>`, or Fn's own (`fn_…`). Labels come from closed sets: every
//! combination of values is kept for the life of the process, so a value that a client can choose, or an id, is none.
//!
//! The crate behind it is `prometheus` and not `prometheus-client`, the project's own: that one appends `_total` to the
//! names of counters, which Fn's have not, and wants names at compile time, which those of plugins are not.

mod handles;
mod process;

pub use handles::{Counter, Counters, Gauge, Gauges, Histogram, Histograms};

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, TextEncoder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The type of [`Registry::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that one process counts. A clone is the same registry.
///
/// Asking twice for one name gives handles on one metric. A name that cannot be (it is taken by another kind, or not
/// made of letters, digits and `_`) is logged as an error, and its handle counts for nobody: a metric is no reason not
/// to serve.
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    registry: prometheus::Registry,
    families: Mutex<BTreeMap<String, Family>>,
    observed: Mutex<Vec<(Gauge, Box<Reading>)>>,
}

type Reading = dyn Fn() -> i64 + Send + Sync;

enum Family {
    Counters(IntCounterVec),
    Gauges(IntGaugeVec),
    Histograms(HistogramVec),
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Nothing is counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something that only grows.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.counters(name, help, &[]).with(&[])
    }

    /// Something that only grows, by the values of `labels`.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Counters {
        let known = self.known(name, |family| match family {
            Family::Counters(vec) => Some(vec.clone()),
            Family::Gauges(_) | Family::Histograms(_) => None,
        });
        let make = || IntCounterVec::new(Opts::new(name, help), labels);
        Counters(known.or_else(|| self.add(name, make, Family::Counters)))
    }

    /// Something that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.gauges(name, help, &[]).with(&[])
    }

    /// Something that goes up and down, by the values of `labels`.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Gauges {
        let known = self.known(name, |family| match family {
            Family::Gauges(vec) => Some(vec.clone()),
            Family::Counters(_) | Family::Histograms(_) => None,
        });
        let make = || IntGaugeVec::new(Opts::new(name, help), labels);
        Gauges(known.or_else(|| self.add(name, make, Family::Gauges)))
    }

    /// Something that is read whenever the metrics are: `read` must neither block nor ask this registry.
    pub fn observe(&self, name: &str, help: &str, read: impl Fn() -> i64 + Send + Sync + 'static) {
        let gauge = self.gauge(name, help);
        self.0.observed.lock().unwrap_or_else(PoisonError::into_inner).push((gauge, Box::new(read)));
    }

    /// How often something had which size; `bounds` are the upper bounds of the buckets, rising.
    pub fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.histograms(name, help, bounds, &[]).with(&[])
    }

    /// How often something had which size, by the values of `labels`.
    pub fn histograms(&self, name: &str, help: &str, bounds: &[f64], labels: &[&str]) -> Histograms {
        let known = self.known(name, |family| match family {
            Family::Histograms(vec) => Some(vec.clone()),
            Family::Counters(_) | Family::Gauges(_) => None,
        });
        let make = || HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels);
        Histograms(known.or_else(|| self.add(name, make, Family::Histograms)))
    }

    /// Everything counted so far and the state of this process, in Prometheus' text format. Reads `/proc`, and takes
    /// time in proportion to what is counted.
    pub fn text(&self) -> String {
        for (gauge, read) in self.0.observed.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            gauge.set(read());
        }
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.0.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        process::write(&mut text);
        text
    }

    fn known<T>(&self, name: &str, of: impl FnOnce(&Family) -> Option<T>) -> Option<T> {
        self.0.families.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(of)
    }

    /// `None`, and an error in the log, when there can be no such metric.
    fn add<T: Collector + Clone + 'static>(
        &self,
        name: &str,
        make: impl FnOnce() -> prometheus::Result<T>,
        family: impl FnOnce(T) -> Family,
    ) -> Option<T> {
        let mut families = self.0.families.lock().unwrap_or_else(PoisonError::into_inner);
        let made = make().and_then(|metric| {
            self.0.registry.register(Box::new(metric.clone()))?;
            families.insert(name.to_owned(), family(metric.clone()));
            Ok(metric)
        });
        made.map_err(|error| tracing::error!(metric = name, %error, "a metric cannot be registered")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_in_prometheus_words() {
        let registry = Registry::new();
        registry.counter("fn_calls", "Calls.").increment();
        registry.counters("fn_api_request_count", "Requests.", &["method"]).with(&["GET"]).add(2);
        let running = registry.gauge("fn_running", "Calls that run.");
        running.increment();
        running.decrement();
        let latency = registry.histogram("fn_api_latency", "Milliseconds.", &[1.0, 10.0]);
        latency.observe(0.5);
        latency.observe(50.0);
        registry.observe("remuda_pool_runners", "Runners.", || 7);
        let text = registry.text();
        for line in [
            "# TYPE fn_calls counter\nfn_calls 1\n",
            "fn_api_request_count{method=\"GET\"} 2\n",
            "# TYPE fn_running gauge\nfn_running 0\n",
            "fn_api_latency_bucket{le=\"1\"} 1\n",
            "fn_api_latency_bucket{le=\"10\"} 1\n",
            "fn_api_latency_bucket{le=\"+Inf\"} 2\n",
            "fn_api_latency_sum 50.5\n",
            "fn_api_latency_count 2\n",
            "remuda_pool_runners 7\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn one_name_is_one_metric_and_a_clone_is_the_same_registry() {
        let registry = Registry::new();
        registry.counter("a", "A.").increment();
        registry.clone().counter("a", "A.").increment();
        assert_eq!(registry.counter("a", "A.").get(), 2);
        assert!(registry.text().contains("a 2\n"));
    }

    #[test]
    fn a_metric_that_cannot_be_counts_for_nobody() {
        let registry = Registry::new();
        registry.counter("a", "A.").increment();
        registry.gauge("a", "A.").set(9);
        registry.counter("no name", "A.").increment();
        registry.counters("b", "B.", &["x"]).with(&[]).increment();
        let text = registry.text();
        assert!(text.contains("a 1\n") && !text.contains("no name") && !text.contains("\nb"), "{text}");
    }
}
